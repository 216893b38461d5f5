import { playRollout, type PlayedBake } from './play.ts';
import type { AnalysisPolicy } from './policy.ts';
import type { Scenario } from './simulate.ts';

/** What a policy does to one kind of traffic, over many rollouts with seeds of their own. */
export interface Forecast {
  readonly runs: number;
  readonly failed: number;
  readonly passed: number;
  readonly inconclusive: number;
  /** How many were failed in each of the bakes. */
  readonly failedIn: readonly number[];
  /** Of the runs that failed, ms from the moment on at which the candidate is what it is; null when none did. */
  readonly failedAfterMs: Spread | null;
  /** …and candidate requests from the first one on. */
  readonly failedAfterRequests: Spread | null;
}

interface Spread {
  readonly median: number;
  readonly p95: number;
}

/** Plays `runs` rollouts, each as the runbook has it judged (play.ts). The same seed gives the same answer. */
export function forecast(
  policy: AnalysisPolicy,
  bakes: readonly PlayedBake[],
  scenario: Omit<Scenario, 'share' | 'seconds'>,
  runs: number,
  seed: number,
): Forecast {
  const played = Array.from({ length: runs }, (_, run) => playRollout(policy, bakes, { ...scenario, share: 0, seconds: 0 }, seed + run));
  const failed = played.filter(({ phase }) => phase === 'Failed');
  const passed = played.filter(({ phase }) => phase === 'Successful').length;
  const since = (scenario.candidate.from ?? 0) * 1000;
  return {
    runs,
    failed: failed.length,
    passed,
    inconclusive: runs - failed.length - passed,
    failedIn: bakes.map((_, i) => failed.filter(({ bake }) => bake === i).length),
    failedAfterMs: spreadOf(failed.map(({ afterMs }) => Math.max(0, afterMs - since))),
    failedAfterRequests: spreadOf(failed.map(({ requests }) => requests)),
  };
}

function spreadOf(values: readonly number[]): Spread | null {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (q: number) => sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)] ?? 0;
  return sorted.length === 0 ? null : { median: at(0.5), p95: at(0.95) };
}
