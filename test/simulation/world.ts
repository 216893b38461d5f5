import { sampleBetween } from '../../src/core/analysis/from-counters.ts';
import type { Reading } from '../../src/core/analysis/reading.ts';
import type { Effect } from '../../src/core/release/runbook/effects.ts';
import type { ReleaseEvent } from '../../src/core/release/state/events.ts';
import { type PlannedApp, type VersionRef, versionId } from '../../src/core/release/plan/plan.ts';
import type { ReleaseState } from '../../src/core/release/state/state.ts';
import type { Behaviour, Scenario } from './scenario.ts';
import type { StageKind } from './staged.ts';

export interface WorldVersion {
  readonly ref: VersionRef;
  readonly behaviour: Behaviour;
  startedAt: number;
  running: boolean;
  starts: number;
  hadAllTraffic: boolean;
  /** When it first had traffic. */
  trafficAt: number | null;
  requests: number;
  errors: number;
}

/** What an effect did: how long it takes, and what it changes when it is done. */
export interface Performance {
  readonly takesMs: number;
  /** Changes the world and returns the events, or throws. */
  readonly apply: () => readonly ReleaseEvent[];
}

class OutsideFailure extends Error {
  readonly blame: 'user' | 'outside';
  readonly code: string;
  constructor(blame: 'user' | 'outside', message: string, code = 'SIMULATED') {
    super(message);
    this.blame = blame;
    this.code = code;
  }
}

/** Everything outside Sluice, with faults: platform, edge, builder, metrics. Converges as the real ports promise. */
export interface World {
  readonly versions: Map<string, WorldVersion>;
  readonly weights: Map<string, Readonly<Record<string, number>>>;
  readonly violations: string[];
  advance(to: number): void;
  isHealthy(app: string, version: string): boolean;
  /** For how long users have got 502 of it through the edge, ms; 0: they do not. */
  unreachableMs(app: string, version: string): number;
  perform(effect: Effect, state: ReleaseState, holder: string): Performance;
}

const QUIET: Behaviour = {
  build: 'ok',
  startMs: 0,
  healthy: true,
  smoke: true,
  errorRate: 0,
  dies: false,
  unreachableAfterMs: null,
  failures: { deploy: 0, shift: 0, retire: 0 },
  traffic: 400,
  metricsDown: false,
};

export function createWorld(scenario: Scenario, holders: ReadonlyMap<string, string>, half: () => boolean): World {
  const versions = new Map<string, WorldVersion>();
  const weights = new Map<string, Readonly<Record<string, number>>>();
  const violations: string[] = [];
  const failed = new Map<string, number>();
  const plans = new Map(scenario.releases.map((release) => [release.id, release]));
  let now = 0;

  for (const [app, ref] of Object.entries(scenario.initial)) {
    if (ref === null) continue;
    versions.set(`${app}/${ref.id}`, {
      ref,
      behaviour: QUIET,
      startedAt: -60_000,
      running: true,
      starts: 1,
      hadAllTraffic: true,
      trafficAt: -60_000,
      requests: 0,
      errors: 0,
    });
    if (!scenario.workers.includes(app)) weights.set(app, { [ref.id]: 100 });
  }

  const behaviourOf = (release: string, app: string): Behaviour => plans.get(release)?.behaviours[app] ?? QUIET;
  const get = (app: string, id: string) => versions.get(`${app}/${id}`);
  const isHealthy = (version: WorldVersion | undefined) =>
    version !== undefined &&
    version.running &&
    version.behaviour.healthy &&
    !(version.behaviour.dies && version.hadAllTraffic) &&
    now - version.startedAt >= version.behaviour.startMs;

  /** Counts from when it was to happen, so that being down for another reason is no excuse. */
  const unreachableMs = (version: WorldVersion | undefined): number => {
    const after = version?.behaviour.unreachableAfterMs ?? null;
    return after === null || version?.trafficAt == null ? 0 : Math.max(0, now - version.trafficAt - after);
  };

  /** Fail the first `times` calls of this kind, sometimes after the work was done all the same. */
  function failing(key: string, times: number, work: () => void): void {
    const count = failed.get(key) ?? 0;
    if (count < times) {
      failed.set(key, count + 1);
      if (times !== Infinity && half()) work();
      throw new OutsideFailure('outside', `${key} failed`);
    }
    work();
  }

  function advance(to: number): void {
    const seconds = Math.max(0, to - now) / 1000;
    for (const [app, split] of weights) {
      for (const [id, weight] of Object.entries(split)) {
        const version = get(app, id);
        if (version === undefined) continue;
        const requests = (version.behaviour.traffic * seconds * weight) / 100;
        version.requests += requests;
        version.errors += requests * (version.running ? version.behaviour.errorRate : 1);
      }
    }
    now = Math.max(now, to);
  }

  function ensure(app: PlannedApp, ref: VersionRef, release: string): void {
    const key = `${app.app}/${ref.id}`;
    const known = versions.get(key);
    if (known?.running === true) return;
    if (app.strategy.kind === 'recreate') {
      for (const [name, version] of versions) if (name.startsWith(`${app.app}/`) && name !== key) version.running = false;
    }
    versions.set(key, {
      ref,
      behaviour: known?.behaviour ?? behaviourOf(release, app.app),
      startedAt: now,
      running: true,
      starts: (known?.starts ?? 0) + 1,
      hadAllTraffic: known?.hadAllTraffic ?? false,
      trafficAt: known?.trafficAt ?? null,
      requests: known?.requests ?? 0,
      errors: known?.errors ?? 0,
    });
  }

  function shift(app: PlannedApp, wanted: Readonly<Record<string, number>>): void {
    const sum = Object.values(wanted).reduce((a, b) => a + b, 0);
    if (Math.abs(sum - 100) > 1e-9) violations.push(`${app.app}: weights sum to ${sum}`);
    for (const [id, weight] of Object.entries(wanted)) {
      const version = get(app.app, id);
      if (weight > 0 && (version === undefined || !version.running))
        throw new OutsideFailure('outside', `${id} does not run`, 'VERSION_GONE');
      if (weight > 0 && version !== undefined) version.trafficAt ??= now;
      if (weight === 100 && version !== undefined) version.hadAllTraffic = true;
    }
    weights.set(app.app, wanted);
  }

  function retire(app: PlannedApp, ref: VersionRef, keep: VersionRef | null): void {
    const weight = weights.get(app.app)?.[ref.id] ?? 0;
    if (app.strategy.kind !== 'recreate' && keep !== null && weight > 0)
      violations.push(`${app.app}: ${ref.id} retired with ${weight} % of the traffic`);
    for (const [key, version] of versions) if (key.startsWith(`${app.app}/`) && version.ref.id !== keep?.id) version.running = false;
    if (app.strategy.kind === 'recreate') return;
    if (keep !== null && app.routes.length > 0) weights.set(app.app, { [keep.id]: 100 });
    else weights.delete(app.app);
  }

  function read(app: PlannedApp, ids: readonly string[]): Reading {
    const counters = ids.map((id) => {
      const version = get(app.app, id);
      const requests = Math.floor(version?.requests ?? 0);
      const errors = Math.min(requests, Math.floor(version?.errors ?? 0));
      return [id, { requests, byClass: { '2xx': requests - errors, '5xx': errors }, latency: { 100: requests } }] as const;
    });
    return { epoch: 'one', at: now, versions: Object.fromEntries(counters) };
  }

  /** Work of the release itself: an answer, a verdict against it, or a failure of the outside. */
  function stage(kind: StageKind, release: string, good: readonly ReleaseEvent[], bad: readonly ReleaseEvent[]): Performance {
    const { ok, takesMs, failures } = plans.get(release)?.staged?.behaviours[kind] ?? { ok: true, takesMs: 1, failures: 0 };
    return {
      takesMs,
      apply: () => {
        failing(`${release}/${kind}`, failures, () => {});
        return ok ? good : bad;
      },
    };
  }

  function perform(effect: Effect, state: ReleaseState, release: string): Performance {
    if (['backup', 'migrate', 'rebuild', 'revert'].includes(effect.kind) && state.plan.apps.some(({ app }) => holders.get(app) !== release))
      violations.push(`invariant 6: ${release} did ${effect.kind} without having its apps`);
    if ('app' in effect && holders.get(effect.app.app) !== release)
      violations.push(`${release} touched ${effect.app.app}, which ${holders.get(effect.app.app) ?? 'nobody'} holds`);
    switch (effect.kind) {
      case 'build': {
        const { app } = effect;
        const { build } = behaviourOf(release, app.app);
        return {
          takesMs: 300,
          apply: () => {
            if (build === 'broken') throw new OutsideFailure('user', 'the build failed');
            failing(`${release}/${app.app}/build`, build === 'flaky' ? 2 : 0, () => {});
            const artifact = `sha256:${app.app}-${release}`;
            const version = { id: versionId(artifact, app.run, app.health), artifact, commit: release, run: app.run, health: app.health };
            return [{ type: 'ArtifactBuilt', app: app.app, version, reused: false, log: null }];
          },
        };
      }
      case 'deploy': {
        const { app, version } = effect;
        const times = state.stage === 'restoring' ? 0 : behaviourOf(release, app.app).failures.deploy;
        return {
          takesMs: 100,
          apply: () => {
            failing(`${release}/${app.app}/deploy`, times, () => ensure(app, version, release));
            return [{ type: 'VersionDeployed', app: app.app, version: version.id }];
          },
        };
      }
      case 'verify': {
        const { app, version, until } = effect;
        const known = get(app.app, version.id);
        const readyAt =
          known === undefined || !known.behaviour.healthy || (known.behaviour.dies && known.hadAllTraffic)
            ? Infinity
            : known.startedAt + known.behaviour.startMs;
        const at = Math.max(now + 1, Math.min(readyAt, Math.max(until, now + 1)));
        return {
          takesMs: at - now,
          apply: () => [
            isHealthy(get(app.app, version.id))
              ? { type: 'VersionHealthy', app: app.app, version: version.id }
              : { type: 'VersionUnhealthy', app: app.app, version: version.id, reason: 'not healthy in time' },
          ],
        };
      }
      case 'smoke': {
        const { app, version } = effect;
        const good = get(app.app, version.id)?.behaviour.smoke === true;
        return {
          takesMs: 50,
          apply: () => [
            good
              ? { type: 'SmokePassed', app: app.app, version: version.id }
              : { type: 'SmokeFailed', app: app.app, version: version.id, reason: 'answered 500' },
          ],
        };
      }
      case 'shift': {
        const { app, weights: wanted } = effect;
        return {
          takesMs: 5,
          apply: () => {
            failing(`${release}/${app.app}/shift`, behaviourOf(release, app.app).failures.shift, () => shift(app, wanted));
            return [{ type: 'WeightsShifted', app: app.app, weights: wanted, toProve: app.routes.length > 0 }];
          },
        };
      }
      case 'probe': {
        const { app, version, until } = effect;
        const known = get(app.app, version.id);
        // One that is sick by its own word may answer users all the same.
        const isServed = () => known?.running === true && unreachableMs(known) === 0;
        return {
          takesMs: isServed() ? 3 : Math.max(3, until - now),
          apply: () => [
            isServed()
              ? { type: 'RoutesProven', app: app.app, version: version.id, routes: [] }
              : { type: 'RoutesBroken', app: app.app, version: version.id, reason: 'is answered with 502' },
          ],
        };
      }
      case 'collect': {
        const { app, candidate, baseline, previous, since, analysis } = effect;
        const of = analysis === undefined ? {} : { analysis };
        return {
          takesMs: 2,
          apply: () => {
            if (behaviourOf(release, app.app).metricsDown) {
              return [
                {
                  type: 'SampleCollected',
                  app: app.app,
                  sample: { fromAt: since, at: now, candidate: null, baseline: null, error: 'metrics are down' },
                  reading: null,
                  ...of,
                },
              ];
            }
            const reading = read(app, baseline === null ? [candidate] : [candidate, baseline]);
            const sample = previous === null ? null : sampleBetween(previous, reading, candidate, baseline);
            return [{ type: 'SampleCollected', app: app.app, sample, reading, ...of }];
          },
        };
      }
      case 'retire': {
        const { app, version, keep } = effect;
        return {
          takesMs: 80,
          apply: () => {
            failing(`${release}/${app.app}/retire`, behaviourOf(release, app.app).failures.retire, () => retire(app, version, keep));
            return [{ type: 'VersionRetired', app: app.app, version: version.id }];
          },
        };
      }
      case 'check':
        return stage(
          'check',
          release,
          [{ type: 'ChecksPassed', reports: [] }],
          [{ type: 'ChecksFailed', reports: [], reason: 'no coverage' }],
        );
      case 'fit':
        return stage('fit', release, [{ type: 'SchemaCompatible' }], [{ type: 'SchemaIncompatible', reason: 'column gone' }]);
      case 'backup':
        return stage('backup', release, [{ type: 'RestorePointMade', points: [] }], [{ type: 'RestorePointMade', points: [] }]);
      case 'migrate': {
        const works = plans.get(release)?.staged?.oldWorks ?? true;
        const old = { works, reason: works ? null : 'column gone' };
        return stage('migrate', release, [{ type: 'MigrationsApplied', applied: [], old }], [{ type: 'MigrationsFailed', reason: 'lock' }]);
      }
      case 'rebuild':
        return stage('rebuild', release, [{ type: 'ProjectionsReady', ready: [] }], [{ type: 'ProjectionsFailed', reason: 'differs' }]);
      case 'revert':
        return stage('revert', release, [{ type: 'ProjectionsReverted' }], [{ type: 'ProjectionsReverted' }]);
      default:
        throw new Error(`${effect.kind} is the engine's own work`);
    }
  }

  return {
    versions,
    weights,
    violations,
    advance,
    perform,
    isHealthy: (app, id) => isHealthy(get(app, id)),
    unreachableMs: (app, id) => unreachableMs(get(app, id)),
  };
}

export function failureOf(error: unknown): { readonly blame: 'user' | 'outside' | 'bug'; readonly code: string } {
  return error instanceof OutsideFailure ? { blame: error.blame, code: error.code } : { blame: 'bug', code: 'BUG' };
}
