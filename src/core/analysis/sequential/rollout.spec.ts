import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BAKE_AT, EVERY_SECOND, HALF_HOUR, judged, samplesOf, simulated, started } from '../../../../test/worlds/bakes.ts';
import { finishAnalysis, mayYetPass, observeSample, startAnalysis, verdictOf } from '../judge.ts';
import { SEQUENTIAL_DEFAULTS } from '../policy.ts';
import { playRollout } from '../play.ts';
import type { ArmCounts, Sample } from '../sample.ts';
import { simulate, type Scenario } from '../simulate.ts';
import { carryOn } from './state.ts';

const BAKES = [
  { share: 0.05, seconds: 1800 },
  { share: 0.25, seconds: 600 },
  { share: 0.5, seconds: 600 },
];
const scenario = (requestsPerSecond: number, candidate: Scenario['candidate'], more: Partial<Scenario> = {}): Scenario => ({
  name: 'rollout',
  requestsPerSecond,
  share: 0.05,
  seconds: 0,
  errorRate: 0.001,
  refusedRate: 0.02,
  candidate,
  ...more,
});
const play = (one: Scenario, seed = 3) => playRollout(SEQUENTIAL_DEFAULTS, BAKES, one, seed);

/** A good bake of `seconds`, whose last `badSeconds` have the given change. */
function endingWith(seconds: number, badSeconds: number, candidate: Scenario['candidate'], requestsPerSecond = 500): readonly Sample[] {
  const from = seconds - badSeconds;
  return samplesOf([...simulate({ ...scenario(requestsPerSecond, { ...candidate, from }), seconds }, 11)]);
}

const finalOf = (samples: readonly Sample[]) => {
  const state = judged(samples);
  const now = samples.at(-1)?.at ?? BAKE_AT;
  return { verdict: finishAnalysis(EVERY_SECOND, state, now), mayPass: mayYetPass(EVERY_SECOND, state, now) };
};

describe('a bake that ends badly', () => {
  it('passes when it ends well', () => {
    expect(finalOf(endingWith(600, 0, {})).verdict.phase).toBe('Successful');
  });

  it.each([
    ['20 % errors in the last 20 s', 20, { errorRate: 0.2 }],
    ['latency × 3 in the last 20 s', 20, { latencyFactor: 3 }],
    ['20 % errors in the last 3 s', 3, { errorRate: 0.2 }],
    ['half of the answers 404 in the last 5 s', 5, { refusedRate: 0.5 }],
    ['only the slowest tenth × 3 in the last 20 s', 20, { tailFactor: 3, tailShare: 0.1 }],
  ])('never passes: %s', (_, badSeconds, candidate) => {
    for (const rate of [100, 500]) expect(finalOf(endingWith(600, badSeconds, candidate, rate)).verdict.phase).not.toBe('Successful');
  });

  it('bakes a little longer, and passes once its newest requests are clean again', () => {
    const soon = simulate({ ...scenario(500, { from: 597, errorRate: 0.2 }), seconds: 600 }, 11);
    const after = simulate({ ...scenario(500, {}), seconds: 120 }, 12);
    const seconds = [...soon, ...after];
    const { verdict, mayPass } = finalOf(samplesOf(seconds.slice(0, 600)));
    expect(verdict).toMatchObject({
      phase: 'Inconclusive',
      reason: expect.stringMatching(/^in the last \d+ s .* so the bake has not ended well$/),
    });
    expect(mayPass).toBe(true);
    expect(finalOf(samplesOf(seconds)).verdict.phase).toBe('Successful');
  });

  it('a source that stops telling status classes holds: no class is known then', () => {
    const samples = endingWith(600, 0, {}).map((sample, i): Sample => {
      const { classes: _, ...untold } = sample.candidate ?? { requests: 0, errors: 0, latency: {} };
      return i < 500 ? sample : { ...sample, candidate: untold };
    });
    expect(finalOf(samples).verdict).toMatchObject({
      phase: 'Inconclusive',
      reason: expect.stringContaining('stopped telling the status classes'),
    });
  });
});

describe('status classes', () => {
  it.each([
    ['all answers 404', 1],
    ['a third of the answers 401', 0.35],
  ])('fail a version: %s', (_, refusedRate) => {
    const { phase, judge, requests } = play(scenario(50, { refusedRate }));
    expect(phase).toBe('Failed');
    expect(requests).toBeLessThan(400);
    const verdict = verdictOf(SEQUENTIAL_DEFAULTS, judge, 0);
    expect(verdict.reason).toMatch(
      /^the new version answers 4xx more often: [\d.]+ % against [\d.]+ % of the old version, after \d+ requests$/,
    );
    expect(verdict.metrics.find(({ phase: one }) => one === 'Failed')?.name).toBe('answers 4xx');
  });

  it('with nothing to compare with, a version that refuses next to all is not well', () => {
    const refusing: ArmCounts = { requests: 100, errors: 0, latency: { '200': 100 }, classes: { '4xx': 99, '2xx': 1 } };
    const samples = samplesOf(Array.from({ length: 60 }, () => ({ candidate: refusing, baseline: null })));
    const state = judged(samples, EVERY_SECOND, { ...HALF_HOUR, share: 1 });
    expect(finishAnalysis(EVERY_SECOND, state, samples.at(-1)?.at ?? 0)).toMatchObject({
      phase: 'Inconclusive',
      reason: 'next to all answers of the new version are 4xx, so it cannot be shown to be well',
    });
  });
});

describe('the rollout as installed', () => {
  it('a good version passes all bakes', () => {
    expect(play(scenario(200, {}))).toMatchObject({ phase: 'Successful', bake: 2 });
  });

  it('errors are judged from the first request on', () => {
    const all = play(scenario(500, { errorRate: 1 }));
    expect(all).toMatchObject({ phase: 'Failed', bake: 0 });
    expect(all.afterMs).toBeLessThanOrEqual(SEQUENTIAL_DEFAULTS.intervalMs);
    const some = play(scenario(500, { errorRate: 0.03 }));
    expect(some.phase).toBe('Failed');
    expect(some.afterMs).toBeLessThan(SEQUENTIAL_DEFAULTS.initialDelayMs);
  });

  it('a cold start is forgiven once, in the first moments of the first bake', () => {
    expect(play(scenario(500, { coldFactor: 3, coldSeconds: 50 })).phase).toBe('Successful');
    const before = judged(simulated({ seconds: 120 }));
    const next = carryOn({ ...EVERY_SECOND, initialDelayMs: 60_000 }, before, BAKE_AT + 1_000_000, { ...HALF_HOUR, rolloutMs: 3_000_000 });
    expect(next.warmUntil).toBeLessThan(BAKE_AT + 1_000_000);
  });

  it('carries on what speaks against the candidate, and has it shown anew that all is well', () => {
    const setting = { ...HALF_HOUR, bakes: 3, rolloutMs: 3_000_000 };
    const before = judged(simulated({ seconds: 400 }), EVERY_SECOND, setting);
    const next = carryOn(EVERY_SECOND, before, BAKE_AT + 1_000_000, { ...setting, share: 0.25 });
    expect(next.fail).toEqual(before.fail);
    expect(next.carried).toEqual({ bakes: 1, bakedMs: 400_000, candidateRequests: before.candidateRequests });
    expect(next.candidateRequests).toBe(0);
    for (const test of Object.values(next.pass)) expect(test.crossedAt).toBeNull();
    expect(finishAnalysis(EVERY_SECOND, next, BAKE_AT + 1_000_000).phase).toBe('Inconclusive');
  });

  it('what only a larger share brings out is found there', () => {
    const bad = play(scenario(200, { from: 1805, latencyFactor: 1.6 }));
    expect(bad).toMatchObject({ phase: 'Failed', bake: 1 });
    expect(bad.afterMs - 1_805_000).toBeLessThanOrEqual(30_000);
  });

  it('shares the risk as before where evidence is not carried on: of bakes that an older version began', () => {
    const old = started(EVERY_SECOND, { ...HALF_HOUR, bakes: 3 });
    const { warmUntil: _, recent: __, ...stored } = old;
    const state = samplesOf([...simulate({ ...scenario(500, {}), seconds: 20 }, 5)]).reduce(
      (known, sample) => observeSample(EVERY_SECOND, known, sample),
      startAnalysis(EVERY_SECOND, BAKE_AT, HALF_HOUR, { ...stored }),
    );
    expect(verdictOf(EVERY_SECOND, state, BAKE_AT).phase).toBe('Running');
    expect(verdictOf(EVERY_SECOND, stored, BAKE_AT).metrics[0]?.evidence?.worseNeeded).toBe(300);
  });
});

describe('how much a look can say', () => {
  it('follows over how many seconds it is spread: the same burst in one look or in many fails no version', () => {
    fc.assert(
      fc.property(fc.constantFrom(1, 5, 10), fc.nat(40), (lookSeconds, at) => {
        const policy = { ...EVERY_SECOND, intervalMs: lookSeconds * 1000 };
        const good = { requests: 50, errors: 0, latency: { '220': 50 } };
        const slow = { requests: 50, errors: 50, latency: { '260': 50 } };
        const seconds = Array.from({ length: 60 }, (_, i) => ({
          candidate: i === at ? slow : good,
          baseline: { requests: 950, errors: 1, latency: { '220': 950 } },
        }));
        let state = started(policy);
        for (let i = 0; i < 60; i += lookSeconds) {
          const part = seconds.slice(i, i + lookSeconds);
          const bad = part.some(({ candidate }) => candidate === slow);
          const n = 50 * part.length;
          const candidate = { requests: n, errors: bad ? 50 : 0, latency: bad ? { '220': n - 50, '260': 50 } : { '220': n } };
          const b = 950 * part.length;
          const sample = { fromAt: BAKE_AT + i * 1000, at: BAKE_AT + (i + part.length) * 1000, error: null };
          const next = observeSample(policy, state, {
            ...sample,
            candidate,
            baseline: { requests: b, errors: part.length, latency: { '220': b } },
          });
          if (next.judge === 'sequential') state = next;
        }
        expect(state.decided).toBeNull();
      }),
      { numRuns: 40 },
    );
  });
});
