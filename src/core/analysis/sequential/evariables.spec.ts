import { describe, expect, it } from 'vitest';
import { randomFrom } from '../simulate.ts';
import { alternative, logBinaryE, type Line } from './binary.ts';
import { BETTER_ODDS, WORSE_ODDS } from './block.ts';
import { logBeta } from './numbers.ts';
import { logOrderedE, orderedEvidence, tilted, TILTS } from './ordered.ts';
import { logSilenceE, logSplitE } from './traffic.ts';

/** Probability of k hits among n. */
function binomial(n: number, p: number): number[] {
  return Array.from({ length: n + 1 }, (_, k) => {
    if (p === 0 || p === 1) return k === n * p ? 1 : 0;
    return Math.exp(-logBeta(k + 1, n - k + 1) - Math.log(n + 1) + k * Math.log(p) + (n - k) * Math.log1p(-p));
  });
}

const SIZES = [
  { nb: 1, nc: 1 },
  { nb: 5, nc: 1 },
  { nb: 2, nc: 12 },
  { nb: 19, nc: 1 },
  { nb: 30, nc: 7 },
  { nb: 60, nc: 4 },
];
const LINES: readonly Line[] = [
  { slope: 1.1, shift: 0.001 },
  { slope: 1.1, shift: 0.005 },
  { slope: 0, shift: 0.01 },
  { slope: 1, shift: 0 },
  { slope: 2, shift: 0 },
  { slope: 1, shift: 0.05 },
];
const SHARES = [0, 1e-4, 0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 1];

/** E[S] by enumerating every outcome of the block. */
function expectation(line: Line, predicted: number, odds: number, nb: number, nc: number, pb: number, pc: number): number {
  const star = alternative(line, predicted, odds);
  if (star === null) return 1;
  const ofBaseline = binomial(nb, pb);
  const ofCandidate = binomial(nc, pc);
  let sum = 0;
  for (const [kb, qb] of ofBaseline.entries()) {
    if (qb === 0) continue;
    for (const [kc, qc] of ofCandidate.entries()) {
      if (qc > 0) sum += qb * qc * Math.exp(logBinaryE(line, star, { n: nc, k: kc }, { n: nb, k: kb }));
    }
  }
  return sum;
}

describe('binary e-variables', () => {
  const nulls = (line: Line, worse: boolean) =>
    SHARES.flatMap((pb) => {
      if (!worse && line.slope * pb + line.shift > 1) return [];
      const boundary = Math.min(1, line.slope * pb + line.shift);
      const inside = worse ? [boundary, boundary / 2, 0] : [boundary, (1 + boundary) / 2, 1];
      return inside.map((pc) => ({ pb, pc }));
    });

  it('expect at most 1 for every point of the null, whatever was predicted (all outcomes enumerated)', () => {
    let points = 0;
    let most = 0;
    for (const line of LINES) {
      for (const odds of [WORSE_ODDS[0]!, WORSE_ODDS[3]!, WORSE_ODDS[7]!, BETTER_ODDS[0]!, BETTER_ODDS[5]!]) {
        for (const { nb, nc } of SIZES) {
          for (const predicted of [0.0005, 0.02, 0.3]) {
            for (const { pb, pc } of nulls(line, odds > 1)) {
              most = Math.max(most, expectation(line, predicted, odds, nb, nc, pb, pc));
              points += 1;
            }
          }
        }
      }
    }
    expect(points).toBeGreaterThan(10_000);
    expect(most).toBeLessThanOrEqual(1 + 1e-9);
  });

  it('hold for requests of a block that are not alike, as long as their means are in the null', () => {
    const line = { slope: 1.1, shift: 0.001 };
    const star = alternative(line, 0.05, 3)!;
    const ofBaseline = [0.01, 0.02, 0.3, 0.02];
    const ofCandidate = [0, 0.15, 0.137];
    const mean = (list: number[]) => list.reduce((sum, p) => sum + p, 0) / list.length;
    expect(mean(ofCandidate)).toBeLessThanOrEqual(line.slope * mean(ofBaseline) + line.shift);
    const counts = (list: number[]) =>
      list.reduce((dist, p) => [...dist, 0].map((_, k) => (dist[k] ?? 0) * (1 - p) + (dist[k - 1] ?? 0) * p), [1]);
    let sum = 0;
    for (const [kb, qb] of counts(ofBaseline).entries())
      for (const [kc, qc] of counts(ofCandidate).entries())
        sum += qb * qc * Math.exp(logBinaryE(line, star, { n: 3, k: kc }, { n: 4, k: kb }));
    expect(sum).toBeLessThanOrEqual(1 + 1e-12);
  });

  it('are no evidence without candidate or baseline', () => {
    const line = { slope: 1.1, shift: 0.001 };
    const star = { baseline: 0.01, candidate: 0.1 };
    expect(logBinaryE(line, star, { n: 0, k: 0 }, { n: 100, k: 1 })).toBe(0);
    expect(logBinaryE(line, star, { n: 100, k: 90 }, { n: 0, k: 0 })).toBe(0);
  });

  it('every further error of the candidate is evidence that it is worse, and against that it is within the margin', () => {
    const [worse, better] = [alternative({ slope: 1.1, shift: 0.001 }, 0.01, 3)!, alternative({ slope: 1.1, shift: 0.005 }, 0.01, 1 / 3)!];
    for (let k = 0; k < 25; k++) {
      const at = (line: Line, star: typeof worse, errors: number) => logBinaryE(line, star, { n: 25, k: errors }, { n: 475, k: 4 });
      expect(at({ slope: 1.1, shift: 0.001 }, worse, k + 1)).toBeGreaterThan(at({ slope: 1.1, shift: 0.001 }, worse, k));
      expect(at({ slope: 1.1, shift: 0.005 }, better, k + 1)).toBeLessThan(at({ slope: 1.1, shift: 0.005 }, better, k));
    }
  });

  it('tell nothing where the line leaves the possible', () => {
    expect(alternative({ slope: 1.1, shift: 0.001 }, 0.95, 2)).toBeNull();
  });
});

describe('ordered e-variables', () => {
  const expected = [0.4, 0.3, 0.2, 0.1];

  /** Every way to put n answers into the categories, with its probability. */
  function* outcomes(n: number, p: readonly number[]): Generator<{ counts: number[]; probability: number }> {
    const [first = 0, ...rest] = p;
    if (rest.length === 0) yield { counts: [n], probability: first ** n };
    else
      for (let k = 0; k <= n; k++) {
        const ways = Math.exp(-logBeta(k + 1, n - k + 1) - Math.log(n + 1));
        for (const { counts, probability } of outcomes(n - k, rest))
          yield { counts: [k, ...counts], probability: ways * first ** k * probability };
      }
  }

  it('expect at most 1 for every candidate that is stochastically no slower (all outcomes enumerated)', () => {
    let most = 0;
    for (const [nb, nc] of [
      [1, 1],
      [4, 2],
      [2, 4],
    ] as const) {
      for (const baseline of [expected, [0.25, 0.25, 0.25, 0.25], [0.97, 0.01, 0.01, 0.01], [0, 0, 0, 1], [0.05, 0.05, 0.1, 0.8]]) {
        const faster = [baseline, [baseline[0]! + baseline[3]! / 2, baseline[1]!, baseline[2]!, baseline[3]! / 2], [1, 0, 0, 0]];
        for (const candidate of faster) {
          for (const tilt of TILTS) {
            const star = tilted(expected, tilt);
            let sum = 0;
            for (const b of outcomes(nb, baseline)) {
              if (b.probability > 0)
                for (const c of outcomes(nc, candidate))
                  if (c.probability > 0) sum += b.probability * c.probability * Math.exp(logOrderedE(expected, star, c.counts, b.counts));
            }
            most = Math.max(most, sum);
          }
        }
      }
    }
    expect(most).toBeLessThanOrEqual(1 + 1e-9);
  });

  it('are the same for steps, which are reckoned by two sums', () => {
    const [candidate, baseline] = [
      [3, 0, 5, 2],
      [40, 31, 0, 12],
    ];
    const all = orderedEvidence(expected, candidate, baseline);
    for (const [g, tilt] of TILTS.entries())
      expect(all[g]).toBeCloseTo(logOrderedE(expected, tilted(expected, tilt), candidate, baseline), 11);
  });

  it('expect at most 1 in blocks of real size, at the edge of the null (drawn)', () => {
    const random = randomFrom(7);
    const levels = [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 1];
    const truth = levels.map((level, i) => level - (levels[i - 1] ?? 0));
    const draw = (n: number) => {
      const counts = new Array<number>(levels.length).fill(0);
      for (let i = 0; i < n; i++) {
        const u = random();
        const category = levels.findIndex((level) => u < level);
        counts[category] = (counts[category] ?? 0) + 1;
      }
      return counts;
    };
    for (const tilt of TILTS) {
      const star = tilted(truth, tilt);
      const values = Array.from({ length: 1500 }, () => Math.exp(logOrderedE(truth, star, draw(10), draw(190))));
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const error = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0)) / values.length;
      expect(mean, tilt.level).toBeLessThanOrEqual(1 + 4 * error + 1e-3);
    }
  });

  it('every alternative is a distribution that rises against the baseline', () => {
    for (const tilt of TILTS) {
      const star = tilted(expected, tilt);
      expect(star.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 12);
      const ratios = star.map((p, i) => p / expected[i]!);
      for (const [i, ratio] of ratios.entries()) expect(ratio).toBeGreaterThanOrEqual((ratios[i - 1] ?? 0) * (1 - 1e-12));
    }
  });

  it('slower answers are evidence, faster ones are not', () => {
    const star = tilted(expected, TILTS[3]!);
    expect(logOrderedE(expected, star, [0, 0, 0, 10], [40, 30, 20, 10])).toBeGreaterThan(0);
    expect(logOrderedE(expected, star, [10, 0, 0, 0], [40, 30, 20, 10])).toBeLessThan(0);
    expect(logOrderedE(expected, star, [0, 0, 0, 0], [40, 30, 20, 10])).toBe(0);
    expect(logOrderedE(expected, star, [0, 0, 0, 10], [0, 0, 0, 0])).toBe(0);
  });
});

describe('traffic e-variables', () => {
  it('of the split expect exactly 1 at the configured share', () => {
    for (const share of [0.01, 0.05, 0.5]) {
      const sum = binomial(300, share).reduce(
        (total, probability, k) => total + (probability > 0 ? probability * Math.exp(logSplitE(share, k, 300 - k)) : 0),
        0,
      );
      expect(sum).toBeCloseTo(1, 9);
    }
  });

  it('of silence expect at most 1 from half the share on', () => {
    for (const share of [0.01, 0.05, 0.5, 0.95]) {
      for (const seen of [share / 2, share * 0.75, share, 1]) {
        const sum = binomial(200, seen).reduce(
          (total, probability, k) => total + (probability > 0 ? probability * Math.exp(logSilenceE(share, k, 200 - k)) : 0),
          0,
        );
        expect(sum).toBeLessThanOrEqual(1 + 1e-9);
      }
    }
  });

  it('need about 16 requests of silence, or 73 at half the share, to be sure of a split', () => {
    const needed = Math.log(1e4);
    const silent = Array.from({ length: 1000 }, (_, n) => n).find((n) => logSplitE(0.05, 0, n) >= needed) ?? 0;
    expect(silent * 0.05).toBeGreaterThan(14);
    expect(silent * 0.05).toBeLessThan(18);
    const half = Array.from({ length: 4000 }, (_, n) => n).find((n) => logSplitE(0.05, 0.025 * n, 0.975 * n) >= needed) ?? 0;
    expect(half * 0.05).toBeGreaterThan(65);
    expect(half * 0.05).toBeLessThan(80);
  });
});
