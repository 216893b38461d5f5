import { addArms, NOTHING_COUNTED } from './arms.ts';
import { finalPhaseOf, observeSample, phaseOf, startAnalysis } from './judge.ts';
import type { AnalysisPolicy } from './policy.ts';
import type { Counts } from './sample.ts';
import { simulate, type Scenario } from './simulate.ts';

/** What a policy does to one kind of traffic, over many runs with seeds of their own. */
export interface Forecast {
  readonly runs: number;
  readonly failed: number;
  readonly passed: number;
  readonly inconclusive: number;
  /** Of the runs that failed, ms from the bake's beginning; null when none did. */
  readonly failedAfterMs: { readonly median: number; readonly p95: number } | null;
}

/** Runs `runs` bakes of `scenario.seconds` under a policy. The same seed gives the same answer. */
export function forecast(policy: AnalysisPolicy, scenario: Scenario, runs: number, seed: number): Forecast {
  const setting = { share: scenario.share, bakeMs: scenario.seconds * 1000, bakes: 1 };
  const times: number[] = [];
  let passed = 0;
  for (let run = 0; run < runs; run++) {
    let judge = startAnalysis(policy, 0, setting);
    let [from, second, failedAt] = [0, 0, -1];
    let counts: Counts = { candidate: NOTHING_COUNTED, baseline: NOTHING_COUNTED };
    for (const one of simulate(scenario, seed + run)) {
      second += 1;
      counts = addArms(counts, one);
      if (second * 1000 - from < policy.intervalMs && second < scenario.seconds) continue;
      judge = observeSample(policy, judge, { fromAt: from, at: second * 1000, ...counts, error: null });
      from = second * 1000;
      counts = { candidate: NOTHING_COUNTED, baseline: NOTHING_COUNTED };
      if (phaseOf(policy, judge, from) !== 'Failed') continue;
      failedAt = from;
      break;
    }
    if (failedAt >= 0) times.push(failedAt);
    else {
      const phase = finalPhaseOf(policy, judge, scenario.seconds * 1000);
      if (phase === 'Failed') times.push(scenario.seconds * 1000);
      else if (phase === 'Successful') passed += 1;
    }
  }
  const sorted = times.toSorted((a, b) => a - b);
  const at = (q: number) => sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)] ?? 0;
  return {
    runs,
    failed: times.length,
    passed,
    inconclusive: runs - times.length - passed,
    failedAfterMs: times.length === 0 ? null : { median: at(0.5), p95: at(0.95) },
  };
}
