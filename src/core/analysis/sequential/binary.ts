import { scaleOdds } from './numbers.ts';

/** A line p_candidate = slope × p_baseline + shift that separates null from alternative. */
export interface Line {
  readonly slope: number;
  readonly shift: number;
}

/** Requests of one arm in one block, and how many of them count (errors, or slower than an edge). */
export interface Hits {
  readonly n: number;
  readonly k: number;
}

/** A simple alternative: the shares of hits it expects. */
export interface Shares {
  readonly baseline: number;
  readonly candidate: number;
}

/**
 * The alternative that has `oddsRatio` times the odds of the line's own point at the predicted baseline
 * share, or null where the line leaves (0, 1) and nothing can be told.
 */
export function alternative(line: Line, baseline: number, oddsRatio: number): Shares | null {
  const boundary = line.slope * baseline + line.shift;
  if (!(boundary > 0 && boundary < 1)) return null;
  const candidate = scaleOdds(boundary, oddsRatio);
  return candidate > 0 && candidate < 1 ? { baseline, candidate } : null;
}

/**
 * The null's point nearest to the alternative (reverse information projection onto the line):
 * argmin_p n_b KL(p_b*‖p) + n_c KL(p_c*‖slope p + shift). Strictly convex, so its derivative has one
 * root, which lies between the two points that each arm alone would choose.
 */
export function nullPoint(line: Line, star: Shares, nb: number, nc: number): Shares {
  const baseline = nullBaseline(line.slope, line.shift, star.baseline, star.candidate, nb, nc);
  return { baseline, candidate: line.slope * baseline + line.shift };
}

function nullBaseline(slope: number, shift: number, baseline: number, candidate: number, nb: number, nc: number): number {
  if (slope === 0) return baseline;
  if (slope === 1 && shift === 0) return (nb * baseline + nc * candidate) / (nb + nc);
  return rootBetween(slope, shift, baseline, candidate, nb, nc);
}

/**
 * Newton's steps on the derivative, kept inside a shrinking bracket. Written out, and given plain numbers, for this is where most
 * of a look's time would go: from objects the engine reads boxed numbers and boxes them at every step.
 */
function rootBetween(slope: number, shift: number, baseline: number, candidate: number, nb: number, nc: number): number {
  const wanted = (candidate - shift) / slope;
  const least = Math.max(wanted, 0);
  let low = Math.min(baseline, least);
  let high = Math.max(baseline, wanted);
  let p = (nb * baseline + nc * least) / (nb + nc);
  for (let i = 0; i < 100; i++) {
    const q = slope * p + shift;
    const notP = 1 - p;
    const notQ = 1 - q;
    const derivative = (nb * (p - baseline)) / (p * notP) + (nc * slope * (q - candidate)) / (q * notQ);
    if (derivative > 0) high = p;
    else low = p;
    // Second derivatives of KL(star‖p) and KL(star‖q).
    const ofBaseline = baseline / (p * p) + (1 - baseline) / (notP * notP);
    const ofCandidate = candidate / (q * q) + (1 - candidate) / (notQ * notQ);
    const curvature = nb * ofBaseline + nc * slope * slope * ofCandidate;
    const step = p - derivative / curvature;
    // The root itself ends it below: left from two places, p would be boxed at every step for the sake of either.
    const next = derivative === 0 ? p : step > low && step < high ? step : (low + high) / 2;
    if (Math.abs(next - p) <= 1e-16 * p) return next;
    p = next;
  }
  return p;
}

/**
 * Log of the block's e-value of one alternative against "on the line or beyond": at most 1 in
 * expectation for every point of the null. A block without the candidate, or without the baseline a
 * relative null needs, is no evidence: 0.
 */
export function logBinaryE(line: Line, star: Shares, candidate: Hits, baseline: Hits): number {
  return logShareE(line.slope, line.shift, star.baseline, star.candidate, candidate, baseline);
}

/** The same for each of the `odds` an `alternative` may have, zero where there is none: written to `evidence`, from place `from` on. */
export function logOddsE(
  evidence: number[],
  from: number,
  { slope, shift }: Line,
  predicted: number,
  odds: readonly number[],
  candidate: Hits,
  baseline: Hits,
): void {
  const boundary = slope * predicted + shift;
  const isTold = boundary > 0 && boundary < 1;
  for (let g = 0; g < odds.length; g++) {
    const share = scaleOdds(boundary, odds[g] as number);
    evidence[from + g] = isTold && share > 0 && share < 1 ? logShareE(slope, shift, predicted, share, candidate, baseline) : 0;
  }
}

/** Of plain numbers, for the same reason as `rootBetween`. */
function logShareE(slope: number, shift: number, ofBaseline: number, ofCandidate: number, candidate: Hits, baseline: Hits): number {
  const { n: nc, k: kc } = candidate;
  const { n: nb, k: kb } = baseline;
  if (nc === 0 || (nb === 0 && slope !== 0)) return 0;
  const near = nullBaseline(slope, shift, ofBaseline, ofCandidate, nb, nc);
  const log = logRatio(nc, kc, ofCandidate, slope * near + shift);
  return slope === 0 ? log : log + logRatio(nb, kb, ofBaseline, near);
}

function logRatio(n: number, k: number, star: number, near: number): number {
  const yes = k === 0 ? 0 : k * Math.log(star / near);
  const misses = n - k;
  return misses === 0 ? yes : yes + misses * Math.log((1 - star) / (1 - near));
}
