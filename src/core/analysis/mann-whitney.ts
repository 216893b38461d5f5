import { normalQuantile } from './normal.ts';

/** A location shift between two samples: the median of all pairwise differences, with its confidence interval. */
export interface Shift {
  readonly estimate: number;
  readonly low: number;
  readonly high: number;
}

/** Rank of every value, ties sharing the mean of theirs; and Σ t³ - t over the groups of ties. */
export function ranksOf(values: readonly number[]): { readonly ranks: readonly number[]; readonly ties: number } {
  const order = values.map((_, i) => i).toSorted((a, b) => (values[a] ?? 0) - (values[b] ?? 0));
  const ranks = new Array<number>(values.length).fill(0);
  let ties = 0;
  for (let start = 0; start < order.length;) {
    let end = start + 1;
    while (end < order.length && values[order[end] ?? 0] === values[order[start] ?? 0]) end += 1;
    for (let i = start; i < end; i++) ranks[order[i] ?? 0] = (start + end + 1) / 2;
    ties += (end - start) ** 3 - (end - start);
    start = end;
  }
  return { ranks, ties };
}

/** Mann–Whitney U of `x` against `y`, its standard deviation with ties allowed for, and the tie term. */
export function mannWhitneyU(
  x: readonly number[],
  y: readonly number[],
): { readonly u: number; readonly sigma: number; readonly ties: number } {
  const [m, n] = [x.length, y.length];
  const { ranks, ties } = ranksOf([...x, ...y]);
  const rankSum = ranks.slice(0, m).reduce((sum, rank) => sum + rank, 0);
  const sigma = Math.sqrt(((m * n) / 12) * (m + n + 1 - ties / ((m + n) * (m + n - 1))));
  return { u: rankSum - (m * (m + 1)) / 2, sigma, ties };
}

/** Share of pairs in which `x` is higher, ties half (Vargha and Delaney's A, "common language effect size"). */
export function commonLanguageEffect(x: readonly number[], y: readonly number[]): number {
  return mannWhitneyU(x, y).u / (x.length * y.length);
}

/**
 * Standardised rank sum of `x` shifted by -mu against `y`, less `quantile`, with continuity correction:
 * its root in mu bounds or estimates the shift.
 * @throws RangeError when all observations are tied.
 */
export function wilcoxonDifference(mu: number, quantile: number, x: readonly number[], y: readonly number[]): number {
  const shifted = x.map((value) => value - mu);
  const { u, sigma } = mannWhitneyU(shifted, y);
  if (sigma === 0) throw new RangeError('cannot compare when all observations are tied');
  const centred = u - (x.length * y.length) / 2;
  return (centred - Math.sign(centred) * 0.5) / sigma - quantile;
}

/** Shift of `x` against `y` with its interval, as R's `wilcox.test(conf.int = TRUE)` approximates it. */
export function shiftBetween(x: readonly number[], y: readonly number[], confidence: number): Shift {
  const lowest = Math.min(...x) - Math.max(...y);
  const highest = Math.max(...x) - Math.min(...y);
  const z = normalQuantile((1 - confidence) / 2);
  const rootFor = (quantile: number) => {
    const f = (mu: number) => wilcoxonDifference(mu, quantile, x, y);
    const [atLowest, atHighest] = [f(lowest), f(highest)];
    if (quantile !== 0 && atLowest <= 0) return lowest;
    if (quantile !== 0 && atHighest >= 0) return highest;
    return brentRoot(f, lowest, highest, atLowest, atHighest);
  };
  return { low: rootFor(-z), high: rootFor(z), estimate: rootFor(0) };
}

/** Whether the interval of the shift leaves 0 out: far cheaper than its bounds, and seldom so where nothing differs. */
export function isShifted(x: readonly number[], y: readonly number[], confidence: number): boolean {
  const z = normalQuantile((1 - confidence) / 2);
  return wilcoxonDifference(0, -z, x, y) > 0 || wilcoxonDifference(0, z, x, y) < 0;
}

const ROOT_TOLERANCE = 1e-4;

/**
 * Brent's root finder in the form of R's `zeroin`, with R's tolerance: the function is a staircase, so
 * where exactly it stops is part of the published results.
 */
function brentRoot(f: (x: number) => number, from: number, to: number, fFrom: number, fTo: number): number {
  let [a, b, c] = [from, to, from];
  let [fa, fb, fc] = [fFrom, fTo, fFrom];
  if (fa === 0) return a;
  if (fb === 0) return b;
  for (let i = 0; i <= 1000; i++) {
    const previous = b - a;
    if (Math.abs(fc) < Math.abs(fb)) {
      [a, b, c] = [b, c, b];
      [fa, fb, fc] = [fb, fc, fb];
    }
    const tolerance = 2 * Number.EPSILON * Math.abs(b) + ROOT_TOLERANCE / 2;
    const half = (c - b) / 2;
    if (Math.abs(half) <= tolerance || fb === 0) return b;
    const wish = Math.abs(previous) >= tolerance && Math.abs(fa) > Math.abs(fb) ? interpolated(a, b, c, fa, fb, fc) : null;
    let step = half;
    if (wish !== null && wish.p < 0.75 * 2 * half * wish.q - Math.abs(tolerance * wish.q) / 2 && wish.p < Math.abs((previous * wish.q) / 2))
      step = wish.p / wish.q;
    if (Math.abs(step) < tolerance) step = step > 0 ? tolerance : -tolerance;
    [a, fa] = [b, fb];
    b += step;
    fb = f(b);
    if ((fb > 0 && fc > 0) || (fb < 0 && fc < 0)) [c, fc] = [a, fa];
  }
  return b;
}

/** Secant or inverse quadratic step from b, as a fraction with p ≥ 0. */
function interpolated(a: number, b: number, c: number, fa: number, fb: number, fc: number): { p: number; q: number } {
  const cb = c - b;
  let p: number;
  let q: number;
  if (a === c) {
    const t = fb / fa;
    p = cb * t;
    q = 1 - t;
  } else {
    const [r, s, t] = [fa / fc, fb / fc, fb / fa];
    p = t * (cb * r * (r - s) - (b - a) * (s - 1));
    q = (r - 1) * (s - 1) * (t - 1);
  }
  return p > 0 ? { p, q: -q } : { p: -p, q };
}
