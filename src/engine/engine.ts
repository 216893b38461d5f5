import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { FencedError } from '../core/errors.ts';
import type { Clock } from '../ports/clock.ts';
import { join, readControlPlanes, type Membership } from './control-planes.ts';
import { launchDurable, type Durable } from './durable.ts';
import type { Engine, Recorded } from './face.ts';
import { openFeed } from './feed.ts';
import { follow } from './follow.ts';
import { whoAmI } from './identity.ts';
import { verifyAudit } from './log/audit.ts';
import { append, readLog, readStream } from './log/log.ts';
import { silent, type Log } from './logging.ts';
import { migrate } from './migrations.ts';
import { isMissingRight, unreachable } from './postgres/connection.ts';
import { openDatabase, type Database } from './postgres/database.ts';
import { commandRelease, liftHold, requestRelease } from './requests.ts';
import type { Performer, Runbook } from './runbook.ts';
import { createStates, releaseOf, streamOf } from './states.ts';
import { readEnvironments, readManifest, readReleases } from './store.ts';
import { createSupervisor, type Supervisor } from './release-scheduler.ts';

export type { Log } from './logging.ts';

export interface EngineOptions {
  readonly databaseUrl: string;
  readonly runbook: Runbook;
  readonly performer: Performer;
  readonly clock?: Clock;
  readonly log?: Log;
  /** Called while the database does not answer, at most once a second: start it again if it is ours. */
  readonly reviveDatabase?: () => Promise<void>;
  /** Time between heartbeats, ms (1,000). */
  readonly heartbeatMs?: number;
  /** Silence after which another control plane counts as dead, ms (5,000). */
  readonly deadMs?: number;
  /** Lanes at work at once (32). */
  readonly lanes?: number;
}

const DUE_AT_ONCE = 500;
const PURGE_EVERY_BEATS = 30;
const PURGE_AFTER_MS = 60_000;
const CLOSE_GRACE_MS = 5_000;
const HISTORY_PAGE = 1_000;

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) => sleep(ms, undefined, signal === undefined ? {} : { signal }).catch(() => {}),
};

/**
 * Start working on the releases of this database, together with any other control plane that shares it.
 * @throws UserError `DATABASE_URL_INVALID`, `DATABASE_URL_POOLED`, `DATABASE_UNREACHABLE`, `SCHEMA_NEWER`, `ENGINE_RUNNING`; OutsideError `DATABASE_UNREACHABLE`
 */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const { runbook, performer, clock = systemClock, log = silent } = options;
  const revive = reviver(options, log);
  const database = await openDatabase({ url: options.databaseUrl, poolSize: 16, onLoss: revive });
  const duty = await openDatabase({ url: options.databaseUrl, poolSize: 2, onLoss: revive });
  const closeDatabases = () => Promise.all([database.close(), duty.close()]);
  const executor = randomUUID();
  const opened = await open(options, database, duty, executor, log, clock).catch(async (error: unknown) => {
    await closeDatabases();
    throw isMissingRight(error) ? unreachable(error, new URL(options.databaseUrl)) : error;
  });
  const { durable, membership } = opened;
  const states = createStates(runbook);
  const supervisor = createSupervisor({
    database,
    durable,
    runbook,
    performer,
    states,
    clock,
    log,
    slices: options.lanes ?? 32,
    holder: membership.id,
  });
  const feed = openFeed({
    databaseUrl: options.databaseUrl,
    log,
    reconnected: supervisor.lookAtAll,
    appended(stream, origin) {
      const release = origin === membership.id() ? null : releaseOf(stream);
      if (release !== null) supervisor.heard(release);
    },
  });
  const heart = startHeart({
    ...options,
    heartbeatMs: options.heartbeatMs ?? 1_000,
    duty,
    membership,
    supervisor,
    durable,
    clock,
    log,
    revive,
  });
  const asking = { database, runbook, states, now: clock.now, holder: membership.id };
  const closing = new AbortController();
  setMaxListeners(0, closing.signal);
  let closed: Promise<void> | null = null;

  async function close(): Promise<void> {
    closing.abort();
    await heart.stop();
    await supervisor.close(CLOSE_GRACE_MS);
    await Promise.race([
      membership.leave().catch((error: unknown) => log.warn({ error: String(error) }, 'leases could not be handed back')),
      sleep(3_000, undefined, { ref: false }),
    ]);
    await feed.close();
    await durable.close();
    await closeDatabases();
  }

  return {
    async request(plan, by) {
      const release = await requestRelease(asking, plan, by);
      supervisor.look(release);
      return release;
    },
    async command(release, command) {
      await commandRelease(asking, release, command);
      supervisor.look(release);
    },
    release: async (id) => (await database.reading((pool) => states.load(pool, id)))?.state ?? null,
    releases: (filter) => readReleases(database, filter),
    manifest: (environment) => readManifest(database, environment),
    environments: () => readEnvironments(database),
    async events({ after = 0, release, limit = HISTORY_PAGE }) {
      const entries = await readLog(database, { after, limit, ...(release === undefined ? {} : { stream: streamOf(release) }) });
      return entries as unknown as readonly Recorded[];
    },
    follow: (from, on, signal) => follow(database, feed, from, on, AbortSignal.any([signal, closing.signal])),
    async record(stream, events) {
      if (/^(release|environment)\//.test(stream)) throw new Error(`${stream} is the engine's own`);
      const batches = [{ stream, events }];
      await database.transaction((sql) => append(sql, { at: clock.now(), origin: membership.id(), batches }));
    },
    recorded: (stream) => database.reading((pool) => readStream(pool, stream, 0)),
    verifyAudit: () => verifyAudit(database),
    liftHold: (environment, app, version, by) => liftHold(asking, environment, app, version, by),
    controlPlanes: () => readControlPlanes(database, clock.now(), options.deadMs ?? 5_000),
    async fence() {
      const { rows } = await database.pool.query<{ fence: number }>("SELECT nextval('sluice.fence') AS fence");
      return Number(rows[0]?.fence);
    },
    close: () => (closed ??= close()),
  };
}

async function open(
  options: EngineOptions,
  database: Database,
  duty: Database,
  executor: string,
  log: Log,
  clock: Clock,
): Promise<{ durable: Durable; membership: Membership }> {
  await migrate(database);
  const durable = await launchDurable({ databaseUrl: options.databaseUrl, database, executor, log });
  const identity = await whoAmI(clock.now());
  const membership = await join({ database: duty, identity, executor, clock, deadMs: options.deadMs ?? 5_000 });
  return { durable, membership };
}

/** At most once a second, one at a time. */
function reviver(options: EngineOptions, log: Log): () => void {
  let last = 0;
  let isTrying = false;
  return () => {
    if (options.reviveDatabase === undefined || isTrying || performance.now() - last < 1_000) return;
    isTrying = true;
    last = performance.now();
    options
      .reviveDatabase()
      .catch((error: unknown) => log.warn({ error: String(error) }, 'the database could not be started again'))
      .finally(() => (isTrying = false));
  };
}

interface HeartOptions extends EngineOptions {
  readonly heartbeatMs: number;
  readonly duty: Database;
  readonly membership: Membership;
  readonly supervisor: Supervisor;
  readonly durable: Durable;
  readonly clock: Clock;
  readonly log: Log;
  revive(): void;
}

/** Once a second: say that we live, take over from the dead, and look at what is due. */
function startHeart(options: HeartOptions): { stop(): Promise<void> } {
  const { heartbeatMs, membership, supervisor, durable, clock, log } = options;
  const stopping = new AbortController();
  let lastBeat = performance.now();
  let beats = 0;

  async function beat(): Promise<void> {
    const { wasBuried, deadExecutors } = await membership.beat();
    lastBeat = performance.now();
    if (wasBuried) {
      log.warn({}, 'others took this control plane for dead; it starts afresh');
      supervisor.dropAll(new FencedError('this control plane was taken for dead'));
    }
    await lookAtDue(options);
    if (deadExecutors.length > 0) await durable.cancelOf(deadExecutors);
    beats += 1;
    if (beats % PURGE_EVERY_BEATS === 0) await durable.purge(clock.now() - PURGE_AFTER_MS);
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      const started = performance.now();
      try {
        await beat();
      } catch (error) {
        log.warn({ error: String(error) }, 'no heartbeat');
        options.revive();
        const silent = performance.now() - lastBeat > (options.deadMs ?? 5_000);
        // The others take over now; whatever we still do would be done twice.
        if (silent && membership.hasOthers()) supervisor.dropAll(new FencedError('this control plane has lost the database'));
      }
      await sleep(Math.max(50, heartbeatMs - (performance.now() - started)), undefined, { signal: stopping.signal }).catch(() => {});
    }
  }
  const running = run();
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

/** Releases that nobody works on and whose time comes before the next beat. */
async function lookAtDue({ duty, supervisor, clock, heartbeatMs, membership }: HeartOptions): Promise<void> {
  const now = clock.now();
  const due = await duty.pool.query<{ release: string; at: number }>(
    `(SELECT release, wake_at AS at FROM sluice.active WHERE holder IS NULL AND wake_at <= $1 ORDER BY wake_at LIMIT $2)
     UNION ALL (SELECT release, 0 AS at FROM sluice.wake ORDER BY id LIMIT $2)`,
    [now + 1.5 * heartbeatMs, DUE_AT_ONCE],
  );
  // The scheduler that worked on it last looks at the very moment; the others a little later, so that they do not all come at once.
  const courtesy = membership.hasOthers() ? heartbeatMs / 4 : 0;
  for (const { release, at } of due.rows) supervisor.lookAt(release, Math.max(at + courtesy, now));
}
