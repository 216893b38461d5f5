import type pg from 'pg';
import type { Projection } from '../core/data/projections/definition.ts';
import type { EventStore } from './stores.ts';
import type { Build } from './builds.ts';
import type { Marks } from './marks.ts';

/** What everything here works on: one event store and the read models made from it. */
export interface Context {
  /** A direct connection, not through a pooler. */
  readonly url: string;
  /** Where read models are. */
  readonly schema: string;
  readonly pool: pg.Pool;
  readonly store: EventStore;
  readonly marks: Marks;
  readonly now: () => number;
}

/** A version together with its code, brought back to life. */
export interface LoadedBuild {
  readonly build: Build;
  readonly projection: Projection;
}

/** Run in one transaction; the connection is given up when it broke. */
export async function transaction<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>, isolation = ''): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  const ignore = (): void => {};
  client.on('error', ignore);
  try {
    await client.query(`BEGIN ${isolation}`);
    const value = await work(client);
    await client.query('COMMIT');
    return value;
  } catch (error) {
    await client.query('ROLLBACK').catch((failure: Error) => (broken = failure));
    throw error;
  } finally {
    client.off('error', ignore);
    client.release(broken);
  }
}

export const REPEATABLE = 'ISOLATION LEVEL REPEATABLE READ';

export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}
