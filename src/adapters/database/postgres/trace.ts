import type pg from 'pg';
import { needsNoTransaction } from '../../../core/data/migrations/classify.ts';
import type { Statement } from '../../../core/data/migrations/ast.ts';
import type { Catalog } from '../../../core/data/migrations/catalog.ts';
import { lockStrength, type Trace } from '../../../core/data/migrations/trace.ts';
import { readCatalog } from './catalog.ts';

interface RelationRow {
  readonly oid: string;
  readonly name: string;
  readonly file: string | null;
  readonly scans: string;
}

/** Files and scans of every relation; an index, and the table of overflowing values, count as their table. */
const RELATIONS = `SELECT c.oid::int8 AS oid, tn.nspname || '.' || t.relname AS name, pg_relation_filenode(c.oid)::text AS file,
  CASE WHEN c.relkind IN ('r', 'm') THEN pg_stat_get_xact_numscans(c.oid) ELSE 0 END::text AS scans
FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid LEFT JOIN pg_class o ON o.reltoastrelid = c.oid
JOIN pg_class t ON t.oid = coalesce(i.indrelid, o.oid, c.oid) JOIN pg_namespace tn ON tn.oid = t.relnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'i', 'I') AND tn.nspname !~ '^pg_' AND tn.nspname <> 'information_schema'`;

const LOCKS = `SELECT l.relation::int8 AS oid, l.mode FROM pg_locks l
WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`;

/**
 * Run a statement on a scratch clone and read from the catalog what it did: locks, files written anew, tables read from end
 * to end, and the schema afterwards. `keep`: it stays done, so that the next statement finds what it expects.
 */
export async function traceStatement(client: pg.Client, statement: Statement, before: Catalog, keep = true): Promise<Trace> {
  const since = performance.now();
  const done = (rest: Omit<Trace, 'tookMs'>): Trace => ({ ...rest, tookMs: performance.now() - since });
  const nothing = { locks: {}, rewritten: [], scanned: [] };
  if (statement.kind === 'TransactionStmt') return done({ ...nothing, after: before, error: null });
  if (needsNoTransaction(statement)) {
    const error = reaches(statement) ? null : await run(client, statement.sql);
    return done({ ...nothing, after: await readCatalog(client), error });
  }
  await client.query('BEGIN');
  try {
    const relations = await snapshot(client);
    const error = await run(client, statement.sql);
    if (error !== null) return done({ ...nothing, after: before, error });
    const locks = await client.query<{ oid: string; mode: string }>({ name: 'sluice locks', text: LOCKS });
    const now = await snapshot(client);
    return done({ ...compare(relations, now, locks.rows), after: await readCatalog(client), error: null });
  } finally {
    // A failed one is over already, and both end it.
    await client.query(keep ? 'COMMIT' : 'ROLLBACK').catch(() => client.query('ROLLBACK'));
  }
}

/** Statements that reach beyond the scratch database are not tried. */
function reaches({ kind }: Statement): boolean {
  return /^(AlterSystemStmt|CreatedbStmt|DropdbStmt|CreateTableSpaceStmt|DropTableSpaceStmt)$/.test(kind);
}

async function run(client: pg.Client, sql: string): Promise<string | null> {
  try {
    await client.query(sql);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

async function snapshot(client: pg.Client): Promise<Map<number, RelationRow>> {
  const { rows } = await client.query<RelationRow>({ name: 'sluice relations', text: RELATIONS });
  return new Map(rows.map((row) => [Number(row.oid), row]));
}

function compare(
  before: ReadonlyMap<number, RelationRow>,
  after: ReadonlyMap<number, RelationRow>,
  locked: readonly { readonly oid: string; readonly mode: string }[],
): Pick<Trace, 'locks' | 'rewritten' | 'scanned'> {
  const locks: Record<string, string> = {};
  for (const { oid, mode } of locked) {
    const name = before.get(Number(oid))?.name;
    if (name !== undefined && lockStrength(mode) > lockStrength(locks[name])) locks[name] = mode;
  }
  const rewritten = new Set<string>();
  const scanned = new Set<string>();
  for (const [oid, was] of before) {
    const is = after.get(oid);
    if (is === undefined) continue;
    if (was.file !== is.file && was.file !== null) rewritten.add(was.name);
    if (Number(is.scans) > Number(was.scans)) scanned.add(was.name);
  }
  // An index that is built anew under a name of its own is a new file of its table, when that was there before.
  return { locks, rewritten: [...rewritten], scanned: [...scanned] };
}
