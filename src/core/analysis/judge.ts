import type { AnalysisPolicy } from './policy.ts';
import type { Sample, Verdict } from './sample.ts';
import { thresholdJudge, type ThresholdState } from './threshold.ts';

/** What a running analysis remembers between samples. Plain JSON; only the judge that made it reads it. */
export type JudgeState = ThresholdState;

/** A bake begins at `at`. */
export function startAnalysis(policy: AnalysisPolicy, at: number): JudgeState {
  return thresholdJudge.start(policy, at);
}

/** Take one sample into account. A sample that was seen before, overlaps one, or is older changes nothing. */
export function observeSample(policy: AnalysisPolicy, state: JudgeState, sample: Sample): JudgeState {
  return thresholdJudge.observe(policy, state, sample);
}

/** The verdict while the bake goes on: Pending, Running, or one that needs no more samples (Failed, Error, Inconclusive). */
export function verdictOf(policy: AnalysisPolicy, state: JudgeState, now: number): Verdict {
  return thresholdJudge.verdict(policy, state, now);
}

/** The verdict now that the bake is over: never Pending or Running, and Successful only on evidence. */
export function finishAnalysis(policy: AnalysisPolicy, state: JudgeState, now: number): Verdict {
  return thresholdJudge.finish(policy, state, now);
}
