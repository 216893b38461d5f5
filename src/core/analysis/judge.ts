import type { AnalysisPolicy } from './policy.ts';
import type { Judge, Sample, Verdict } from './sample.ts';
import { sequentialJudge } from './sequential/judge.ts';
import { UNKNOWN_SETTING, type AnalysisSetting, type SequentialState } from './sequential/state.ts';
import { thresholdJudge, type ThresholdState } from './threshold.ts';

/** What a running analysis remembers between samples. Plain JSON; only the judge that made it reads it. */
export type JudgeState = ThresholdState | SequentialState;

/** The judge a policy asks for. `setting`: what it is told of the bake, used as the analysis starts. */
export function judgeFor(policy: AnalysisPolicy, setting: AnalysisSetting = UNKNOWN_SETTING): Judge<AnalysisPolicy, JudgeState> {
  // A policy and the state started from it always name the same judge, which the types cannot say.
  return (policy.judge === 'threshold' ? thresholdJudge : sequentialJudge(setting)) as unknown as Judge<AnalysisPolicy, JudgeState>;
}

/** A bake begins at `at`. */
export function startAnalysis(policy: AnalysisPolicy, at: number, setting: AnalysisSetting = UNKNOWN_SETTING): JudgeState {
  return judgeFor(policy, setting).start(policy, at);
}

/** Take one sample into account. A sample that was seen before, overlaps one, or is older changes nothing. */
export function observeSample(policy: AnalysisPolicy, state: JudgeState, sample: Sample): JudgeState {
  return judgeFor(policy).observe(policy, state, sample);
}

/** The verdict while the bake goes on: Pending, Running, or one that needs no more samples (Failed, Error, Inconclusive). */
export function verdictOf(policy: AnalysisPolicy, state: JudgeState, now: number): Verdict {
  return judgeFor(policy).verdict(policy, state, now);
}

/** The verdict now that the bake is over: never Pending or Running, and Successful only on evidence. */
export function finishAnalysis(policy: AnalysisPolicy, state: JudgeState, now: number): Verdict {
  return judgeFor(policy).finish(policy, state, now);
}
