import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { sampleBetween } from '../../src/core/analysis/from-counters.ts';
import { UserError } from '../../src/core/errors.ts';
import { refusal } from '../../src/core/release/state/commands.ts';
import type { Effect } from '../../src/core/release/runbook/effects.ts';
import type { Recorded, ReleaseEvent } from '../../src/core/release/state/events.ts';
import { evolve } from '../../src/core/release/state/evolve.ts';
import { next } from '../../src/core/release/runbook/next.ts';
import { holdSettings } from '../../src/core/release/state/holds.ts';
import { type PlannedApp, versionId } from '../../src/core/release/plan/plan.ts';
import type { ReleaseState } from '../../src/core/release/state/state.ts';
import type { Command, Engine, Manifest, ManifestApp, ReleaseRow } from '../../src/engine/face.ts';

/** How the outside behaves towards one app. Everything works unless it is said otherwise. */
export interface AppScript {
  readonly build?: 'broken';
  /** Reason why the new version never becomes healthy. */
  readonly unhealthy?: string;
  /** Share of requests that the new version answers with an error, 0…1. */
  readonly errorRate?: number;
  /** Requests per millisecond; 0 = nobody comes. */
  readonly traffic?: number;
  /** Putting traffic back never works. */
  readonly stuck?: boolean;
  /** A build hangs until the release is ended. */
  readonly hangs?: boolean;
}

export interface MemoryEngine extends Engine {
  readonly scripts: Map<string, AppScript>;
  readonly manifests: Map<string, Manifest>;
  readonly lifted: string[];
}

interface Release {
  readonly id: string;
  state: ReleaseState;
  /** Fired to interrupt what is being carried out. */
  abort: AbortController;
}

/** An engine in memory: the real runbook, and an outside that does what its script says. For tests of what stands before the engine. */
export function memoryEngine(options: { readonly effectMs?: number } = {}): MemoryEngine {
  const effectMs = options.effectMs ?? 2;
  const log: Recorded[] = [];
  const releases = new Map<string, Release>();
  const holders = new Map<string, string>();
  const listeners = new Set<() => void>();
  const scripts = new Map<string, AppScript>();
  const manifests = new Map<string, Manifest>();
  const lifted: string[] = [];
  const kept: { readonly stream: string; readonly at: number; readonly data: { readonly type: string } }[] = [];
  const closing = new AbortController();
  const weightsSince = new Map<string, { requests: Record<string, number>; at: number }>();

  const append = (release: Release | null, id: string, event: ReleaseEvent): void => {
    const at = Date.now();
    const stream = `release/${id}`;
    const before = log.at(-1)?.hash ?? '';
    const hash = `sha256:${createHash('sha256')
      .update(before + JSON.stringify(event))
      .digest('hex')}`;
    const version = log.filter((entry) => entry.stream === stream).length + 1;
    log.push({ position: log.length + 1, stream, version, type: event.type, schema: 1, at, data: event, hash });
    if (release !== null) release.state = evolve(release.state, event, at);
    remember(releases.get(id) ?? null, event, at);
    for (const listener of listeners) listener();
  };

  const manifestOf = (environment: string): Manifest => manifests.get(environment) ?? { environment, apps: {} };

  function remember(release: Release | null, event: ReleaseEvent, at: number): void {
    if (release === null) return;
    const { environment } = release.state.plan;
    const put = (app: string, change: (known: ManifestApp) => ManifestApp): void => {
      const manifest = manifestOf(environment);
      const planned = release.state.rollouts[app]?.app;
      const known = manifest.apps[app] ?? {
        app,
        platform: planned?.platform ?? '',
        stable: null,
        fingerprint: null,
        weights: {},
        release: null,
        since: at,
        history: [],
        held: [],
      };
      manifests.set(environment, { environment, apps: { ...manifest.apps, [app]: change(known) } });
    };
    if (event.type === 'WeightsShifted') put(event.app, (known) => ({ ...known, weights: event.weights }));
    if (event.type === 'RolloutFinished') {
      const rollout = release.state.rollouts[event.app];
      const candidate = rollout?.candidate ?? null;
      if (rollout === undefined || candidate === null) return;
      const entry = { version: candidate, fingerprint: rollout.app.fingerprint, release: release.id, at };
      put(event.app, (known) => ({
        ...known,
        stable: candidate,
        fingerprint: entry.fingerprint,
        release: release.id,
        since: at,
        weights: { [candidate.id]: 100 },
        history: [entry, ...known.history],
      }));
    }
    if (event.type === 'StableRestored') {
      const rollout = release.state.rollouts[event.app];
      const candidate = rollout?.candidate ?? null;
      if (rollout === undefined || candidate === null) return;
      const held = {
        version: candidate.id,
        fingerprint: rollout.app.fingerprint,
        settings: holdSettings(rollout.app),
        reason: release.state.cause?.message ?? '',
        release: release.id,
        at,
      };
      put(event.app, (known) => ({ ...known, held: [...known.held, held] }));
    }
  }

  function counters(app: PlannedApp, ids: readonly string[], candidate: string, environment: string) {
    const script = scripts.get(app.app) ?? {};
    const key = `${environment}/${app.app}`;
    const now = Date.now();
    const before = weightsSince.get(key) ?? { requests: {}, at: now };
    const weights = manifestOf(environment).apps[app.app]?.weights ?? {};
    const requests = { ...before.requests };
    for (const [id, weight] of Object.entries(weights))
      requests[id] = (requests[id] ?? 0) + ((script.traffic ?? 20) * (now - before.at) * weight) / 100;
    weightsSince.set(key, { requests, at: now });
    const versions = ids.map((id) => {
      const total = Math.floor(requests[id] ?? 0);
      const errors = id === candidate ? Math.floor(total * (script.errorRate ?? 0)) : 0;
      return [id, { requests: total, byClass: { '2xx': total - errors, '5xx': errors }, latency: { 100: total } }] as const;
    });
    return { epoch: 'one', at: now, versions: Object.fromEntries(versions) };
  }

  async function perform(release: Release, effect: Effect): Promise<readonly ReleaseEvent[]> {
    const { environment } = release.state.plan;
    switch (effect.kind) {
      case 'record':
        return effect.events;
      case 'reserve': {
        const taken = effect.apps.find(({ app }) => (holders.get(`${environment}/${app}`) ?? release.id) !== release.id);
        if (taken !== undefined)
          return [{ type: 'ReservationBusy', app: taken.app, holder: holders.get(`${environment}/${taken.app}`) ?? '' }];
        for (const { app } of effect.apps) holders.set(`${environment}/${app}`, release.id);
        return [
          {
            type: 'ReservationsAcquired',
            stables: Object.fromEntries(effect.apps.map(({ app }) => [app, manifestOf(environment).apps[app]?.stable ?? null])),
          },
        ];
      }
      case 'unreserve': {
        const mine = [...holders].filter(([, holder]) => holder === release.id).map(([key]) => key);
        for (const key of mine) holders.delete(key);
        for (const other of releases.values()) {
          const app = other.state.waitingFor?.app;
          if (app !== undefined && mine.includes(`${other.state.plan.environment}/${app}`))
            append(other, other.id, { type: 'ReservationFreed', app, by: release.id });
        }
        return [{ type: 'ReservationsReleased' }];
      }
      default:
        await sleep(effectMs, undefined, { signal: release.abort.signal });
        return outside(release, effect);
    }
  }

  async function outside(
    release: Release,
    effect: Exclude<Effect, { kind: 'record' | 'reserve' | 'unreserve' }>,
  ): Promise<readonly ReleaseEvent[]> {
    if (!('app' in effect)) return staged(effect);
    const { app } = effect;
    const { environment } = release.state.plan;
    const script = scripts.get(app.app) ?? {};
    switch (effect.kind) {
      case 'build': {
        if (script.hangs === true) await sleep(3_600_000, undefined, { signal: release.abort.signal });
        if (script.build === 'broken')
          throw new UserError('BUILD_FAILED', `${app.app}: npm run build ended with exit code 1`, 'See the build log.');
        const artifact = `sha256:${createHash('sha256').update(`${app.app}${app.fingerprint}`).digest('hex')}`;
        const { run, health } = app;
        return [
          {
            type: 'ArtifactBuilt',
            app: app.app,
            version: { id: versionId(artifact, run, health), artifact, commit: effect.commit, run, health },
            reused: false,
            log: null,
          },
        ];
      }
      case 'deploy':
        return [{ type: 'VersionDeployed', app: app.app, version: effect.version.id }];
      case 'verify':
        if (script.unhealthy !== undefined && effect.version.id === release.state.rollouts[app.app]?.candidate?.id)
          return [{ type: 'VersionUnhealthy', app: app.app, version: effect.version.id, reason: script.unhealthy }];
        return [{ type: 'VersionHealthy', app: app.app, version: effect.version.id }];
      case 'smoke':
        return [{ type: 'SmokePassed', app: app.app, version: effect.version.id }];
      case 'shift':
        if (script.stuck === true && release.state.stage === 'restoring') throw new Error('the edge does not answer');
        counters(app, [], '', environment);
        return [{ type: 'WeightsShifted', app: app.app, weights: effect.weights, toProve: app.routes.length > 0 }];
      case 'probe':
        return [{ type: 'RoutesProven', app: app.app, version: effect.version.id, routes: [{ route: '/', pinned: true, status: 200 }] }];
      case 'collect': {
        const { candidate, baseline, previous } = effect;
        const reading = counters(app, baseline === null ? [candidate] : [candidate, baseline], candidate, environment);
        return [
          {
            type: 'SampleCollected',
            app: app.app,
            sample: previous === null ? null : sampleBetween(previous, reading, candidate, baseline),
            reading,
          },
        ];
      }
      case 'retire':
        return [{ type: 'VersionRetired', app: app.app, version: effect.version.id }];
    }
  }

  function staged(
    effect: Extract<Effect, { kind: 'check' | 'fit' | 'backup' | 'migrate' | 'rebuild' | 'revert' }>,
  ): readonly ReleaseEvent[] {
    switch (effect.kind) {
      case 'check': {
        const reports = effect.checks.apps.map(({ app }) => ({ app, verdict: 'passed' as const, evidence: [], waivers: [] }));
        return [{ type: 'ChecksPassed', reports }];
      }
      case 'fit':
        return [{ type: 'SchemaCompatible' }];
      case 'backup':
        return [{ type: 'RestorePointMade', points: effect.backup.databases.map((database) => ({ database, id: 'one', at: Date.now() })) }];
      case 'migrate':
        return [{ type: 'MigrationsApplied', applied: [], old: { works: true, reason: null } }];
      case 'rebuild':
        return [{ type: 'ProjectionsReady', ready: [] }];
      case 'revert':
        return [{ type: 'ProjectionsReverted' }];
    }
  }

  async function carryOut(release: Release): Promise<void> {
    const busy = new Map<string, Promise<void>>();
    const interrupted = (signal: AbortSignal) => (error: unknown) => {
      if (!signal.aborted) throw error;
      return [];
    };
    while (release.state.stage !== 'closed' && !closing.signal.aborted) {
      const decision = next(release.state, Date.now());
      const free = decision.effects.filter((effect) => !busy.has(effect.lane));
      for (const effect of free) {
        const work = perform(release, effect)
          .catch(interrupted(release.abort.signal))
          .catch((error: unknown): readonly ReleaseEvent[] => {
            const { code = 'BUG', message } = error as { code?: string; message: string };
            return [
              {
                type: 'EffectFailed',
                app: 'app' in effect ? effect.app.app : null,
                effect: effect.kind,
                key: effect.key,
                blame: error instanceof UserError ? 'user' : 'outside',
                code,
                message,
              },
            ];
          })
          .then((events) => {
            busy.delete(effect.lane);
            for (const event of events) append(release, release.id, event);
            for (const listener of listeners) listener();
          });
        busy.set(effect.lane, work);
      }
      if (free.length === 0) await change(decision.wakeAt === null ? 50 : Math.min(Math.max(1, decision.wakeAt - Date.now()), 50));
      else await Promise.race(busy.values());
    }
    release.abort.abort();
  }

  /** Until the log grows, or this long. */
  async function change(ms: number, signal?: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        listeners.delete(done);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      listeners.add(done);
      signal?.addEventListener('abort', done, { once: true });
    });
  }

  const known = (id: string): Release => {
    const release = releases.get(id);
    if (release === undefined) throw new UserError('RELEASE_UNKNOWN', `There is no release ${id}.`, 'sluice history lists them.');
    return release;
  };

  return {
    scripts,
    manifests,
    lifted,
    async request(plan, { by, retryOf = null }) {
      const id = `r-${String(releases.size + 1).padStart(4, '0')}`;
      const event: ReleaseEvent = { type: 'ReleaseRequested', release: id, plan, by, retryOf };
      const release: Release = { id, state: evolve(null, event, Date.now()), abort: new AbortController() };
      releases.set(id, release);
      append(null, id, event);
      void carryOut(release);
      return id;
    },
    async command(id, command) {
      const release = known(id);
      const event = eventOf(command);
      const no = refusal(release.state, event, Date.now());
      if (no !== null) throw new UserError(no.code, no.message, no.hint);
      append(release, id, event);
      if (command.kind !== 'abort') return;
      release.abort.abort();
      release.abort = new AbortController();
    },
    release: async (id) => releases.get(id)?.state ?? null,
    async releases({ environment, app, limit, active }) {
      const rows = [...releases.values()].map((release) => rowOf(release.state)).toReversed();
      return rows
        .filter((row) => environment === undefined || row.environment === environment)
        .filter((row) => app === undefined || row.apps.includes(app))
        .filter((row) => active === undefined || (row.endedAt === null) === active)
        .slice(0, limit ?? 100);
    },
    manifest: async (environment) => manifestOf(environment),
    environments: async () => [...manifests.keys()],
    events: async ({ after = 0, release, limit = 1000 }) =>
      log.filter((entry) => entry.position > after && (release === undefined || entry.stream === `release/${release}`)).slice(0, limit),
    async follow({ after, release }, on, signal) {
      let position = after;
      while (!signal.aborted && !closing.signal.aborted) {
        const entry = log[position];
        if (entry === undefined) await change(1000, signal);
        else {
          position = entry.position;
          if (release === undefined || entry.stream === `release/${release}`) on(entry);
        }
      }
    },
    record: async (stream, events) => void kept.push(...events.map((data) => ({ stream, at: Date.now(), data }))),
    recorded: async (stream) => kept.filter((one) => one.stream === stream),
    verifyAudit: async () => ({ events: log.length, intact: true, brokenAt: null, head: log.at(-1)?.hash ?? null }),
    async liftHold(environment, app, version) {
      lifted.push(`${environment}/${app}/${version}`);
    },
    controlPlanes: async () => [
      { id: 'cp-1', host: 'here', pid: process.pid, startedAt: 0, seenAt: Date.now(), alive: true, releases: holders.size },
    ],
    fence: async () => 1,
    async close() {
      closing.abort();
      for (const release of releases.values()) release.abort.abort();
      for (const listener of listeners) listener();
    },
  };
}

function eventOf(command: Command): ReleaseEvent {
  switch (command.kind) {
    case 'promote':
      return { type: 'PromoteRequested', by: command.by, full: command.full, app: command.app ?? null };
    case 'pause':
      return { type: 'PauseRequested', by: command.by, reason: command.reason ?? null };
    case 'resume':
      return { type: 'ResumeRequested', by: command.by };
    case 'approve':
      return { type: 'ApprovalGiven', by: command.by, planHash: command.planHash, note: command.note ?? null };
    case 'reject':
      return { type: 'ApprovalRejected', by: command.by, reason: command.reason };
    case 'abort':
      return { type: 'AbortRequested', by: command.by, reason: command.reason ?? null };
  }
}

function rowOf(state: ReleaseState): ReleaseRow {
  return {
    id: state.id,
    environment: state.plan.environment,
    apps: state.plan.apps.map((app) => app.app),
    kind: state.plan.kind,
    commit: state.plan.source.commit,
    planHash: state.plan.hash,
    by: state.by,
    requestedAt: state.requestedAt,
    endedAt: state.endedAt,
    outcome: state.outcome,
    reason: state.reason,
  };
}
