import { evolveRollout, newRollout, phaseOf, promoteRollout, resumeRollout } from '../../rollout/evolve.ts';
import type { Cause, ReleaseEvent } from './events.ts';
import type { VersionRef } from '../plan/plan.ts';
import { movedSince } from '../preparations/approval.ts';
import { acquired, firstStage, foldPreparation, mayStart } from '../preparations/fold.ts';
import { isPreparationEvent, UNPREPARED } from '../preparations/index.ts';
import type { Attempt, ReleaseStage, ReleaseState, RolloutState } from './state.ts';

/** Fold one event into a release's state. The first event is always ReleaseRequested. */
export function evolve(state: ReleaseState | null, event: ReleaseEvent, at: number): ReleaseState {
  if (state === null) {
    if (event.type !== 'ReleaseRequested') throw new Error(`a release begins with ReleaseRequested, not ${event.type}`);
    return requested(event, at);
  }
  const next = apply(state, event, at);
  return { ...next, rollouts: withPhases(next), version: state.version + 1 };
}

function requested(event: Extract<ReleaseEvent, { type: 'ReleaseRequested' }>, at: number): ReleaseState {
  return {
    id: event.release,
    plan: event.plan,
    by: event.by,
    retryOf: event.retryOf,
    requestedAt: at,
    stage: firstStage(event.plan),
    stageSince: at,
    waitingFor: null,
    pause: null,
    cause: null,
    preparation: UNPREPARED,
    rollouts: Object.fromEntries(event.plan.apps.map((app) => [app.app, newRollout(app, at)])),
    outcome: null,
    reason: null,
    endedAt: null,
    attempts: {},
    version: 1,
  };
}

function apply(state: ReleaseState, event: ReleaseEvent, at: number): ReleaseState {
  if (isPreparationEvent(event)) return foldPreparation(state, event, at);
  switch (event.type) {
    case 'ReleaseRequested':
      throw new Error('a release is requested once');
    case 'PromoteRequested':
      return promoted(state, event, at);
    case 'PauseRequested':
      return state.pause !== null ? state : { ...state, pause: { since: at, by: event.by, reason: event.reason } };
    case 'ResumeRequested':
      return resumed(state, at);
    case 'AbortRequested': {
      const message = `aborted by ${event.by}${event.reason === null ? '' : `: ${event.reason}`}`;
      return turnRound(state, { kind: 'person', app: null, code: 'ABORTED', message }, at);
    }
    case 'RollbackStarted':
      return turnRound(state, event.cause, at);
    case 'ReservationsAcquired':
      // What was decided on in time may be done too late: then it stays in line, and ends there.
      return state.stage === 'queued' && mayStart(state, at) ? started(state, event.stables, at) : state;
    case 'ReservationBusy':
      return { ...state, waitingFor: { app: event.app, holder: event.holder, since: at } };
    case 'ReservationFreed':
      return { ...state, waitingFor: null };
    case 'FinishingStarted':
      return state.stage === 'rolling' ? enter(state, 'finishing', at) : state;
    case 'ReleaseEnded':
      return { ...enter(state, 'ended', at), outcome: event.outcome, reason: event.reason, endedAt: at };
    case 'ReservationsReleased':
      return enter(state, 'closed', at);
    case 'EffectFailed':
      return { ...state, attempts: { ...state.attempts, [event.key]: attempt(state.attempts[event.key], event, at) } };
    default:
      return withRollout(state, event.app, (rollout) => evolveRollout(rollout, event, at, state.stage === 'restoring'));
  }
}

const TURNS: ReadonlySet<ReleaseStage> = new Set(['checking', 'awaiting', 'scheduled', 'queued', 'preparing', 'rolling']);

/** What was approved is what is done: when other versions run by now, people have to look again (invariant 9). */
function started(state: ReleaseState, stables: Readonly<Record<string, VersionRef | null>>, at: number): ReleaseState {
  const moved = movedSince(state.plan, stables);
  if (moved === null) return acquired(withStables(state, stables, at), at);
  return turnRound(state, { kind: 'technical', app: null, code: 'PLAN_STALE', message: `the approved plan is out of date: ${moved}` }, at);
}

/** From here the release goes back. Too late once finishing began: old versions may be gone already. */
function turnRound(state: ReleaseState, cause: Cause, at: number): ReleaseState {
  if (!TURNS.has(state.stage)) return state;
  const rollouts = Object.entries(state.rollouts).map(([name, rollout]): [string, RolloutState] => [name, { ...rollout, pause: null }]);
  return { ...enter(state, 'restoring', at), cause, pause: null, waitingFor: null, rollouts: Object.fromEntries(rollouts) };
}

/** The release may have waited behind another: what it builds on, and goes back to, is what is stable now. */
function withStables(state: ReleaseState, stables: Readonly<Record<string, VersionRef | null>>, at: number): ReleaseState {
  const rollouts = Object.entries(state.rollouts).map(([name, rollout]): [string, RolloutState] => {
    const fresh = newRollout({ ...rollout.app, stable: stables[name] ?? null }, at);
    return [name, { ...fresh, full: rollout.full }];
  });
  return { ...state, rollouts: Object.fromEntries(rollouts) };
}

function promoted(state: ReleaseState, event: Extract<ReleaseEvent, { type: 'PromoteRequested' }>, at: number): ReleaseState {
  if (state.stage !== 'rolling' && state.stage !== 'queued') return state;
  const going = state.pause === null ? state : resumed(state, at);
  const names = event.app === null ? Object.keys(going.rollouts) : [event.app];
  return names.reduce(
    (next, name) => withRollout(next, name, (rollout) => promoteRollout(rollout, event.full ? event.by : null, at)),
    going,
  );
}

function resumed(state: ReleaseState, at: number): ReleaseState {
  const { pause } = state;
  if (pause === null) return leaveRolloutPauses(state, at);
  const rollouts = Object.entries(state.rollouts).map(([name, rollout]): [string, RolloutState] => {
    // Time counts once: where the rollout itself is paused its own clock covers it.
    const from = Math.max(pause.since, rollout.stage === 'stepping' ? rollout.stepSince : rollout.stageSince);
    return [name, rollout.pause === null ? { ...rollout, pausedMs: rollout.pausedMs + Math.max(0, at - from) } : rollout];
  });
  return { ...state, pause: null, rollouts: Object.fromEntries(rollouts) };
}

function leaveRolloutPauses(state: ReleaseState, at: number): ReleaseState {
  const rollouts = Object.entries(state.rollouts).map(([name, rollout]): [string, RolloutState] => [name, resumeRollout(rollout, at)]);
  return { ...state, rollouts: Object.fromEntries(rollouts) };
}

function withRollout(state: ReleaseState, app: string, change: (rollout: RolloutState) => RolloutState): ReleaseState {
  const rollout = state.rollouts[app];
  return rollout === undefined ? state : { ...state, rollouts: { ...state.rollouts, [app]: change(rollout) } };
}

function withPhases(state: ReleaseState): ReleaseState['rollouts'] {
  const changed = Object.entries(state.rollouts).map(([name, rollout]): [string, RolloutState] => {
    const phase = phaseOf(rollout, state.pause !== null);
    return [name, phase === rollout.phase ? rollout : { ...rollout, phase }];
  });
  return Object.fromEntries(changed);
}

function enter(state: ReleaseState, stage: ReleaseStage, at: number): ReleaseState {
  return { ...state, stage, stageSince: at };
}

function attempt(before: Attempt | undefined, event: Extract<ReleaseEvent, { type: 'EffectFailed' }>, at: number): Attempt {
  return {
    count: (before?.count ?? 0) + 1,
    firstAt: before?.firstAt ?? at,
    lastAt: at,
    code: event.code,
    message: event.message,
    blame: event.blame,
  };
}
