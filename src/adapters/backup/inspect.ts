import pg from 'pg';
import type { Inspection, TableSum, TransactionIds } from '../../core/backup/inspection.ts';
import { countTables, type EventStoreTable, isThere, migrationOf, quoted, readBeats } from './heartbeat.ts';
import { withClient } from './physical/scratch.ts';

/** What a copy holds. `url`: of the very database; needs no more than the right to read. */
export async function inspect(url: string): Promise<Inspection> {
  return withClient(url, async (client) => {
    const refused: string[] = [];
    const beats = await readBeats(client);
    return {
      newest: beats.at(-1) ?? null,
      counts: await countTables(client),
      migration: await migrationOf(client),
      transactionIds: await transactionIds(client, refused),
      refused,
    };
  });
}

/** The quick look that says that people can work again. */
export async function smokeTest(url: string, eventStore: EventStoreTable | null): Promise<void> {
  await withClient(url, async (client) => {
    await client.query('SELECT count(*) FROM pg_class');
    await client.query('CREATE TEMP TABLE sluice_smoke AS SELECT 1');
    if (eventStore !== null && (await isThere(client, eventStore.table)))
      await client.query(`SELECT * FROM ${quoted(eventStore.table)} ORDER BY ${pg.escapeIdentifier(eventStore.position)} DESC LIMIT 100`);
  });
}

/** Order-independent sum of the rows up to a position that nothing can still come before. */
export async function sumOf(url: string, { table, position }: EventStoreTable, upTo: string): Promise<TableSum[]> {
  return withClient(url, async (client) => {
    if (!(await isThere(client, table))) return [];
    const { rows } = await client.query<{ rows: string; sum: string }>(
      `SELECT count(*)::text AS rows, coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text AS sum
       FROM ${quoted(table)} t WHERE t.${pg.escapeIdentifier(position)} <= ${pg.escapeLiteral(upTo)}`,
    );
    return [{ table, rows: Number(rows[0]?.rows ?? 0), sum: rows[0]?.sum ?? '0' }];
  });
}

/** The same server, another database. */
export function inDatabase(url: string, database: string): string {
  const match = /^(postgres(?:ql)?:\/\/[^/]*\/)[^?]*(\?.*)?$/.exec(url);
  return match === null ? url : `${match[1]}${encodeURIComponent(database)}${match[2] ?? ''}`;
}

export function databaseOf(url: string): string {
  return decodeURIComponent(/^postgres(?:ql)?:\/\/[^/]*\/([^?]*)/.exec(url)?.[1] ?? '');
}

/** Every column of type xid8: readers of event stores compare them with the transactions under way. */
async function transactionIds(client: pg.Client, refused: string[]): Promise<TransactionIds[]> {
  const { rows } = await client.query<{ table: string; column: string; may: boolean }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS "table", quote_ident(a.attname) AS "column",
       has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS may
     FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE a.atttypid = 'xid8'::regtype AND NOT a.attisdropped AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT LIKE 'pg\\_%'
     ORDER BY 1, 2`,
  );
  const found: TransactionIds[] = [];
  for (const { table, column, may } of rows) {
    if (!may) {
      refused.push(`GRANT SELECT ON ${table}`);
      continue;
    }
    const { rows: facts } = await client.query<{ rows: string; highest: string | null; unreadable: string; next: string }>(
      `SELECT count(*)::text AS rows, max(${column}::text::numeric)::text AS highest,
         count(*) FILTER (WHERE NOT ${column} < pg_snapshot_xmin(pg_current_snapshot()))::text AS unreadable,
         pg_snapshot_xmax(pg_current_snapshot())::text AS next FROM ${table}`,
    );
    const [fact] = facts;
    if (fact?.highest == null) continue;
    found.push({ table, column, rows: Number(fact.rows), highest: fact.highest, unreadable: Number(fact.unreadable), next: fact.next });
  }
  return found;
}
