import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BAKE_AT, EVERY_SECOND, HALF_HOUR, look, samplesOf, started } from '../../../../test/worlds/bakes.ts';
import { MAX_BUCKET } from '../histogram.ts';
import { finishAnalysis, verdictOf } from '../judge.ts';
import type { SequentialPolicy } from '../policy.ts';
import type { ArmCounts, Arms, Sample } from '../sample.ts';
import { BETTER_STAKES } from './block.ts';
import { failEvidence, passEvidence } from './process.ts';
import { heldBack, type AnalysisSetting, type SequentialState } from './state.ts';

const anyCount = fc.oneof(fc.nat(1000), fc.constantFrom(0, -1, 0.5, 1e12, 9e15, 1e300, Number.NaN, Infinity, -Infinity));
const anyHistogram = fc.dictionary(fc.oneof(fc.nat(MAX_BUCKET).map(String), fc.constantFrom('99999', 'x', '-1', '', '007')), anyCount, {
  maxKeys: 5,
});
const anyArm: fc.Arbitrary<ArmCounts | null> = fc.option(fc.record({ requests: anyCount, errors: anyCount, latency: anyHistogram }));
const anyTime = fc.oneof(
  fc.integer({ min: -2, max: 40 }).map((look) => BAKE_AT + look * 1000),
  fc.constantFrom(Number.NaN, Infinity, 0, -1),
);
const anySample: fc.Arbitrary<Sample> = fc.record({
  fromAt: anyTime,
  at: anyTime,
  candidate: anyArm,
  baseline: anyArm,
  error: fc.option(fc.constant('down'), { freq: 4 }),
});
const anySetting: fc.Arbitrary<AnalysisSetting> = fc.record({
  share: fc.constantFrom(null, 0, 0.05, 0.5, 1),
  bakeMs: fc.constantFrom(null, 0, 60_000, 1_800_000),
  bakes: fc.nat(4),
});
const anyPolicy: fc.Arbitrary<SequentialPolicy> = fc
  .record({
    initialDelayMs: fc.constantFrom(0, 5000),
    noData: fc.constantFrom('inconclusive' as const, 'fail' as const),
    minRequests: fc.nat(200),
    designEffect: fc.constantFrom(1, 3),
    strata: fc.nat(2),
    strict: fc.boolean(),
    judgesLatency: fc.boolean(),
    alphaPass: fc.constantFrom(0.05, 0.5),
  })
  .map(({ strict, judgesLatency, ...rest }) => ({
    ...EVERY_SECOND,
    ...rest,
    errors: { ...EVERY_SECOND.errors, strict },
    latency: judgesLatency ? EVERY_SECOND.latency : null,
  }));

/** An arm that could be: as many latencies as requests, no more errors than requests. */
const soundArm = (most: number): fc.Arbitrary<ArmCounts> =>
  fc
    .record({
      requests: fc.oneof(fc.nat(most), fc.constantFrom(0, 1, 1e12)),
      share: fc.constantFrom(0, 0.001, 0.1, 1),
      buckets: fc.array(fc.oneof(fc.integer({ min: 200, max: 300 }), fc.constantFrom(0, MAX_BUCKET)), { minLength: 1, maxLength: 6 }),
    })
    .map(({ requests, share, buckets }) => ({
      requests,
      errors: Math.floor(requests * share),
      latency: requests === 0 ? {} : Object.fromEntries(buckets.map((bucket) => [bucket, Math.floor(requests / buckets.length)])),
    }));
const soundArms: fc.Arbitrary<Arms> = fc.record({ candidate: soundArm(60), baseline: soundArm(900) });

function after(policy: SequentialPolicy, samples: readonly Sample[], setting = HALF_HOUR): SequentialState {
  return samples.reduce((state, sample) => look(policy, state, sample), started(policy, setting));
}

describe('the sequential judge, whatever it is fed', () => {
  it('AR#1466: never throws, its state stays plain JSON, and every verdict has its words', () => {
    fc.assert(
      fc.property(anyPolicy, anySetting, fc.array(anySample, { maxLength: 12 }), anyTime, (policy, setting, samples, now) => {
        const state = after(policy, samples, setting);
        for (const verdict of [verdictOf(policy, state, now), finishAnalysis(policy, state, now)]) {
          expect(verdict.reason).not.toBe('');
          expect(JSON.parse(JSON.stringify(verdict))).toEqual(verdict);
        }
        expect(JSON.parse(JSON.stringify(state))).toEqual(state);
      }),
      { numRuns: 200 },
    );
  });

  it('never throws on 10^12 requests, empty arms, single and overflow buckets, and its evidence stays a number', () => {
    fc.assert(
      fc.property(anyPolicy, anySetting, fc.array(soundArms, { maxLength: 15 }), (policy, setting, arms) => {
        const state = after(policy, samplesOf(arms), setting);
        finishAnalysis(policy, state, BAKE_AT + arms.length * 1000);
        for (const process of Object.values(state.fail)) expect(failEvidence(process, heldBack(state))).not.toBeNaN();
        for (const process of Object.values(state.pass)) expect(passEvidence(process)).not.toBeNaN();
      }),
      { numRuns: 200 },
    );
  });

  it('is never Successful during the bake, and afterwards only on enough, fresh requests', () => {
    fc.assert(
      fc.property(anyPolicy, anySetting, fc.array(anySample, { maxLength: 12 }), anyTime, (policy, setting, samples, now) => {
        const state = after(policy, samples, setting);
        expect(verdictOf(policy, state, now).phase).not.toBe('Successful');
        const verdict = finishAnalysis(policy, state, now);
        expect(['Running', 'Pending']).not.toContain(verdict.phase);
        if (verdict.phase !== 'Successful') return;
        expect(state.candidateRequests).toBeGreaterThanOrEqual(policy.minRequests);
        expect(Math.abs(now - (state.newestDataAt ?? Number.NaN))).toBeLessThanOrEqual(2 * policy.intervalMs);
      }),
      { numRuns: 200 },
    );
  });

  const neverPasses = (name: string, arms: fc.Arbitrary<Arms>) =>
    it(`${name} is never a pass`, () => {
      fc.assert(
        fc.property(anyPolicy, fc.array(arms, { maxLength: 30 }), (policy, looks) => {
          const setting = { ...HALF_HOUR, share: 0.5 };
          expect(finishAnalysis(policy, after(policy, samplesOf(looks), setting), BAKE_AT + looks.length * 1000).phase).not.toBe(
            'Successful',
          );
        }),
        { numRuns: 60 },
      );
    });
  const full = (requests: number, errors: number, bucket: number): ArmCounts => ({
    requests,
    errors,
    latency: requests > 0 ? { [bucket]: requests } : {},
  });
  const count = fc.oneof(fc.nat(2000), fc.constant(1e12));
  neverPasses(
    'zero traffic to the candidate',
    count.map((n) => ({ candidate: full(0, 0, 1), baseline: full(n, 0, 200) })),
  );
  neverPasses(
    'zero traffic to the baseline',
    count.map((n) => ({ candidate: full(n, 0, 200), baseline: full(0, 0, 1) })),
  );
  neverPasses(
    'an error at every request of both',
    count.map((n) => ({ candidate: full(n, n, 200), baseline: full(n, n, 200) })),
  );
  neverPasses(
    'an error at every request of the candidate',
    count.map((n) => ({ candidate: full(n, n, 200), baseline: full(n, 0, 200) })),
  );
  it('latency that cannot be told apart, or is off the scale, is never a pass where latency is judged', () => {
    for (const bucket of [0, 240, MAX_BUCKET - 1, MAX_BUCKET]) {
      const samples = samplesOf(Array.from({ length: 120 }, () => ({ candidate: full(500, 0, bucket), baseline: full(500, 0, bucket) })));
      expect(finishAnalysis(EVERY_SECOND, after(EVERY_SECOND, samples, { ...HALF_HOUR, share: 0.5 }), samples.at(-1)!.at).phase).toBe(
        'Inconclusive',
      );
    }
  });
});

describe('what must not change a verdict', () => {
  const looks = fc.array(soundArms, { minLength: 1, maxLength: 12 });
  const check = (property: (samples: Sample[]) => void) =>
    fc.assert(
      fc.property(looks, (arms) => property(samplesOf(arms))),
      { numRuns: 80 },
    );
  const evidence = (state: SequentialState) => ({
    fail: state.fail,
    pass: Object.fromEntries(Object.entries(state.pass).map(([name, { log }]) => [name, log])),
  });

  it('seeing every sample twice', () =>
    check((samples) => {
      expect(
        after(
          EVERY_SECOND,
          samples.flatMap((sample) => [sample, sample]),
        ),
      ).toEqual(after(EVERY_SECOND, samples));
    }));

  it('errors of the source between samples', () =>
    check((samples) => {
      const errors = samples.flatMap((sample, i) => [
        sample,
        { fromAt: sample.at, at: sample.at + i, candidate: null, baseline: null, error: 'down' },
      ]);
      expect(evidence(after(EVERY_SECOND, errors))).toEqual(evidence(after(EVERY_SECOND, samples)));
    }));

  it('samples nobody answered anything in', () =>
    check((all) => {
      // Within one capped block: the next one begins with a sample, and these are more samples.
      const samples = all.slice(0, 8);
      const empty = samples.flatMap((sample) => [
        { ...sample, at: sample.at - 500 },
        { ...sample, fromAt: sample.at - 500, candidate: full0, baseline: full0 },
      ]);
      const whole = samples.map((sample) => ({ ...sample, at: sample.at - 500 }));
      expect(evidence(after(EVERY_SECOND, empty))).toEqual(evidence(after(EVERY_SECOND, whole)));
    }));
  const full0: ArmCounts = { requests: 0, errors: 0, latency: {} };

  it('the time of day', () =>
    check((samples) => {
      const later = samples.map((sample) => ({ ...sample, fromAt: sample.fromAt + 86_400_000, at: sample.at + 86_400_000 }));
      const shifted = later.reduce((state, sample) => look(EVERY_SECOND, state, sample), {
        ...started(),
        startedAt: BAKE_AT + 86_400_000,
      });
      expect(evidence(shifted)).toEqual(evidence(after(EVERY_SECOND, samples)));
    }));

  it('the scale of latencies: both arms slower alike', () =>
    check((samples) => {
      const scale = (counts: ArmCounts | null) =>
        counts && {
          ...counts,
          latency: Object.fromEntries(
            Object.entries(counts.latency).map(([bucket, n]) => [Number(bucket) < 200 || Number(bucket) > 300 ? 250 : Number(bucket), n]),
          ),
        };
      const within = samples.map((sample) => ({ ...sample, candidate: scale(sample.candidate), baseline: scale(sample.baseline) }));
      const slow = (counts: ArmCounts | null) =>
        counts && { ...counts, latency: Object.fromEntries(Object.entries(counts.latency).map(([bucket, n]) => [Number(bucket) + 80, n])) };
      const slower = within.map((sample) => ({ ...sample, candidate: slow(sample.candidate), baseline: slow(sample.baseline) }));
      expect(evidence(after(EVERY_SECOND, slower))).toEqual(evidence(after(EVERY_SECOND, within)));
    }));

  it('the name of the only stratum', () =>
    check((samples) => {
      const policy = { ...EVERY_SECOND, strata: 2 };
      const named = samples.map((sample) => ({
        ...sample,
        strata: { checkout: { candidate: sample.candidate, baseline: sample.baseline } },
      }));
      expect(evidence(after(policy, named))).toEqual(evidence(after(policy, samples)));
    }));
});

describe('what must move a verdict, and which way', () => {
  const looks = fc.array(soundArms, { minLength: 3, maxLength: 12 });

  /** The bets that do not depend on what was won before. */
  const steady = (log: readonly number[]) => log.slice(1).map((value, g) => value - Math.log(BETTER_STAKES[g + 1]!));

  it('a design effect halves the evidence of every steady bet that all is well', () => {
    fc.assert(
      fc.property(looks, (arms) => {
        const [one, two] = [1, 2].map((designEffect) => after({ ...EVERY_SECOND, designEffect }, samplesOf(arms)));
        for (const [name, { log }] of Object.entries(one!.pass))
          steady(log).forEach((value, g) =>
            expect(steady(two!.pass[name]!.log)[g]!).toBeCloseTo(
              value / 2,
              6 - Math.max(0, Math.ceil(Math.log10(Math.abs(value) + 1)) - 3),
            ),
          );
      }),
      { numRuns: 60 },
    );
  });

  it('more errors of the candidate never speak for it', () => {
    fc.assert(
      fc.property(looks, fc.nat(11), (arms, at) => {
        const worse = arms.map((pair, i) =>
          i === at % arms.length && pair.candidate !== null
            ? { ...pair, candidate: { ...pair.candidate, errors: pair.candidate.requests } }
            : pair,
        );
        const [before, now] = [after(EVERY_SECOND, samplesOf(arms)), after(EVERY_SECOND, samplesOf(worse))];
        for (const test of ['errors', 'limit'])
          steady(before.pass[test]!.log).forEach((value, g) =>
            expect(steady(now.pass[test]!.log)[g]!).toBeLessThanOrEqual(value + 1e-6 * Math.abs(value)),
          );
      }),
      { numRuns: 80 },
    );
  });

  it('a failed verdict stays whatever follows', () => {
    const bad = samplesOf(Array.from({ length: 40 }, () => ({ candidate: full(50, 25), baseline: full(950, 0) })));
    const failed = after(EVERY_SECOND, bad);
    expect(failed.decided?.phase).toBe('Failed');
    fc.assert(
      fc.property(fc.array(anySample, { maxLength: 10 }), (samples) => {
        const later = samples.reduce((state, sample) => look(EVERY_SECOND, state, sample), failed);
        expect(finishAnalysis(EVERY_SECOND, later, BAKE_AT + 60_000).reason).toBe(failed.decided?.reason);
      }),
      { numRuns: 40 },
    );
  });
  const full = (requests: number, errors: number): ArmCounts => ({ requests, errors, latency: { 240: requests } });
});
