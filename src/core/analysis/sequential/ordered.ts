import { normalQuantile } from '../normal.ts';

/** A way in which a candidate may be slower, told by which part of the baseline's latencies it makes more frequent. */
export interface Tilt {
  /** What people call it when it wins. */
  readonly level: 'in general' | 'above the median' | 'above p90' | 'above p95' | 'above p99';
  /** Never decreasing weight of mid-rank u in (0, 1). */
  readonly weight: (u: number) => number;
  /** Where the weight is 1 up to `above` and `factor` beyond: two kinds of category, which is soon reckoned. */
  readonly step: { readonly above: number; readonly factor: number } | null;
}

function step(level: Tilt['level'], above: number, factor: number): Tilt {
  return { level, weight: (u) => (u > above ? factor : 1), step: { above, factor } };
}

function smooth(weight: Tilt['weight']): Tilt {
  return { level: 'in general', weight, step: null };
}

/** Shifts of log-latency, in standard deviations of it. */
const SHIFTS: readonly number[] = [0.12, 0.25, 0.5, 1];

/** Every alternative of the latency test. Non-decreasing weights are what makes the pooled null exact. */
export const TILTS: readonly Tilt[] = [
  ...SHIFTS.map((shift) => smooth((u) => Math.exp(shift * normalQuantile(u)))),
  ...[0.35, 0.7, 1.4, 2.8, 5.6].map((theta) => smooth((u) => Math.exp(theta * Math.max(0, u - 0.3)))),
  ...[1.3, 2].map((factor) => step('above the median', 0.5, factor)),
  ...[1.5, 2.5, 6].flatMap((factor) => [step('above p90', 0.9, factor), step('above p95', 0.95, factor), step('above p99', 0.99, factor)]),
];

/** What is bet on each: most on being slower as a whole, which is what most regressions are. */
export const TILT_STAKES: readonly number[] = TILTS.map(({ level }, g) =>
  g < SHIFTS.length ? 0.5 / SHIFTS.length : level === 'in general' ? 0.15 / 5 : level === 'above the median' ? 0.05 / 2 : 0.3 / 9,
);

/** Category probabilities the alternative expects of the candidate, given the baseline's. */
export function tilted(baseline: readonly number[], tilt: Tilt): number[] {
  let below = 0;
  const raised = baseline.map((probability) => {
    const u = below + probability / 2;
    below += probability;
    return probability * tilt.weight(u);
  });
  const sum = raised.reduce((total, value) => total + value, 0);
  return raised.map((value) => value / sum);
}

/**
 * Log of the block's e-value of "the candidate's categories follow `star`" against "the candidate is
 * stochastically no slower than the baseline". Counts are by category, slowest last. For a `star` that
 * rises with the category the pooled mixture is the null's nearest point, so the expectation is at most 1
 * for every null.
 */
export function logOrderedE(
  expected: readonly number[],
  star: readonly number[],
  candidate: readonly number[],
  baseline: readonly number[],
): number {
  const nc = sum(candidate);
  const nb = sum(baseline);
  if (nc === 0 || nb === 0) return 0;
  let log = 0;
  for (let j = 0; j < expected.length; j++) {
    const kc = candidate[j] ?? 0;
    const kb = baseline[j] ?? 0;
    if (kc + kb > 0) log += ofRatio((star[j] ?? 0) / (expected[j] ?? 0), nc, nb, kc, kb);
  }
  return log;
}

function sum(values: readonly number[]): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

/** The same for every one of `TILTS`. */
export function orderedEvidence(expected: readonly number[], candidate: readonly number[], baseline: readonly number[]): number[] {
  const nc = sum(candidate);
  const nb = sum(baseline);
  if (nc === 0 || nb === 0) return TILTS.map(() => 0);
  return TILTS.map((tilt) => {
    if (tilt.step === null) return logOrderedE(expected, tilted(expected, tilt), candidate, baseline);
    const { above, factor } = tilt.step;
    let below = 0;
    let [share, kc, kb] = [0, 0, 0];
    for (let j = 0; j < expected.length; j++) {
      const p = expected[j] ?? 0;
      if (below + p / 2 > above) {
        share += p;
        kc += candidate[j] ?? 0;
        kb += baseline[j] ?? 0;
      }
      below += p;
    }
    const rest = 1 / (1 + share * (factor - 1));
    return ofRatio(rest, nc, nb, nc - kc, nb - kb) + ofRatio(rest * factor, nc, nb, kc, kb);
  });
}

/** What categories of one ratio of alternative to expectation add, where `kc` and `kb` of the requests fell in them. */
function ofRatio(ratio: number, nc: number, nb: number, kc: number, kb: number): number {
  // With r the ratio and Q the pooled mixture: ln(expected/Q) = ln(n / (n_b + n_c r)), and ln(alternative/Q) is ln r more.
  const pooled = (kc + kb) * Math.log((nb + nc) / (nb + nc * ratio));
  return kc === 0 ? pooled : pooled + kc * Math.log(ratio);
}
