/** Bakes of half an hour with a look every second, as the judge's own benches simulate them. */
import { SEQUENTIAL_DEFAULTS, type SequentialPolicy } from '../../src/core/analysis/policy.ts';
import { sequentialJudge } from '../../src/core/analysis/sequential/judge.ts';
import type { SequentialState } from '../../src/core/analysis/sequential/state.ts';
import { simulate, type Scenario } from '../../src/core/analysis/simulate.ts';

const BAKE_S = 1800;
export const POLICY: SequentialPolicy = { ...SEQUENTIAL_DEFAULTS, intervalMs: 1000, initialDelayMs: 0 };
/** Share of errors of the old version. */
export const BASE = 0.001;
/** A candidate exactly on the edge of what is allowed. */
export const EDGE = {
  errorRate: POLICY.errors.failRatio * BASE + POLICY.errors.failMargin,
  latencyFactor: 1 + (POLICY.latency?.margin ?? 0),
};

export function plain(name: string, requestsPerSecond: number, change: Partial<Scenario> = {}): Scenario {
  return { name, requestsPerSecond, share: 0.05, seconds: BAKE_S, errorRate: BASE, candidate: {}, ...change };
}

/** One bake, until `isOver` or its end: what the judge knew then, and after how many seconds. */
export function bake(
  scenario: Scenario,
  seed: number,
  isOver: (state: SequentialState) => boolean,
): { state: SequentialState; second: number } {
  const judge = sequentialJudge({ share: scenario.share, bakeMs: BAKE_S * 1000, bakes: 1 });
  let state = judge.start(POLICY, 0);
  let second = 0;
  for (const arms of simulate(scenario, seed)) {
    state = judge.observe(POLICY, state, { fromAt: second * 1000, at: (second + 1) * 1000, ...arms, error: null });
    second += 1;
    if (isOver(state)) break;
  }
  return { state, second };
}

/** Upper end of the exact one-sided 95 % interval for `count` of `runs` (Clopper & Pearson 1934), by bisection. */
export function atMost(count: number, runs: number): number {
  const below = (rate: number): number => {
    let term = (1 - rate) ** runs;
    let sum = term;
    for (let k = 1; k <= count; k++) sum += term *= ((runs - k + 1) / k) * (rate / (1 - rate));
    return sum;
  };
  let [low, high] = [count / runs, 1];
  for (let i = 0; i < 50; i++) [low, high] = below((low + high) / 2) > 0.05 ? [(low + high) / 2, high] : [low, (low + high) / 2];
  return high;
}

export const percent = (share: number): string => `${Number((share * 100).toFixed(2))} %`;
