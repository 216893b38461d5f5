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
  const { slope, shift } = line;
  if (slope === 0) return { baseline: star.baseline, candidate: shift };
  if (slope === 1 && shift === 0) {
    const pooled = (nb * star.baseline + nc * star.candidate) / (nb + nc);
    return { baseline: pooled, candidate: pooled };
  }
  const p = rootBetween(line, star, nb, nc);
  return { baseline: p, candidate: slope * p + shift };
}

/** Newton's steps on the derivative, kept inside a shrinking bracket. */
function rootBetween(line: Line, star: Shares, nb: number, nc: number): number {
  const { slope, shift } = line;
  const wanted = (star.candidate - shift) / slope;
  let low = Math.max(Math.min(star.baseline, wanted), 0);
  let high = Math.max(star.baseline, wanted);
  let p = (nb * star.baseline + nc * Math.max(wanted, 0)) / (nb + nc);
  for (let i = 0; i < 100; i++) {
    const q = slope * p + shift;
    const derivative = (nb * (p - star.baseline)) / (p * (1 - p)) + (nc * slope * (q - star.candidate)) / (q * (1 - q));
    if (derivative === 0) return p;
    if (derivative > 0) high = p;
    else low = p;
    const curvature = nb * spread(star.baseline, p) + nc * slope * slope * spread(star.candidate, q);
    const step = p - derivative / curvature;
    const next = step > low && step < high ? step : (low + high) / 2;
    if (next === p || Math.abs(next - p) <= 1e-16 * p) return next;
    p = next;
  }
  return p;
}

/** Second derivative of KL(star‖p) in p. */
function spread(star: number, p: number): number {
  return star / (p * p) + (1 - star) / ((1 - p) * (1 - p));
}

/**
 * Log of the block's e-value of one alternative against "on the line or beyond": at most 1 in
 * expectation for every point of the null. A block without the candidate, or without the baseline a
 * relative null needs, is no evidence: 0.
 */
export function logBinaryE(line: Line, star: Shares, candidate: Hits, baseline: Hits): number {
  if (candidate.n === 0 || (baseline.n === 0 && line.slope !== 0)) return 0;
  const near = nullPoint(line, star, baseline.n, candidate.n);
  const ofCandidate = logRatio(candidate, star.candidate, near.candidate);
  return line.slope === 0 ? ofCandidate : ofCandidate + logRatio(baseline, star.baseline, near.baseline);
}

function logRatio(hits: Hits, star: number, near: number): number {
  const yes = hits.k === 0 ? 0 : hits.k * Math.log(star / near);
  const misses = hits.n - hits.k;
  return misses === 0 ? yes : yes + misses * Math.log((1 - star) / (1 - near));
}
