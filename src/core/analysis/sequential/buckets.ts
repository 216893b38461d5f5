import type { Histogram } from '../histogram.ts';

/** Dense counts of the buckets `first`, `first` + 1, …; each `grain` fine buckets wide. Plain JSON, a few bytes a bucket. */
export interface Buckets {
  readonly first: number;
  readonly counts: readonly number[];
  /** All counts together. */
  readonly sum: number;
}

export const NO_BUCKETS: Buckets = { first: 0, counts: [], sum: 0 };

// These run several times a sample over hundreds of buckets: plain loops, for they are ten times as fast here.

/**
 * A histogram added, `scale` per answer. Bucket b of the histogram falls in wide bucket ⌈b / grain⌉, whose
 * upper edge is the edge of fine bucket `grain` × index.
 */
export function addTo(buckets: Buckets, histogram: Histogram, grain: number, scale: number): Buckets {
  const keys = Object.keys(histogram);
  if (keys.length === 0) return buckets;
  const indexes = keys.map((key) => Math.ceil(Number(key) / grain));
  const isEmpty = buckets.counts.length === 0;
  let low = isEmpty ? Infinity : buckets.first;
  let high = isEmpty ? -Infinity : buckets.first + buckets.counts.length - 1;
  for (const index of indexes) {
    if (index < low) low = index;
    if (index > high) high = index;
  }
  const counts = widened(buckets, low, high);
  let { sum } = buckets;
  for (let i = 0; i < indexes.length; i++) {
    const count = (histogram[keys[i] ?? ''] ?? 0) * scale;
    const at = (indexes[i] ?? 0) - low;
    counts[at] = (counts[at] ?? 0) + count;
    sum += count;
  }
  return { first: low, counts, sum };
}

function widened(buckets: Buckets, low: number, high: number): number[] {
  const counts = new Array<number>(high - low + 1).fill(0);
  const offset = buckets.first - low;
  for (let i = 0; i < buckets.counts.length; i++) counts[offset + i] = buckets.counts[i] ?? 0;
  return counts;
}

/** Every count times `factor`, rounded down to whole numbers; empty ends cut off. */
export function shrink(buckets: Buckets, factor: number): Buckets {
  const counts = buckets.counts.map((count) => Math.floor(count * factor));
  const start = counts.findIndex((count) => count > 0);
  if (start < 0) return NO_BUCKETS;
  const kept = counts.slice(start, counts.findLastIndex((count) => count > 0) + 1);
  return { first: buckets.first + start, counts: kept, sum: kept.reduce((sum, count) => sum + count, 0) };
}

/** Index of the bucket in which the cumulated share first reaches each of the ascending `levels`; empty without counts. */
export function indexesAt(buckets: Buckets, levels: readonly number[]): number[] {
  const { first, counts, sum } = buckets;
  if (!(sum > 0)) return [];
  const found: number[] = [];
  let below = 0;
  for (let i = 0; i < counts.length; i++) {
    below += counts[i] ?? 0;
    while (found.length < levels.length && below >= (levels[found.length] ?? 1) * sum * (1 - 1e-12)) found.push(first + i);
    if (found.length === levels.length) break;
  }
  return found;
}

/** Counts by category: up to and including edge 0, then up to edge 1, …, beyond the last. Edges ascend, in bucket indexes. */
export function categories(buckets: Buckets, edges: readonly number[]): number[] {
  const { first, counts } = buckets;
  const found = new Array<number>(edges.length + 1).fill(0);
  let category = 0;
  for (let i = 0; i < counts.length; i++) {
    while (category < edges.length && first + i > (edges[category] ?? Infinity)) category += 1;
    found[category] = (found[category] ?? 0) + (counts[i] ?? 0);
  }
  return found;
}

/** The same for a sparse histogram with its edges in fine buckets. */
export function histogramCategories(histogram: Histogram, edges: readonly number[]): number[] {
  const found = new Array<number>(edges.length + 1).fill(0);
  for (const key in histogram) {
    const bucket = Number(key);
    let category = 0;
    while (category < edges.length && bucket > (edges[category] ?? Infinity)) category += 1;
    found[category] = (found[category] ?? 0) + (histogram[key] ?? 0);
  }
  return found;
}
