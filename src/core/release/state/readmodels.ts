import type { Weights } from '../../app/traffic.ts';
import type { Outcome, ReleaseEvent } from './events.ts';
import { type Hold, holdSettings } from './holds.ts';
import type { VersionRef } from '../plan/plan.ts';
import type { ReleaseState } from './state.ts';

/** What can happen to an environment outside of any release. Stream `environment/<name>`. */
export type EnvironmentEvent = { readonly type: 'HoldLifted'; readonly app: string; readonly version: string; readonly by: string };

/** One release in lists. */
export interface ReleaseSummary {
  readonly id: string;
  readonly environment: string;
  readonly apps: readonly string[];
  readonly kind: 'deploy' | 'rollback';
  readonly commit: string | null;
  readonly planHash: string;
  readonly by: string;
  readonly requestedAt: number;
  readonly endedAt: number | null;
  readonly outcome: Outcome | null;
  readonly reason: string | null;
}

/** What runs of one app in one environment now. */
export interface EnvironmentApp {
  readonly app: string;
  readonly platform: string;
  readonly stable: VersionRef | null;
  readonly fingerprint: string | null;
  readonly weights: Weights;
  readonly release: string | null;
  readonly since: number;
  readonly history: readonly Earlier[];
  readonly held: readonly Hold[];
}

export interface Earlier {
  readonly version: VersionRef;
  readonly fingerprint: string;
  readonly release: string;
  readonly at: number;
}

/** Versions `rollback` can go back to. */
const HISTORY = 10;
const HOLDS = 20;

/** The row of a release after one of its events, or null when the event does not change it. `state`: after the event. */
export function projectRelease(row: ReleaseSummary | null, event: ReleaseEvent, state: ReleaseState, at: number): ReleaseSummary | null {
  if (event.type === 'ReleaseRequested') return summaryOf(state);
  if (event.type !== 'ReleaseEnded') return null;
  return { ...(row ?? summaryOf(state)), endedAt: at, outcome: event.outcome, reason: event.reason };
}

function summaryOf(state: ReleaseState): ReleaseSummary {
  const { plan } = state;
  return {
    id: state.id,
    environment: plan.environment,
    apps: plan.apps.map((app) => app.app),
    kind: plan.kind,
    commit: plan.source.commit,
    planHash: plan.hash,
    by: state.by,
    requestedAt: state.requestedAt,
    endedAt: null,
    outcome: null,
    reason: null,
  };
}

/** The app whose entry in the manifest an event changes, or null: most events change none. */
export function appChangedBy(event: ReleaseEvent): string | null {
  switch (event.type) {
    case 'WeightsShifted':
    case 'RolloutFinished':
    case 'RolloutSkipped':
    case 'RolloutFailed':
    case 'StableRestored':
      return event.app;
    case 'RollbackStarted':
      return event.cause.app;
    default:
      return null;
  }
}

/** An app's entry after an event of a release. `state`: after the event. */
export function projectApp(before: EnvironmentApp | null, event: ReleaseEvent, state: ReleaseState, at: number): EnvironmentApp | null {
  const name = appChangedBy(event);
  const rollout = name === null ? undefined : state.rollouts[name];
  if (name === null || rollout === undefined) return before;
  const entry = before ?? newEntry(name, rollout.app.platform, at);
  switch (event.type) {
    case 'WeightsShifted':
      return { ...entry, weights: event.weights };
    case 'RolloutFinished':
      return rollout.candidate === null
        ? entry
        : settled({ ...entry, platform: rollout.app.platform }, rollout.candidate, state, rollout.app.fingerprint, at);
    case 'StableRestored':
      // The only copy there is stays, and serves: the next release must find it, or it would stop it unawares.
      return event.kept && rollout.candidate !== null
        ? settled({ ...entry, platform: rollout.app.platform }, rollout.candidate, state, rollout.app.fingerprint, at)
        : entry;
    case 'RolloutSkipped':
      // The build gave what runs already: from now on these sources count as deployed.
      return rollout.candidate !== null && rollout.candidate.id === entry.stable?.id
        ? { ...entry, fingerprint: rollout.app.fingerprint }
        : entry;
    case 'RolloutFailed':
    case 'RollbackStarted':
      return event.cause.kind === 'technical' || rollout.candidate === null
        ? entry
        : hold(entry, {
            version: rollout.candidate.id,
            fingerprint: rollout.app.fingerprint,
            // A rollback goes all at once whatever is declared: only what the version itself is made of can be compared with a deploy.
            settings: holdSettings(state.plan.kind === 'rollback' ? { run: rollout.app.run, health: rollout.app.health } : rollout.app),
            reason: event.cause.message,
            release: state.id,
            at,
          });
    default:
      return entry;
  }
}

export function liftHold(entry: EnvironmentApp, version: string): EnvironmentApp {
  return { ...entry, held: entry.held.filter((held) => held.version !== version) };
}

function newEntry(app: string, platform: string, at: number): EnvironmentApp {
  return { app, platform, stable: null, fingerprint: null, weights: {}, release: null, since: at, history: [], held: [] };
}

/** The candidate is the stable version now. */
function settled(entry: EnvironmentApp, version: VersionRef, state: ReleaseState, fingerprint: string, at: number): EnvironmentApp {
  const { stable } = entry;
  const next: EnvironmentApp = {
    ...entry,
    stable: version,
    fingerprint,
    weights: Object.fromEntries(Object.entries(entry.weights).filter(([, weight]) => weight > 0)),
    release: state.id,
    since: at,
    held: entry.held.filter((held) => held.version !== version.id),
  };
  if (stable === null || stable.id === version.id) return next;
  const old: Earlier = { version: stable, fingerprint: entry.fingerprint ?? '', release: entry.release ?? '', at: entry.since };
  const earlier = [old, ...entry.history].filter(
    (other) => other.version.id !== version.id && (other === old || other.version.id !== stable.id),
  );
  const moved = { ...next, history: earlier.slice(0, HISTORY) };
  if (state.plan.kind !== 'rollback') return moved;
  // The person who rolled back has rejected what ran: nothing may bring it again by itself.
  return hold(moved, {
    version: stable.id,
    fingerprint: old.fingerprint,
    settings: withoutValues(holdSettings(stable)),
    reason: `rolled back by ${state.by}`,
    release: state.id,
    at,
  });
}

/** A person's no to a version is not overcome by a token that is another one in every shell. */
function withoutValues({ values: _values, ...settings }: Record<string, string>): Record<string, string> {
  return settings;
}

function hold(entry: EnvironmentApp, held: Hold): EnvironmentApp {
  if (held.version === entry.stable?.id || entry.held.some((other) => other.version === held.version)) return entry;
  return { ...entry, held: [held, ...entry.held].slice(0, HOLDS) };
}
