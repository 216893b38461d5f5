import type pg from 'pg';
import type { MigrationFile } from '../../../core/data/migrations/files.ts';
import type { RecordedMigration } from '../../../core/data/migrations/record.ts';

/** Writes a migration down where the project's own tool looks, so that the tool finds nothing left to do. */
export async function keepInStep(client: pg.Client, { bookkeeping }: MigrationFile): Promise<void> {
  if (bookkeeping === null) return;
  const { table, create, column, name, insert, values } = bookkeeping;
  await client.query(create);
  const { rowCount } = await client.query(`SELECT 1 FROM ${table} WHERE ${column} = $1`, [name]);
  if (rowCount === 0) await client.query(insert, [...values]);
}

/** Migrations that the project's own tool ran before Sluice came: where we begin. */
export async function ranBefore(
  client: pg.Client,
  files: readonly MigrationFile[],
  known: readonly RecordedMigration[],
): Promise<RecordedMigration[]> {
  const ids = new Set(known.map(({ id }) => id));
  const found: RecordedMigration[] = [];
  for (const { id, checksum, bookkeeping } of files) {
    if (bookkeeping === null || ids.has(id)) continue;
    const { table, column, name } = bookkeeping;
    const { rows } = await client.query<{ there: boolean }>('SELECT to_regclass($1) IS NOT NULL AS there', [table]);
    if (rows[0]?.there !== true) continue;
    const { rowCount } = await client.query(`SELECT 1 FROM ${table} WHERE ${column} = $1`, [name]);
    if (rowCount !== 0)
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
