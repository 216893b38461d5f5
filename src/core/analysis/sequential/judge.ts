import type { SequentialPolicy } from '../policy.ts';
import type { Judge, Verdict } from '../sample.ts';
import { watching } from '../watching.ts';
import { observe } from './observe.ts';
import { startSequential, UNKNOWN_SETTING, type AnalysisSetting, type SequentialState } from './state.ts';
import { finalPhase, finalVerdict, runningPhase, runningVerdict } from './verdict.ts';

/**
 * Evidence by betting: for every way the candidate may be worse a bet is placed before each sample that
 * multiplies its stake if so, and cannot be expected to gain otherwise. However often it is looked at, a
 * good candidate multiplies it hundredfold at most once in a hundred releases (docs/judge-statistics.md).
 */
export function sequentialJudge(setting: AnalysisSetting = UNKNOWN_SETTING): Judge<SequentialPolicy, SequentialState, Verdict> {
  const judge: Judge<SequentialPolicy, SequentialState> = {
    start: (policy, at) => startSequential(policy, at, setting),
    observe,
    verdict: (policy, state) => runningVerdict(policy, state),
    finish: finalVerdict,
    phase: (_, state) => runningPhase(state),
    finalPhase,
  };
  return watching(judge, setting.share);
}
