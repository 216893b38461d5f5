import pg from 'pg';
import { OutsideError, UserError } from '../../../core/errors.ts';

/** A connection of its own, with its password kept out of every message. */
export async function connect(connectionString: string, name: string, what: string): Promise<pg.Client> {
  const url = URL.canParse(connectionString) ? new URL(connectionString) : null;
  if (url === null || !/^postgres(ql)?:$/.test(url.protocol))
    throw new UserError(
      'DATABASE_URL_INVALID',
      `the ${what} address is not that of a PostgreSQL database`,
      'It looks like postgres://user:password@host:5432/database.',
    );
  const client = new pg.Client({ connectionString, application_name: name, connectionTimeoutMillis: 10_000, keepAlive: true });
  client.on('error', () => {});
  try {
    await client.connect();
    return client;
  } catch (error) {
    throw unreachable(error, url, what);
  }
}

function unreachable(error: unknown, url: URL, what: string): Error {
  const { code = '', message } = error as { code?: string; message: string };
  const where = `PostgreSQL at ${url.hostname}:${url.port || '5432'} (${what} address)`;
  if (/^(28|3D)/.test(code))
    return new UserError('DATABASE_UNREACHABLE', `${where} refuses: ${message}`, 'Check user, password and database name.', error);
  return new OutsideError(
    'DATABASE_UNREACHABLE',
    `${where} does not answer: ${message}`,
    'See that it runs and can be reached from here.',
    error,
  );
}

/**
 * Whether something sits between us and the server: a pooler hands out backend numbers of its own.
 * (pgbouncer, PgCat, Supavisor, RDS Proxy; the number comes with the first answer and again from the backend itself.)
 */
export async function isPooled(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return (client as unknown as { processID: number | null }).processID !== rows[0]?.pid;
}

/** Same server run, same database. */
export async function identity(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ id: string }>(
    "SELECT current_database() || ' started ' || pg_postmaster_start_time()::text || ' oid ' || (SELECT oid FROM pg_database WHERE datname = current_database()) AS id",
  );
  return rows[0]?.id ?? '';
}
