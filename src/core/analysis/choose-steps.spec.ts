import { describe, expect, it } from 'vitest';
import { chooseSteps, type PlannablePolicy, shortBakes, timeToFailMs } from './choose-steps.ts';
import { forecast } from './forecast.ts';
import { type AutoSteps, SEQUENTIAL_DEFAULTS } from './policy.ts';

const AUTO: AutoSteps = { harm: 500, longestMs: 3_600_000, requestsPerSecond: null };
const SECONDLY = { ...SEQUENTIAL_DEFAULTS, intervalMs: 1000, initialDelayMs: 10_000 };
const RATES = [0.01, 0.5, 2, 10, 50, 200, 1000, 5000, 100_000];

const weightsOf = (policy: PlannablePolicy, auto: AutoSteps, rate: number) =>
  chooseSteps(policy, auto, rate)?.steps.flatMap((step) => (step.kind === 'weight' ? [step.weight] : [])) ?? [];
const bakesOf = (policy: PlannablePolicy, auto: AutoSteps, rate: number) =>
  chooseSteps(policy, auto, rate)?.steps.flatMap((step) => (step.kind === 'bake' ? [step.forMs] : [])) ?? [];

describe('steps chosen for the traffic', () => {
  it('begin where a version that fails every request costs no more than is allowed', () => {
    const tooDear: string[] = [];
    const unsaid: string[] = [];
    for (const policy of [SEQUENTIAL_DEFAULTS, SECONDLY])
      for (const harm of [50, 500, 5000])
        for (const rate of RATES) {
          const weights = weightsOf(policy, { ...AUTO, harm }, rate);
          const first = (rate * (weights[0] ?? 0)) / 100;
          const cost = (first * timeToFailMs(policy, first)) / 1000;
          if (cost <= harm) continue;
          const explained = chooseSteps(policy, { ...AUTO, harm }, rate)?.explained ?? '';
          if ((weights[0] ?? 0) > 0.1) tooDear.push(`${cost} at ${rate}/s, ${harm} allowed`);
          else if (!explained.includes('there is no smaller share')) unsaid.push(`${rate}/s, ${harm}: ${explained}`);
        }
    expect({ tooDear, unsaid }).toEqual({ tooDear: [], unsaid: [] });
  });

  it('grow, at most fivefold, to half of the traffic', () => {
    for (const rate of RATES) {
      const weights = weightsOf(SEQUENTIAL_DEFAULTS, AUTO, rate);
      expect(weights.at(-1)).toBe(50);
      for (const [i, weight] of weights.entries()) {
        if (i === 0) continue;
        expect(weight).toBeGreaterThan(weights[i - 1] ?? 0);
        expect(weight).toBeLessThanOrEqual(5 * (weights[i - 1] ?? 0));
      }
    }
  });

  it('are more careful with more traffic, less harm or slower looks', () => {
    const first = (policy: PlannablePolicy, auto: AutoSteps, rate: number) => weightsOf(policy, auto, rate)[0] ?? 0;
    for (const [i, rate] of RATES.entries())
      if (i > 0) expect(first(SECONDLY, AUTO, rate)).toBeLessThanOrEqual(first(SECONDLY, AUTO, RATES[i - 1] ?? 0));
    expect(first(SECONDLY, { ...AUTO, harm: 50 }, 200)).toBeLessThan(first(SECONDLY, AUTO, 200));
    expect(first({ ...SEQUENTIAL_DEFAULTS, intervalMs: 60_000 }, AUTO, 200)).toBeLessThan(first(SECONDLY, AUTO, 200));
  });

  it('bake as long as a proof takes, and never longer than allowed', () => {
    expect(bakesOf(SECONDLY, AUTO, 1000).at(-1)).toBe(30_000);
    const slow = bakesOf(SEQUENTIAL_DEFAULTS, { ...AUTO, longestMs: 900_000 }, 1);
    expect(Math.max(...slow)).toBe(900_000);
    expect(chooseSteps(SEQUENTIAL_DEFAULTS, { ...AUTO, longestMs: 900_000 }, 1)?.explained).toMatch(/may wait for a person/);
  });

  it('are known to be too short before they begin: finer margins and rarer quantiles take more requests', () => {
    const steps = [
      { kind: 'weight', weight: 5 },
      { kind: 'bake', forMs: 1_800_000 },
      { kind: 'pause', forMs: null },
      { kind: 'weight', weight: 50 },
      { kind: 'bake', forMs: 600_000 },
    ] as const;
    const latency = { ...SECONDLY.latency, edgesMs: null };
    const needed = (
      more: object,
      judged: PlannablePolicy = { ...SECONDLY, latency: { margin: 0.1, quantiles: [0.5, 0.95], ...latency, ...more } },
    ) => shortBakes(judged, steps, 0.1).map((bake) => [bake.weight, bake.needed]);
    // Each passed by 19 of 20 good versions or a little less, at 25 of its requests a second.
    expect(needed({})).toEqual([
      [5, 4500],
      [50, 8600],
    ]);
    expect(needed({ margin: 0.05 })[0]).toEqual([5, 17_000]);
    expect(needed({ quantiles: [0.5, 0.99] })[0]).toEqual([5, 23_000]);
    expect(needed({ margin: 0 })[0]).toEqual([5, Infinity]);
    // What was not measured is not promised.
    expect([needed({ margin: 0.5 })[0], needed({ quantiles: [0.5] })[0]]).toEqual([
      [5, 4500],
      [5, 4500],
    ]);
    expect(needed({}, { ...SECONDLY, designEffect: 4 })[0]).toEqual([5, 18_000]);
    expect(shortBakes(SECONDLY, steps, 53)).toMatchObject([]);
    expect(shortBakes(SECONDLY, steps, 45)).toMatchObject([{ weight: 5, forMs: 1_800_000 }]);
  });

  it('are as they are told: a good version passes the first step, and one that fails always is found in time', () => {
    const rate = 50;
    const share = (weightsOf(SECONDLY, AUTO, rate)[0] ?? 0) / 100;
    const [bake = 0] = bakesOf(SECONDLY, AUTO, rate);
    const traffic = { requestsPerSecond: rate, share, seconds: bake / 1000, errorRate: 0.001 };
    const good = forecast(SECONDLY, [traffic], { name: 'good', ...traffic, candidate: {} }, 8, 1);
    expect(good.passed).toBeGreaterThanOrEqual(6);
    const broken = forecast(SECONDLY, [traffic], { name: 'broken', ...traffic, candidate: { errorRate: 1 } }, 5, 1);
    expect(broken.failed).toBe(5);
    expect(broken.failedAfterMs?.p95).toBeLessThanOrEqual(timeToFailMs(SECONDLY, rate * share));
  });

  it('explain themselves', () => {
    expect(chooseSteps(SEQUENTIAL_DEFAULTS, AUTO, 200)).toEqual({
      steps: [
        { kind: 'weight', weight: 20 },
        { kind: 'bake', forMs: 210_000 },
        { kind: 'weight', weight: 50 },
        { kind: 'bake', forMs: 90_000 },
      ],
      explained:
        'for 200 requests a second: at 20 % a version that fails every request is gone after about 12 s and has cost about 460 answers (allowed: 500); one with ten times the usual errors is found after about 1100 of its requests; a good one needs about 5300 to 8600 to pass a step',
    });
  });

  it('are none without traffic', () => {
    for (const rate of [0, -1, Number.NaN]) expect(chooseSteps(SEQUENTIAL_DEFAULTS, AUTO, rate)).toBeNull();
  });
});
