import { describe, expect, it } from 'vitest';
import { ERROR_RATE, LATENCY, POLICY, T0 } from '../../../test/worlds/samples.ts';
import { forecast } from './forecast.ts';
import { finishAnalysis, observeSample, startAnalysis, verdictOf } from './judge.ts';
import { KAYENTA_METRIC } from './kayenta.ts';
import type { AnalysisPolicy, KayentaPolicy, ThresholdPolicy } from './policy.ts';
import { simulate, type Scenario } from './simulate.ts';

const ALL: Scenario = { name: 'half', requestsPerSecond: 50, share: 0.5, seconds: 1800, errorRate: 0.001, candidate: {} };
/** As the configuration makes it where nothing else is said: two bad measurements of a thousand requests are tolerated. */
const TOLERANT: ThresholdPolicy = {
  ...POLICY,
  minRequests: 1000,
  metrics: [
    { ...ERROR_RATE, failureLimit: 2, minRequests: 1000 },
    { ...LATENCY, failureLimit: 2, minRequests: 1000 },
  ],
};
const compared = { ...KAYENTA_METRIC, direction: 'increase', group: 'all', critical: false, mustHaveData: false, dryRun: false } as const;
const RANKED: KayentaPolicy = {
  judge: 'kayenta',
  intervalMs: 10_000,
  initialDelayMs: 0,
  noData: 'inconclusive',
  minRequests: 100,
  metrics: [
    {
      ...compared,
      name: 'errors',
      measure: { kind: 'errorRate' },
      outliers: 'keep',
      minRequests: 100,
      effect: { ...KAYENTA_METRIC.effect, allowedIncrease: 1.1 },
    },
    {
      ...compared,
      name: 'p95',
      measure: { kind: 'latency', quantile: 0.95 },
      outliers: 'keep',
      minRequests: 100,
      effect: { ...KAYENTA_METRIC.effect, allowedIncrease: 1.1 },
    },
  ],
  scores: { pass: 95, marginal: 75 },
  groupWeights: {},
  minPoints: 50,
  maxPoints: 240,
};

/** A look a second until the first that fails (asked for at every look of the judge that is quick); when that was, and the phase at the end. */
function play(policy: AnalysisPolicy, scenario: Scenario, seed = 1): { readonly failedAt: number | null; readonly phase: string } {
  let state = startAnalysis(policy, T0, { share: scenario.share, bakeMs: scenario.seconds * 1000, bakes: 1 });
  let at = T0;
  for (const arms of simulate(scenario, seed)) {
    state = observeSample(policy, state, { fromAt: at, at: at + 1000, ...arms, error: null });
    at += 1000;
    if (policy.judge === 'threshold' && verdictOf(policy, state, at).phase === 'Failed')
      return { failedAt: (at - T0) / 1000, phase: 'Failed' };
  }
  return { failedAt: null, phase: finishAnalysis(policy, state, at).phase };
}

describe('the threshold judge at the end of a bake', () => {
  it.each([
    ['minute 14 of 30, 50 a second', ALL, 840],
    ['second 130 of 300, 10 a second', { ...ALL, requestsPerSecond: 10, seconds: 300 }, 130],
    ['minute 14 of 30, 5 % of 50 a second', { ...ALL, share: 0.05 }, 840],
    ['second 20 of 60, 5,000 a second', { ...ALL, requestsPerSecond: 5000, seconds: 60 }, 20],
  ])('total failure is found within seconds, tolerated measurements or not: from %s', (_, scenario, from) => {
    const { failedAt } = play(TOLERANT, { ...scenario, candidate: { from, errorRate: 1 } });
    const perSecond = scenario.requestsPerSecond * scenario.share;
    expect(failedAt).toBeGreaterThan(from);
    expect(failedAt).toBeLessThanOrEqual(from + 4 + 40 / perSecond);
  });

  it('what is bad in the unfinished window, or in the newest seconds, does not pass', () => {
    for (const seconds of [20, 60, 90])
      for (const candidate of [{ errorRate: 0.2 }, { latencyFactor: 4 }])
        expect(
          play(TOLERANT, { ...ALL, candidate: { ...candidate, from: 1800 - seconds } }).phase,
          `${JSON.stringify(candidate)} in the last ${seconds} s`,
        ).not.toBe('Successful');
  });

  it('good versions pass all the same', () => {
    const { passed, failed } = forecast(TOLERANT, [{ ...ALL, seconds: 600 }], ALL, 60, 1);
    expect(failed).toBe(0);
    expect(passed).toBeGreaterThanOrEqual(57);
  });
});

describe('the Kayenta judge at the end of a bake', () => {
  it('nothing but errors in the last 90 s, or in the point that is not finished, never passes', () => {
    for (const seconds of [3, 10, 30, 90])
      for (const errorRate of [1, 0.5])
        expect(
          play(RANKED, { ...ALL, requestsPerSecond: 60, candidate: { from: 1800 - seconds, errorRate } }).phase,
          `${errorRate} in the last ${seconds} s`,
        ).not.toBe('Successful');
  });

  it('good versions pass about as often as before', () => {
    const { passed } = forecast(RANKED, [{ ...ALL, seconds: 900 }], { ...ALL, requestsPerSecond: 60 }, 60, 1);
    expect(passed).toBeGreaterThanOrEqual(54);
  });
});
