import { carryClock } from './clocks.ts';
import { kayentaJudgeIn, type KayentaState } from './kayenta-judge.ts';
import type { AnalysisPolicy } from './policy.ts';
import type { AnalysisPhase, Judge, Sample, Verdict } from './sample.ts';
import { sequentialJudge } from './sequential/judge.ts';
import { carryOn, UNKNOWN_SETTING, type AnalysisSetting, type SequentialState } from './sequential/state.ts';
import { mayStillPass } from './sequential/verdict.ts';
import { carryStreams } from './streams.ts';
import { thresholdJudgeIn, type ThresholdState } from './threshold.ts';

/** What a running analysis remembers between samples. Plain JSON; only the judge that made it reads it. */
export type JudgeState = ThresholdState | SequentialState | KayentaState;

/** The judge a policy asks for. `setting`: what it is told of the bake, used as the analysis starts. */
export function judgeFor(policy: AnalysisPolicy, setting: AnalysisSetting = UNKNOWN_SETTING): Judge<AnalysisPolicy, JudgeState, Verdict> {
  if (policy.judge === 'threshold') return guarded(thresholdJudgeIn(setting.share), isThreshold, startedByThreshold);
  if (policy.judge === 'kayenta') return guarded(kayentaJudgeIn(setting.share), isKayenta, startedByKayenta);
  return guarded(sequentialJudge(setting), isSequential, startedBySequential);
}

/** A judge that takes any policy and state, and only ever sees its own: a policy goes with the state started from it. */
function guarded<P extends AnalysisPolicy, S extends JudgeState>(
  judge: Judge<P, S, Verdict>,
  isPolicy: (policy: AnalysisPolicy) => policy is P,
  isState: (state: JudgeState) => state is S,
): Judge<AnalysisPolicy, JudgeState, Verdict> {
  const mine = (policy: AnalysisPolicy): P => {
    if (!isPolicy(policy)) throw new TypeError(`a policy of the ${policy.judge} judge was given to another`);
    return policy;
  };
  const own = (state: JudgeState): S => {
    if (!isState(state)) throw new TypeError(`an analysis started by the ${state.judge} judge was given to another`);
    return state;
  };
  return {
    start: (policy, at) => judge.start(mine(policy), at),
    observe: (policy, state, sample) => judge.observe(mine(policy), own(state), sample),
    verdict: (policy, state, now) => judge.verdict(mine(policy), own(state), now),
    finish: (policy, state, now) => judge.finish(mine(policy), own(state), now),
    phase: (policy, state, now) => judge.phase(mine(policy), own(state), now),
    finalPhase: (policy, state, now) => judge.finalPhase(mine(policy), own(state), now),
  };
}

const isThreshold = (policy: AnalysisPolicy) => policy.judge === 'threshold';
const isSequential = (policy: AnalysisPolicy) => policy.judge === 'sequential';
const isKayenta = (policy: AnalysisPolicy) => policy.judge === 'kayenta';
const startedByThreshold = (state: JudgeState) => state.judge === 'threshold';
const startedBySequential = (state: JudgeState) => state.judge === 'sequential';
const startedByKayenta = (state: JudgeState) => state.judge === 'kayenta';

/** A bake begins at `at`. `before`: what the analysis of the bake before it knew, in the same rollout and by the same policy. */
export function startAnalysis(
  policy: AnalysisPolicy,
  at: number,
  setting: AnalysisSetting = UNKNOWN_SETTING,
  before: JudgeState | null = null,
): JudgeState {
  if (policy.judge === 'sequential' && before?.judge === 'sequential')
    return { ...carryOn(policy, before, at, setting), clock: carryClock(before.clock) };
  const fresh = judgeFor(policy, setting).start(policy, at);
  if (before === null) return fresh;
  return { ...fresh, streams: carryStreams(before.streams, setting.share), clock: carryClock(before.clock) };
}

/** Whether an analysis that is Inconclusive now that its bake is over may become Successful if the bake lasts longer. */
export function mayYetPass(policy: AnalysisPolicy, state: JudgeState, now: number): boolean {
  return policy.judge === 'sequential' && state.judge === 'sequential' && mayStillPass(policy, state, now);
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

/** The phase of `verdictOf`, without its evidence. */
export function phaseOf(policy: AnalysisPolicy, state: JudgeState, now: number): AnalysisPhase {
  return judgeFor(policy).phase(policy, state, now);
}

/** The phase of `finishAnalysis`, without its evidence. */
export function finalPhaseOf(policy: AnalysisPolicy, state: JudgeState, now: number): AnalysisPhase {
  return judgeFor(policy).finalPhase(policy, state, now);
}
