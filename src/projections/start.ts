import type pg from 'pg';
import { UserError } from '../core/errors.ts';
import { columnsOf, type Projection } from '../core/data/projections/definition.ts';
import { compaction, shardCount } from '../core/data/projections/shards.ts';
import { viewShape } from '../core/data/projections/shape.ts';
import { type StoreConfig, quote } from './stores.ts';
import { type Build, deltaOf, readBuild, readCheckpoints, readLive, SCHEMA, tableOf } from './builds.ts';
import { type Context, transaction } from './context.ts';
import { checkTransactions } from './marks.ts';
import { OWN_COLUMNS, OWN_NAMES, rowFormat } from './rows.ts';

export interface StartOptions {
  readonly projection: Projection;
  readonly code: string;
  readonly hash: string;
  readonly store: StoreConfig;
  /** Parts to be made side by side. */
  readonly shards: number;
}

const SETTLE_MS = 60_000;

/**
 * Begin to build a version, or go on where it was left off. The events that the catch-up will fold are fixed here, once
 * and for all: whatever is killed later, it is the same set.
 * @throws UserError `PROJECTION_VERSION_TAKEN`, `PROJECTION_SHAPE_CHANGED`, `EVENTS_XID_AHEAD`; OutsideError `EVENTS_UNSETTLED`
 */
export async function startBuild(context: Context, options: StartOptions): Promise<Build> {
  const { pool, store, marks } = context;
  const { projection } = options;
  await checkTransactions(pool, store);
  await marks.settle(pool, { patientMs: SETTLE_MS });
  return transaction(pool, async (sql) => {
    await lock(sql, projection.name);
    const existing = await readBuild(sql, projection.name, projection.version);
    if (existing !== null) return goOn(sql, existing, options);
    const [live] = await readLive(sql, projection.name);
    const shape = viewShape(live?.view ?? null, columnsOf(projection));
    if (shape.kind === 'refused')
      throw new UserError(
        'PROJECTION_SHAPE_CHANGED',
        `${projection.name} version ${projection.version} does not fit what readers use: ${shape.reason}`,
        'Readers keep every column they have; only new ones may be added.',
      );
    return create(sql, context, options);
  });
}

async function goOn(sql: pg.ClientBase, build: Build, { projection, hash }: StartOptions): Promise<Build> {
  if (build.hash !== hash)
    throw new UserError(
      'PROJECTION_VERSION_TAKEN',
      `version ${build.version} of ${build.projection} was built from other code`,
      `Raise its version, or remove what was built: sluice db rebuild ${projection.name} --cancel.`,
    );
  await sql.query(`UPDATE ${SCHEMA}.build SET paused = false, error = NULL WHERE projection = $1 AND version = $2`, [
    build.projection,
    build.version,
  ]);
  return { ...build, paused: false, error: null };
}

async function create(
  sql: pg.ClientBase,
  { schema, marks, now }: Context,
  { projection, code, hash, store, shards }: StartOptions,
): Promise<Build> {
  const id = { projection: projection.name, version: projection.version };
  const count = shardCount(projection, shards);
  const mark = marks.now();
  await sql.query(`DROP TABLE IF EXISTS ${deltaOf(id, schema)}, ${tableOf(id, schema)}`);
  await sql.query(`CREATE TABLE ${deltaOf(id, schema)} (key text NOT NULL, ${rowFormat(projection).definitions}, ${OWN_COLUMNS})`);
  // Mark and upper end in one statement, that is in one snapshot.
  await sql.query(
    `INSERT INTO ${SCHEMA}.build (projection, version, code, hash, store, columns, mark, upper, shards, started_at)
     SELECT $1, $2, $3, $4, $5, $6, ${mark.mark}, ${mark.upper}, $7, $8`,
    [id.projection, id.version, code, hash, JSON.stringify(store), JSON.stringify(columnsOf(projection)), count, now()],
  );
  await sql.query(`INSERT INTO ${SCHEMA}.checkpoint (projection, version, shard) SELECT $1, $2, * FROM generate_series(0, $3::int - 1)`, [
    id.projection,
    id.version,
    count,
  ]);
  const build = await readBuild(sql, id.projection, id.version);
  if (build === null) throw new Error('what was inserted is not there');
  return build;
}

export async function lock(sql: pg.ClientBase, projection: string): Promise<void> {
  await sql.query(`SELECT pg_advisory_xact_lock(hashtext('sluice.projections.change'), hashtext($1))`, [projection]);
}

/**
 * Once every part is complete: what was gathered becomes the read model, in one transaction.
 * @returns false while parts are missing.
 */
export async function compact({ pool, schema }: Context, id: Build, projection: Projection): Promise<boolean> {
  const done = await transaction(pool, async (sql) => {
    await lock(sql, id.projection);
    const build = await readBuild(sql, id.projection, id.version);
    if (build === null) return false;
    if (build.phase === 'tail') return true;
    const checkpoints = await readCheckpoints(sql, build);
    if (checkpoints.length !== build.shards || checkpoints.some((one) => !one.done)) return false;
    await sql.query("SET LOCAL work_mem = '128MB'; SET LOCAL maintenance_work_mem = '128MB'; SET LOCAL statement_timeout = 0");
    for (const statement of statementsFor(compaction(projection, checkpoints).kind, build, projection, schema)) await sql.query(statement);
    await sql.query(`UPDATE ${SCHEMA}.build SET phase = 'tail' WHERE projection = $1 AND version = $2`, [build.projection, build.version]);
    return true;
  });
  if (done) await pool.query(`ANALYZE ${tableOf(id, schema)}`);
  return done;
}

function statementsFor(kind: ReturnType<typeof compaction>['kind'], build: Build, projection: Projection, schema: string): string[] {
  const [delta, table] = [deltaOf(build, schema), tableOf(build, schema)];
  const key = `ALTER TABLE ${table} ADD PRIMARY KEY (key)`;
  if (kind === 'rename')
    return [`DELETE FROM ${delta} WHERE _gone`, `ALTER TABLE ${delta} RENAME TO ${quote(`${build.projection}_v${build.version}`)}`, key];
  const format = rowFormat(projection);
  const newest = (by: string): string => `SELECT DISTINCT ON (${by}) * FROM ${delta} ORDER BY ${by}, _pos DESC`;
  const select =
    kind === 'newest'
      ? `SELECT * FROM (${newest('key')}) newest WHERE NOT _gone`
      : `SELECT key, ${format.names.map((name, index) => `${projection.mergeable?.[name] ?? 'max'}(${quote(name)})::${format.sqlTypes[index]} AS ${quote(name)}`).join(', ')},
           max(_pos) AS _pos, max(_version) AS _version, 0 AS _shard, false AS _gone
         FROM (${newest('_shard, key')}) newest WHERE NOT _gone GROUP BY key`;
  return [
    `CREATE TABLE ${table} (key text NOT NULL, ${format.definitions}, ${OWN_COLUMNS})`,
    `INSERT INTO ${table} (key, ${format.columns}, ${OWN_NAMES}) SELECT key, ${format.columns}, ${OWN_NAMES} FROM (${select}) compacted`,
    key,
    `DROP TABLE ${delta}`,
  ];
}
