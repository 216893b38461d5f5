import type pg from 'pg';
import { type Bookkeeping, checkHistory, type HistoryRow, type MigrationFile } from '../../../core/data/migrations/files.ts';
import type { RecordedMigration } from '../../../core/data/migrations/record.ts';

/** Writes a migration down where the project's own tool looks, so that the tool finds nothing left to do. */
export async function keepInStep(client: pg.Client, { bookkeeping }: MigrationFile): Promise<void> {
  if (bookkeeping === null) return;
  const { create, insert, values } = bookkeeping;
  await client.query(create);
  if (!(await isWrittenDown(client, bookkeeping))) await client.query(insert, [...values]);
}

/** The opposite, once a migration was taken back: the tool may run it again, too. */
export async function strikeOut(client: pg.Client, { bookkeeping }: MigrationFile): Promise<void> {
  if (bookkeeping === null || !(await isThere(client, bookkeeping))) return;
  const { table, column, name } = bookkeeping;
  await client.query(bookkeeping.strike ?? `DELETE FROM ${table} WHERE ${column} = $1`, [name]);
}

async function isThere(client: pg.Client, { table }: Bookkeeping): Promise<boolean> {
  const { rows } = await client.query<{ there: boolean }>('SELECT to_regclass($1) IS NOT NULL AS there', [table]);
  return rows[0]?.there === true;
}

async function isWrittenDown(client: pg.Client, { table, column, name, done, ran }: Bookkeeping): Promise<boolean> {
  const condition = ran ?? `${column} = $1${done === undefined ? '' : ` AND ${done}`}`;
  const { rowCount } = await client.query(`SELECT 1 FROM ${table} WHERE ${condition}`, [name]);
  return rowCount !== 0;
}

/** Migrations that the project's own tool ran before Sluice came: where we begin. @throws UserError `MIGRATION_HISTORY` */
export async function ranBefore(
  client: pg.Client,
  files: readonly MigrationFile[],
  known: readonly RecordedMigration[],
): Promise<RecordedMigration[]> {
  const ids = new Set(known.map(({ id }) => id));
  const found: RecordedMigration[] = [];
  const [history] = files.flatMap(({ bookkeeping }) => (bookkeeping?.history === undefined ? [] : [bookkeeping]));
  if (history?.history !== undefined && (await isThere(client, history)))
    checkHistory(files, (await client.query<HistoryRow>(history.history)).rows);
  for (const { id, checksum, bookkeeping } of files) {
    if (bookkeeping === null || ids.has(id)) continue;
    if ((await isThere(client, bookkeeping)) && (await isWrittenDown(client, bookkeeping)))
      found.push({
        id,
        checksum,
        phase: 'expand',
        state: 'baseline',
        startedAt: 0,
        endedAt: 0,
        by: "the project's tool",
        release: null,
        rows: null,
      });
  }
  return found;
}
