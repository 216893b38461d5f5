import type { AnalysisPolicy } from '../../src/core/analysis/policy.ts';
import type { ReleaseEvent } from '../../src/core/release/state/events.ts';
import { evolve } from '../../src/core/release/state/evolve.ts';
import { type Plan, type PlannedApp, type Strategy, type VersionRef, versionId, withHash } from '../../src/core/release/plan/plan.ts';
import type { ReleaseState } from '../../src/core/release/state/state.ts';

/** Histories of a release of one app, `web`, from OLD to NEW. */
const RUN = { command: ['node', 'server.js'], env: {}, instances: 1, listens: true, drainMs: 1000 };
export const OLD = version('sha256:old');
export const NEW = version('sha256:new');
const ANALYSIS: AnalysisPolicy = {
  judge: 'threshold',
  intervalMs: 1_000,
  initialDelayMs: 0,
  metrics: [
    {
      name: 'errors',
      measure: { kind: 'errorRate' },
      success: { compare: '<', value: 0.01, of: 'candidate' },
      failure: null,
      failureLimit: 0,
      inconclusiveLimit: 3,
      consecutiveErrorLimit: 4,
      consecutiveSuccessLimit: 0,
      minRequests: 10,
      dryRun: false,
    },
  ],
  noData: 'inconclusive',
  minRequests: 20,
};
export const CANARY: Strategy = {
  kind: 'canary',
  steps: [
    { kind: 'weight', weight: 5 },
    { kind: 'bake', forMs: 10_000 },
  ],
  analysis: ANALYSIS,
  soakMs: 1_000,
};

export type Timed = { readonly at: number; readonly event: ReleaseEvent };

export function given(history: readonly (ReleaseEvent | Timed)[]): ReleaseState {
  let state: ReleaseState | null = null;
  let now = 0;
  for (const item of history) {
    if ('event' in item) now = item.at;
    state = evolve(state, 'event' in item ? item.event : item, now);
  }
  return state as ReleaseState;
}

export function at(time: number, event: ReleaseEvent): Timed {
  return { at: time, event };
}

function version(artifact: string): VersionRef {
  return { id: versionId(artifact, RUN, null), artifact, commit: 'c', run: RUN, health: null };
}

/** The app `web` of a plan. */
export function plannedWeb(strategy: Strategy = CANARY, stable: VersionRef | null = OLD): PlannedApp {
  return {
    app: 'web',
    path: 'web',
    platform: 'processes',
    dependsOn: [],
    reason: 'source changed',
    fingerprint: 'f',
    artifact: null,
    stable,
    build: null,
    run: RUN,
    health: null,
    smoke: null,
    routes: [{ host: null, pathPrefix: '/' }],
    sticky: { by: 'cookie' },
    strategy,
    deadlines: { buildMs: 60_000, healthyMs: 30_000, smokeMs: 10_000, progressMs: 600_000 },
    concurrency: 'queue',
  };
}

export function requested(strategy: Strategy = CANARY, stable: VersionRef | null = OLD, more: Partial<Plan> = {}): ReleaseEvent {
  const app = plannedWeb(strategy, stable);
  const plan = withHash({
    schema: 1,
    workspace: 'w',
    environment: 'production',
    kind: 'deploy',
    source: { commit: 'c', branch: 'main', dirty: false },
    apps: [app],
    unchanged: [],
    deadlines: { queueMs: 600_000, pauseMs: 60_000, rollbackMs: 30_000 },
    ...more,
  });
  return { type: 'ReleaseRequested', release: 'r1', plan, by: 'ann', retryOf: null };
}

export function acquired(stable: VersionRef | null): ReleaseEvent {
  return { type: 'ReservationsAcquired', stables: { web: stable } };
}

export function started(): ReleaseEvent {
  return { type: 'RolloutStarted', app: 'web' };
}

export function built(): ReleaseEvent {
  return { type: 'ArtifactBuilt', app: 'web', version: NEW, reused: false, log: null };
}

export function deployed(): ReleaseEvent {
  return { type: 'VersionDeployed', app: 'web', version: NEW.id };
}

export function healthy(): ReleaseEvent {
  return { type: 'VersionHealthy', app: 'web', version: NEW.id };
}

export function weights(split: Record<string, number>): ReleaseEvent {
  return { type: 'WeightsShifted', app: 'web', weights: split, toProve: false };
}

export function shifted(weight: number): ReleaseEvent {
  return weights({ [OLD.id]: 100 - weight, [NEW.id]: weight });
}
