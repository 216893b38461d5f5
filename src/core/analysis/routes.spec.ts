import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ERROR_RATE, POLICY, T0 } from '../../../test/worlds/samples.ts';
import { readSample, type SampleRead } from './arms.ts';
import { finishAnalysis, observeSample, startAnalysis, verdictOf } from './judge.ts';
import { SEQUENTIAL_DEFAULTS, type AnalysisPolicy, type SequentialPolicy, type ThresholdPolicy } from './policy.ts';
import { ROUTE_ALTERNATIVES, routeEvidence, watchRoutes, type Routes } from './routes.ts';
import type { ArmCounts, Arms, Sample, Verdict } from './sample.ts';
import { addToFail, type FailProcess } from './sequential/process.ts';
import { randomFrom } from './simulate.ts';

const LOOK = 5000;
const SEQUENTIAL: SequentialPolicy = { ...SEQUENTIAL_DEFAULTS, intervalMs: LOOK, initialDelayMs: 0, latency: null };
const THRESHOLD: ThresholdPolicy = { ...POLICY, intervalMs: LOOK, metrics: [{ ...ERROR_RATE, failureLimit: -1 }] };
const JUDGES: readonly (readonly [string, AnalysisPolicy])[] = [
  ['sequential', SEQUENTIAL],
  ['threshold', THRESHOLD],
];

function poisson(random: () => number, mean: number): number {
  if (mean > 50) return Math.max(0, Math.round(mean + Math.sqrt(mean) * (random() + random() + random() + random() - 2) * Math.sqrt(3)));
  let [count, left] = [0, mean + Math.log(1 - random())];
  for (; left > 0; left += Math.log(1 - random())) count += 1;
  return count;
}

/** Answers to one route: `bad` of them errors, or 404 where `isRefused`. */
function answers(random: () => number, requests: number, bad: number, isRefused = false): ArmCounts {
  const k = bad >= 1 ? requests : Math.min(requests, poisson(random, requests * bad));
  const [errors, refused] = isRefused ? [0, k] : [k, 0];
  return { requests, errors, latency: {}, classes: { '2xx': requests - k, '4xx': refused, '5xx': errors } };
}

function sum(parts: readonly ArmCounts[]): ArmCounts {
  const all = (name: string) => parts.reduce((total, { classes }) => total + (classes?.[name] ?? 0), 0);
  const requests = parts.reduce((total, one) => total + one.requests, 0);
  return { requests, errors: all('5xx'), latency: {}, classes: { '2xx': all('2xx'), '4xx': all('4xx'), '5xx': all('5xx') } };
}

interface Story {
  readonly rate: number;
  readonly share: number;
  /** Of the requests, of the route that is broken in the candidate from look `from` on. */
  readonly routeShare: number;
  readonly from: number;
  readonly looks: number;
  readonly isRefused?: boolean;
}

function sampleOf(random: () => number, { rate, share, routeShare, from, isRefused }: Story, look: number): Sample {
  const of = (arm: number, part: number, bad: number) =>
    answers(random, poisson(random, rate * arm * part * (LOOK / 1000)), bad, isRefused);
  const route: Arms = { candidate: of(share, routeShare, look >= from ? 1 : 0.001), baseline: of(1 - share, routeShare, 0.001) };
  const rest: Arms = { candidate: of(share, 1 - routeShare, 0.001), baseline: of(1 - share, 1 - routeShare, 0.001) };
  const whole = (arm: 'candidate' | 'baseline') => sum([route[arm], rest[arm]].flatMap((one) => (one === null ? [] : [one])));
  const at = T0 + look * LOOK;
  return {
    fromAt: at,
    at: at + LOOK,
    candidate: whole('candidate'),
    baseline: whole('baseline'),
    error: null,
    strata: { '/checkout': route, '/': rest },
  };
}

function play(policy: AnalysisPolicy, story: Story, seed: number): { readonly verdict: Verdict; readonly broken: number } {
  const random = randomFrom(seed);
  const bakeMs = story.looks * LOOK;
  let state = startAnalysis(policy, T0, { share: story.share, bakeMs, bakes: 1, rolloutMs: bakeMs });
  let broken = 0;
  for (let look = 0; look < story.looks; look++) {
    const sample = sampleOf(random, story, look);
    state = observeSample(policy, state, sample);
    if (look >= story.from) broken += sample.strata?.['/checkout']?.candidate?.requests ?? 0;
    const verdict = verdictOf(policy, state, sample.at);
    if (verdict.phase === 'Failed') return { verdict, broken };
  }
  return { verdict: finishAnalysis(policy, state, T0 + bakeMs), broken };
}

describe.each(JUDGES)('a route that is broken altogether, to the %s judge', (_, policy) => {
  it('with 0.3 % of the traffic is found within 400 of its requests, at any rate and from any moment on', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = randomFrom(seed);
      const rate = Math.exp(Math.log(500) + random() * Math.log(10));
      const share = [0.05, 0.25, 0.5][seed % 3] ?? 0.05;
      const story = { rate, share, routeShare: 0.003, from: Math.floor(random() * 100), looks: 360, isRefused: seed % 2 === 0 };
      const { verdict, broken } = play(policy, story, seed);
      expect(verdict.phase, `${JSON.stringify(story)}: ${verdict.reason}`).toBe('Failed');
      if (story.isRefused) expect(verdict.reason).toContain('requests to /checkout are answered 3xx or 4xx');
      expect(broken).toBeLessThanOrEqual(400);
    }
  });

  it('never passes, from whichever moment on, as long as thirty of its requests are left to show it', () => {
    fc.assert(
      fc.property(
        fc.record({
          rate: fc.integer({ min: 50, max: 5000 }),
          share: fc.constantFrom(0.05, 0.25, 0.5),
          routeShare: fc.double({ min: 0.002, max: 0.2, noNaN: true }),
          left: fc.double({ min: 0, max: 1, noNaN: true }),
          isRefused: fc.boolean(),
        }),
        fc.nat(),
        ({ left, ...story }, seed) => {
          const looks = 120;
          const perLook = story.rate * story.share * story.routeShare * (LOOK / 1000);
          const needed = Math.max(4, Math.ceil(30 / perLook));
          if (needed > looks) return;
          const from = Math.floor((looks - needed) * left);
          const { verdict } = play(policy, { ...story, from, looks }, seed);
          expect(verdict.phase, verdict.reason).not.toBe('Successful');
        },
      ),
      { numRuns: 150 },
    );
  }, 60_000);

  it('is not looked for where the policy says so', () => {
    const story: Story = { rate: 2000, share: 0.5, routeShare: 0.003, from: 0, looks: 100 };
    expect(play({ ...policy, routes: false }, story, 1).verdict.reason).not.toContain('/checkout');
  });
});

describe('routes of a good version', () => {
  it('fail it no more often than the judge may, and let it pass, though each has an error rate of its own', () => {
    let [failed, passed] = [0, 0];
    for (let seed = 1; seed <= 200; seed++) {
      const random = randomFrom(seed);
      const routes = Array.from({ length: 20 }, (_, i) => ({
        name: `/r${i}`,
        rate: 2 ** (i / 2),
        bad: [0.001, 0.02, 0.2, 0.6][i % 4] ?? 0,
      }));
      let state = startAnalysis(SEQUENTIAL, T0, { share: 0.3, bakeMs: 60 * LOOK, bakes: 1, rolloutMs: 60 * LOOK });
      for (let look = 0; look < 60 && state.judge === 'sequential' && state.decided === null; look++) {
        const strata = Object.fromEntries(
          routes.map(({ name, rate, bad }): [string, Arms] => [
            name,
            {
              candidate: answers(random, poisson(random, rate * 0.3), bad, true),
              baseline: answers(random, poisson(random, rate * 0.7), bad, true),
            },
          ]),
        );
        const whole = (arm: 'candidate' | 'baseline') => sum(Object.values(strata).flatMap((arms) => arms[arm] ?? []));
        const at = T0 + look * LOOK;
        state = observeSample(SEQUENTIAL, state, {
          fromAt: at,
          at: at + LOOK,
          candidate: whole('candidate'),
          baseline: whole('baseline'),
          error: null,
          strata,
        });
      }
      if (state.judge === 'sequential' && state.decided?.test === 'routes') failed += 1;
      if (finishAnalysis(SEQUENTIAL, state, T0 + 60 * LOOK).phase === 'Successful') passed += 1;
    }
    expect(failed).toBe(0);
    expect(passed).toBeGreaterThan(150);
  });

  const read = (candidate: ArmCounts, baseline: ArmCounts): SampleRead => {
    const other: Arms = { candidate: { requests: 9, errors: 0, latency: {} }, baseline: { requests: 9, errors: 0, latency: {} } };
    const sample = readSample({ fromAt: 0, at: 1, candidate, baseline, error: null, strata: { a: { candidate, baseline }, b: other } });
    if (typeof sample === 'string') throw new Error(sample);
    return sample;
  };
  const plain = (process: FailProcess, evidence: readonly number[]): FailProcess => ({
    log: process.log.map((log, g) => log + (evidence[g] ?? 0)),
    gain: process.gain,
  });

  it('multiply what is bet on each alternative by at most 1 in expectation, at every point that the margin allows', () => {
    const choose = (n: number, k: number): number => (k === 0 ? 1 : (choose(n - 1, k - 1) * n) / k);
    const chance = (n: number, k: number, p: number) => choose(n, k) * p ** k * (1 - p) ** (n - k);
    for (const share of [0, 0.01, 0.1, 0.3]) {
      const allowed = 2 * share + 0.2;
      const expected = new Array<number>(ROUTE_ALTERNATIVES / 2).fill(0);
      for (let kc = 0; kc <= 6; kc++)
        for (let kb = 0; kb <= 9; kb++) {
          const arm = (requests: number, errors: number) => ({ requests, errors, latency: {} });
          const { log } = watchRoutes(undefined, read(arm(6, kc), arm(9, kb)), plain)?.['a'] ?? { log: [] };
          for (const g of expected.keys())
            expected[g] = (expected[g] ?? 0) + chance(6, kc, allowed) * chance(9, kb, share) * 2 * Math.exp(log[g] ?? 0);
        }
      for (const one of expected) expect(one).toBeLessThanOrEqual(1 + 1e-9);
    }
  });

  it('have no evidence before there is any, and share what is bet between them, however many are told', () => {
    expect(Math.exp(routeEvidence(undefined, 0.5))).toBeCloseTo(1, 9);
    const names = Array.from({ length: 1000 }, (_, i) => `/r${i}`);
    const good: Arms = { candidate: { requests: 1, errors: 0, latency: {} }, baseline: { requests: 3, errors: 0, latency: {} } };
    const many = readSample({
      fromAt: 0,
      at: 1,
      candidate: { requests: 1000, errors: 0, latency: {} },
      baseline: { requests: 3000, errors: 0, latency: {} },
      error: null,
      strata: Object.fromEntries(names.map((name) => [name, good])),
    });
    if (typeof many === 'string') throw new Error(many);
    let routes: Routes | undefined;
    for (let look = 0; look < 50; look++)
      routes = watchRoutes(routes, many, (process, evidence) => addToFail(process, evidence, 0, { lookMs: LOOK, sinceMs: LOOK }));
    expect(Object.keys(routes ?? {})).toHaveLength(24);
    expect(routeEvidence(routes, 0.5)).toBeLessThanOrEqual(1e-9);
    expect(JSON.stringify(routes).length).toBeLessThan(8192);
  });

  it('one that is all traffic tells nothing that all traffic does not', () => {
    const arms: Arms = { candidate: { requests: 10, errors: 10, latency: {} }, baseline: { requests: 30, errors: 0, latency: {} } };
    const only = readSample({ fromAt: 0, at: 1, ...arms, error: null, strata: { '/': arms } });
    expect(typeof only === 'string' ? only : watchRoutes(undefined, only, plain)).toBeUndefined();
  });
});
