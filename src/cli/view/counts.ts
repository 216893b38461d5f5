import { type Histogram, quantileMs } from '../../core/analysis/histogram.ts';
import type { ArmCounts, Sample } from '../../core/analysis/sample.ts';

/** What one version has served in the present step. */
export interface Served {
  readonly requests: number;
  readonly errors: number;
  readonly latency: Histogram;
  /** p95 of each stretch of time, ms, the newest last; null: no answers in it. */
  readonly trend: readonly (number | null)[];
}

/** Both versions of an app in the present step. */
export interface Seen {
  readonly baseline: Served;
  readonly candidate: Served;
  /** When the newest stretch of the trend began, ms since epoch. */
  readonly stretchFrom: number;
  readonly stretch: { readonly baseline: Histogram; readonly candidate: Histogram };
}

/** How many stretches a trend shows. */
const STRETCHES = 8;
/** Longest time that a trend shows, ms. */
const TREND_MS = 600_000;
const STRETCH_MS = TREND_MS / STRETCHES;

const NOTHING: Served = { requests: 0, errors: 0, latency: {}, trend: [] };

/** A step begins at this time: nothing is counted yet. */
export function startSeen(at: number): Seen {
  return { baseline: NOTHING, candidate: NOTHING, stretchFrom: at, stretch: { baseline: {}, candidate: {} } };
}

/** One more sample. A sample that could not be read changes nothing. */
export function withSample(seen: Seen, sample: Sample | null): Seen {
  if (sample === null || sample.error !== null) return seen;
  const isNew = sample.at - seen.stretchFrom >= STRETCH_MS;
  const stretch = {
    baseline: merge(isNew ? {} : seen.stretch.baseline, sample.baseline?.latency),
    candidate: merge(isNew ? {} : seen.stretch.candidate, sample.candidate?.latency),
  };
  const kept = (trend: Served['trend']): Served['trend'] => (isNew ? trend : trend.slice(0, -1)).slice(1 - STRETCHES);
  const grown = (before: Served, arm: ArmCounts | null, own: Histogram): Served => ({
    requests: before.requests + (arm?.requests ?? 0),
    errors: before.errors + (arm?.errors ?? 0),
    latency: merge(before.latency, arm?.latency),
    trend: [...kept(before.trend), quantileMs(own, 0.95)],
  });
  return {
    baseline: grown(seen.baseline, sample.baseline, stretch.baseline),
    candidate: grown(seen.candidate, sample.candidate, stretch.candidate),
    stretchFrom: isNew ? sample.at : seen.stretchFrom,
    stretch,
  };
}

function merge(to: Histogram, from: Histogram | undefined): Histogram {
  if (from === undefined) return to;
  const sum: Record<string, number> = { ...to };
  for (const [bucket, count] of Object.entries(from)) sum[bucket] = (sum[bucket] ?? 0) + count;
  return sum;
}
