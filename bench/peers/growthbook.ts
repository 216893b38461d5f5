/** Sum, sum of squares and number of one arm's observations. */
export interface Moments {
  readonly n: number;
  readonly sum: number;
  readonly squares: number;
}

export function proportion(hits: number, n: number): Moments {
  return { n, sum: hits, squares: hits };
}

function meanOf(m: Moments): number {
  return m.sum / m.n;
}

function varianceOf(m: Moments, isProportion: boolean): number {
  const mean = meanOf(m);
  return isProportion ? mean * (1 - mean) : (m.squares - m.sum * mean) / (m.n - 1);
}

/** Lift of b over a, relative to a, and its standard error (delta method). */
export function relativeLift(a: Moments, b: Moments, isProportion: boolean): { readonly lift: number; readonly se: number } {
  const [ma, mb] = [meanOf(a), meanOf(b)];
  const variance = varianceOf(b, isProportion) / (ma * ma * b.n) + (varianceOf(a, isProportion) * mb * mb) / (a.n * ma ** 4);
  return { lift: mb / ma - 1, se: Math.sqrt(variance) };
}

/** Half-width of GrowthBook's asymptotic confidence sequence, tuned for `tuning` observations in all. */
export function sequentialHalfwidth(se: number, n: number, alpha: number, tuning: number, isOneSided: boolean): number {
  const wanted = isOneSided ? 2 * alpha : alpha;
  const rho = Math.sqrt((-2 * Math.log(wanted) + Math.log(-2 * Math.log(wanted) + 1)) / tuning);
  const scale = n * rho * rho;
  const inside = isOneSided ? Math.log(1 + Math.sqrt(scale + 1) / (2 * alpha)) : Math.log(Math.sqrt(scale + 1) / alpha);
  return se * Math.sqrt(n) * Math.sqrt((2 * (scale + 1) * inside) / (n * n * rho * rho));
}
