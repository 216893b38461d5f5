import { withParameters, type Backfill } from '../../../core/data/migrations/files.ts';
import type { PlannedMigration } from '../../../core/data/migrations/phases.ts';
import type { ApplyOptions } from '../../../ports/database.ts';
import { keepInStep } from './bookkeeping.ts';
import { type Entry, readRows, writeState } from './ledger.ts';
import type { Limits } from './limits.ts';
import { type Hands, inTransaction, rest } from './hands.ts';
import { parseStatements } from './parse.ts';
import { limitsInSql, ownAgain, runStatement } from './session.ts';

/**
 * Rows in small transactions, in the order of their key. Each one also writes down how far it came, so that the next run goes
 * on there. @returns rows changed.
 */
export async function backfill(
  hands: Hands,
  { file }: PlannedMigration,
  range: Backfill,
  entry: Entry,
  options: ApplyOptions,
  limits: Limits,
): Promise<number> {
  const before = (await readRows(hands.work)).find(({ id }) => id === file.id);
  // A file that was edited in between is another backfill: it begins anew.
  const goesOn = before?.state === 'running' && before.checksum === file.checksum;
  let cursor = goesOn ? before.cursor : null;
  let rows = goesOn ? Number(before.rows_done ?? 0) : 0;
  if (!goesOn) {
    await writeState(hands.work, entry, 'running');
    await hands.work.query('UPDATE sluice_migrations.migration SET cursor = NULL, rows_done = 0 WHERE id = $1', [file.id]);
  } else if (cursor !== null) options.onProgress?.(`${file.id}: goes on after ${range.key} ${cursor}`);
  const statements = await parseStatements(withParameters(file.sql), file.path, file.line);
  const table = quoted(range.table);
  const key = quoted(range.key);
  let lastSaid = Date.now();
  for (;;) {
    const ends = await batchEnds(hands, table, key, cursor, range.batch);
    if (ends === null) break;
    let changed = 0;
    await inTransaction(hands, file.id, [range.table], options, limits, async (client) => {
      for (const { kind, sql } of statements)
        if (kind === 'VariableSetStmt') await runStatement(client, sql, limitsInSql(limits));
        else changed = (await client.query(sql, [ends.from, ends.to])).rowCount ?? 0;
      await ownAgain(client, limitsInSql(limits));
      await client.query('UPDATE sluice_migrations.migration SET cursor = $2, rows_done = coalesce(rows_done, 0) + $3 WHERE id = $1', [
        file.id,
        ends.to,
        changed,
      ]);
    });
    cursor = ends.to;
    rows += changed;
    if (Date.now() - lastSaid > 2_000) {
      lastSaid = Date.now();
      options.onProgress?.(`${file.id}: ${rows} rows, up to ${range.key} ${cursor}`);
    }
    await rest(range.pauseMs, options.signal);
  }
  await inTransaction(hands, file.id, [], options, limits, async (client) => {
    await keepInStep(client, file);
    await writeState(client, entry, 'applied');
  });
  return rows;
}

/** First and last key of the next batch, as text; null at the end. */
async function batchEnds(
  hands: Hands,
  table: string,
  key: string,
  after: string | null,
  size: number,
): Promise<{ from: string; to: string } | null> {
  const where = after === null ? '' : `WHERE ${key} > $2`;
  const { rows } = await hands.work.query<{ from: string | null; to: string | null }>(
    // Not min() and max(), which PostgreSQL has for fewer types than it can order: none for uuid before 18.
    `WITH batch AS (SELECT ${key} AS key FROM ${table} ${where} ORDER BY ${key} LIMIT $1)
     SELECT (SELECT key::text FROM batch ORDER BY batch.key LIMIT 1) AS "from", (SELECT key::text FROM batch ORDER BY batch.key DESC LIMIT 1) AS "to"`,
    after === null ? [size] : [size, after],
  );
  const [ends] = rows;
  return ends?.from == null || ends.to == null ? null : { from: ends.from, to: ends.to };
}

function quoted(name: string): string {
  return name
    .split('.')
    .map((part) => `"${part.replaceAll('"', '""')}"`)
    .join('.');
}
