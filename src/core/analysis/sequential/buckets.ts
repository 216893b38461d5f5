import type { Histogram } from '../histogram.ts';

/** Dense counts of the buckets `first`, `first` + 1, …; each `grain` fine buckets wide. Plain JSON, a few bytes a bucket. */
export interface Buckets {
  readonly first: number;
  readonly counts: readonly number[];
}

export const NO_BUCKETS: Buckets = { first: 0, counts: [] };

/**
 * A histogram added, `scale` per answer. Bucket b of the histogram falls in wide bucket ⌈b / grain⌉, whose
 * upper edge is the edge of fine bucket `grain` × index.
 */
export function addTo(buckets: Buckets, histogram: Histogram, grain: number, scale: number): Buckets {
  const entries = Object.entries(histogram).map(([bucket, count]) => [Math.ceil(Number(bucket) / grain), count] as const);
  if (entries.length === 0) return buckets;
  let [low, high] = buckets.counts.length === 0 ? [Infinity, -Infinity] : [buckets.first, buckets.first + buckets.counts.length - 1];
  for (const [index] of entries) {
    if (index < low) low = index;
    if (index > high) high = index;
  }
  const counts = new Array<number>(high - low + 1).fill(0);
  for (const [i, count] of buckets.counts.entries()) counts[buckets.first + i - low] = count;
  for (const [index, count] of entries) counts[index - low] = (counts[index - low] ?? 0) + count * scale;
  return { first: low, counts };
}

/** Every count times `factor`, rounded down to whole numbers; empty ends cut off. */
export function shrink(buckets: Buckets, factor: number): Buckets {
  const counts = buckets.counts.map((count) => Math.floor(count * factor));
  const start = counts.findIndex((count) => count > 0);
  if (start < 0) return NO_BUCKETS;
  const end = counts.findLastIndex((count) => count > 0);
  return { first: buckets.first + start, counts: counts.slice(start, end + 1) };
}

export function totalOf(buckets: Buckets): number {
  let sum = 0;
  for (const count of buckets.counts) sum += count;
  return sum;
}

/** Index of the bucket in which the cumulated share first reaches each of the ascending `levels`; empty without counts. */
export function indexesAt(buckets: Buckets, levels: readonly number[]): number[] {
  const sum = totalOf(buckets);
  if (!(sum > 0)) return [];
  const found: number[] = [];
  let below = 0;
  for (const [i, count] of buckets.counts.entries()) {
    below += count;
    while (found.length < levels.length && below >= (levels[found.length] ?? 1) * sum * (1 - 1e-12)) found.push(buckets.first + i);
  }
  return found;
}

/** Counts by category: up to and including edge 0, then up to edge 1, …, beyond the last. Edges ascend, in bucket indexes. */
export function categories(buckets: Buckets, edges: readonly number[]): number[] {
  const counts = new Array<number>(edges.length + 1).fill(0);
  let category = 0;
  for (const [i, count] of buckets.counts.entries()) {
    while (category < edges.length && buckets.first + i > (edges[category] ?? Infinity)) category += 1;
    counts[category] = (counts[category] ?? 0) + count;
  }
  return counts;
}

/** The same for a sparse histogram with its edges in fine buckets. */
export function histogramCategories(histogram: Histogram, edges: readonly number[]): number[] {
  const counts = new Array<number>(edges.length + 1).fill(0);
  for (const key of Object.keys(histogram)) {
    const bucket = Number(key);
    let category = 0;
    while (category < edges.length && bucket > (edges[category] ?? Infinity)) category += 1;
    counts[category] = (counts[category] ?? 0) + (histogram[key] ?? 0);
  }
  return counts;
}
