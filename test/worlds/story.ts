import { resolveEnvironment } from '../../src/config/resolve/resolve.ts';
import { validate } from '../../src/config/validate/validate.ts';
import { bucketOf } from '../../src/core/analysis/histogram.ts';
import type { ArmCounts, Sample } from '../../src/core/analysis/sample.ts';
import type { Effect } from '../../src/core/release/runbook/effects.ts';
import type { ReleaseEvent } from '../../src/core/release/state/events.ts';
import { evolve } from '../../src/core/release/state/evolve.ts';
import { violation } from '../../src/core/release/runbook/guards.ts';
import { next } from '../../src/core/release/runbook/next.ts';
import { type Plan, type PlannedApp, type Strategy, type VersionRef, versionId, withHash } from '../../src/core/release/plan/plan.ts';
import type { ReleaseState } from '../../src/core/release/state/state.ts';

const RUN = { command: ['node', 'server.js'], env: {}, instances: 4, listens: true, drainMs: 1000 };
const OLD = versionOf('sha256:old');
export const NEW = versionOf('sha256:new');
const DEADLINES = { buildMs: 60_000, healthyMs: 30_000, smokeMs: 30_000, progressMs: 600_000 };

/** What one version of the app does: in a second, requests and how many of them are bad; null: nobody can tell. */
export type Behaviour = (at: number, look: { readonly analysis: string | null; readonly source: string }) => Does | null;
export interface Does {
  readonly requests: number;
  readonly errors?: number;
  readonly ms?: number;
}

interface Story {
  readonly strategy: Strategy;
  readonly candidate: Behaviour;
  readonly baseline?: Behaviour;
  readonly routes?: PlannedApp['routes'];
  /** What a person does, and when. */
  readonly people?: readonly { readonly at: number; readonly event: ReleaseEvent }[];
  /** The metrics' source begins to count again then, and has forgotten all before. */
  readonly restarts?: readonly number[];
  /** How long it takes until what was looked at then is recorded, ms. */
  readonly recordedAfter?: (at: number) => number;
  /** What the source takes for the time is that much too early. */
  readonly clockBehindMs?: number;
  readonly untilMs?: number;
}

interface Told {
  readonly state: ReleaseState;
  readonly log: readonly { readonly at: number; readonly data: ReleaseEvent }[];
  /** Time of the first event of a type (and what it says), null when there was none. */
  when(type: ReleaseEvent['type'], is?: (event: ReleaseEvent) => boolean): number | null;
  /** The candidate's weights, with times. */
  readonly weights: readonly (readonly [number, number])[];
}

/** The strategy of `web` in production, from configuration as a user writes it. */
export function configured(app: object, more: { readonly templates?: object; readonly production?: object } = {}): Strategy {
  const { config, mistakes } = validate({
    workspace: 'shop',
    ...(more.templates === undefined ? {} : { templates: more.templates }),
    apps: { web: { path: 'web', run: 'node server.js', routes: ['/'], ...app } },
    environments: { production: { ...more.production } },
  });
  if (config === null) throw new Error(mistakes.map(({ path, message }) => `${path.map(String).join('.')}: ${message}`).join('\n'));
  const found = resolveEnvironment(config, 'production').apps[0];
  if (found === undefined) throw new Error('no app');
  return found.strategy;
}

/** One release of one app in virtual time, by the real runbook: everything works, and takes 10 ms. */
export function tell(story: Story): Told {
  const log: { at: number; data: ReleaseEvent }[] = [];
  let state: ReleaseState | null = null;
  let now = 0;
  const take = (data: ReleaseEvent): void => {
    log.push({ at: now, data });
    state = evolve(state, data, now);
  };
  take({ type: 'ReleaseRequested', release: 'r1', plan: planned(story.strategy, story.routes), by: 'ann', retryOf: null });
  const people = [...(story.people ?? [])];
  for (let turn = 0; turn < 50_000; turn += 1) {
    while (people[0] !== undefined && people[0].at <= now) take((people.shift() as { event: ReleaseEvent }).event);
    const current = state as unknown as ReleaseState;
    if (current.stage === 'closed' || now > (story.untilMs ?? 3_600_000)) break;
    const { effects, wakeAt } = next(current, now);
    if (effects.length === 0) {
      const then = Math.min(wakeAt ?? Infinity, people[0]?.at ?? Infinity);
      if (then === Infinity) break;
      now = Math.max(now + 1, then);
      continue;
    }
    for (const effect of effects) {
      const broken = violation(current, effect);
      if (broken !== null) throw new Error(`refused to ${effect.kind}: ${broken}`);
    }
    if (effects.some(({ kind }) => kind !== 'record')) now += 10;
    for (const effect of effects) {
      const events = perform(story, effect, now);
      if (effect.kind === 'collect') now += story.recordedAfter?.(now) ?? 0;
      for (const event of events) take(event);
    }
  }
  const final = state as unknown as ReleaseState;
  return {
    state: final,
    log,
    when: (type, is = () => true) => log.find(({ data }) => data.type === type && is(data))?.at ?? null,
    weights: log.flatMap(({ at, data }) => (data.type === 'WeightsShifted' ? [[at, data.weights[NEW.id] ?? 0] as const] : [])),
  };
}

function perform(story: Story, effect: Effect, now: number): readonly ReleaseEvent[] {
  switch (effect.kind) {
    case 'record':
      return effect.events;
    case 'reserve':
      return [{ type: 'ReservationsAcquired', stables: { web: OLD } }];
    case 'unreserve':
      return [{ type: 'ReservationsReleased' }];
    case 'build':
      return [{ type: 'ArtifactBuilt', app: 'web', version: NEW, reused: false, log: null }];
    case 'deploy':
      return [{ type: 'VersionDeployed', app: 'web', version: effect.version.id }];
    case 'verify':
      return [{ type: 'VersionHealthy', app: 'web', version: effect.version.id }];
    case 'smoke':
      return [{ type: 'SmokePassed', app: 'web', version: effect.version.id }];
    case 'shift':
      return [{ type: 'WeightsShifted', app: 'web', weights: effect.weights, toProve: false }];
    case 'retire':
      return [{ type: 'VersionRetired', app: 'web', version: effect.version.id }];
    case 'collect':
      return [{ type: 'SampleCollected', app: 'web', ...collected(story, effect, now) }];
    default:
      throw new Error(`nothing in this story asks for ${effect.kind}`);
  }
}

function collected(story: Story, effect: Extract<Effect, { kind: 'collect' }>, now: number) {
  const look = { analysis: effect.analysis ?? null, source: effect.source?.kind ?? 'edge' };
  const of = effect.analysis === undefined ? {} : { analysis: effect.analysis };
  const begun = (story.restarts ?? []).filter((at) => at <= now);
  const seconds = (now - Math.max(effect.since, ...begun)) / 1000;
  const counts = (behaviour: Behaviour): ArmCounts | null => {
    const does = behaviour(now, look);
    if (does === null) return null;
    const [requests, errors] = [Math.round(does.requests * seconds), Math.round((does.errors ?? 0) * seconds)];
    return { requests, errors, latency: spread(requests, does.ms ?? 40, now) };
  };
  const arms = { candidate: counts(story.candidate), baseline: counts(story.baseline ?? (() => ({ requests: 50 }))) };
  const at = now - (story.clockBehindMs ?? 0);
  const fromAt = effect.previous?.at ?? effect.since;
  if (arms.candidate === null) {
    const sample: Sample = { fromAt: effect.since, at: now, candidate: null, baseline: null, error: 'connection refused' };
    return { sample, reading: null, ...of };
  }
  const baseline = effect.baseline === null ? null : arms.baseline;
  const sample: Sample = { fromAt, at, candidate: arms.candidate, baseline, error: null };
  return { sample: effect.previous === null ? null : sample, reading: { epoch: `e${begun.length}`, at, versions: {} }, ...of };
}

/** Latencies from `ms` on with a long tail, spread as evenly as can be over `seed`s. */
function spread(requests: number, ms: number, seed: number): Record<string, number> {
  const latency: Record<string, number> = {};
  for (let i = 0; i < requests; i += 1) {
    const rank = ((seed + i) * 0.6180339887) % 1;
    const bucket = bucketOf(ms) + Math.floor(-6 * Math.log(1 - rank));
    latency[bucket] = (latency[bucket] ?? 0) + 1;
  }
  return latency;
}

/** A plan of one app, `web`, which runs already. */
export function planned(strategy: Strategy, routes: PlannedApp['routes'] = [{ host: null, pathPrefix: '/' }]): Plan {
  const app: PlannedApp = {
    app: 'web',
    path: 'web',
    platform: 'processes',
    dependsOn: [],
    reason: 'changed',
    fingerprint: 'f',
    artifact: null,
    stable: OLD,
    build: null,
    run: RUN,
    health: null,
    smoke: null,
    routes,
    sticky: { by: 'cookie' },
    strategy,
    deadlines: DEADLINES,
    concurrency: 'queue',
  };
  return withHash({
    schema: 1,
    workspace: 'shop',
    environment: 'production',
    kind: 'deploy',
    source: { commit: 'c', branch: 'main', dirty: false },
    apps: [app],
    unchanged: [],
    deadlines: { queueMs: 600_000, pauseMs: 60_000, rollbackMs: 60_000 },
  });
}

function versionOf(artifact: string): VersionRef {
  return { id: versionId(artifact, RUN, null), artifact, commit: 'c', run: RUN, health: null };
}
