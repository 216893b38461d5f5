import { NOTHING, persist, record } from '../release/decide.ts';
import type { Decision, EffectBody } from '../release/effects.ts';
import type { ReleaseState, RolloutState } from '../release/state.ts';
import { candidateWeight, hasTraffic, isOut } from './steps.ts';

/** Nothing of this rollout is left to put back. */
export function isRestored(rollout: RolloutState): boolean {
  return ['waiting', 'skipped', 'restored', 'done'].includes(rollout.stage);
}

/**
 * Putting one app back: traffic to the stable version first, seen at the data plane, and only then is the
 * candidate retired. The only healthy copy there is (a first deploy that already serves) is kept.
 */
export function restoreRollout(state: ReleaseState, rollout: RolloutState, now: number): Decision {
  const { app, candidate } = rollout;
  if (isRestored(rollout)) return NOTHING;
  if (candidate === null) return restored(rollout, false, now);
  if (app.stable === null) {
    if (candidateWeight(rollout) > 0 || isOut(rollout)) return restored(rollout, true, now);
    return rollout.candidateRetired ? restored(rollout, false, now) : wish(state, rollout, 'undo', { kind: 'retire', app, version: candidate, keep: null }, now);
  }
  if (candidate.id === app.stable.id) return restored(rollout, false, now);
  return app.strategy.kind === 'recreate' ? recreateOld(state, rollout, now) : switchBack(state, rollout, now);
}

function switchBack(state: ReleaseState, rollout: RolloutState, now: number): Decision {
  const { app, candidate } = rollout;
  const { stable } = app;
  if (candidate === null || stable === null) return NOTHING;
  if (hasTraffic(app) && !rollout.trafficRestored) {
    return wish(state, rollout, 'restore-traffic', { kind: 'shift', app, versions: [stable, candidate], weights: { [stable.id]: 100, [candidate.id]: 0 } }, now);
  }
  if (!rollout.candidateRetired) return wish(state, rollout, 'retire-candidate', { kind: 'retire', app, version: candidate, keep: stable }, now);
  return restored(rollout, false, now);
}

/** A worker must not run twice: the new one goes before the old one comes back. */
function recreateOld(state: ReleaseState, rollout: RolloutState, now: number): Decision {
  const { app, candidate } = rollout;
  const { stable } = app;
  if (candidate === null || stable === null) return NOTHING;
  if (!rollout.candidateRetired) return wish(state, rollout, 'retire-candidate', { kind: 'retire', app, version: candidate, keep: null }, now);
  if (!rollout.oldDeployed) return wish(state, rollout, 'redeploy-old', { kind: 'deploy', app, version: stable, weights: {} }, now);
  if (!rollout.oldHealthy) {
    const until = deadlineOf(state);
    return wish(state, rollout, 'verify-old', { kind: 'verify', app, version: stable, until }, now);
  }
  if (hasTraffic(app) && !rollout.trafficRestored) {
    return wish(state, rollout, 'restore-traffic', { kind: 'shift', app, versions: [stable], weights: { [stable.id]: 100 } }, now);
  }
  return restored(rollout, false, now);
}

function restored(rollout: RolloutState, kept: boolean, now: number): Decision {
  return record(rollout.app.app, 'restored', now, { type: 'StableRestored', app: rollout.app.app, kept });
}

function wish(state: ReleaseState, rollout: RolloutState, key: string, body: EffectBody, now: number): Decision {
  return persist(state, { lane: rollout.app.app, key, body, deadline: deadlineOf(state) }, now);
}

/** When a rollback must be done, ms since epoch. */
export function deadlineOf(state: ReleaseState): number {
  return state.stageSince + state.plan.deadlines.rollbackMs;
}
