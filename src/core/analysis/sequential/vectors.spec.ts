import { describe, expect, it } from 'vitest';
import { vectors } from '../../../../test/worlds/vectors.ts';
import { logBinaryE, nullPoint } from './binary.ts';
import { betaBinomialBound, shareInterval } from './confidence.ts';
import { logSplitE } from './traffic.ts';

interface Block {
  r: number;
  d: number;
  nb: number;
  nc: number;
  pbStar: number;
  pcStar: number;
  pb0: number;
  pc0: number;
  kb: number;
  kc: number;
  logE: number;
}

/** Difference relative to the larger of both and 1e-3: log-evidence below that is no evidence either way. */
function difference(a: number, b: number): number {
  return Math.abs(a - b) / Math.max(Math.abs(a), Math.abs(b), 1e-3);
}

describe('published block e-variables', () => {
  it('match in their null point and log-evidence', () => {
    const blocks = vectors<Block[]>('analysis/evariable_blocks.json');
    expect(blocks.length).toBeGreaterThan(1000);
    for (const block of blocks) {
      const line = { slope: block.r, shift: block.d };
      const star = { baseline: block.pbStar, candidate: block.pcStar };
      const near = nullPoint(line, star, block.nb, block.nc);
      const log = logBinaryE(line, star, { n: block.nc, k: block.kc }, { n: block.nb, k: block.kb });
      expect(difference(near.baseline, block.pb0), JSON.stringify(block)).toBeLessThan(1e-9);
      expect(difference(near.candidate, block.pc0), JSON.stringify(block)).toBeLessThan(1e-9);
      expect(difference(log, block.logE), JSON.stringify(block)).toBeLessThan(1e-9);
    }
  });
});

describe('published traffic-split tests', () => {
  it('match in their log-evidence', () => {
    const cases = vectors<{ nc: number; nb: number; w: number; kappa: number; logE: number }[]>('analysis/srm.json');
    expect(cases.length).toBeGreaterThan(90);
    for (const { nc, nb, w, kappa, logE } of cases)
      expect(difference(logSplitE(w, nc, nb, kappa), logE), JSON.stringify({ nc, nb, w })).toBeLessThan(1e-9);
  });
});

interface Computed {
  fn: string;
  args: Record<string, number>;
  out: number[];
}

describe('published confidence sequences', () => {
  const computed = vectors<{ computed: Computed[] }>('analysis/confseq.json').computed;
  const of = (fn: string) => computed.filter((one) => one.fn === fn);

  it('match in the bound of the two-sided beta-binomial mixture', () => {
    const cases = of('beta_binomial_mixture_bound_two_sided');
    expect(cases).toHaveLength(36);
    for (const { args, out } of cases) {
      const { v = 0, alpha = 0, v_opt: tunedFor = 0, g = 0, h = 0, alpha_opt: tunedAlpha = 0 } = args;
      expect(
        difference(betaBinomialBound(v, g, h, { alpha, tunedFor, tunedAlpha }), out[0] ?? Number.NaN),
        JSON.stringify(args),
      ).toBeLessThan(1e-9);
    }
  });

  it('match in the interval around a share', () => {
    const cases = of('bernoulli_confidence_interval');
    expect(cases).toHaveLength(36);
    for (const { args, out } of cases) {
      const { num_successes: k = 0, num_trials: n = 0, alpha = 0, t_opt: tunedFor = 0, alpha_opt: tunedAlpha = 0 } = args;
      const interval = shareInterval(k, n, { alpha, tunedFor, tunedAlpha });
      for (const i of [0, 1])
        expect(Math.abs((interval[i] ?? 0) - (out[i] ?? 0)), JSON.stringify({ args, out, interval })).toBeLessThan(1e-9);
    }
  });
});
