import { describe, expect, it } from 'vitest';
import * as boundary from '../../bench/peers/boundaries.ts';
import { relativeLift, sequentialHalfwidth, type Moments } from '../../bench/peers/growthbook.ts';
import { normalCdf } from '../../bench/peers/special.ts';
import { mannWhitneyU } from '../../src/core/analysis/mann-whitney.ts';
import { betaBinomialBound, shareInterval } from '../../src/core/analysis/sequential/confidence.ts';
import { logBeta } from '../../src/core/analysis/sequential/numbers.ts';
import { vectors } from '../worlds/vectors.ts';

type Args = Record<string, number>;
interface Confseq {
  computed: { fn: string; args: Args; out: number[] }[];
  upstreamAsserted: [string, Args, number | number[]][];
}

/** n numbers spread evenly over 1…1000. */
const spread = (n: number, offset = 0) => Array.from({ length: n }, (_, i) => 1 + (i * 1000) / n + offset);
const VALUE: Record<string, (args: Args) => number> = {
  normal_log_mixture_two_sided: ({ s, v, v_opt, alpha_opt }) => boundary.normalMixture(s!, v!, v_opt!, alpha_opt!, 2),
  normal_log_mixture_one_sided: ({ s, v, v_opt, alpha_opt }) => boundary.normalMixture(s!, v!, v_opt!, alpha_opt!, 1),
  normal_mixture_bound_two_sided: ({ v, alpha, v_opt, alpha_opt }) => boundary.normalMixtureBound(v!, alpha!, v_opt!, alpha_opt!, 2),
  normal_mixture_bound_one_sided: ({ v, alpha, v_opt, alpha_opt }) => boundary.normalMixtureBound(v!, alpha!, v_opt!, alpha_opt!, 1),
  beta_binomial_log_mixture_two_sided: ({ s, v, v_opt, g, h, alpha_opt = 0.05 }) =>
    boundary.betaBinomialMixture(s!, v!, v_opt!, g!, h!, alpha_opt, 2),
  beta_binomial_log_mixture_one_sided: ({ s, v, v_opt, g, h, alpha_opt = 0.05 }) =>
    boundary.betaBinomialMixture(s!, v!, v_opt!, g!, h!, alpha_opt, 1),
  beta_binomial_mixture_bound_two_sided: ({ v, alpha, v_opt, g, h, alpha_opt = 0.05 }) =>
    betaBinomialBound(v!, g!, h!, { alpha: alpha!, tunedFor: v_opt!, tunedAlpha: alpha_opt }),
  beta_binomial_mixture_bound_one_sided: ({ v, alpha, v_opt, g, h, alpha_opt = 0.05 }) =>
    boundary.betaBinomialOneSidedBound(v!, alpha!, v_opt!, g!, h!, alpha_opt),
  gamma_exponential_log_mixture: ({ s, v, v_opt, c }) => boundary.gammaExponentialMixture(s!, v!, v_opt!, c!),
  gamma_exponential_mixture_bound: ({ v, alpha, v_opt, c }) =>
    boundary.boundOf((s) => boundary.gammaExponentialMixture(s, v!, v_opt!, c!), v!, alpha!),
  gamma_poisson_log_mixture: ({ s, v, v_opt, c }) => boundary.gammaPoissonMixture(s!, v!, v_opt!, c!),
  gamma_poisson_mixture_bound: ({ v, alpha, v_opt, c }) =>
    boundary.boundOf((s) => boundary.gammaPoissonMixture(s, v!, v_opt!, c!), v!, alpha!),
  best_rho_two_sided: ({ v, alpha }) => boundary.bestRho(v!, alpha!),
  poly_stitching_bound: ({ v, alpha, v_min, c, s, eta }) => boundary.polyStitchingBound(v!, alpha!, v_min!, c, s, eta),
  double_stitching_bound: ({ quantile_p, p, t, alpha, t_opt, delta, s, eta }) =>
    boundary.doubleStitchingBound(quantile_p ?? p!, t!, alpha!, t_opt!, delta, s, eta),
  empirical_process_lil_bound: ({ t, alpha, t_min, A }) => boundary.distributionBound(alpha!, t_min!, A)(t!),
  quantile_ab_p_value: ({ quantile_p, t_opt, alpha_opt, a_n, b_n, b_offset }) =>
    boundary.quantileTest(quantile_p!, t_opt!, alpha_opt!, spread(a_n!), spread(b_n!, b_offset)),
};

describe('boundaries as in confseq', () => {
  const { computed, upstreamAsserted } = vectors<Confseq>('analysis/confseq.json');
  const names = [...new Set(computed.map((one) => one.fn))].filter((fn) => fn !== 'bernoulli_confidence_interval');

  it.each(names)('%s', (fn) => {
    for (const { args, out } of computed.filter((one) => one.fn === fn)) {
      const value = VALUE[fn]?.(args) ?? Number.NaN;
      const wanted = out[0] ?? Number.NaN;
      if (wanted === -1 && value === Infinity) continue;
      expect(Math.abs(value - wanted) / Math.max(1e-3, Math.abs(wanted)), JSON.stringify({ args, wanted, value })).toBeLessThan(1e-9);
    }
  });

  it('agree with every value its own tests assert', () => {
    for (const [fn, args, wanted] of upstreamAsserted) {
      if (fn.startsWith('quantile_ab')) continue;
      const values =
        fn === 'bernoulli_confidence_interval'
          ? shareInterval(args['k']!, args['n']!, { alpha: args['alpha']!, tunedFor: args['t_opt']! })
          : [VALUE[fn]?.(args) ?? Number.NaN];
      for (const [i, one] of [wanted].flat().entries())
        expect(Math.abs((values[i] ?? Number.NaN) - one) / Math.max(Math.abs(one), 1), JSON.stringify({ fn, args, values })).toBeLessThan(
          1e-5,
        );
    }
  });
});

interface GrowthBookCase {
  kind: string;
  a: { sum: number; sumSquares?: number; n: number };
  b: { sum: number; sumSquares?: number; n: number };
  tuning: number;
  alpha: number;
  expected?: number;
  se?: number;
  ci?: [number, number];
  lower?: number;
}

describe("GrowthBook's sequential intervals", () => {
  it('agree with its own tests', () => {
    const { cases } = vectors<{ cases: GrowthBookCase[] }>('analysis/growthbook_sequential.json');
    for (const { kind, a, b, tuning, alpha, expected, se: wantedSe, ci, lower } of cases) {
      const isProportion = kind.startsWith('proportion');
      const moments = ({ sum, sumSquares, n }: GrowthBookCase['a']): Moments => ({ n, sum, squares: sumSquares ?? sum });
      const relative = relativeLift(moments(a), moments(b), isProportion);
      const { lift, se } = kind.endsWith('absolute') ? absoluteLift(moments(a), moments(b)) : relative;
      const half = sequentialHalfwidth(se, a.n + b.n, alpha, tuning, kind.includes('one-sided'));
      if (expected !== undefined) expect(lift, kind).toBeCloseTo(expected, 4);
      if (wantedSe !== undefined) expect(se, kind).toBeCloseTo(wantedSe, 4);
      for (const [i, end] of (ci ?? []).entries()) expect(lift + (i === 0 ? -half : half), kind).toBeCloseTo(end, 4);
      if (lower !== undefined) expect(lift - half, kind).toBeCloseTo(lower, 4);
    }
  });

  function absoluteLift(a: Moments, b: Moments) {
    const variance = (m: Moments) => (m.squares - (m.sum * m.sum) / m.n) / (m.n - 1) / m.n;
    return { lift: b.sum / b.n - a.sum / a.n, se: Math.sqrt(variance(a) + variance(b)) };
  }
});

describe('tests of one fixed look', () => {
  const choose = (n: number, k: number) => -Math.log(n + 1) - logBeta(k + 1, n - k + 1);

  it("agree with SciPy: Fisher's exact and the conditional binomial", () => {
    for (const { kb, nb, kc, nc, fisher_greater_p: fisher, cond_binom_greater_p: conditional } of vectors<Args[]>(
      'analysis/fixedn_crosschecks.json',
    )) {
      const k = kb! + kc!;
      const [n, share] = [nb! + nc!, nc! / (nb! + nc!)];
      const tail = (log: (i: number) => number) =>
        Array.from({ length: Math.min(k, nc!) - kc! + 1 }, (_, i) => Math.exp(log(kc! + i))).reduce((sum, p) => sum + p, 0);
      expect(tail((i) => choose(nc!, i) + choose(nb!, k - i) - choose(n, k)) / (fisher ?? 0)).toBeCloseTo(1, 8);
      expect(tail((i) => choose(k, i) + i * Math.log(share) + (k - i) * Math.log1p(-share)) / (conditional ?? 0)).toBeCloseTo(1, 8);
    }
  });

  it('agree with SciPy: Mann–Whitney by its normal approximation', () => {
    interface Case {
      name: string;
      x: number[];
      y: number[];
      greater: { p_asymptotic_cc: number };
    }
    for (const { name, x, y, greater } of vectors<Case[]>('analysis/mannwhitney_scipy.json')) {
      const { u, sigma } = mannWhitneyU(x, y);
      expect(1 - normalCdf((u - (x.length * y.length) / 2 - 0.5) / sigma), name).toBeCloseTo(greater.p_asymptotic_cc, 9);
    }
  });
});
