import type pg from 'pg';
import type { Limits } from './limits.ts';

export interface Guard {
  /** Look no more. @returns the limit for which a statement was ended; null where none was. */
  stop(): Promise<'lock' | 'statement' | null>;
}

/** What a statement may take beyond its limit before it is ended from outside: the server's own limit comes first, ms. */
const GRACE_MS = 1_000;

const LOOK = `SELECT coalesce((SELECT max(extract(epoch FROM clock_timestamp() - l.waitstart) * 1000) FROM pg_locks l WHERE l.pid = $1 AND NOT l.granted), 0)::float8 AS waits,
  coalesce((SELECT extract(epoch FROM clock_timestamp() - a.query_start) * 1000 FROM pg_stat_activity a WHERE a.pid = $1 AND a.state = 'active'), 0)::float8 AS runs`;

/**
 * Holds a file to the runner's limits from the other connection, because a statement can switch the server's own limits off for
 * itself: set_config() in a block or a function, a function with SET lock_timeout. A wait for a lock that outlasts the limit twice is
 * ended; who queues behind it waits no longer than that.
 */
export function guardLimits({ watch, pid }: { readonly watch: pg.Client; readonly pid: number }, limits: Limits): Guard {
  let ended: 'lock' | 'statement' | null = null;
  let isOver = false;
  let busy: Promise<void> | null = null;
  const look = async (): Promise<void> => {
    const { rows } = await watch.query<{ waits: number; runs: number }>(LOOK, [pid]);
    const { waits = 0, runs = 0 } = rows[0] ?? {};
    if (isOver) return;
    if (waits > limits.lockTimeoutMs * 2) ended = 'lock';
    else if (runs > limits.statementTimeoutMs + GRACE_MS) ended = 'statement';
    else return;
    await watch.query('SELECT pg_cancel_backend($1)', [pid]);
  };
  const timer = setInterval(
    () => {
      busy ??= look()
        .catch(() => {})
        .finally(() => (busy = null));
    },
    Math.max(20, limits.lockTimeoutMs),
  );
  return {
    async stop() {
      isOver = true;
      clearInterval(timer);
      await busy;
      return ended;
    },
  };
}
