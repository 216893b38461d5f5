import type pg from 'pg';
import type { DatabaseFacts } from '../../../ports/database.ts';
import { oldTransactions } from './blockers.ts';
import { NOT_THEIRS } from './ours.ts';

interface Row {
  readonly version: string;
  readonly role: string;
  readonly database: string;
  readonly superuser: boolean;
  readonly createdb: boolean;
  readonly stats: boolean;
  readonly signal: boolean;
  readonly ledger: boolean;
  readonly foreign: readonly string[];
}

const QUERY = `SELECT current_setting('server_version') AS version, current_user::text AS role, current_database()::text AS database, r.rolsuper AS superuser, r.rolcreatedb OR r.rolsuper AS createdb,
  pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS stats, pg_has_role(current_user, 'pg_signal_backend', 'USAGE') AS signal,
  to_regnamespace('sluice_migrations') IS NOT NULL OR has_database_privilege(current_database(), 'CREATE') AS ledger,
  coalesce((SELECT array_agg(n.nspname || '.' || c.relname ORDER BY 1) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname NOT IN ${NOT_THEIRS} AND NOT pg_has_role(current_user, c.relowner, 'USAGE')), '{}') AS foreign
FROM pg_roles r WHERE r.rolname = current_user`;

/** Who we are, what we may do, and which right it takes to do more. */
export async function lookAt(client: pg.Client, pooled: boolean): Promise<DatabaseFacts> {
  const { rows } = await client.query<Row>(QUERY);
  const [row] = rows;
  if (row === undefined) throw new Error('the role that is logged in is not in pg_roles');
  const others = row.foreign.slice(0, 5).join(', ') + (row.foreign.length > 5 ? ` and ${row.foreign.length - 5} more` : '');
  const limits = [
    ...(row.ledger
      ? []
      : [
          `Recording migrations takes the right to make the schema "sluice_migrations": GRANT CREATE ON DATABASE ${row.database} TO ${row.role}.`,
        ]),
    ...(row.createdb
      ? []
      : [`Trying migrations on a scratch clone here takes CREATEDB: ALTER ROLE ${row.role} CREATEDB; or name another server as scratch.`]),
    ...(row.stats ? [] : [`Statements of other roles that are in the way are hidden: GRANT pg_read_all_stats TO ${row.role}.`]),
    ...(row.foreign.length === 0 ? [] : [`Changing ${others} takes its owner's rights: GRANT the owner's role TO ${row.role}.`]),
  ];
  return {
    version: row.version,
    role: row.role,
    database: row.database,
    superuser: row.superuser,
    pooled,
    limits,
    old: await oldTransactions(client, 60_000),
  };
}
