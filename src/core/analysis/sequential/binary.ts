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
  const baseline = nullBaseline(line, star, nb, nc);
  return { baseline, candidate: line.slope * baseline + line.shift };
}

function nullBaseline(line: Line, star: Shares, nb: number, nc: number): number {
  if (line.slope === 0) return star.baseline;
  if (line.slope === 1 && line.shift === 0) return (nb * star.baseline + nc * star.candidate) / (nb + nc);
  return rootBetween(line.slope, line.shift, star.baseline, star.candidate, nb, nc);
}

/**
 * Newton's steps on the derivative, kept inside a shrinking bracket. Written out, and given plain numbers, for this is where most
 * of a look's time would go: from objects the engine reads boxed numbers and boxes them at every step.
 */
function rootBetween(slope: number, shift: number, baseline: number, candidate: number, nb: number, nc: number): number {
  const wanted = (candidate - shift) / slope;
  const least = wanted > 0 ? wanted : 0;
  let low = baseline < least ? baseline : least;
  let high = baseline > wanted ? baseline : wanted;
  let p = (nb * baseline + nc * least) / (nb + nc);
  for (let i = 0; i < 100; i++) {
    const q = slope * p + shift;
    const notP = 1 - p;
    const notQ = 1 - q;
    const derivative = (nb * (p - baseline)) / (p * notP) + (nc * slope * (q - candidate)) / (q * notQ);
    if (derivative === 0) return p;
    if (derivative > 0) high = p;
    else low = p;
    // Second derivatives of KL(star‖p) and KL(star‖q).
    const ofBaseline = baseline / (p * p) + (1 - baseline) / (notP * notP);
    const ofCandidate = candidate / (q * q) + (1 - candidate) / (notQ * notQ);
    const curvature = nb * ofBaseline + nc * slope * slope * ofCandidate;
    const step = p - derivative / curvature;
    const next = step > low && step < high ? step : (low + high) / 2;
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
  if (candidate.n === 0 || (baseline.n === 0 && line.slope !== 0)) return 0;
  const near = nullBaseline(line, star, baseline.n, candidate.n);
  const ofCandidate = logRatio(candidate, star.candidate, line.slope * near + line.shift);
  return line.slope === 0 ? ofCandidate : ofCandidate + logRatio(baseline, star.baseline, near);
}

function logRatio(hits: Hits, star: number, near: number): number {
  const yes = hits.k === 0 ? 0 : hits.k * Math.log(star / near);
  const misses = hits.n - hits.k;
  return misses === 0 ? yes : yes + misses * Math.log((1 - star) / (1 - near));
}
