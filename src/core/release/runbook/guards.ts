import { isApproved } from '../../access/approval.ts';
import { candidateWeight, isShared, policyOf, stepsOf } from '../../rollout/steps.ts';
import type { Effect } from './effects.ts';
import { isIntact } from '../plan/plan.ts';
import type { ReleaseState, RolloutState } from '../state/state.ts';

/**
 * The invariants of the design as a last look before an effect touches the outside. The runbook never
 * asks for what this refuses; if it ever does, that is a bug and nothing is done.
 * @returns what would be broken, one sentence, or null.
 */
export function violation(state: ReleaseState, effect: Effect): string | null {
  const unapproved = withoutApproval(state, effect);
  if (unapproved !== null) return unapproved;
  if (effect.kind === 'shift') {
    const rollout = state.rollouts[effect.app.app];
    return rollout === undefined ? 'no such rollout' : (badWeights(effect.weights) ?? badShift(state, rollout, effect.weights));
  }
  if (effect.kind === 'retire') {
    const rollout = state.rollouts[effect.app.app];
    return rollout === undefined ? 'no such rollout' : badRetire(state, rollout, effect.version.id);
  }
  return null;
}

const NEEDS_NOBODY: ReadonlySet<Effect['kind']> = new Set(['record', 'unreserve', 'check']);

/** Invariant 9: what changes anything was approved, in exactly this form. Putting back needs nobody's word. */
function withoutApproval(state: ReleaseState, effect: Effect): string | null {
  const { plan, stage } = state;
  if (plan.approval === undefined || stage === 'restoring' || NEEDS_NOBODY.has(effect.kind)) return null;
  if (!isApproved(state)) return 'the plan is not approved';
  if (effect.kind !== 'deploy') return null;
  if (!isIntact(plan)) return 'the plan is not what was approved';
  const { artifact } = effect.app;
  const mine = state.rollouts[effect.app.app]?.candidate?.id === effect.version.id;
  return mine && artifact !== null && artifact !== effect.version.artifact ? `artifact ${effect.version.artifact} was not approved` : null;
}

/** Invariant 2, first half. */
function badWeights(weights: Readonly<Record<string, number>>): string | null {
  const values = Object.values(weights);
  const sum = values.reduce((a, b) => a + b, 0);
  if (values.some((weight) => !(weight >= 0 && weight <= 100)) || Math.abs(sum - 100) > 1e-9) return `weights sum to ${sum}, not 100`;
  return null;
}

/** Invariants 1 and 2: only versions observed healthy get traffic, and 100 % needs evidence. */
function badShift(state: ReleaseState, rollout: RolloutState, weights: Readonly<Record<string, number>>): string | null {
  const { candidate, app } = rollout;
  const known = new Set([candidate?.id, app.stable?.id]);
  const stranger = Object.keys(weights).find((id) => !known.has(id));
  if (stranger !== undefined) return `weights name ${stranger}, which is neither stable nor candidate`;
  const mine = candidate === null ? 0 : (weights[candidate.id] ?? 0);
  if (mine === 0) return null;
  if (state.stage !== 'rolling') return `traffic may not move to the candidate while the release is ${state.stage}`;
  if (!rollout.healthy) return 'the candidate has not been observed healthy';
  if (mine < 100) return null;
  const evidence = rollout.verdict?.phase === 'Successful' || app.stable === null || rollout.full !== null;
  const needed = policyOf(rollout) !== null && app.strategy.kind === 'canary' && stepsOf(rollout).some((step) => step.kind === 'bake');
  const promotedByHand = rollout.promoted;
  return needed && !evidence && !promotedByHand ? 'no evidence yet that the candidate is good' : null;
}

/** Invariants 2 and 3: the last healthy copy stays, and nothing with traffic goes. */
function badRetire(state: ReleaseState, rollout: RolloutState, version: string): string | null {
  const { app, candidate, weights } = rollout;
  if (app.strategy.kind === 'recreate') return null;
  if (isShared(app) && (weights[version] ?? 0) > 0) return `${version} still has ${weights[version]} % of the traffic`;
  if (version === app.stable?.id && state.stage !== 'finishing')
    return 'the stable version is the last healthy copy until the release finishes';
  if (version === app.stable?.id && isShared(app) && candidateWeight(rollout) !== 100) return 'the candidate does not have all traffic';
  if (version === app.stable?.id && rollout.edgeProof.state === 'open')
    return 'users have not been seen to reach the candidate through the edge';
  return version === candidate?.id && state.stage === 'finishing' ? 'the candidate is about to be the stable version' : null;
}
