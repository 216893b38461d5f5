import { OutsideError } from '../../core/errors.ts';
import { bucketOf, MAX_BUCKET } from '../../core/analysis/histogram.ts';
import { edgesSaid, edgeWithin } from '../../core/analysis/edges-of-source.ts';
import { errorsOf } from '../../core/analysis/from-counters.ts';
import type { Counters } from '../../core/analysis/reading.ts';

/** What one version did: in all, or since the last look. */
export interface Counted {
  readonly requests: number;
  readonly errors: number;
  /** Upper edge in ms → how many took so long, each counted once. */
  readonly latency: ReadonlyMap<number, number>;
}

export const NOTHING: Counted = { requests: 0, errors: 0, latency: new Map() };

/** @throws OutsideError `METRICS_UNREADABLE` for what cannot be a count. */
export function countersOf({ requests, errors, latency }: Counted): Counters {
  for (const [what, count] of [
    ['requests', requests],
    ['errors', errors],
    ...[...latency.values()].map((n) => ['latency', n] as const),
  ] as const)
    if (!(Number.isFinite(count) && count >= 0)) throw unreadable(`${what} is ${count}`);
  if (errors > requests) throw unreadable(`more errors (${errors}) than requests (${requests})`);
  const buckets: Record<string, number> = {};
  for (const [edge, count] of latency) {
    if (count === 0) continue;
    const bucket = edge === Infinity ? MAX_BUCKET : bucketOf(edge);
    buckets[bucket] = (buckets[bucket] ?? 0) + count;
  }
  return { requests, errors, byClass: {}, latency: buckets };
}

/** Counters that have gone on by what was counted since. */
export function advanced(before: Counters | undefined, since: Counted): Counters {
  const more = countersOf(since);
  if (before === undefined) return more;
  return {
    requests: before.requests + more.requests,
    errors: errorsOf(before) + errorsOf(more),
    byClass: {},
    latency: addEach(before.latency, more.latency),
  };
}

/** What a source answers of errors that nothing has ever matched: no errors are not known of it. */
export function doubted(told: Counters, isVouched: boolean): Counters {
  const { unknown: _, ...counters } = told;
  return isVouched ? counters : { ...counters, unknown: ['errors'] };
}

function addEach(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): Record<string, number> {
  const sum: Record<string, number> = { ...a };
  for (const [key, count] of Object.entries(b)) sum[key] = (sum[key] ?? 0) + count;
  return sum;
}

export function unreadable(what: string, cause?: unknown): OutsideError {
  return new OutsideError(
    'METRICS_UNREADABLE',
    `the metrics cannot be read: ${what}`,
    'The release waits; it is not judged by this.',
    cause,
  );
}

/**
 * Buckets that do not end where `bucketsMs` says would put what is faster than an edge above it.
 * @throws OutsideError `METRICS_UNREADABLE`
 */
export function refuseWithin(bucketsMs: unknown, low: number, high: number): void {
  const edge = edgeWithin(edgesSaid(bucketsMs) ?? [], low, high);
  if (edge === null) return;
  const digits = (ms: number) => Number(ms.toPrecision(4));
  throw unreadable(
    `latencies are counted from ${digits(low)} to ${digits(high)} ms in one, which cannot be told apart at ${digits(edge)} ms: bucketsMs has to say where the buckets end`,
  );
}

/** Nothing new is known of any version: an outage, not an absence of requests. */
export function stale(what: string): OutsideError {
  return new OutsideError('METRICS_STALE', `the metrics are too old: ${what}`, 'The release waits; see that they are still gathered.');
}
