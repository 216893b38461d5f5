import type pg from 'pg';
import { child, relation, type Statement, str } from '../../../core/data/migrations/ast.ts';
import type { PlannedMigration } from '../../../core/data/migrations/phases.ts';
import { OutsideError } from '../../../core/errors.ts';
import type { ApplyOptions } from '../../../ports/database.ts';
import { keepInStep } from './bookkeeping.ts';
import { blockersOf, inWords, oldTransactions } from './blockers.ts';
import { type Entry, readRows, writeState } from './ledger.ts';
import type { Limits } from './limits.ts';
import { failed, type Hands, tablesOf } from './hands.ts';
import { ownAgain } from './session.ts';

/**
 * A statement outside any transaction, as CREATE INDEX CONCURRENTLY needs it. It waits for older transactions by its nature, so
 * no lock_timeout: that would leave an invalid index as soon as anybody holds a snapshot. Instead the watching connection
 * looks on, names who is waited for, and ends it when that takes too long. Whatever way it ends, no invalid index stays.
 */
export async function runAlone(
  hands: Hands,
  planned: PlannedMigration,
  entry: Entry,
  options: ApplyOptions,
  limits: Limits,
): Promise<number> {
  const { file, statements } = planned;
  const main = statements.map(({ statement }) => statement).find(({ kind }) => kind !== 'VariableSetStmt');
  const index = main === undefined ? null : builtIndex(main);
  const before = (await readRows(hands.work)).find(({ id }) => id === file.id);
  if (before?.state === 'running' && index !== null && (await stateOf(hands.work, index)) === 'valid') {
    // The process that began died after the server was done.
    await finish(hands, planned, entry);
    return 0;
  }
  if (index !== null) await dropInvalid(hands, index, limits, options);
  await writeState(hands.work, entry, 'running', index);
  const tables = tablesOf(planned);
  const looking = watchOver(hands, file.id, tables, options, limits);
  try {
    // The limits of the server would leave an invalid index; a file that sets some of its own is not heard.
    const unlimited = async (): Promise<void> => {
      await hands.work
        .query("SET lock_timeout = 0; SET statement_timeout = 0; SET client_connection_check_interval = '2s'")
        .catch(() => hands.work.query('SET lock_timeout = 0; SET statement_timeout = 0'));
    };
    for (const { statement } of statements) {
      await unlimited();
      await hands.work.query(statement.sql);
    }
  } catch (error) {
    const why = await looking.stop();
    // The connection may be what broke: the other one cleans up.
    const alive = await hands.work.query('SELECT 1').then(
      () => hands.work,
      () => hands.watch,
    );
    const left = index === null ? '' : await cleanUp(hands, alive, index, limits, options);
    if (why !== null) throw new OutsideError(why.code, `${why.message}${left}`, why.hint, error);
    throw failed(file.id, withDetail(error, left));
  } finally {
    await looking.stop();
    await hands.work.query('RESET lock_timeout; RESET statement_timeout').catch(() => {});
  }
  await finish(hands, planned, entry);
  return 0;
}

async function finish(hands: Hands, { file }: PlannedMigration, entry: Entry): Promise<void> {
  await ownAgain(hands.work, '');
  await keepInStep(hands.work, file);
  await writeState(hands.work, entry, 'applied');
}

function withDetail(error: unknown, detail: string): unknown {
  if (error instanceof Error) error.message += detail;
  return error;
}

/** The index a statement builds or rebuilds, `schema.name` as written. */
function builtIndex({ kind, tree }: Statement): string | null {
  if (kind === 'IndexStmt') {
    const table = relation(child(tree, 'relation'));
    const name = str(tree, 'idxname');
    return name === '' ? null : `${table.schema ?? ''}.${name}`;
  }
  return null;
}

async function stateOf(client: pg.Client, index: string): Promise<'valid' | 'invalid' | 'missing'> {
  const [schema, name] = split(index);
  const { rows } = await client.query<{ valid: boolean }>(
    `SELECT i.indisvalid AS valid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relname = $1 AND (n.nspname = $2 OR $2 = '' AND n.nspname = ANY (current_schemas(false)))`,
    [name, schema],
  );
  return rows[0] === undefined ? 'missing' : rows[0].valid ? 'valid' : 'invalid';
}

function split(index: string): [string, string] {
  const at = index.indexOf('.');
  return [index.slice(0, at), index.slice(at + 1)];
}

function quoted(index: string): string {
  const [schema, name] = split(index);
  const quote = (part: string): string => `"${part.replaceAll('"', '""')}"`;
  return schema === '' ? quote(name) : `${quote(schema)}.${quote(name)}`;
}

/** What an earlier build left. An index of the same name that works is somebody's, and stays. */
async function dropInvalid(hands: Hands, index: string, limits: Limits, { onProgress, signal }: ApplyOptions): Promise<void> {
  if ((await stateOf(hands.work, index)) !== 'invalid') return;
  onProgress?.(`Removing ${split(index)[1]}, which an earlier build left invalid`);
  await drop(hands.work, index, limits, signal);
}

async function drop(client: pg.Client, index: string, limits: Limits, signal: AbortSignal | null): Promise<void> {
  const until = Date.now() + (signal === null ? Math.min(limits.buildWaitMs, CLEAN_UP_MS) : limits.buildWaitMs);
  await client.query('SET lock_timeout = 0; SET statement_timeout = 5000');
  for (;;) {
    try {
      await client.query(`DROP INDEX CONCURRENTLY IF EXISTS ${quoted(index)}`);
      return;
    } catch (error) {
      if ((error as { code?: string }).code !== '57014' || Date.now() > until || signal?.aborted === true) throw error;
    } finally {
      await client.query('RESET lock_timeout; RESET statement_timeout').catch(() => {});
    }
  }
}

const CLEAN_UP_MS = 30_000;

/** @returns what to tell about it. */
async function cleanUp(hands: Hands, client: pg.Client, index: string, limits: Limits, options: ApplyOptions): Promise<string> {
  const name = split(index)[1];
  try {
    if ((await stateOf(client, index)) !== 'invalid') return '';
    await drop(client, index, limits, null);
    options.onProgress?.(`Removed ${name}, which was left invalid`);
    return `; the half-built index ${name} was removed`;
  } catch (error) {
    const who = await blockersOf(hands.watch, hands.pid, []).then(
      (found) => found.map(inWords).join('; '),
      () => '',
    );
    return `; index ${name} is left INVALID, because it cannot be removed yet (${(error as Error).message}${who === '' ? '' : `, held by ${who}`}): the next run removes it first`;
  }
}

interface Watcher {
  /** Why the statement was ended, if it was. */
  stop(): Promise<{ readonly code: string; readonly message: string; readonly hint: string } | null>;
}

/** Looks on while a statement waits: names who it waits for, and ends it when asked to or when it waits for too long. */
function watchOver(hands: Hands, id: string, tables: readonly string[], { signal, onProgress }: ApplyOptions, limits: Limits): Watcher {
  let why: { code: string; message: string; hint: string } | null = null;
  let waitingSince: number | null = null;
  let lastSaid = 0;
  let busy: Promise<void> = Promise.resolve();
  const end = async (reason: typeof why): Promise<void> => {
    why ??= reason;
    await hands.watch.query('SELECT pg_cancel_backend($1)', [hands.pid]);
  };
  const look = async (): Promise<void> => {
    if (signal.aborted)
      return end({ code: 'MIGRATION_INTERRUPTED', message: `${id} was interrupted`, hint: 'Run it again when it suits: it begins anew.' });
    const waits = await hands.watch.query<{ waits: boolean }>(
      "SELECT wait_event_type = 'Lock' AS waits FROM pg_stat_activity WHERE pid = $1",
      [hands.pid],
    );
    if (waits.rows[0]?.waits !== true) {
      waitingSince = null;
      return;
    }
    waitingSince ??= Date.now();
    const waited = Date.now() - waitingSince;
    if (waited <= limits.buildWaitMs && Date.now() - lastSaid < 2_000) return;
    lastSaid = Date.now();
    const found = await blockersOf(hands.watch, hands.pid, []);
    const others =
      found.length > 0 ? found : [...(await blockersOf(hands.watch, hands.pid, tables)), ...(await oldTransactions(hands.watch, 1_000))];
    const who =
      others
        .filter(({ pid }) => pid !== hands.pid)
        .map(inWords)
        .join('; ') || 'an older transaction';
    onProgress?.(`${id} waits for ${who}`);
    if (waited > limits.buildWaitMs)
      await end({
        code: 'MIGRATION_BLOCKED',
        message: `${id} waited ${Math.round(waited / 1_000)} s for ${who}`,
        hint: 'End the sessions named, then run it again.',
      });
  };
  const timer = setInterval(() => {
    busy = busy.then(look).catch(() => {});
  }, 200);
  return {
    async stop() {
      clearInterval(timer);
      await busy;
      return why;
    },
  };
}
