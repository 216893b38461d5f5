import type { Cumulated } from '../histogram.ts';

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
export function addTo(buckets: Buckets, histogram: Cumulated, grain: number, scale: number): Buckets {
  return histogram.upTo.length === 0 ? buckets : added(buckets, histogram, grain, scale);
}

/** The same, and where all counts would be more than `most`, all of them made less (as `shrink` does). */
export function addWithin(buckets: Buckets, histogram: Cumulated, grain: number, scale: number, most: number): Buckets {
  if (histogram.upTo.length === 0) return bounded(buckets, most);
  const { first, counts, sum } = added(buckets, histogram, grain, scale);
  return sum <= most ? { first, counts, sum } : shrunk(first, counts, most / sum);
}

function bounded(buckets: Buckets, most: number): Buckets {
  return buckets.sum <= most ? buckets : shrink(buckets, most / buckets.sum);
}

interface OwnBuckets extends Buckets {
  readonly counts: number[];
}

function added(buckets: Buckets, { first, upTo }: Cumulated, grain: number, scale: number): OwnBuckets {
  const last = first + upTo.length - 1;
  const isEmpty = buckets.counts.length === 0;
  const lowest = Math.ceil(first / grain);
  const highest = Math.ceil(last / grain);
  const low = isEmpty ? lowest : Math.min(lowest, buckets.first);
  const high = isEmpty ? highest : Math.max(highest, buckets.first + buckets.counts.length - 1);
  const counts = widened(buckets, low, high);
  let before = 0;
  let index = lowest;
  for (let i = 0; i < upTo.length; i++) {
    if (first + i > index * grain) index += 1;
    const through = upTo[i] as number;
    counts[index - low] = (counts[index - low] as number) + (through - before) * scale;
    before = through;
  }
  return { first: low, counts, sum: buckets.sum + before * scale };
}

function widened(buckets: Buckets, low: number, high: number): number[] {
  if (low === buckets.first && high - low + 1 === buckets.counts.length) return buckets.counts.slice();
  const counts = new Array<number>(high - low + 1).fill(0);
  const offset = buckets.first - low;
  for (let i = 0; i < buckets.counts.length; i++) counts[offset + i] = buckets.counts[i] as number;
  return counts;
}

/** Every count times `factor`, rounded down to whole numbers; empty ends cut off. */
export function shrink({ first, counts }: Buckets, factor: number): Buckets {
  return shrunk(first, counts.slice(), factor);
}

/** The same in place, for counts that nobody else has. */
function shrunk(first: number, counts: number[], factor: number): Buckets {
  let start = counts.length;
  let end = 0;
  let sum = 0;
  for (let i = 0; i < counts.length; i++) {
    const count = Math.floor((counts[i] as number) * factor);
    counts[i] = count;
    sum += count;
    if (count > 0) {
      start = Math.min(start, i);
      end = i + 1;
    }
  }
  if (end === 0) return NO_BUCKETS;
  const isWhole = start === 0 && end === counts.length;
  return { first: first + start, counts: isWhole ? counts : counts.slice(start, end), sum };
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
    below += counts[i] as number;
    while (below >= wanted) wanted = wantedFor(found.push(first + i));
    if (found.length === levels.length) break;
  }
  return found;
}

/** Counts beyond bucket `after`, up to and including bucket `upTo`. */
export function countsIn({ first, counts }: Buckets, after: number, upTo: number): number {
  const end = Math.min(counts.length, upTo - first + 1);
  let inside = 0;
  for (let i = Math.max(0, after - first + 1); i < end; i++) inside += counts[i] as number;
  return inside;
}

/** All counts of a histogram. */
export function countOf({ upTo }: Cumulated): number {
  return upTo.length === 0 ? 0 : (upTo[upTo.length - 1] as number);
}

/** Counts up to and including an edge. */
export function upToEdge(histogram: Cumulated, edge: number): number {
  const { first, upTo } = histogram;
  if (edge < first) return 0;
  return edge - first < upTo.length ? (upTo[edge - first] as number) : countOf(histogram);
}
