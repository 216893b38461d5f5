import { bucketOf, MAX_BUCKET, upperEdgeMs } from '../histogram.ts';
import type { LatencyTests } from '../policy.ts';

/** ln of one bucket's width (four make 10 %). */
const BUCKET_LN = Math.log(1.1) / 4;

/** Where latencies may be cut, in fine buckets, and how far the margin moves a cut. */
export interface Cuts {
  /** Fine buckets per bucket of the predicted baseline. */
  readonly grain: number;
  /** How far the margin moves a cut: rounded up, and rounded down. */
  readonly up: number;
  readonly down: number;
  /** Edges the source has; null: every fine bucket's. */
  readonly allowed: readonly number[] | null;
}

export function cutsOf(latency: LatencyTests, grain: number): Cuts {
  const allowed =
    latency.edgesMs === null
      ? null
      : [...new Set(latency.edgesMs.map(bucketOf))].filter((edge) => edge < MAX_BUCKET).toSorted((a, b) => a - b);
  const buckets = Math.log1p(latency.margin) / BUCKET_LN;
  // A foreign edge was rounded up to one of ours: up to one bucket of the margin is not real.
  const rounding = allowed === null ? 0 : 1;
  return { grain, up: Math.ceil(buckets - 1e-9) + rounding, down: Math.floor(buckets + 1e-9) - rounding, allowed };
}

/** The baseline's cut for a bucket of the predicted baseline, or null where it lies in the overflow bucket. */
export function baselineEdge(cuts: Cuts, bucket: number): number | null {
  return atLeast(cuts, bucket * cuts.grain);
}

/** The candidate's cut when it must be shown to be slower: the smallest edge not below (1 + margin) times. */
export function failEdge(cuts: Cuts, edge: number): number | null {
  return atLeast(cuts, edge + cuts.up);
}

/** …and to be no slower: the largest edge not above it. */
export function passEdge(cuts: Cuts, edge: number): number | null {
  const highest = edge + cuts.down;
  if (highest >= MAX_BUCKET) return null;
  return cuts.allowed === null ? highest : (cuts.allowed.findLast((one) => one <= highest) ?? edge);
}

function atLeast(cuts: Cuts, bucket: number): number | null {
  const edge = cuts.allowed === null ? bucket : cuts.allowed.find((one) => one >= bucket);
  return edge === undefined || edge >= MAX_BUCKET ? null : edge;
}

/** The margin a source's edges really allow at a cut: how much slower is certain to be seen. */
export function effectiveMargin(cuts: Cuts, edge: number): number {
  const next = failEdge(cuts, edge);
  return next === null ? Infinity : upperEdgeMs(next) / upperEdgeMs(edge) - 1;
}
