import type { AnalysisPolicy, NamedAnalysis } from '../analysis/policy.ts';
import type { AnalysisSetting } from '../analysis/sequential/state.ts';
import type { RolloutState } from '../release/state/state.ts';
import type { PlannedApp, Step } from '../release/plan/plan.ts';

/** One entry of a rollout's way to 100 %. `confirm` is a pause before any traffic moved. */
export type RolloutStep = Step | { readonly kind: 'confirm' };

/** Whether users reach the app through routes, so that there is traffic to shift. */
export function hasTraffic(app: PlannedApp): boolean {
  return app.routes.length > 0;
}

/** Whether load can be shared between two versions: by traffic, or by how many instances of a worker run the new one. */
export function isShared(app: PlannedApp): boolean {
  return hasTraffic(app) || app.strategy.kind === 'canary';
}

/** How many instances of `all` a share of so many percent is: some of both, as long as it is neither none nor all. */
export function instancesFor(weight: number, all: number): number {
  if (weight <= 0) return 0;
  return weight >= 100 ? all : Math.min(Math.max(1, Math.round((all * weight) / 100)), Math.max(1, all - 1));
}

/**
 * The strategy as one list of steps ending at weight 100. A first deploy has nothing to compare with
 * or to go back to, so its steps are skipped (Argo Rollouts does the same); so are they after
 * `promote --full`.
 */
export function stepsOf(rollout: Pick<RolloutState, 'app' | 'full'>): readonly RolloutStep[] {
  const { app } = rollout;
  if (!isShared(app)) return [];
  const all: RolloutStep = { kind: 'weight', weight: 100 };
  if (app.stable === null || rollout.full !== null) return [all];
  switch (app.strategy.kind) {
    case 'recreate':
    case 'allAtOnce':
      return [all];
    case 'blueGreen':
      return [
        ...(app.strategy.confirm ? [{ kind: 'confirm' } as const] : []),
        all,
        ...(app.strategy.bakeMs > 0 ? [{ kind: 'bake', forMs: app.strategy.bakeMs } as const] : []),
      ];
    case 'canary':
      return [...app.strategy.steps, all];
  }
}

/** How long the old version stays alive beside the promoted one, ms. */
export function soakMs(app: PlannedApp): number {
  return app.strategy.kind === 'recreate' || app.stable === null ? 0 : app.strategy.soakMs;
}

/**
 * The policy that judges this rollout now, or null when nothing does. At 100 % there is no baseline
 * beside the candidate, so only conditions on the candidate itself are left.
 */
export function policyOf(rollout: RolloutState): AnalysisPolicy | null {
  const { strategy } = rollout.app;
  if (strategy.kind !== 'canary' && strategy.kind !== 'blueGreen') return null;
  const policy = strategy.analysis;
  if (policy === null || rollout.full !== null) return null;
  if (strategy.kind === 'canary' || policy.judge !== 'threshold') return policy;
  const metrics = policy.metrics.filter((metric) => metric.success?.of !== 'ratio' && metric.failure?.of !== 'ratio');
  return metrics.length === 0 ? null : { ...policy, metrics };
}

/** Further analyses of this rollout; none after `promote --full`. */
export function namedOf({ app: { strategy, stable }, full }: RolloutState): readonly NamedAnalysis[] {
  if ((strategy.kind !== 'canary' && strategy.kind !== 'blueGreen') || full !== null || stable === null) return [];
  return strategy.analyses ?? [];
}

/** Whether no bake comes after this step: what went on in the background has to be decided. */
export function isLastBake(rollout: RolloutState, step: number): boolean {
  return !stepsOf(rollout).some((one, i) => i > step && one.kind === 'bake');
}

/** What the judge of a further analysis is told; one that goes on through several weights knows of none. */
export function settingOfNamed(rollout: RolloutState, named: NamedAnalysis, step: number): AnalysisSetting {
  if (named.during === 'step') return settingOf(rollout, step);
  if (named.during === 'afterPromotion') return { share: 1, bakeMs: soakMs(rollout.app), bakes: 1 };
  const bakeMs = stepsOf(rollout).reduce((sum, one, i) => sum + (i >= step && one.kind === 'bake' ? one.forMs : 0), 0);
  return { share: null, bakeMs, bakes: 1 };
}

/** What the judge is told of the analysis that starts with a step: the traffic it is to see, and of which rollout it is a part. */
export function settingOf(rollout: RolloutState, step: number): AnalysisSetting {
  const steps = stepsOf(rollout);
  const current = steps[step];
  const bakes = steps.flatMap((one) => (one.kind === 'bake' ? [one.forMs] : []));
  const rolloutMs = bakes.reduce((sum, forMs) => sum + forMs, 0);
  const bakeMs = current?.kind === 'bake' ? current.forMs : null;
  return { share: candidateShare(rollout), bakeMs, bakes: Math.max(1, bakes.length), ...(rolloutMs > 0 ? { rolloutMs } : {}) };
}

/** Percent of traffic the candidate has, as last verified. */
export function candidateWeight(rollout: RolloutState): number {
  return rollout.candidate === null ? 0 : (rollout.weights[rollout.candidate.id] ?? 0);
}

/** The share of the load that this weight comes to, 0…1. */
function candidateShare(rollout: RolloutState): number {
  const [weight, { app }] = [candidateWeight(rollout), rollout];
  return hasTraffic(app) ? weight / 100 : instancesFor(weight, app.run.instances) / app.run.instances;
}

/** Fully out: what depends on it may start. */
export function isOut(rollout: RolloutState): boolean {
  return ['soaking', 'ready', 'done', 'skipped'].includes(rollout.stage);
}
