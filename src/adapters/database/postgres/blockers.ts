import type pg from 'pg';
import type { Blocker } from '../../../ports/database.ts';

interface Row {
  readonly pid: number;
  readonly usename: string | null;
  readonly application_name: string | null;
  readonly state: string | null;
  readonly age: string | null;
  readonly query: string | null;
}

const COLUMNS = `a.pid, a.usename::text, a.application_name, a.state, (extract(epoch FROM clock_timestamp() - a.xact_start) * 1000)::bigint::text AS age,
  CASE WHEN a.query = '<insufficient privilege>' THEN NULL ELSE left(regexp_replace(a.query, '\\s+', ' ', 'g'), 80) END AS query`;

/** Transactions of this database that have been open for longer than this, oldest first. */
export async function oldTransactions(client: pg.Client, olderThanMs: number): Promise<Blocker[]> {
  const { rows } = await client.query<Row>(
    `SELECT ${COLUMNS} FROM pg_stat_activity a WHERE a.pid <> pg_backend_pid() AND a.backend_type = 'client backend' AND a.datname = current_database()
       AND (a.xact_start < clock_timestamp() - $1 * interval '1 ms' OR a.backend_xmin IS NOT NULL AND a.xact_start IS NULL) ORDER BY a.xact_start LIMIT 5`,
    [olderThanMs],
  );
  return rows.map(blocker);
}

/** Who stands in the way of a backend: those it waits for; where it has given up already, those who hold locks on these tables. */
export async function blockersOf(client: pg.Client, pid: number | null, tables: readonly string[]): Promise<Blocker[]> {
  const { rows } = await client.query<Row>(
    `SELECT DISTINCT ${COLUMNS} FROM pg_stat_activity a
     WHERE a.pid <> pg_backend_pid() AND a.pid <> coalesce($1::int, 0) AND (a.pid = ANY (pg_blocking_pids(coalesce($1::int, 0)))
       OR EXISTS (SELECT 1 FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
                  WHERE l.pid = a.pid AND l.granted AND n.nspname || '.' || c.relname = ANY ($2::text[])))
     ORDER BY age DESC NULLS LAST LIMIT 5`,
    [pid, tables],
  );
  return rows.map(blocker);
}

function blocker(row: Row): Blocker {
  return {
    pid: row.pid,
    role: row.usename ?? 'unknown',
    application: row.application_name ?? '',
    state: row.state ?? 'unknown',
    ageMs: Number(row.age ?? 0),
    query: row.query,
  };
}

/** `pid 4711 (app, report.js, idle in transaction for 12 s): SELECT …` */
export function inWords({ pid, role, application, state, ageMs, query }: Blocker): string {
  const who = [
    role,
    ...(application === '' ? [] : [application]),
    `${state} for ${ageMs < 1_000 ? `${ageMs} ms` : `${Math.round(ageMs / 1_000)} s`}`,
  ].join(', ');
  return `pid ${pid} (${who}): ${query === null ? 'statement hidden, which takes the role pg_read_all_stats' : query}`;
}
