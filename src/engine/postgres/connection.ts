import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { OutsideError, UserError } from '../../core/errors.ts';

export type Sql = pg.ClientBase;

const BACKOFF_MS = [50, 100, 250, 500, 1_000] as const;
const int8 = 20;

/** bigint columns hold positions, versions and times: all exact as numbers. */
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format: 'text' | 'binary') =>
    oid === int8 ? Number : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
};

/** @throws UserError DATABASE_URL_INVALID */
export function parseDatabaseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !['postgres:', 'postgresql:'].includes(url.protocol) || url.pathname.length < 2) {
    throw new UserError(
      'DATABASE_URL_INVALID',
      'DATABASE_URL is not the address of a PostgreSQL database.',
      'It looks like postgres://user:password@host:5432/database.',
    );
  }
  return url;
}

/**
 * A process that is stopped in the middle of a transaction keeps its locks, and with them everybody else:
 * the server ends such a transaction after this long, ms.
 */
const IDLE_IN_TRANSACTION_MS = 3_000;

export function createPool(databaseUrl: string, size: number, name: string, options: { readonly plainTypes?: boolean } = {}): pg.Pool {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: size,
    application_name: name,
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    ...(options.plainTypes === true ? {} : { types }),
  });
  // A connection that breaks while idle is replaced by the pool; the caller that needs one gets the error itself.
  pool.on('error', () => {});
  return pool;
}

/** The server is gone, going, or out of reach: the same statement may succeed on a new connection. */
export function isConnectionLoss(error: unknown): boolean {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    const { code, message } = at as Error & { code?: unknown };
    if (
      typeof code === 'string' &&
      (/^(08\w{3}|57P0[1-3]|25P03|53300)$/.test(code) || /^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN)/.test(code))
    )
      return true;
    if (
      /Connection terminated|connection timeout|timeout exceeded when trying to connect|Client has encountered a connection error|server closed the connection/i.test(
        message,
      )
    )
      return true;
    if (at instanceof AggregateError && at.errors.some(isConnectionLoss)) return true;
  }
  return false;
}

/** The role may not do what it was to do. */
export function isMissingRight(error: unknown): boolean {
  return (error as { code?: unknown }).code === '42501';
}

/** Another transaction got in the way; nothing was written. */
function isConflict(error: unknown): boolean {
  const { code, constraint } = error as { code?: unknown; constraint?: unknown };
  return code === '40001' || code === '40P01' || (code === '23505' && constraint === 'event_stream_version_key');
}

export interface Patience {
  /** Give up then, ms since the epoch; null = only when `signal` fires. */
  readonly until: number | null;
  readonly signal: AbortSignal;
  onLoss?(error: unknown): void;
}

/** Call again, with back-off, as long as only the connection is to blame. */
export async function withRetry<T>(call: () => Promise<T>, patience: Patience): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await call();
    } catch (error) {
      const lost = isConnectionLoss(error);
      if (!lost && !isConflict(error)) throw error;
      if (lost) patience.onLoss?.(error);
      if (patience.signal.aborted) throw error;
      const pause = !lost && attempt < 5 ? 0 : (BACKOFF_MS[Math.min(attempt, BACKOFF_MS.length - 1)] ?? 1_000);
      if (patience.until !== null && Date.now() + pause > patience.until) throw unreachable(error);
      await sleep(pause, undefined, { signal: patience.signal }).catch(() => {});
    }
  }
}

/** The error of a first contact, said so that a person can act on it; never with the password. */
export function unreachable(error: unknown, url?: URL): Error {
  const { code } = error as { code?: string };
  const where = url === undefined ? 'The database' : `PostgreSQL at ${url.hostname}:${url.port === '' ? '5432' : url.port}`;
  const user = url === undefined ? 'the user' : `user "${decodeURIComponent(url.username)}"`;
  const database = url === undefined ? 'the database' : `database "${decodeURIComponent(url.pathname.slice(1))}"`;
  const refused = (message: string, hint: string) => new UserError('DATABASE_UNREACHABLE', message, hint);
  if (code === '28P01' || code === '28000')
    return refused(`${where} does not let ${user} in.`, 'Check user and password in DATABASE_URL, and pg_hba.conf on the server.');
  if (code === '3D000') return refused(`${where} has no ${database}.`, 'Create it, or correct the name at the end of DATABASE_URL.');
  if (code === '42501')
    return refused(
      `${where} does not let ${user} create its tables in ${database}: ${(error as Error).message}.`,
      `Make the user the owner of the database, or, as its owner: GRANT CREATE ON DATABASE ${database.replace('database ', '')} TO ${user.replace('user ', '')};`,
    );
  if (code === 'ENOTFOUND') return refused(`There is no host ${url?.hostname ?? ''}.`, 'Correct the host in DATABASE_URL.');
  if (!isConnectionLoss(error)) return error instanceof Error ? error : new Error(String(error));
  return new OutsideError(
    'DATABASE_UNREACHABLE',
    `${where} does not answer (${code ?? 'connection lost'}).`,
    'See that the server runs and that its address in DATABASE_URL is right; then try again.',
  );
}
