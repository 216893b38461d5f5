import { SEQUENTIAL_DEFAULTS, type SequentialPolicy } from '../../src/core/analysis/policy.ts';
import type { Arms, Sample } from '../../src/core/analysis/sample.ts';
import { sequentialJudge } from '../../src/core/analysis/sequential/judge.ts';
import type { AnalysisSetting, SequentialState } from '../../src/core/analysis/sequential/state.ts';
import { simulate, type Scenario } from '../../src/core/analysis/simulate.ts';

/** When bakes start in these tests. */
export const BAKE_AT = 5_000_000;

/** Half an hour at 5 %, a look every second, no warm-up. */
export const BAKE: Scenario = { name: 'plain', requestsPerSecond: 200, share: 0.05, seconds: 1800, errorRate: 0.001, candidate: {} };
export const EVERY_SECOND: SequentialPolicy = { ...SEQUENTIAL_DEFAULTS, intervalMs: 1000, initialDelayMs: 0 };
export const HALF_HOUR: AnalysisSetting = { share: 0.05, bakeMs: 1_800_000, bakes: 1 };

/** Samples of consecutive looks of `lookMs` each. */
export function samplesOf(looks: Iterable<Arms>, lookMs = 1000): Sample[] {
  return [...looks].map((arms, i) => ({ fromAt: BAKE_AT + i * lookMs, at: BAKE_AT + (i + 1) * lookMs, ...arms, error: null }));
}

export function simulated(change: Partial<Scenario>, seed = 1): Sample[] {
  return samplesOf(simulate({ ...BAKE, ...change }, seed));
}

export function started(policy: SequentialPolicy = EVERY_SECOND, setting: AnalysisSetting = HALF_HOUR): SequentialState {
  return sequentialJudge(setting).start(policy, BAKE_AT);
}

/** The judge's state after one more sample. */
export function look(policy: SequentialPolicy, state: SequentialState, sample: Sample): SequentialState {
  return sequentialJudge().observe(policy, state, sample);
}

/** The judge's state after these samples, or at the first that decides. */
export function judged(
  samples: readonly Sample[],
  policy: SequentialPolicy = EVERY_SECOND,
  setting: AnalysisSetting = HALF_HOUR,
): SequentialState {
  let state = started(policy, setting);
  for (const sample of samples) {
    state = look(policy, state, sample);
    if (state.decided !== null) break;
  }
  return state;
}

/** Seconds into the bake at which it was decided; null when it was not. */
export function decidedAfter(state: SequentialState): number | null {
  return state.decided === null ? null : (state.decided.at - BAKE_AT) / 1000;
}
