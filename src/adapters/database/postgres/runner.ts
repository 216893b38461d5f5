import type pg from 'pg';
import type { MigrationFile } from '../../../core/data/migrations/files.ts';
import type { PlannedMigration } from '../../../core/data/migrations/phases.ts';
import { OutsideError } from '../../../core/errors.ts';
import type { AppliedMigration, ApplyOptions } from '../../../ports/database.ts';
import { backfill } from './backfill.ts';
import { keepInStep } from './bookkeeping.ts';
import { runAlone } from './concurrent.ts';
import { type Hands, inTransaction, rest, tablesOf } from './hands.ts';
import { ensureLedger, readRows, writeState } from './ledger.ts';
import type { Limits } from './limits.ts';
import { parseStatements } from './parse.ts';
import { freshSession, limitsInSql, ownAgain, runStatement } from './session.ts';

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
    await hands.watch.query('SELECT pg_advisory_unlock($1)', [RUNNER_LOCK]).catch(() => {});
  }
}

/** Any number, the same for everybody: `sluice` in ASCII. */
const RUNNER_LOCK = '126965940642661';

/**
 * One runner a database. By asking again and again: waiting inside the server would keep a snapshot open, which a concurrent
 * index build of the one who has the lock would wait for in turn. On the connection that no file runs on: one could give the lock back.
 */
async function lockRunner({ watch }: Hands, { signal, onProgress }: ApplyOptions, limits: Limits): Promise<void> {
  const until = Date.now() + limits.runnerWaitMs;
  let said = false;
  for (;;) {
    const { rows } = await watch.query<{ got: boolean }>('SELECT pg_try_advisory_lock($1) AS got', [RUNNER_LOCK]);
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
  await freshSession(hands.work);
  if (directives.backfill !== null) {
    const rows = await backfill(hands, planned, directives.backfill, entry, options, limits);
    return outcome({ retries: 0, rows, already: false });
  }
  if (planned.alone) return outcome({ retries: await runAlone(hands, planned, entry, options, limits), rows: null, already: false });
  const retries = await inTransaction(hands, file.id, tablesOf(planned), options, limits, async (client) => {
    await runFile(client, file, limits);
    await keepInStep(client, file);
    await writeState(client, entry, 'applied');
  });
  return outcome({ retries, rows: null, already: false });
}

/** The statements of a file in the transaction that is open, each under the runner's limits; then its role and settings are as before. */
export async function runFile(client: pg.Client, file: Pick<MigrationFile, 'sql' | 'path' | 'line'>, limits: Limits): Promise<void> {
  const rule = limitsInSql(limits);
  for (const { sql } of await parseStatements(file.sql, file.path, file.line)) await runStatement(client, sql, rule);
  await ownAgain(client, rule);
}
