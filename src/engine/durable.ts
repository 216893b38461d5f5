import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { DBOS } from '@dbos-inc/dbos-sdk';
import { migrateDataSourcePG, registerDataSource, replayRecordedStep, runTransaction } from '@dbos-inc/dbos-sdk/datasource';
import { dbRetryConfig } from '@dbos-inc/dbos-sdk/internal/utils';
import { UserError } from '../core/errors.ts';
import type { Effect } from '../core/release/runbook/effects.ts';
import type { ReleaseEvent } from '../core/release/state/events.ts';
import { append, type Write } from './log/log.ts';
import type { Log } from './logging.ts';
import { createPool, type Sql } from './postgres/connection.ts';
import type { Database } from './postgres/database.ts';

/** What a slice of work consists of; the interpreter below only gives it its durable shape. */
export interface Slice {
  /** Append what the last effect brought about, decide, and say what to perform next; null = nothing. One transaction. */
  turn(sql: Sql, facts: readonly ReleaseEvent[]): Promise<{ readonly effect: Effect | null; readonly write: Write | null }>;
  /** After the turn's commit. */
  turned(): void;
  perform(effect: Effect): Promise<readonly ReleaseEvent[]>;
  /** Stop before the next turn unless there is something to append. */
  isClosing(): boolean;
}

export interface Durable {
  readonly executor: string;
  /** Run a slice to its end. @throws whatever stopped it */
  run(id: string, slice: Slice): Promise<void>;
  /** Workflows of an executor that died are nobody's any more: their releases are taken over from the events. */
  cancelOf(executors: readonly string[]): Promise<void>;
  /** Forget workflows that ended before then; the events stay. @returns how many */
  purge(before: number): Promise<number>;
  close(): Promise<void>;
}

interface Running {
  readonly database: Database;
  /** Calls as if from outside of any workflow: DBOS would take what is begun within one for its child. */
  outside(call: () => void): void;
  readonly slices: Map<string, { readonly slice: Slice; settle(error: unknown): void }>;
}

/** DBOS has one executor per process, and its registrations are made once: they find the running engine here. */
let running: Running | null = null;
const inTransaction = new AsyncLocalStorage<{ readonly sql: Sql; write: Write | null }>();
const DATA_SOURCE = 'sluice';
const LAUNCH_LOCK = 7_256_002;
const LAUNCH_PATIENCE_MS = 60_000;
const CHECKPOINTS = 'dbos.transaction_completion';

/**
 * The interpreter: its shape never changes, so that a newer Sluice can go on where an older one stopped. What is
 * done is data, decided in `turn` and recorded with it.
 */
const advance = DBOS.registerWorkflow(
  async (_release: string, _lane: string): Promise<void> => {
    const id = DBOS.workflowID ?? '';
    const found = running?.slices.get(id);
    // A workflow of an earlier process: its release goes on in a slice of its own.
    if (found === undefined) return;
    const { slice, settle } = found;
    const outside = running?.outside ?? ((call: () => void) => call());
    try {
      let facts: readonly ReleaseEvent[] = [];
      for (;;) {
        const given = facts;
        const effect = await runTransaction(() => turnIn(slice, given), 'turn', { dsName: DATA_SOURCE });
        outside(() => slice.turned());
        if (effect === null || slice.isClosing()) break;
        facts = await DBOS.runStep(() => slice.perform(effect), { name: 'perform' });
        if (slice.isClosing() && facts.length === 0) break;
      }
      outside(() => settle(null));
    } catch (error) {
      outside(() => settle(error));
    }
  },
  { name: 'advance.v1' },
);

registerDataSource({
  name: DATA_SOURCE,
  async initialize() {
    await current().database.transaction((sql) =>
      migrateDataSourcePG(async (text) => (await sql.query<Record<string, unknown>>(text)).rows),
    );
  },
  async destroy() {},
  async deleteCheckpoints(workflow, from, beforeCommit) {
    await current().database.patientTransaction(async (sql) => {
      await sql.query(`DELETE FROM ${CHECKPOINTS} WHERE workflow_id = $1 AND function_num >= $2`, [workflow, from]);
      await beforeCommit?.();
    });
  },
  /** The checkpoint is written in the same transaction: after a lost connection it says whether the commit happened. */
  invokeTransactionFunction(_config, target, work, ...args) {
    const workflow = DBOS.workflowID;
    const step = DBOS.stepID;
    if (workflow === undefined || step === undefined) throw new Error('a turn is taken only within a workflow');
    let tries = 0;
    return current().database.patientTransaction(async (sql) => {
      tries += 1;
      // Workflow ids are never used twice: only an earlier try of this call can have left a checkpoint.
      const recorded = tries === 1 ? undefined : await checkpointOf(sql, workflow, step);
      if (recorded !== undefined) return replayRecordedStep(recorded);
      const inside: { readonly sql: Sql; write: Write | null } = { sql, write: null };
      const output = await inTransaction.run(inside, () => work.call(target, ...args));
      await sql.query(`INSERT INTO ${CHECKPOINTS} (workflow_id, function_num, output) VALUES ($1, $2, $3)`, [
        workflow,
        step,
        JSON.stringify({ json: output ?? null }),
      ]);
      // Last of all: from here to the commit, nobody else can append.
      if (inside.write !== null) await append(sql, inside.write);
      return output;
    });
  },
});

async function checkpointOf(
  sql: Sql,
  workflow: string,
  step: number,
): Promise<{ output: string | null; error: string | null } | undefined> {
  const found = await sql.query<{ output: string | null; error: string | null }>(
    `SELECT output, error FROM ${CHECKPOINTS} WHERE workflow_id = $1 AND function_num = $2`,
    [workflow, step],
  );
  return found.rows[0];
}

/** @throws UserError ENGINE_RUNNING */
export async function launchDurable(options: {
  readonly databaseUrl: string;
  readonly database: Database;
  readonly executor: string;
  readonly log: Log;
}): Promise<Durable> {
  if (running !== null)
    throw new UserError('ENGINE_RUNNING', 'This process runs an engine already.', 'Close it before another one is made.');
  // DBOS reads its own tables with the driver's plain types.
  const pool = createPool(options.databaseUrl, 10, 'sluice dbos', { plainTypes: true });
  const mine: Running = { database: options.database, outside: AsyncLocalStorage.snapshot(), slices: new Map() };
  running = mine;
  try {
    // Left alone, a slice would sleep up to a minute after the database is back.
    Object.assign(dbRetryConfig, { initialBackoffSec: 0.1, maxBackoffSec: 1 });
    DBOS.setConfig({
      name: 'sluice',
      systemDatabaseUrl: options.databaseUrl,
      systemDatabasePool: pool,
      systemDatabasePoolSize: 10,
      executorID: options.executor,
      enablePatching: true,
      logger: quietly(options.log),
    });
    await oneAtATime(options.database, () => DBOS.launch());
  } catch (error) {
    running = null;
    await pool.end().catch(() => {});
    throw error;
  }
  return {
    executor: options.executor,
    run: (id, slice) => runSlice(mine, id, slice),
    async cancelOf(executors) {
      const found = await DBOS.listWorkflows({
        executorId: [...executors],
        status: ['PENDING', 'ENQUEUED'],
        limit: 10_000,
        loadInput: false,
        loadOutput: false,
      });
      if (found.length > 0) await DBOS.cancelWorkflows(found.map(({ workflowID }) => workflowID));
    },
    purge,
    async close() {
      try {
        await DBOS.shutdown({ workflowCompletionTimeoutMS: 2_000 });
      } finally {
        running = null;
        if (!pool.ended) await pool.end();
      }
    },
  };
}

/**
 * DBOS builds indexes CONCURRENTLY when it sets up its tables: two that do so at once, or one that waits for
 * a lock while another does, deadlock. So the others ask again and again instead of waiting in the database.
 */
async function oneAtATime(database: Database, launch: () => Promise<void>): Promise<void> {
  const until = performance.now() + LAUNCH_PATIENCE_MS;
  const client = await database.pool.connect();
  try {
    for (;;) {
      const tried = await client.query<{ mine: boolean }>('SELECT pg_try_advisory_lock($1) AS mine', [LAUNCH_LOCK]);
      if (tried.rows[0]?.mine === true || performance.now() > until) break;
      await sleep(50);
    }
    await launch();
  } finally {
    await client.query('SELECT pg_advisory_unlock($1)', [LAUNCH_LOCK]).catch(() => {});
    client.release();
  }
}

function runSlice(mine: Running, id: string, slice: Slice): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error: unknown) => {
      if (!mine.slices.delete(id)) return;
      if (error === null) resolve();
      else reject(error instanceof Error ? error : new Error('the slice failed', { cause: error }));
    };
    mine.slices.set(id, { slice, settle });
    const [release = '', lane = ''] = id.split('/');
    // What the slice did counts when its work is over; DBOS notes the end of the workflow in its own time.
    mine.outside(() => {
      DBOS.startWorkflow(advance, { workflowID: id })(release, lane)
        .then((handle) => handle.getResult())
        .then(() => settle(new Error(`the workflow ${id} ended without its slice`)), settle);
    });
  });
}

async function purge(before: number): Promise<number> {
  const found = await DBOS.listWorkflows({
    status: ['SUCCESS', 'ERROR', 'CANCELLED', 'MAX_RECOVERY_ATTEMPTS_EXCEEDED'],
    completedBefore: new Date(before).toISOString(),
    limit: 2_000,
    loadInput: false,
    loadOutput: false,
  });
  if (found.length > 0) await DBOS.deleteWorkflows(found.map(({ workflowID }) => workflowID));
  return found.length;
}

function current(): Running {
  if (running === null) throw new Error('the engine is closed');
  return running;
}

async function turnIn(slice: Slice, facts: readonly ReleaseEvent[]): Promise<Effect | null> {
  const inside = inTransaction.getStore();
  if (inside === undefined) throw new Error('a turn is taken only within its transaction');
  const { effect, write } = await slice.turn(inside.sql, facts);
  inside.write = write;
  return effect;
}

/** DBOS tells of each of its own connections and polls: only what is wrong matters to us. */
function quietly(log: Log): { info(): void; debug(): void; warn(entry: unknown): void; error(entry: unknown): void } {
  const text = (entry: unknown) => (entry instanceof Error ? entry.message : String(entry));
  return {
    info() {},
    debug() {},
    warn: (entry) => log.debug({ from: 'dbos' }, text(entry)),
    error: (entry) => log.warn({ from: 'dbos' }, text(entry)),
  };
}
