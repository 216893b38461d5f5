import pg from 'pg';
import type { Heartbeat } from '../../core/backup/inspection.ts';
import { UserError } from '../../core/errors.ts';
import { withClient } from './physical/scratch.ts';

/** An append-only table whose rows a copy must hold unchanged. */
export interface EventStoreTable {
  /** `schema.table` */
  readonly table: string;
  /** Column that grows with each row. */
  readonly position: string;
}

const TABLE = 'sluice_backup.heartbeat';
const KEPT = '9 days';
/** Tables with more rows than this are not counted. */
const COUNTABLE = 200_000;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS ${TABLE} (
    beat bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    lsn pg_lsn NOT NULL,
    next_id numeric NOT NULL,
    seen text,
    position text,
    migration text,
    counts jsonb
  )`;

/** Where migration tools write down what they have done; first hit counts. */
const MIGRATIONS = [
  { table: 'sluice_data.migration', sql: 'SELECT max(version)::text AS v FROM sluice_data.migration' },
  { table: 'public.pgmigrations', sql: 'SELECT name::text AS v FROM public.pgmigrations ORDER BY id DESC LIMIT 1' },
  {
    table: 'public._prisma_migrations',
    sql: 'SELECT migration_name::text AS v FROM public._prisma_migrations WHERE finished_at IS NOT NULL ORDER BY finished_at DESC LIMIT 1',
  },
  { table: 'drizzle.__drizzle_migrations', sql: 'SELECT hash::text AS v FROM drizzle.__drizzle_migrations ORDER BY id DESC LIMIT 1' },
  { table: 'public.schema_migrations', sql: 'SELECT max(version)::text AS v FROM public.schema_migrations' },
  { table: 'sluice.schema_version', sql: 'SELECT max(version)::text AS v FROM sluice.schema_version' },
] as const;

/** @throws UserError HEARTBEAT_NOT_ALLOWED */
async function ensureTable(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ found: string | null }>('SELECT to_regclass($1)::text AS found', [TABLE]);
  if (rows[0]?.found != null) return;
  try {
    // Not "IF NOT EXISTS": that asks for the right to make schemas even where there is nothing to make.
    const made = await client.query<{ found: string | null }>("SELECT to_regnamespace('sluice_backup')::text AS found");
    if (made.rows[0]?.found == null) await client.query('CREATE SCHEMA sluice_backup');
    await client.query(SCHEMA);
  } catch (error) {
    // Another control plane was quicker.
    if (['42P06', '42P07', '23505'].includes((error as { code?: string }).code ?? '')) return ensureTable(client);
    if ((error as { code?: string }).code !== '42501') throw error;
    const { rows: who } = await client.query<{ role: string; db: string }>(
      'SELECT current_user::text AS role, current_database()::text AS db',
    );
    throw new UserError(
      'HEARTBEAT_NOT_ALLOWED',
      `the role ${who[0]?.role ?? ''} may not make the table of heartbeats`,
      `GRANT CREATE ON DATABASE ${who[0]?.db ?? ''} TO ${who[0]?.role ?? ''}; or make the schema sluice_backup for it: CREATE SCHEMA sluice_backup AUTHORIZATION ${who[0]?.role ?? ''};`,
      error,
    );
  }
}

/**
 * Write that we were here. `counts`: also count the rows of all small tables, which takes a moment.
 * @throws UserError HEARTBEAT_NOT_ALLOWED
 */
export async function beat(
  url: string,
  options: { readonly eventStore: EventStoreTable | null; readonly counts: boolean },
): Promise<Heartbeat> {
  return withClient(url, async (client) => {
    await ensureTable(client);
    const { eventStore } = options;
    const seen = eventStore === null ? null : await seenOf(client, eventStore);
    const migration = await migrationOf(client);
    const counts = options.counts ? await countTables(client) : null;
    // Whatever was seen at a beat is settled once every transaction of that time is over.
    const { rows } = await client.query<BeatRow>(
      `INSERT INTO ${TABLE} (lsn, next_id, seen, position, migration, counts)
       VALUES (pg_current_wal_lsn(), pg_snapshot_xmax(pg_current_snapshot())::text::numeric, $1,
         (SELECT seen FROM ${TABLE} WHERE next_id <= pg_snapshot_xmin(pg_current_snapshot())::text::numeric ORDER BY beat DESC LIMIT 1), $2, $3)
       RETURNING ${COLUMNS}`,
      [seen, migration, counts === null ? null : JSON.stringify(counts)],
    );
    await client.query(`DELETE FROM ${TABLE} WHERE at < clock_timestamp() - $1::interval`, [KEPT]);
    return beatOf(rows[0]);
  });
}

/** The source's own clock, ms: what commits are dated by. */
export async function clockOf(url: string): Promise<number> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ at: number }>('SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS at');
    return Math.ceil(rows[0]?.at ?? 0);
  });
}

const COLUMNS = 'beat::text, (extract(epoch FROM at) * 1000)::float8 AS at, lsn::text, position, migration, counts';

interface BeatRow {
  readonly beat: string;
  readonly at: number;
  readonly lsn: string;
  readonly position: string | null;
  readonly migration: string | null;
  readonly counts: Record<string, number> | null;
}

function beatOf(row: BeatRow | undefined): Heartbeat {
  if (row === undefined) throw new Error('no heartbeat came back');
  return { ...row, beat: Number(row.beat) };
}

/** Heartbeats of this database, oldest first. Empty where none were ever written. */
export async function readBeats(client: pg.Client): Promise<Heartbeat[]> {
  if (!(await isThere(client, TABLE))) return [];
  // By the number: as an output column `beat` is a text, and the ninth would come after the tenth.
  const { rows } = await client.query<BeatRow>(`SELECT ${COLUMNS} FROM ${TABLE} h ORDER BY h.beat`);
  return rows.map(beatOf);
}

/** When the last one was written, ms; null when none was. */
export async function lastBeatAt(url: string): Promise<number | null> {
  return withClient(url, async (client) => {
    if (!(await isThere(client, TABLE))) return null;
    const { rows } = await client.query<{ at: number | null }>(`SELECT (extract(epoch FROM max(at)) * 1000)::float8 AS at FROM ${TABLE}`);
    return rows[0]?.at ?? null;
  });
}

/**
 * The newest heartbeat that the log holds up to the end of a segment: the one after it began in there too, when it was committed.
 * @param segment its name @returns ms; null where there is none
 */
export async function lastBeatWithin(url: string, segment: string): Promise<number | null> {
  return withClient(url, async (client) => {
    if (!(await isThere(client, TABLE))) return null;
    const { rows } = await client.query<{ at: number }>(
      `SELECT floor(extract(epoch FROM at) * 1000)::float8 AS at FROM ${TABLE}
       WHERE substr(pg_walfile_name(lsn), 9) <= substr($1, 9) ORDER BY beat DESC OFFSET 1 LIMIT 1`,
      [segment],
    );
    return rows[0]?.at ?? null;
  });
}

export async function isThere(client: pg.Client, table: string): Promise<boolean> {
  const { rows } = await client.query<{ found: boolean }>('SELECT to_regclass($1) IS NOT NULL AS found', [table]);
  return rows[0]?.found === true;
}

export async function migrationOf(client: pg.Client): Promise<string | null> {
  for (const { table, sql } of MIGRATIONS) {
    if (!(await isThere(client, table))) continue;
    const found = await client.query<{ v: string | null }>(sql).catch(() => null);
    const version = found?.rows[0]?.v ?? null;
    if (version !== null) return `${table} ${version}`;
  }
  return null;
}

/** @throws UserError HEARTBEAT_NOT_ALLOWED naming the right, EVENT_TABLE_UNREADABLE */
async function seenOf(client: pg.Client, eventStore: EventStoreTable): Promise<string | null> {
  const { table, position } = eventStore;
  try {
    return (await isThere(client, table)) ? await highest(client, eventStore) : null;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code === '42703')
      throw new UserError(
        'EVENT_TABLE_UNREADABLE',
        `the table of events ${table} has no column ${position}`,
        'Name its column that grows with each row: backups.<name>.events in the configuration.',
        error,
      );
    if (code !== '42501') throw error;
    const { rows } = await client.query<{ role: string }>('SELECT current_user::text AS role');
    const role = rows[0]?.role ?? '';
    const schema = table.includes('.') ? table.slice(0, table.indexOf('.')) : 'public';
    throw new UserError(
      'HEARTBEAT_NOT_ALLOWED',
      `the role ${role} may not read the table of events ${table}: ${message}`,
      `As its owner: ${/for schema/.test(message) ? `GRANT USAGE ON SCHEMA ${schema} TO ${role}; ` : ''}GRANT SELECT ON ${table} TO ${role};`,
      error,
    );
  }
}

async function highest(client: pg.Client, { table, position }: EventStoreTable): Promise<string | null> {
  const { rows } = await client.query<{ v: string | null }>(
    `SELECT max(${pg.escapeIdentifier(position)})::text AS v FROM ${quoted(table)}`,
  );
  return rows[0]?.v ?? null;
}

/** Rows of every small table that this role may read. */
export async function countTables(client: pg.Client): Promise<Record<string, number>> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'sluice_backup', 'dbos')
       AND n.nspname NOT LIKE 'pg_%' AND pg_relation_size(c.oid) < $1::bigint * 100 AND c.reltuples < $1
       AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
     ORDER BY 1 LIMIT 500`,
    [COUNTABLE],
  );
  const counts: Record<string, number> = {};
  for (const { name } of rows) {
    // Dropped since it was listed: then it has no rows that could be lost.
    const found = await client.query<{ rows: number }>(`SELECT count(*)::int AS rows FROM ${name}`).catch(() => null);
    if (found?.rows[0] !== undefined) counts[name] = found.rows[0].rows;
  }
  return counts;
}

/** `schema.table` as SQL. */
export function quoted(table: string): string {
  return table
    .split('.')
    .map((part) => pg.escapeIdentifier(part.replaceAll('"', '')))
    .join('.');
}
