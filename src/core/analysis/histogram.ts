/**
 * Log-linear latency histogram shared by every source: bucket i holds (γ^(i-1), γ^i] in units of
 * 0.1 ms with γ = 1.1^(1/4), so four buckets are exactly the 10 % margin of the judge. This is ln γ.
 */
export const BUCKET_LN = Math.log(1.1) / 4;
/** Smallest latency told apart, ms. Everything at or below it falls in bucket 0. */
const UNIT_MS = 0.1;
/** Highest bucket: 24 hours. */
export const MAX_BUCKET = Math.ceil(Math.log(86_400_000 / UNIT_MS) / BUCKET_LN);

/** Sparse counts: bucket index → answers. */
export type Histogram = Readonly<Record<string, number>>;

/** Bucket of one latency in ms. Not a number, negative or tiny: 0. Beyond a day: MAX_BUCKET. */
export function bucketOf(ms: number): number {
  if (!(ms > UNIT_MS)) return 0;
  return Math.min(MAX_BUCKET, Math.ceil(Math.log(ms / UNIT_MS) / BUCKET_LN - 1e-9));
}

/** Upper edge of a bucket, ms. */
export function upperEdgeMs(bucket: number): number {
  return UNIT_MS * Math.exp(bucket * BUCKET_LN);
}

/** A histogram summed up: how many answers the bucket `first`, `first` + 1, … and all before it have, up to its highest bucket. */
export interface Cumulated {
  readonly first: number;
  readonly upTo: readonly number[];
}

/** The histogram read once, or null where something else than counts of our buckets is in it. */
export function cumulated(histogram: Histogram): Cumulated | null {
  // Array indexes are listed first and ascending (ECMA-262, OrdinaryOwnPropertyKeys): counting up finds all but foreign keys,
  // five times as fast as reading each key does. The sums take the place of the list of counts, which spares a second list.
  const upTo = Object.values(histogram);
  const keys = upTo.length;
  let first = 0;
  while (keys > 0 && first <= MAX_BUCKET && histogram[first] === undefined) first += 1;
  let sum = 0;
  for (let bucket = first, found = 0; found < keys; bucket++) {
    if (bucket > MAX_BUCKET) return null;
    const count = histogram[bucket];
    if (count !== undefined) {
      if (!isCount(count)) return null;
      sum += count;
      found += 1;
    }
    upTo[bucket - first] = sum;
  }
  return { first, upTo };
}

/** Counts beyond this are not counts of requests any more (and lose whole numbers in JSON). */
const MAX_COUNT = Number.MAX_SAFE_INTEGER;

export function isCount(value: number): boolean {
  return Number.isFinite(value) && value >= 0 && value <= MAX_COUNT;
}

/** Number of answers counted. */
export function total(histogram: Histogram): number {
  let sum = 0;
  for (const count of Object.values(histogram)) sum += count;
  return sum;
}

/**
 * Upper edge (ms) of the bucket that holds the q-quantile (0 < q ≤ 1, nearest rank), or null when
 * nothing was counted: no data is never a number.
 */
export function quantileMs(histogram: Histogram, q: number): number | null {
  const count = total(histogram);
  if (!(count > 0)) return null;
  const rank = Math.max(1, Math.ceil(q * count));
  let seen = 0;
  for (const bucket of Object.keys(histogram)
    .map(Number)
    .toSorted((a, b) => a - b)) {
    seen += histogram[bucket] ?? 0;
    if (seen >= rank) return upperEdgeMs(bucket);
  }
  return null;
}
