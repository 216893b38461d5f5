import { setMaxListeners } from 'node:events';
import type pg from 'pg';
import { createPool, isConnectionLoss, parseDatabaseUrl, unreachable, withRetry, type Sql } from './connection.ts';
import { isPoolerRefusal, pooled, refusePooler } from './pooler.ts';

/** How long a caller from outside (HTTP, CLI) waits for a database that does not answer, ms. */
const CALLER_PATIENCE_MS = 20_000;

/** Our PostgreSQL, surviving its restarts. */
export interface Database {
  readonly pool: pg.Pool;
  /** Rows of one statement; read-only ones are safe to repeat and are, while the connection is to blame. */
  read<Row>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Several reads; repeated while the connection is to blame. */
  reading<T>(work: (pool: pg.Pool) => Promise<T>): Promise<T>;
  /** One transaction, exactly once even when the connection breaks in the middle of its commit. `work` may run several times. */
  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  /**
   * As `transaction`, but waits for the database for as long as the engine lives, and may run `work` again
   * after a commit whose answer was lost: `work` finds out by itself.
   */
  patientTransaction<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  readonly url: string;
  readonly poolSize: number;
  onLoss?(error: unknown): void;
}

/** @throws UserError `DATABASE_URL_INVALID`, `DATABASE_URL_POOLED`, `DATABASE_UNREACHABLE`; OutsideError `DATABASE_UNREACHABLE` */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const url = parseDatabaseUrl(options.url);
  const pool = createPool(options.url, options.poolSize, 'sluice');
  const closing = new AbortController();
  // Every call that waits for the database listens.
  setMaxListeners(0, closing.signal);
  const patience = (until: number | null) => ({
    until,
    signal: closing.signal,
    ...(options.onLoss === undefined ? {} : { onLoss: options.onLoss }),
  });
  try {
    await refusePooler(pool, options.url);
  } catch (error) {
    await pool.end().catch(() => {});
    throw isPoolerRefusal(error) ? pooled() : unreachable(error, url);
  }
  const transact = <T>(until: number | null, work: (sql: Sql) => Promise<T>) => {
    const unsettled: Unsettled<T> | null = until === null ? null : { xid: null, result: null };
    return withRetry(() => transactOnce(pool, work, unsettled), patience(until));
  };
  return {
    pool,
    async read<Row>(text: string, values: readonly unknown[] = []) {
      const result = await withRetry(() => pool.query(text, [...values]), patience(Date.now() + CALLER_PATIENCE_MS));
      return result.rows as Row[];
    },
    reading: (work) => withRetry(() => work(pool), patience(Date.now() + CALLER_PATIENCE_MS)),
    transaction: (work) => transact(Date.now() + CALLER_PATIENCE_MS, work),
    patientTransaction: (work) => transact(null, work),
    async close() {
      closing.abort();
      await pool.end();
    },
  };
}

/** A commit whose answer was lost: the server knows by its transaction id what became of it. */
interface Unsettled<T> {
  xid: string | null;
  result: { readonly value: T } | null;
}

async function transactOnce<T>(pool: pg.Pool, work: (sql: Sql) => Promise<T>, unsettled: Unsettled<T> | null): Promise<T> {
  const client = await pool.connect();
  // Without a listener, a server that goes away between two statements would end our process.
  const ignore = () => {};
  client.on('error', ignore);
  let broken: Error | undefined;
  try {
    const settled = unsettled === null ? null : await settle(client, unsettled);
    if (settled !== null) return settled.value;
    await client.query('BEGIN');
    const value = await work(client);
    if (unsettled !== null) Object.assign(unsettled, { xid: await transactionId(client), result: { value } });
    await client.query('COMMIT');
    return value;
  } catch (error) {
    if (isConnectionLoss(error)) broken = error as Error;
    else await client.query('ROLLBACK').catch((failure: Error) => (broken = failure));
    if (unsettled !== null && broken === undefined) unsettled.xid = null;
    throw error;
  } finally {
    client.off('error', ignore);
    client.release(broken);
  }
}

/** The result of an earlier try that was committed after all, or null. */
async function settle<T>(client: pg.PoolClient, unsettled: Unsettled<T>): Promise<{ readonly value: T } | null> {
  if (unsettled.xid === null || unsettled.result === null) return null;
  const found = await client.query<{ status: string | null }>('SELECT pg_xact_status($1::text::xid8) AS status', [unsettled.xid]);
  const status = found.rows[0]?.status;
  if (status === 'committed') return unsettled.result;
  if (status === 'in progress') throw Object.assign(new Error('the commit is still under way'), { code: '08007' });
  unsettled.xid = null;
  return null;
}

async function transactionId(client: pg.PoolClient): Promise<string | null> {
  const result = await client.query<{ xid: string | null }>('SELECT pg_current_xact_id_if_assigned()::text AS xid');
  return result.rows[0]?.xid ?? null;
}
