import type { Ascending } from '../histogram.ts';

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
export function addTo(buckets: Buckets, { at, upTo }: Ascending, grain: number, scale: number): Buckets {
  const last = at.length - 1;
  if (last < 0) return buckets;
  const isEmpty = buckets.counts.length === 0;
  const lowest = Math.ceil((at[0] ?? 0) / grain);
  const highest = Math.ceil((at[last] ?? 0) / grain);
  const low = isEmpty ? lowest : Math.min(lowest, buckets.first);
  const high = isEmpty ? highest : Math.max(highest, buckets.first + buckets.counts.length - 1);
  const counts = widened(buckets, low, high);
  let before = 0;
  for (let i = 0; i <= last; i++) {
    const index = Math.ceil((at[i] ?? 0) / grain) - low;
    const through = upTo[i] ?? 0;
    counts[index] = (counts[index] ?? 0) + (through - before) * scale;
    before = through;
  }
  return { first: low, counts, sum: buckets.sum + before * scale };
}

function widened(buckets: Buckets, low: number, high: number): number[] {
  if (low === buckets.first && high - low + 1 === buckets.counts.length) return buckets.counts.slice();
  const counts = new Array<number>(high - low + 1).fill(0);
  const offset = buckets.first - low;
  for (let i = 0; i < buckets.counts.length; i++) counts[offset + i] = buckets.counts[i] ?? 0;
  return counts;
}

/** Every count times `factor`, rounded down to whole numbers; empty ends cut off. */
export function shrink(buckets: Buckets, factor: number): Buckets {
  const { first, counts } = buckets;
  const left = (i: number): number => Math.floor((counts[i] ?? 0) * factor);
  let start = 0;
  let end = counts.length;
  while (start < end && !(left(start) > 0)) start += 1;
  while (end > start && !(left(end - 1) > 0)) end -= 1;
  if (start === end) return NO_BUCKETS;
  const kept = new Array<number>(end - start);
  let sum = 0;
  for (let i = start; i < end; i++) {
    const count = left(i);
    kept[i - start] = count;
    sum += count;
  }
  return { first: first + start, counts: kept, sum };
}

/** Index of the bucket in which the cumulated share first reaches each of the ascending `levels`; empty without counts. */
export function indexesAt(buckets: Buckets, levels: readonly number[]): number[] {
  const { first, counts, sum } = buckets;
  if (!(sum > 0)) return [];
  const found: number[] = [];
  const wantedFor = (level: number): number => (levels[level] ?? Infinity) * sum * (1 - 1e-12);
  let wanted = wantedFor(0);
  let below = 0;
  for (let i = 0; i < counts.length; i++) {
    below += counts[i] ?? 0;
    while (below >= wanted) wanted = wantedFor(found.push(first + i));
    if (found.length === levels.length) break;
  }
  return found;
}

/** Counts by category: up to and including edge 0, then up to edge 1, …, beyond the last. Edges ascend, in bucket indexes. */
export function categories(buckets: Buckets, edges: readonly number[]): number[] {
  const { first, counts } = buckets;
  const found = new Array<number>(edges.length + 1).fill(0);
  let i = 0;
  for (let category = 0; category < found.length; category++) {
    const end = Math.min(counts.length, (edges[category] ?? Infinity) - first + 1);
    let inside = 0;
    for (; i < end; i++) inside += counts[i] ?? 0;
    found[category] = inside;
  }
  return found;
}

/** The same for a sparse histogram with its edges in fine buckets. */
export function histogramCategories(histogram: Ascending, edges: readonly number[]): number[] {
  const found = new Array<number>(edges.length + 1);
  let before = 0;
  for (let category = 0; category < edges.length; category++) {
    const through = upToEdge(histogram, edges[category] ?? Infinity);
    found[category] = through - before;
    before = through;
  }
  found[edges.length] = countOf(histogram) - before;
  return found;
}

export function countOf({ upTo }: Ascending): number {
  return upTo.at(-1) ?? 0;
}

/** Counts up to and including an edge. */
export function upToEdge({ at, upTo }: Ascending, edge: number): number {
  const place = firstBeyond(at, edge);
  return place === 0 ? 0 : (upTo[place - 1] ?? 0);
}

/** Place of the first bucket beyond the edge, in an ascending list. */
function firstBeyond(at: readonly number[], edge: number): number {
  let low = 0;
  let high = at.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((at[middle] ?? 0) > edge) high = middle;
    else low = middle + 1;
  }
  return low;
}
