import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { PlannedMigration } from '../../../core/data/migrations/phases.ts';
import { OutsideError, UserError } from '../../../core/errors.ts';
import type { ApplyOptions } from '../../../ports/database.ts';
import { blockersOf, inWords } from './blockers.ts';
import { guardLimits } from './guard.ts';
import type { Limits } from './limits.ts';
import { limitsInSql } from './session.ts';

/** The two connections of a run: one works, the other holds the runner's lock and looks at who is in the way. */
export interface Hands {
  readonly work: pg.Client;
  readonly watch: pg.Client;
  /** Backend of `work`. */
  readonly pid: number;
}

export function tablesOf({ statements }: PlannedMigration): string[] {
  const traced = statements.flatMap(({ trace }) => Object.keys(trace?.locks ?? {}));
  const written = statements.flatMap(({ statement }) =>
    [...JSON.stringify(statement.tree).matchAll(/"(?:schemaname":"([^"]+)","inh":true,)?"?relname":"([^"]+)"/g)].map(
      ([, schema, name]) => `${schema ?? 'public'}.${name ?? ''}`,
    ),
  );
  return [...new Set([...traced, ...written])];
}

/**
 * One transaction that waits for a lock only briefly, and then lets everybody pass before it tries again: a statement that queues behind
 * a waiting ALTER TABLE waits as long as it does. @returns how often it had to try again.
 */
export async function inTransaction(
  hands: Hands,
  id: string,
  tables: readonly string[],
  { signal, onProgress }: Pick<ApplyOptions, 'signal' | 'onProgress'>,
  limits: Limits,
  work: (client: pg.Client) => Promise<void>,
): Promise<number> {
  const until = Date.now() + limits.lockBudgetMs;
  let lastSaid = 0;
  for (let retries = 0; ; retries += 1) {
    throwIfInterrupted(signal);
    const guard = guardLimits(hands, limits);
    try {
      await hands.work.query(`BEGIN; ${limitsInSql(limits)}`);
      await work(hands.work);
      await guard.stop();
      await hands.work.query('COMMIT');
      return retries;
    } catch (error) {
      const ended = await guard.stop();
      await hands.work.query('ROLLBACK').catch(() => {});
      if (ended === 'statement')
        throw new UserError(
          'MIGRATION_FAILED',
          `${id} failed: a statement took longer than ${Math.round(limits.statementTimeoutMs / 1_000)} s`,
          'Nothing of the file was kept. Do it in batches (a backfill), or raise statementTimeout of the database.',
          error,
        );
      if (ended !== 'lock' && !isLockTrouble(error)) throw failed(id, error);
      const late = Date.now() > until;
      if (late || Date.now() - lastSaid > 2_000) {
        lastSaid = Date.now();
        const who = (await blockersOf(hands.watch, hands.pid, tables)).map(inWords);
        const by = who.length === 0 ? '' : ` Held by ${who.join('; ')}`;
        if (late)
          throw new OutsideError(
            'MIGRATION_BLOCKED',
            `${id} did not get its lock in ${Math.round(limits.lockBudgetMs / 1_000)} s, ${retries + 1} tries.${by}`,
            'End the sessions named, or run it when they are done; nothing was changed.',
            error,
          );
        onProgress?.(`${id} waits for its lock.${by}`);
      }
      // Full jitter, growing to its ceiling: nobody is met twice in step.
      await rest(
        Math.random() * Math.min(limits.backoffMs * 2 ** Math.min(retries, 6), limits.backoffCeilingMs) + limits.lockTimeoutMs,
        signal,
      );
    }
  }
}

/** 55P03: the lock was not to be had in time. 40P01: two waited for each other. */
function isLockTrouble(error: unknown): boolean {
  const { code } = error as { code?: string };
  return code === '55P03' || code === '40P01';
}

export function failed(id: string, error: unknown): Error {
  const { code = '', message, position } = error as { code?: string; message: string; position?: string };
  if (error instanceof OutsideError || error instanceof UserError) return error;
  if ((/^(08|57P)/.test(code) && code !== '08P01') || /terminated|ECONN|EPIPE/.test(message))
    return new OutsideError(
      'DATABASE_UNREACHABLE',
      `the connection broke while ${id} ran: ${message}`,
      'Run it again: what was done is found done.',
      error,
    );
  if (code === '42501')
    return new UserError(
      'MIGRATION_RIGHTS',
      `${id}: ${message}`,
      'The role needs to own what it changes: REASSIGN or ALTER … OWNER TO it, or name another role in the direct address.',
      error,
    );
  if (code === '') return error as Error;
  return new UserError(
    'MIGRATION_FAILED',
    `${id} failed: ${message}${position === undefined ? '' : ` (at character ${position})`} [${code}]`,
    'Nothing of the file was kept. Correct it and run it again.',
    error,
  );
}

/** @throws OutsideError `MIGRATION_INTERRUPTED` */
export async function rest(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
  throwIfInterrupted(signal);
}

function throwIfInterrupted(signal: AbortSignal): void {
  if (signal.aborted)
    throw new OutsideError(
      'MIGRATION_INTERRUPTED',
      'the migration was interrupted',
      'Run it again: it goes on where it was.',
      signal.reason,
    );
}
