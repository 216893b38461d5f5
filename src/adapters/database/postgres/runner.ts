import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { PlannedMigration } from '../../../core/data/migrations/phases.ts';
import { OutsideError, UserError } from '../../../core/errors.ts';
import type { AppliedMigration, ApplyOptions } from '../../../ports/database.ts';
import { backfill } from './backfill.ts';
import { blockersOf, inWords } from './blockers.ts';
import { keepInStep } from './bookkeeping.ts';
import { runAlone } from './concurrent.ts';
import { ensureLedger, readRows, writeState } from './ledger.ts';
import type { Limits } from './limits.ts';

/** The two connections of a run: one works and holds the runner's lock, the other looks at who is in the way. */
export interface Hands {
  readonly work: pg.Client;
  readonly watch: pg.Client;
  /** Backend of `work`. */
  readonly pid: number;
}

/** Files one after the other, under the runner's lock. */
export async function applyFiles(
  hands: Hands,
  files: readonly PlannedMigration[],
  options: ApplyOptions,
  limits: Limits,
): Promise<AppliedMigration[]> {
  await lockRunner(hands, options, limits);
  try {
    await ensureLedger(hands.work);
    const done: AppliedMigration[] = [];
    for (const file of files) done.push(await applyFile(hands, file, options, limits));
    return done;
  } finally {
    await hands.work.query('SELECT pg_advisory_unlock($1)', [RUNNER_LOCK]).catch(() => {});
  }
}

/** Any number, the same for everybody: `sluice` in ASCII. */
const RUNNER_LOCK = '126965940642661';

/**
 * One runner a database. By asking again and again: waiting inside the server would keep a snapshot open, which a concurrent
 * index build of the one who has the lock would wait for in turn.
 */
async function lockRunner({ work, watch }: Hands, { signal, onProgress }: ApplyOptions, limits: Limits): Promise<void> {
  const until = Date.now() + limits.runnerWaitMs;
  let said = false;
  for (;;) {
    const { rows } = await work.query<{ got: boolean }>('SELECT pg_try_advisory_lock($1) AS got', [RUNNER_LOCK]);
    if (rows[0]?.got === true) return;
    const holder = await watch.query<{ pid: number; application_name: string }>(
      "SELECT a.pid, a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND l.granted AND (l.classid::bigint << 32) + l.objid::bigint = $1::bigint",
      [RUNNER_LOCK],
    );
    const who = holder.rows[0] === undefined ? 'somebody' : `pid ${holder.rows[0].pid} (${holder.rows[0].application_name})`;
    if (!said) onProgress?.(`Waiting for ${who}, who is migrating this database`);
    said = true;
    if (Date.now() > until)
      throw new OutsideError('MIGRATION_BUSY', `${who} is still migrating this database`, 'Let it end, or end it, then try again.');
    await rest(250, signal);
  }
}

async function applyFile(hands: Hands, planned: PlannedMigration, options: ApplyOptions, limits: Limits): Promise<AppliedMigration> {
  const { file, phase, directives } = planned;
  const since = performance.now();
  const entry = { id: file.id, checksum: file.checksum, phase, by: options.by, release: options.release };
  const known = (await readRows(hands.work)).find(({ id }) => id === file.id);
  const outcome = (rest: Pick<AppliedMigration, 'retries' | 'rows' | 'already'>): AppliedMigration => ({
    id: file.id,
    tookMs: Math.round(performance.now() - since),
    ...rest,
  });
  if (known?.state === 'applied' || known?.state === 'baseline') return outcome({ retries: 0, rows: null, already: true });
  options.onProgress?.(`${file.id}: ${phase}`);
  if (directives.backfill !== null) {
    const rows = await backfill(hands, planned, directives.backfill, entry, options, limits);
    return outcome({ retries: 0, rows, already: false });
  }
  if (planned.alone) return outcome({ retries: await runAlone(hands, planned, entry, options, limits), rows: null, already: false });
  const retries = await inTransaction(hands, file.id, tablesOf(planned), options, limits, async (client) => {
    await client.query(file.sql);
    await keepInStep(client, file);
    await writeState(client, entry, 'applied');
  });
  return outcome({ retries, rows: null, already: false });
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
 * One transaction that waits for a lock only briefly, and then lets everybody pass before it tries again: whoever queues behind
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
    signal.throwIfAborted();
    try {
      await hands.work.query('BEGIN');
      await hands.work.query(
        `SET LOCAL lock_timeout = ${limits.lockTimeoutMs}; SET LOCAL statement_timeout = ${limits.statementTimeoutMs}; SET LOCAL idle_in_transaction_session_timeout = 60000`,
      );
      await work(hands.work);
      await hands.work.query('COMMIT');
      return retries;
    } catch (error) {
      await hands.work.query('ROLLBACK').catch(() => {});
      if (!isLockTrouble(error)) throw failed(id, error);
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

/** @throws the signal's reason, as `MIGRATION_INTERRUPTED`. */
export async function rest(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
  if (signal.aborted)
    throw new OutsideError(
      'MIGRATION_INTERRUPTED',
      'the migration was interrupted',
      'Run it again: it goes on where it was.',
      signal.reason,
    );
}
