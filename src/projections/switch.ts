import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { OutsideError, UserError } from '../core/errors.ts';
import { type Columns, viewShape } from '../core/data/projections/shape.ts';
import { quote } from './stores.ts';
import { type Build, deltaOf, type Live, readBuild, readLive, SCHEMA, tableOf, viewOf } from './builds.ts';
import { codeOf, type Context, type LoadedBuild, REPEATABLE, transaction } from './context.ts';
import { SQL_TYPES } from './rows.ts';
import { lock } from './start.ts';
import { busyIsNull, tailWithin } from './tail.ts';

export interface SwitchOptions {
  /** The version to switch to, and the live one when there is one that can be tailed. */
  readonly to: LoadedBuild;
  readonly from: LoadedBuild | null;
  /** How long the version before is kept up to date, ms. */
  readonly keepMs: number;
  /** Give up after this long, ms (60,000). */
  readonly patienceMs?: number;
  readonly signal: AbortSignal;
}

export interface SwitchReport {
  readonly from: number | null;
  readonly to: number;
  /** Tries until nobody was in the way. */
  readonly tries: number;
  /** Columns that readers have, but this version does not: they read as NULL. */
  readonly missing: readonly string[];
  /** Columns that are new to readers. */
  readonly added: readonly string[];
}

const LOCK_MS = 50;
const PAUSE_MS = { least: 20, most: 400 };

/**
 * Let readers see another version, in one transaction: both versions are brought to the same point of the log, then the
 * view is replaced. It waits for its lock no longer than a moment, then lets all others go first and tries again.
 * @throws UserError `PROJECTION_NOT_VERIFIED`, `PROJECTION_NOT_READY`, `PROJECTION_SHAPE_CHANGED`, `PROJECTION_NAME_TAKEN`; OutsideError `SWITCH_BLOCKED`
 */
export async function switchTo(context: Context, options: SwitchOptions): Promise<SwitchReport> {
  const until = performance.now() + (options.patienceMs ?? 60_000);
  for (let tries = 1; ; tries += 1) {
    options.signal.throwIfAborted();
    await context.marks.settle(context.pool);
    const report = await attempt(context, options).catch(blockedIsNull);
    if (report !== null) return { ...report, tries };
    if (performance.now() > until)
      throw new OutsideError(
        'SWITCH_BLOCKED',
        `${options.to.build.projection} could not be switched: for ${tries} tries others held its view`,
        'See pg_stat_activity for long transactions that read it, then try again.',
      );
    await sleep(PAUSE_MS.least + Math.random() * (PAUSE_MS.most - PAUSE_MS.least), undefined, { signal: options.signal });
  }
}

function blockedIsNull(error: unknown): null {
  return codeOf(error) === '55P03' || codeOf(error) === '40P01' ? null : busyIsNull(error);
}

async function attempt(context: Context, { to, from, keepMs }: SwitchOptions): Promise<Omit<SwitchReport, 'tries'>> {
  return transaction(
    context.pool,
    async (sql) => {
      await sql.query(`SET LOCAL lock_timeout = ${LOCK_MS}`);
      await lock(sql, to.build.projection);
      const [live = null] = await readLive(sql, to.build.projection);
      const build = await readBuild(sql, to.build.projection, to.build.version);
      if (live?.version === to.build.version) return { from: live.previous, to: live.version, missing: [], added: [] };
      check(build, live);
      const shape = viewShape(live?.view ?? null, to.build.columns);
      if (shape.kind === 'refused')
        throw new UserError('PROJECTION_SHAPE_CHANGED', shape.reason, 'Readers keep every column they have; only new ones may be added.');
      await tailWithin(sql, context, from === null ? [to] : [to, from], true);
      await record(sql, context, to, live, Object.fromEntries(shape.columns.map(({ name, type }) => [name, type])), keepMs);
      const columns = shape.columns.map(({ name, type, present }) =>
        present ? quote(name) : `NULL::${SQL_TYPES[type]} AS ${quote(name)}`,
      );
      // Last of all: from here until the commit readers wait.
      await sql
        .query(
          `CREATE OR REPLACE VIEW ${viewOf(to.build.projection, context.schema)} AS SELECT ${['key', ...columns].join(', ')} FROM ${tableOf(to.build, context.schema)}`,
        )
        .catch(nameTaken(to.build));
      return { from: live?.version ?? null, to: to.build.version, missing: shape.missing, added: shape.added };
    },
    REPEATABLE,
  );
}

/** Back to the version before needs no new proof: it has served, and has been kept up to date. */
function check(build: Build | null, live: Live | null): void {
  if (build === null || build.phase !== 'tail' || build.error !== null)
    throw new UserError(
      'PROJECTION_NOT_READY',
      `${build?.projection ?? 'this projection'} version ${build?.version ?? '?'} ${build?.error ?? 'is not complete yet'}`,
      '`sluice db projections` shows how far it is.',
    );
  if (build.version !== live?.previous && build.verdict?.passed !== true)
    throw new UserError(
      'PROJECTION_NOT_VERIFIED',
      `${build.projection} version ${build.version} ${build.verdict === null ? 'has not been verified' : `did not pass: ${build.verdict.reasons.join('; ')}`}`,
      'Readers keep the version they have. Correct it and raise its version; what is meant to differ is declared in `changes`.',
    );
}

async function record(
  sql: pg.ClientBase,
  { now }: Context,
  { build }: LoadedBuild,
  live: Live | null,
  view: Columns,
  keepMs: number,
): Promise<void> {
  await sql.query(
    `INSERT INTO ${SCHEMA}.live (projection, version, previous, switched_at, view) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (projection) DO UPDATE SET version = EXCLUDED.version, previous = EXCLUDED.previous, switched_at = EXCLUDED.switched_at, view = EXCLUDED.view`,
    [build.projection, build.version, live?.version ?? null, now(), JSON.stringify(view)],
  );
  await sql.query(
    `UPDATE ${SCHEMA}.build SET retire_at = CASE WHEN version = $2 THEN NULL ELSE $3::bigint END WHERE projection = $1 AND (version = $2 OR version = $4)`,
    [build.projection, build.version, now() + keepMs, live?.version ?? null],
  );
}

const nameTaken =
  (build: Build) =>
  (error: unknown): never => {
    if (codeOf(error) === '42809' || codeOf(error) === '42P16')
      throw new UserError(
        'PROJECTION_NAME_TAKEN',
        `${build.projection} is the name of something else already: ${(error as Error).message}`,
        'Rename one of the two; the view that readers use has the name of the projection.',
      );
    throw error;
  };

/**
 * Remove a version that nobody reads.
 * @throws UserError `PROJECTION_LIVE`
 */
export async function removeVersion({ pool, schema }: Context, projection: string, version: number): Promise<void> {
  const id = { projection, version };
  await transaction(pool, async (sql) => {
    await lock(sql, projection);
    const [live] = await readLive(sql, projection);
    if (live?.version === version)
      throw new UserError('PROJECTION_LIVE', `readers use version ${version} of ${projection}`, 'Switch to another version first.');
    // A worker that still folds it finds its checkpoint gone, and stops.
    for (const table of ['checkpoint', 'dead_letter', 'build'])
      await sql.query(`DELETE FROM ${SCHEMA}.${table} WHERE projection = $1 AND version = $2`, [projection, version]);
    await sql.query(`UPDATE ${SCHEMA}.live SET previous = NULL WHERE projection = $1 AND previous = $2`, [projection, version]);
  });
  await pool.query(`DROP TABLE IF EXISTS ${deltaOf(id, schema)}, ${tableOf(id, schema)}`);
}
