import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BAKE_AT, EVERY_SECOND, HALF_HOUR, judged, look, samplesOf, started } from '../../../../test/worlds/bakes.ts';
import { finishAnalysis } from '../judge.ts';
import type { SequentialPolicy } from '../policy.ts';
import type { ArmCounts, Arms, Sample } from '../sample.ts';
import { alternative, logBinaryE, type Line } from './binary.ts';
import { BETTER_ODDS, WORSE_ODDS } from './block.ts';
import { logOrderedE, tilted, TILTS } from './ordered.ts';

const HALF = { ...HALF_HOUR, share: 0.5 };
/** Wide margins: what passes at all is to pass within the looks of a test. */
const WIDE: SequentialPolicy = {
  ...EVERY_SECOND,
  errors: { ...EVERY_SECOND.errors, passMargin: 0.05, limit: 0.9 },
  latency: { margin: 0.3, quantiles: [0.5, 0.95], edgesMs: null },
};
const LINES: readonly Line[] = [
  { slope: 1, shift: 0 },
  { slope: 1.1, shift: 0.001 },
  { slope: 1.1, shift: 0.005 },
  { slope: 0, shift: 0.01 },
];

/** Requests of one look over 50 buckets and a thin tail, some with errors, some of the slow ones slower by so many buckets (29 double it). */
function arm(errors: number, slower = 0, from = 0): ArmCounts {
  const buckets = Array.from({ length: 58 }, (_, i) => (i < 50 ? 220 + i : 270 + 10 * (i - 50)) + (i >= from ? slower : 0));
  const latency: Record<string, number> = {};
  for (const [i, bucket] of buckets.entries()) latency[bucket] = (latency[bucket] ?? 0) + (i < 50 ? 8 : 2);
  return { requests: 416, errors, latency };
}

/** How two versions can differ, the first the worse; all far beyond the margins. */
const WORSE: readonly (readonly [string, ArmCounts, ArmCounts])[] = [
  ['errors', arm(80), arm(0)],
  ['errors, both', arm(160), arm(40)],
  ['latency', arm(0, 30), arm(0)],
  ['the tail', arm(0, 60, 42), arm(0)],
];
const repeat = (looks: number, arms: Arms): Arms[] => Array.from({ length: looks }, () => arms);

function final(policy: SequentialPolicy, samples: readonly Sample[], setting = HALF): string {
  const state = samples.reduce((so, sample) => look(policy, so, sample), started(policy, setting));
  return finishAnalysis(policy, state, samples.at(-1)?.at ?? BAKE_AT).phase;
}

describe('swapping the arms', () => {
  it('turns the evidence of a symmetric line around, to the last digit but a few', () => {
    const share = fc.double({ min: 0.001, max: 0.5, noNaN: true });
    const hits = fc.record({ n: fc.integer({ min: 1, max: 500 }), share: fc.double({ min: 0, max: 1, noNaN: true }) });
    fc.assert(
      fc.property(share, share, hits, hits, (p, q, one, other) => {
        const [a, b] = [one, other].map(({ n, share: hit }) => ({ n, k: Math.round(n * hit) }));
        const line = { slope: 1, shift: 0 };
        const forth = logBinaryE(line, { baseline: p, candidate: q }, a!, b!);
        const back = logBinaryE(line, { baseline: q, candidate: p }, b!, a!);
        expect(Math.abs(forth - back)).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(forth)));
      }),
    );
  });

  it.each(WORSE)('what fails one way never fails the other, and passes it: %s', (_, worse, better) => {
    expect(final(WIDE, samplesOf(repeat(90, { candidate: worse, baseline: better })))).toBe('Failed');
    expect(final(WIDE, samplesOf(repeat(90, { candidate: better, baseline: worse })))).toBe('Successful');
  });

  it('of what is alike changes nothing', () => {
    fc.assert(
      fc.property(fc.nat(400), fc.nat(60), fc.nat(49), (errors, slower, from) => {
        const alike = arm(errors, slower, from);
        expect(judged(samplesOf(repeat(60, { candidate: alike, baseline: { ...alike } })), WIDE, HALF).decided).toBeNull();
      }),
      { numRuns: 20 },
    );
  });
});

describe('merging blocks', () => {
  /** Blocks with the same share of requests on each side have the same null point: their evidence adds up. */
  it('of one split gives the sum of their evidence: of hits', () => {
    const block = fc.record({
      size: fc.integer({ min: 1, max: 60 }),
      kc: fc.double({ min: 0, max: 1, noNaN: true }),
      kb: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.constantFrom(...LINES), fc.constantFrom(...WORSE_ODDS, ...BETTER_ODDS), block, block, (line, odds, one, other) => {
        const star = alternative(line, 0.02, odds);
        if (star === null) return;
        const [a, b] = [one, other].map(({ size, kc, kb }) => ({
          c: { n: size, k: Math.round(size * kc) },
          b: { n: 19 * size, k: Math.round(19 * size * kb) },
        }));
        const apart = logBinaryE(line, star, a!.c, a!.b) + logBinaryE(line, star, b!.c, b!.b);
        const merged = logBinaryE(line, star, { n: a!.c.n + b!.c.n, k: a!.c.k + b!.c.k }, { n: a!.b.n + b!.b.n, k: a!.b.k + b!.b.k });
        expect(Math.abs(merged - apart)).toBeLessThanOrEqual(1e-8 * Math.max(1, Math.abs(apart)));
      }),
    );
  });

  it('of one split gives the sum of their evidence: of categories', () => {
    const expected = [0.4, 0.3, 0.2, 0.05, 0.05];
    const drawn = (total: number) =>
      fc
        .array(fc.nat(total - 1), { minLength: total, maxLength: total })
        .map((at) => expected.map((_, j) => at.filter((one) => one % 5 === j).length));
    fc.assert(
      fc.property(fc.nat(TILTS.length - 1), drawn(10), drawn(40), drawn(10), drawn(40), (tilt, c1, b1, c2, b2) => {
        const star = tilted(expected, TILTS[tilt]!);
        const add = (x: readonly number[], y: readonly number[]) => x.map((n, j) => n + (y[j] ?? 0));
        const apart = logOrderedE(expected, star, c1, b1) + logOrderedE(expected, star, c2, b2);
        expect(logOrderedE(expected, star, add(c1, c2), add(b1, b2))).toBeCloseTo(apart, 8);
      }),
      { numRuns: 60 },
    );
  });

  it.each(WORSE)('and looking half as often, finds the same: %s', (_, worse, better) => {
    const double = ({ requests, errors, latency }: ArmCounts): ArmCounts => ({
      requests: 2 * requests,
      errors: 2 * errors,
      latency: Object.fromEntries(Object.entries(latency).map(([bucket, n]) => [bucket, 2 * n])),
    });
    for (const [candidate, baseline, phase] of [
      [worse, better, 'Failed'],
      [better, worse, 'Successful'],
    ] as const) {
      expect(final(WIDE, samplesOf(repeat(90, { candidate, baseline })))).toBe(phase);
      expect(
        final({ ...WIDE, intervalMs: 2000 }, samplesOf(repeat(45, { candidate: double(candidate), baseline: double(baseline) }), 2000)),
      ).toBe(phase);
    }
  });
});

describe('scaling time', () => {
  /** The same looks, ten times as far apart: no more evidence is cut off, so none needs more of them. */
  it.each(WORSE)('needs no more looks to fail, and passes the same: %s', (_, worse, better) => {
    const looksToFail = (lookMs: number) => {
      const samples = samplesOf(repeat(90, { candidate: worse, baseline: better }), lookMs);
      const policy = { ...WIDE, intervalMs: lookMs };
      const { decided } = judged(samples, policy, { ...HALF, bakeMs: 180 * lookMs });
      expect(decided?.phase).toBe('Failed');
      return ((decided?.at ?? Infinity) - BAKE_AT) / lookMs;
    };
    expect(looksToFail(10_000)).toBeLessThanOrEqual(looksToFail(1000));
    for (const lookMs of [1000, 10_000])
      expect(
        final({ ...WIDE, intervalMs: lookMs }, samplesOf(repeat(90, { candidate: better, baseline: worse }), lookMs), {
          ...HALF,
          bakeMs: 90 * lookMs,
        }),
      ).toBe('Successful');
  });
});

describe('splitting strata', () => {
  /** The same traffic told apart by routes that are alike. */
  const split = (samples: readonly Sample[]): Sample[] =>
    samples.map((sample) => {
      const half = (counts: ArmCounts | null) =>
        counts && {
          requests: counts.requests / 2,
          errors: counts.errors / 2,
          latency: Object.fromEntries(Object.entries(counts.latency).map(([bucket, n]) => [bucket, n / 2])),
        };
      const part = () => ({ candidate: half(sample.candidate), baseline: half(sample.baseline) });
      return { ...sample, strata: { a: part(), b: part() } };
    });

  it.each(WORSE)('that are alike changes no verdict: %s', (_, worse, better) => {
    const told = { ...WIDE, strata: 2 };
    for (const [candidate, baseline, phase] of [
      [worse, better, 'Failed'],
      [better, worse, 'Successful'],
    ] as const) {
      const samples = samplesOf(repeat(90, { candidate, baseline }));
      expect(final(WIDE, samples)).toBe(phase);
      expect(final(told, split(samples))).toBe(phase);
    }
  });
});
