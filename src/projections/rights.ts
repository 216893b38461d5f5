import type pg from 'pg';
import { UserError } from '../core/errors.ts';
import { SCHEMA } from './builds.ts';

type Queryable = Pick<pg.Pool, 'query'>;

/**
 * That our tables are there or may be made, in a database whose role is nobody special.
 * @throws UserError PROJECTION_RIGHTS
 */
export async function requireOwnSchema(sql: Queryable): Promise<void> {
  const { rows } = await sql.query<{ role: string; database: string; may: boolean }>(
    `SELECT quote_ident(current_user) AS role, quote_ident(current_database()) AS database,
       CASE WHEN to_regnamespace('${SCHEMA}') IS NULL THEN has_database_privilege(current_database(), 'CREATE')
            ELSE has_schema_privilege('${SCHEMA}', 'CREATE') END AS may`,
  );
  const [row] = rows;
  if (row?.may === false)
    throw refused(
      `the role ${row.role} may not make the tables in which rebuilds are noted`,
      `As the owner of the database: CREATE SCHEMA ${SCHEMA} AUTHORIZATION ${row.role}; or GRANT CREATE ON DATABASE ${row.database} TO ${row.role};`,
    );
}

/** @throws UserError PROJECTION_RIGHTS */
export async function requireReading(sql: Queryable, relation: string): Promise<void> {
  const { rows } = await sql.query<{ role: string; may: boolean }>(
    `SELECT quote_ident(current_user) AS role, has_any_column_privilege($1::regclass, 'SELECT') AS may`,
    [relation],
  );
  const [row] = rows;
  if (row?.may === false)
    throw refused(
      `the role ${row.role} may not read the events in ${relation}`,
      `As the owner of the table: GRANT SELECT ON ${relation} TO ${row.role};`,
    );
}

/** Read models are made where readers look for them. @throws UserError PROJECTION_RIGHTS */
export async function requireMaking(sql: Queryable, schema: string): Promise<void> {
  const { rows } = await sql.query<{ role: string; schema: string; there: boolean; may: boolean }>(
    `SELECT quote_ident(current_user) AS role, quote_ident($1) AS schema, to_regnamespace(quote_ident($1)) IS NOT NULL AS there,
       coalesce(has_schema_privilege(to_regnamespace(quote_ident($1))::oid, 'CREATE'), false) AS may`,
    [schema],
  );
  const [row] = rows;
  if (row?.may !== false) return;
  throw refused(
    `the role ${row.role} may not make read models in the schema ${row.schema}`,
    row.there
      ? `As the owner of the schema: GRANT CREATE, USAGE ON SCHEMA ${row.schema} TO ${row.role};`
      : `It is not there. As the owner of the database: CREATE SCHEMA ${row.schema} AUTHORIZATION ${row.role};`,
  );
}

function refused(message: string, hint: string): UserError {
  return new UserError('PROJECTION_RIGHTS', message, `${hint} A superuser is not needed.`);
}
