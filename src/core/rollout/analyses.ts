import { finalPhaseOf, finishAnalysis, mayYetPass, phaseOf, verdictOf } from '../analysis/judge.ts';
import type { AnalysisPolicy } from '../analysis/policy.ts';
import type { Verdict } from '../analysis/sample.ts';
import { longerMs } from '../analysis/sequential/state.ts';
import { isBlind } from '../analysis/watching.ts';
import type { ReleaseEvent } from '../release/state/events.ts';
import type { RolloutAnalysis, RolloutState } from '../release/state/state.ts';
import { isLastBake, namedOf, policyOf } from './steps.ts';

/** Longer than anything takes to be recorded and decided on, ms. */
const AWAY_MS = 10_000;

/** One analysis under way. */
export interface Running {
  /** Null: the strategy's own. */
  readonly name: string | null;
  readonly during: 'step' | 'background' | 'afterPromotion';
  readonly dryRun: boolean;
  readonly policy: AnalysisPolicy;
  readonly analysis: RolloutAnalysis;
}

/** The strategy's own analysis and the further ones, as far as they have begun. */
export function runningOf(rollout: RolloutState): readonly Running[] {
  const policy = policyOf(rollout);
  const isStepping = rollout.stage === 'stepping';
  const own: Running[] =
    policy === null || rollout.analysis === null || !isStepping
      ? []
      : [{ name: null, during: 'step', dryRun: false, policy, analysis: rollout.analysis }];
  const named = namedOf(rollout).flatMap(({ name, during, dryRun, policy: its }): Running[] => {
    const analysis = rollout.also?.[name];
    return analysis === undefined || (during === 'afterPromotion') === isStepping ? [] : [{ name, during, dryRun, policy: its, analysis }];
  });
  return [...own, ...named];
}

/** Those that have to be decided before the present step is left. */
export function endingOf(rollout: RolloutState, running: readonly Running[]): readonly Running[] {
  const isLast = isLastBake(rollout, rollout.step);
  return running.filter((one) => !one.dryRun && (one.during === 'step' || (one.during === 'background' && isLast)));
}

/** What an analysis says against going on, the worst first; null: nothing. */
export function troubleOf(rollout: RolloutState, now: number): { readonly of: Running; readonly verdict: Verdict } | null {
  const all = runningOf(rollout)
    .filter((one) => !one.dryRun)
    .map((of) => ({ of, phase: phaseOf(of.policy, of.analysis.judge, now) }));
  const having = (wanted: Verdict['phase']) => all.find(({ phase }) => phase === wanted)?.of;
  const of = having('Failed') ?? having('Error') ?? having('Inconclusive');
  return of === undefined ? null : { of, verdict: verdictOf(of.policy, of.analysis.judge, now) };
}

/** The verdict if nothing more were looked at: of up to when it was looked, however long it took to record that. */
export function finalOf({ policy, analysis }: Running): Verdict {
  return finishAnalysis(policy, analysis.judge, analysis.seenUntil);
}

/** The newest look is so old that a control plane must have been away since: it says nothing of how things are now. */
export function isLongAgo({ policy, analysis }: Running, now: number): boolean {
  return now - analysis.lastSampleAt > Math.max(2 * policy.intervalMs, AWAY_MS);
}

/** Requests without which a policy never goes on. */
export function hasEnough(policy: AnalysisPolicy, verdict: Verdict): boolean {
  return verdict.candidateRequests >= Math.max(1, policy.minRequests);
}

/** Early promotion: every analysis of this step allows it, its least bake is over, and it has passed. */
export function mayEndEarly(rollout: RolloutState, running: readonly Running[], now: number): boolean {
  const ending = endingOf(rollout, running);
  const bakedMs = now - rollout.stepSince - rollout.pausedMs;
  return (
    ending.length > 0 &&
    ending.every(
      (one) =>
        one.policy.early !== undefined &&
        bakedMs >= one.policy.early.minBakeMs &&
        isProof(one.policy) &&
        finalPhaseOf(one.policy, one.analysis.judge, now) === 'Successful',
    )
  );
}

/** Measurements that were good so far may be the first of bad ones, unless a number in a row was asked for. */
function isProof(policy: AnalysisPolicy): boolean {
  return policy.judge !== 'threshold' || policy.metrics.every((metric) => metric.dryRun || metric.consecutiveSuccessLimit > 0);
}

/**
 * Until when a bake goes on that is over but has shown nothing: as long again where the policy extends it, or where
 * the metrics cannot be read at the moment and may come back; a part of it where the judge has seen nothing bad, but not yet
 * enough that is good, or not of late. The bake's own end otherwise.
 */
export function extendedUntil(rollout: RolloutState, running: readonly Running[], endsAt: number, forMs: number): number {
  const open = endingOf(rollout, running).filter((one) => finalOf(one).phase === 'Inconclusive');
  if (open.some((one) => one.policy.onInconclusive === 'extend' || isBlind(one.policy, one.analysis.judge, one.analysis.seenUntil)))
    return endsAt + forMs;
  const mayPass = open.length > 0 && open.every(({ policy, analysis }) => mayYetPass(policy, analysis.judge, analysis.seenUntil));
  return mayPass ? endsAt + longerMs(forMs) : endsAt;
}

/** What is said of each analysis as a step is left; the dry ones too. */
export function notedFinally(rollout: RolloutState, running: readonly Running[]): ReleaseEvent[] {
  const isLast = isLastBake(rollout, rollout.step);
  return running
    .filter((one) => one.during === 'step' || (one.during === 'background' && isLast))
    .toSorted((a, b) => Number(a.name === null) - Number(b.name === null))
    .map((one) => completed(rollout.app.app, one, finalOf(one)));
}

export function completed(app: string, { name }: Running, verdict: Verdict): Extract<ReleaseEvent, { type: 'AnalysisCompleted' }> {
  return { type: 'AnalysisCompleted', app, verdict, ...(name === null ? {} : { analysis: name }) };
}
