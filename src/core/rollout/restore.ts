import { NOTHING, persist, record } from '../release/runbook/decide.ts';
import type { Decision, EffectBody } from '../release/runbook/effects.ts';
import type { ReleaseState, RolloutState } from '../release/state/state.ts';
import { candidateWeight, isOut, isShared } from './steps.ts';

/** Keys of the effects that put an app back. */
export const RESTORING = [
  'restore-traffic',
  'restore-revived',
  'redeploy-old',
  'verify-old',
  'prove-old',
  'retire-candidate',
  'undo',
] as const;

/** Nothing of this rollout is left to put back. */
export function isRestored(rollout: RolloutState): boolean {
  return ['waiting', 'skipped', 'restored', 'done'].includes(rollout.stage);
}

/**
 * Putting one app back: traffic to the stable version first, seen at the data plane, then the edge is asked as a user would, and only
 * then is the candidate retired. The only healthy copy there is (a first deploy that already serves) is kept.
 */
export function restoreRollout(state: ReleaseState, rollout: RolloutState, now: number): Decision {
  const { app, candidate } = rollout;
  if (isRestored(rollout)) return NOTHING;
  if (candidate === null) return restored(rollout, false, now);
  if (app.stable === null) {
    if (candidateWeight(rollout) > 0 || isOut(rollout)) return restored(rollout, true, now);
    return rollout.candidateRetired
      ? restored(rollout, false, now)
      : wish(state, rollout, 'undo', { kind: 'retire', app, version: candidate, keep: null }, now);
  }
  if (candidate.id === app.stable.id) return restored(rollout, false, now);
  return app.strategy.kind === 'recreate' ? recreateOld(state, rollout, now) : switchBack(state, rollout, now);
}

function switchBack(state: ReleaseState, rollout: RolloutState, now: number): Decision {
  const { app, candidate } = rollout;
  const { stable } = app;
  if (candidate === null || stable === null) return NOTHING;
  if (isShared(app) && !rollout.trafficRestored) {
    const body = { kind: 'shift', app, versions: [stable, candidate], weights: { [stable.id]: 100, [candidate.id]: 0 } } as const;
    if (state.attempts[`${app.app}/restore-traffic`]?.code !== 'VERSION_GONE') return wish(state, rollout, 'restore-traffic', body, now);
    return reviveOld(state, rollout, now) ?? wish(state, rollout, 'restore-revived', body, now);
  }
  const proving = proveOld(state, rollout, now);
  if (proving !== null) return proving;
  if (!rollout.candidateRetired)
    return wish(state, rollout, 'retire-candidate', { kind: 'retire', app, version: candidate, keep: stable }, now);
  return restored(rollout, false, now);
}

/** Ask whether users reach the stable version again; null: it was answered, or nothing of theirs had moved. */
function proveOld(state: ReleaseState, rollout: RolloutState, now: number): Decision | null {
  const { app, edgeProof, shifted, oldStopped } = rollout;
  if (app.stable === null || edgeProof.state !== 'open' || !(shifted || oldStopped)) return null;
  const until = Math.min(edgeProof.since + app.deadlines.healthyMs, deadlineOf(state));
  return wish(state, rollout, 'prove-old', { kind: 'probe', app, version: app.stable, until }, now);
}

/** A worker must not run twice: the new one goes before the old one comes back. */
function recreateOld(state: ReleaseState, rollout: RolloutState, now: number): Decision {
  const { app, candidate } = rollout;
  const { stable } = app;
  if (candidate === null || stable === null) return NOTHING;
  if (!rollout.candidateRetired)
    return wish(state, rollout, 'retire-candidate', { kind: 'retire', app, version: candidate, keep: null }, now);
  const reviving = reviveOld(state, rollout, now);
  if (reviving !== null) return reviving;
  if (isShared(app) && !rollout.trafficRestored) {
    return wish(state, rollout, 'restore-traffic', { kind: 'shift', app, versions: [stable], weights: { [stable.id]: 100 } }, now);
  }
  return proveOld(state, rollout, now) ?? restored(rollout, false, now);
}

/** Start the old version again from its artifact; null once it is seen healthy. */
function reviveOld(state: ReleaseState, rollout: RolloutState, now: number): Decision | null {
  const { app } = rollout;
  if (app.stable === null) return null;
  if (!rollout.oldDeployed) return wish(state, rollout, 'redeploy-old', { kind: 'deploy', app, version: app.stable, weights: {} }, now);
  if (!rollout.oldHealthy)
    return wish(state, rollout, 'verify-old', { kind: 'verify', app, version: app.stable, until: deadlineOf(state) }, now);
  return null;
}

function restored(rollout: RolloutState, kept: boolean, now: number): Decision {
  return record(rollout.app.app, 'restored', now, { type: 'StableRestored', app: rollout.app.app, kept });
}

function wish(state: ReleaseState, rollout: RolloutState, key: (typeof RESTORING)[number], body: EffectBody, now: number): Decision {
  return persist(state, { lane: rollout.app.app, key, body, deadline: deadlineOf(state) }, now);
}

/** When a rollback must be done, ms since epoch. */
export function deadlineOf(state: ReleaseState): number {
  return state.stageSince + state.plan.deadlines.rollbackMs;
}
