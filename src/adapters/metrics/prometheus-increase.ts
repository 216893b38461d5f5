import { unreadable } from './counters.ts';
import { numberOf, type Series } from './prometheus-schema.ts';

export interface Window {
  /** (since, at], ms. */
  readonly since: number;
  readonly at: number;
  /**
   * The version was seen until the window began, so that a series which appears in it really is new: the first errors
   * of all have one. After a hole it may be an old one.
   */
  readonly isContinued: boolean;
}

export interface Increase {
  readonly total: number;
  /** Time of the newest sample, null when there is none. */
  readonly newestAt: number | null;
}

/** What all series together grew by in the window, resets of each taken into account. */
export function increaseOf(series: readonly Series[], window: Window): Increase {
  let total = 0;
  let newestAt: number | null = null;
  for (const { values, histograms } of series) {
    const points = values.length > 0 ? values : histograms.map(({ at, count }) => ({ at, value: count }));
    total += grownBy(points, window);
    const last = points.findLast(({ at }) => at <= window.at);
    if (last !== undefined) newestAt = Math.max(newestAt ?? -Infinity, last.at);
  }
  return { total, newestAt };
}

/** Whether any was seen before the window began. */
export function isSeenBefore(series: readonly Series[], since: number): boolean {
  return series.some(({ values, histograms }) => [...values, ...histograms].some(({ at }) => at <= since));
}

function grownBy(points: readonly { readonly at: number; readonly value: number }[], { since, at, isContinued }: Window): number {
  let before = points.findLast((point) => point.at <= since)?.value ?? (isContinued ? 0 : null);
  let total = 0;
  for (const point of points) {
    if (point.at <= since || point.at > at) continue;
    if (!(Number.isFinite(point.value) && point.value >= 0)) throw unreadable(`a counter is ${point.value}`);
    if (before !== null) total += point.value >= before ? point.value - before : point.value;
    before = point.value;
  }
  return total;
}

/** The same for a histogram, by upper edge in ms. Classic buckets count what is below them too, native ones do not. */
export function latencyIncrease(series: readonly Series[], window: Window, toMs: number): ReadonlyMap<number, number> {
  const cumulative = new Map<number, number>();
  const single = new Map<number, number>();
  for (const one of series) {
    const { le } = one.labels;
    if (le !== undefined) add(cumulative, numberOf(le) * toMs, grownBy(one.values, window));
    for (const [edge, count] of nativeIncrease(one, window)) add(single, edge * toMs, count);
  }
  let below = 0;
  for (const [edge, count] of [...cumulative].toSorted(([a], [b]) => a - b)) {
    add(single, edge, Math.max(0, count - below));
    below = Math.max(below, count);
  }
  return single;
}

/** Where the buckets begin and end: of classic ones all there are, of native ones those with something in them. */
export function bucketsOf(series: readonly Series[]): (readonly [low: number, high: number])[] {
  const edges = [...new Set(series.flatMap(({ labels: { le } }) => (le === undefined ? [] : [numberOf(le)])))].toSorted((a, b) => a - b);
  const classic = edges.map((edge, i) => [edges[i - 1] ?? 0, edge] as const);
  return [...classic, ...series.flatMap(({ histograms }) => histograms.at(-1)?.edges ?? [])];
}

/** Native buckets come and go; a reset shows in the count of all, and then in every bucket. */
function nativeIncrease({ histograms }: Series, { since, at, isContinued }: Window): Map<number, number> {
  const grown = new Map<number, number>();
  let before = histograms.findLast((one) => one.at <= since) ?? (isContinued ? { count: 0, buckets: new Map<number, number>() } : null);
  for (const now of histograms) {
    if (now.at <= since || now.at > at) continue;
    if (before !== null) {
      const base = now.count < before.count ? new Map<number, number>() : before.buckets;
      for (const [edge, count] of now.buckets) add(grown, edge, Math.max(0, count - (base.get(edge) ?? 0)));
    }
    before = now;
  }
  return grown;
}

function add(sums: Map<number, number>, edge: number, count: number): void {
  sums.set(edge, (sums.get(edge) ?? 0) + count);
}
