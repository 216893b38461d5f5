import { nextForRollout, proveAgain, provenSince } from '../../rollout/next.ts';
import { deadlineOf, isRestored, RESTORING, restoreRollout } from '../../rollout/restore.ts';
import { isOut } from '../../rollout/steps.ts';
import { attempt, merge, NOTHING, persist, record, wait } from './decide.ts';
import type { Decision } from './effects.ts';
import type { Cause, Outcome } from '../state/events.ts';
import {
  latestStart,
  leftToUndo,
  prepareEarly,
  preparing,
  stuckOnSchema,
  tooLateToStart,
  undoPreparations,
} from '../preparations/prepare.ts';
import { checklistOf } from '../state/checklist.ts';
import { levels } from '../plan/plan.ts';
import type { Attempt, ReleaseState, RolloutState } from '../state/state.ts';

/** A release that waits for an app is told when it is free; if that went astray it looks again after this long, ms. */
const LOOK_AGAIN_MS = 300_000;
/** Old versions are stopped on proofs of health and of the way through the edge that are no older, ms. */
const STALE_MS = 30_000;
/** Failed tries after which the rest of a rollback no longer waits for an app. */
const STUCK_AFTER = 3;
/** The release's own lane. */
const RELEASE = '';

/**
 * The runbook of a release: what is to be done now, given what has happened. Pure: the same state and
 * time give the same decision, so it may be asked again after any crash.
 */
export function next(state: ReleaseState, now: number): Decision {
  switch (state.stage) {
    case 'checking':
    case 'awaiting':
    case 'scheduled':
      return prepareEarly(state, state.stage, now);
    case 'queued':
      return queued(state, now);
    case 'preparing':
      return preparing(state, now);
    case 'rolling':
      return rolling(state, now);
    case 'finishing':
      return finishing(state, now);
    case 'restoring':
      return restoring(state, now);
    case 'ended':
      return persist(state, { lane: RELEASE, key: 'unreserve', body: { kind: 'unreserve' }, deadline: now + LOOK_AGAIN_MS }, now);
    case 'closed':
      return NOTHING;
  }
}

function queued(state: ReleaseState, now: number): Decision {
  const expiresAt = state.stageSince + state.plan.deadlines.queueMs;
  const { waitingFor } = state;
  if (now >= expiresAt) {
    const behind = waitingFor === null ? 'a free slot' : `${waitingFor.app}, held by ${waitingFor.holder}`;
    return end(state, 'Errored', `waited too long for ${behind}`, now);
  }
  const tooLate = tooLateToStart(state, now);
  if (tooLate !== null) return tooLate;
  const lookAgain = waitingFor === null ? now : waitingFor.since + LOOK_AGAIN_MS;
  if (now < lookAgain) return wait(Math.min(lookAgain, expiresAt, latestStart(state)));
  const apps = state.plan.apps.map(({ app, concurrency }) => ({ app, concurrency }));
  const wish = { lane: RELEASE, key: `reserve/${state.version}`, body: { kind: 'reserve', apps } as const, deadline: expiresAt };
  return attempt(state, wish, now, (failed) => end(state, 'Errored', failed.message, now));
}

function rolling(state: ReleaseState, now: number): Decision {
  const rollouts = Object.values(state.rollouts);
  const allReady = rollouts.every((rollout) => rollout.stage === 'skipped' || (rollout.stage === 'ready' && rollout.failedCheck === null));
  if (allReady && state.pause === null) return proveAllAgain(state, now) ?? record(RELEASE, 'finish', now, { type: 'FinishingStarted' });
  return merge(rollouts.map((rollout) => (allReady ? pausedAtTheEnd(state, now) : nextForRollout(state, rollout, now))));
}

/** What was ready long before the others is looked at again before old versions are stopped; null: all was just looked at. */
function proveAllAgain(state: ReleaseState, now: number): Decision | null {
  const notBefore = now - STALE_MS;
  const stale = Object.values(state.rollouts).filter((rollout) => rollout.stage === 'ready' && provenSince(rollout) < notBefore);
  return stale.length === 0 ? null : merge(stale.map((rollout) => proveAgain(state, rollout, notBefore, now)));
}

function pausedAtTheEnd(state: ReleaseState, now: number): Decision {
  const expiresAt = (state.pause?.since ?? now) + state.plan.deadlines.pauseMs;
  if (now < expiresAt) return wait(expiresAt);
  const cause: Cause = {
    kind: 'technical',
    app: null,
    code: 'PAUSE_EXPIRED',
    message: 'nobody resumed or aborted the paused release in time',
  };
  return record(RELEASE, 'pause-expired', now, { type: 'RollbackStarted', cause });
}

function finishing(state: ReleaseState, now: number): Decision {
  const rollouts = Object.values(state.rollouts);
  const open = rollouts.filter((rollout) => rollout.stage !== 'done' && rollout.stage !== 'skipped');
  if (open.length === 0) return end(state, 'Succeeded', success(rollouts), now);
  return merge(open.map((rollout) => finishRollout(state, rollout, now)));
}

/** Retire the old version: the new one has all traffic, soaked, and was just seen healthy. */
function finishRollout(state: ReleaseState, rollout: RolloutState, now: number): Decision {
  const { app, candidate } = rollout;
  const finished = (note: string | null) => record(app.app, 'finish', now, { type: 'RolloutFinished', app: app.app, note });
  if (app.stable === null || rollout.oldStopped || rollout.oldRetired || candidate === null) return finished(null);
  const body = { kind: 'retire', app, version: app.stable, keep: candidate } as const;
  const wish = { lane: app.app, key: 'retire-old', body, deadline: state.stageSince + app.deadlines.progressMs };
  const leaveIt = (failed: Attempt) =>
    finished(`the old version ${app.stable?.id} could not be retired and may still run: ${failed.message}`);
  return attempt(state, wish, now, leaveIt);
}

function restoring(state: ReleaseState, now: number): Decision {
  const { refused } = state.preparation;
  const stuck = stuckOnSchema(state);
  if (stuck !== null && refused === null) return record(RELEASE, 'refuse', now, { type: 'RollbackRefused', reason: stuck });
  if (stuck !== null) return end(state, 'RollbackFailed', `not put back: ${stuck}; ${state.cause?.message ?? ''}`, now);
  const group = nextGroup(state);
  const undoing = undoPreparations(state, now, deadlineOf(state));
  if (group.length === 0 && undoing === null) return end(state, ...outcomeOf(state), now);
  if (now >= deadlineOf(state)) return giveUp(state, now);
  if (group.length === 0 && undoing !== null) return merge([wait(deadlineOf(state)), undoing]);
  return merge([wait(deadlineOf(state)), ...group.map((rollout) => restoreRollout(state, rollout, now))]);
}

/**
 * Whatever is under way goes back first and at once; then what was already out, dependents before what they
 * depend on. An app that will not go back does not hold up the others.
 */
function nextGroup(state: ReleaseState): readonly RolloutState[] {
  const open = Object.values(state.rollouts).filter((rollout) => !isRestored(rollout));
  const byLevel = levels(state.plan.apps).toReversed();
  const groups = [
    open.filter((rollout) => !isOut(rollout)),
    ...byLevel.map((level) => open.filter((rollout) => isOut(rollout) && level.includes(rollout.app.app))),
  ];
  const now: RolloutState[] = [];
  for (const group of groups) {
    now.push(...group);
    if (group.some((rollout) => !isStuck(state, rollout))) break;
  }
  return now;
}

function isStuck(state: ReleaseState, rollout: RolloutState): boolean {
  const keys = RESTORING.map((key) => `${rollout.app.app}/${key}`);
  return keys.some((key) => (state.attempts[key]?.count ?? 0) >= STUCK_AFTER);
}

function giveUp(state: ReleaseState, now: number): Decision {
  const open = Object.values(state.rollouts).filter((rollout) => !isRestored(rollout));
  if (open.length === 0)
    return end(
      state,
      'RollbackFailed',
      `the ${leftToUndo(state).join(', ')} could not be put back in time; ${state.cause?.message ?? ''}`,
      now,
    );
  const serving = open.every(
    ({ trafficRestored, edgeProof, app }) => trafficRestored && edgeProof.state !== 'open' && app.strategy.kind !== 'recreate',
  );
  const names = open.map((rollout) => rollout.app.app).join(', ');
  if (serving) {
    const [outcome, reason] = outcomeOf(state);
    return end(state, outcome, `${reason}; traffic is back, but the rejected version of ${names} could not be stopped`, now);
  }
  return end(state, 'RollbackFailed', `${names} could not be put back in time; ${state.cause?.message ?? ''}`, now);
}

function outcomeOf(state: ReleaseState): [Outcome, string] {
  const cause = state.cause;
  const message = cause === null ? 'stopped' : cause.app === null ? cause.message : `${cause.app}: ${cause.message}`;
  const unreached = Object.values(state.rollouts).find(({ edgeProof }) => edgeProof.state === 'broken');
  if (unreached !== undefined)
    return [
      'RollbackFailed',
      `users do not reach ${unreached.app.stable?.id} of ${unreached.app.app} again: ${unreached.reason}; ${message}`,
    ];
  if (cause?.kind === 'person') return ['Aborted', message];
  if (Object.values(state.rollouts).some((rollout) => rollout.shifted)) return ['RolledBack', message];
  return [cause?.kind === 'technical' ? 'Errored' : 'Failed', message];
}

function success(rollouts: readonly RolloutState[]): string {
  const done = rollouts.filter((rollout) => rollout.stage === 'done').map((rollout) => rollout.app.app);
  return done.length === 0 ? 'everything ran already' : `${done.join(', ')} released`;
}

function end(state: ReleaseState, outcome: Outcome, reason: string, now: number): Decision {
  return record(RELEASE, 'end', now, { type: 'ReleaseEnded', outcome, reason, checklist: checklistOf(state) });
}
