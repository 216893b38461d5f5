import type pg from 'pg';
import type { MigrationRecord, Phase, RecordedMigration } from '../../../core/data/migrations/record.ts';
import { UserError } from '../../../core/errors.ts';

/** Where a database says what was done to it. */
const TABLES = `
CREATE TABLE IF NOT EXISTS sluice_migrations.migration (
  id text PRIMARY KEY, checksum text NOT NULL, phase text NOT NULL, state text NOT NULL, started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at timestamptz, by_whom text NOT NULL, release text, rows_done bigint, cursor text, index_name text);`;

/** @throws UserError `MIGRATION_RIGHTS` naming the right that is missing. */
export async function ensureLedger(client: pg.Client): Promise<void> {
  if (await hasLedger(client)) return;
  try {
    // IF NOT EXISTS asks for the right to make schemas even where there is nothing to make.
    const { rows } = await client.query<{ there: boolean }>("SELECT to_regnamespace('sluice_migrations') IS NOT NULL AS there");
    if (rows[0]?.there !== true) await client.query('CREATE SCHEMA IF NOT EXISTS sluice_migrations');
    await client.query(TABLES);
  } catch (error) {
    const { code } = error as { code?: string };
    // Somebody else makes it right now.
    if ((code === '23505' || code === '42P07' || code === '42P06') && (await hasLedger(client))) return;
    if (code !== '42501') throw error;
    const { rows } = await client.query<{ role: string; name: string }>('SELECT current_user AS role, current_database() AS name');
    const { role = '', name = '' } = rows[0] ?? {};
    throw new UserError(
      'MIGRATION_RIGHTS',
      `role ${role} may not make the schema "sluice_migrations", in which migrations are recorded`,
      `Once, as the owner of the database: CREATE SCHEMA sluice_migrations AUTHORIZATION ${role}; or GRANT CREATE ON DATABASE ${name} TO ${role}.`,
      error,
    );
  }
}

async function hasLedger(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ found: boolean }>("SELECT to_regclass('sluice_migrations.migration') IS NOT NULL AS found");
  return rows[0]?.found === true;
}

interface Row {
  readonly id: string;
  readonly checksum: string;
  readonly phase: Phase;
  readonly state: RecordedMigration['state'];
  readonly started: string;
  readonly ended: string | null;
  readonly by_whom: string;
  readonly release: string | null;
  readonly rows_done: string | null;
  readonly cursor: string | null;
  readonly index_name: string | null;
}

export async function readLedger(client: pg.Client): Promise<MigrationRecord> {
  return (await readRows(client)).map((row) => ({
    id: row.id,
    checksum: row.checksum,
    phase: row.phase,
    state: row.state,
    startedAt: Number(row.started),
    endedAt: row.ended === null ? null : Number(row.ended),
    by: row.by_whom,
    release: row.release,
    rows: row.rows_done === null ? null : Number(row.rows_done),
  }));
}

export async function readRows(client: pg.Client): Promise<Row[]> {
  if (!(await hasLedger(client))) return [];
  const { rows } = await client.query<Row>(
    `SELECT id, checksum, phase, state, (extract(epoch FROM started_at) * 1000)::bigint::text AS started, (extract(epoch FROM ended_at) * 1000)::bigint::text AS ended,
       by_whom, release, rows_done::text, cursor, index_name FROM sluice_migrations.migration ORDER BY started_at, id`,
  );
  return rows;
}

export interface Entry {
  readonly id: string;
  readonly checksum: string;
  readonly phase: Phase;
  readonly by: string;
  readonly release: string | null;
}

/** Write a state down; part of the transaction that makes it true. */
export async function writeState(
  client: pg.Client,
  entry: Entry,
  state: RecordedMigration['state'],
  indexName: string | null = null,
): Promise<void> {
  await client.query(
    `INSERT INTO sluice_migrations.migration AS m (id, checksum, phase, state, by_whom, release, index_name, ended_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, CASE WHEN $4 = 'running' THEN NULL ELSE clock_timestamp() END)
     ON CONFLICT (id) DO UPDATE SET checksum = $2, phase = $3, state = $4, by_whom = $5, release = $6, index_name = $7,
       started_at = CASE WHEN m.state IN ('running', 'applied') THEN m.started_at ELSE clock_timestamp() END,
       ended_at = CASE WHEN $4 = 'running' THEN NULL ELSE clock_timestamp() END`,
    [entry.id, entry.checksum, entry.phase, state, entry.by, entry.release, indexName],
  );
}
