import { describe, expect, it } from 'vitest';
import { forecast } from './forecast.ts';
import { SEQUENTIAL_DEFAULTS } from './policy.ts';
import type { Scenario } from './simulate.ts';

const BAKES = [
  { share: 0.05, seconds: 300 },
  { share: 0.25, seconds: 300 },
  { share: 0.5, seconds: 300 },
];
const TRAFFIC: Omit<Scenario, 'share' | 'seconds'> = {
  name: 'forecast',
  requestsPerSecond: 300,
  errorRate: 0.001,
  refusedRate: 0.02,
  candidate: {},
};
const RUNS = 6;
const of = (change: Partial<Scenario>) => forecast(SEQUENTIAL_DEFAULTS, BAKES, { ...TRAFFIC, ...change }, RUNS, 5);

describe('a forecast plays the rollout as installed', () => {
  it('a good version passes all bakes, also with noise, clumps and a cold start', () => {
    expect(of({})).toMatchObject({ failed: 0, failedIn: [0, 0, 0], failedAfterMs: null, failedAfterRequests: null });
    expect(of({}).passed).toBeGreaterThanOrEqual(RUNS - 1);
    const harder = of({ armNoise: 0.03, errorClump: 4, candidate: { coldFactor: 3, coldSeconds: 40 } });
    expect(harder.failed).toBe(0);
    expect(harder.passed + harder.inconclusive).toBe(RUNS);
  });

  it('what begins in the second bake is failed there, and its time counts from then on', () => {
    const late = of({ candidate: { from: 400, errorRate: 0.2 } });
    expect(late).toMatchObject({ failed: RUNS, failedIn: [0, RUNS, 0] });
    expect(late.failedAfterMs?.p95).toBeLessThanOrEqual(30_000);
    // 300 s at 5 % and 100 s at 25 % of 300 a second came before it.
    expect(late.failedAfterRequests?.median).toBeGreaterThan(11_000);
  });

  it('an endpoint that is broken is found though it is rare', () => {
    const broken = of({ endpointShare: 0.003, candidate: { isEndpointBroken: true } });
    expect(broken.passed).toBe(0);
    expect(broken.failed).toBeGreaterThanOrEqual(RUNS - 1);
  });

  it('the same seed gives the same answer', () => {
    expect(of({ candidate: { errorRate: 0.02 } })).toEqual(of({ candidate: { errorRate: 0.02 } }));
  });
});
