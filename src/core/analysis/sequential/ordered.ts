/** A way in which a candidate may be slower, told by which part of the baseline's latencies it makes more frequent. */
export interface Tilt {
  /** What people call it when it wins. */
  readonly level: 'in general' | 'above the median' | 'above p90' | 'above p95' | 'above p99';
  /** Never decreasing weight of mid-rank u in (0, 1). */
  readonly weight: (u: number) => number;
}

function step(level: Tilt['level'], above: number, factor: number): Tilt {
  return { level, weight: (u) => (u > above ? factor : 1) };
}

/** Every alternative of the latency test. Non-decreasing weights are what makes the pooled null exact. */
export const TILTS: readonly Tilt[] = [
  ...[0.35, 0.7, 1.4, 2.8, 5.6].map((theta): Tilt => ({ level: 'in general', weight: (u) => Math.exp(theta * Math.max(0, u - 0.3)) })),
  ...[1.3, 2].map((factor) => step('above the median', 0.5, factor)),
  ...[1.5, 2.5, 6].flatMap((factor) => [step('above p90', 0.9, factor), step('above p95', 0.95, factor), step('above p99', 0.99, factor)]),
];

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
    const p = expected[j] ?? 0;
    const pStar = star[j] ?? 0;
    const pooled = (nb * p + nc * pStar) / (nb + nc);
    const kc = candidate[j] ?? 0;
    const kb = baseline[j] ?? 0;
    if (kc > 0) log += kc * Math.log(pStar / pooled);
    if (kb > 0) log += kb * Math.log(p / pooled);
  }
  return log;
}

function sum(values: readonly number[]): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
