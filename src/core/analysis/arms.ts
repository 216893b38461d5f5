import { MAX_BUCKET, type Histogram } from './histogram.ts';
import type { ArmCounts, Sample } from './sample.ts';

/** Counts beyond this are not counts of requests any more (and lose whole numbers in JSON). */
const MAX_COUNT = Number.MAX_SAFE_INTEGER;

/** Nothing counted yet. */
export const NOTHING_COUNTED: ArmCounts = { requests: 0, errors: 0, latency: {} };

/** Both counts together. */
export function addCounts(a: ArmCounts, b: ArmCounts): ArmCounts {
  return { requests: a.requests + b.requests, errors: a.errors + b.errors, latency: addHistograms(a.latency, b.latency) };
}

function addHistograms(a: Histogram, b: Histogram): Histogram {
  const sum: Record<string, number> = { ...a };
  for (const [bucket, count] of Object.entries(b)) sum[bucket] = (sum[bucket] ?? 0) + count;
  return sum;
}

/** Share of answers that are errors, or null when there were none to judge. */
export function errorRateOf(counts: ArmCounts): number | null {
  return counts.requests > 0 ? counts.errors / counts.requests : null;
}

/**
 * Why a sample cannot be believed, or null when it can. A source that reports such a thing is broken:
 * its sample is an error, never a good and never a bad value.
 */
export function faultOf(sample: Sample): string | null {
  if (sample.error !== null) return sample.error;
  if (!Number.isFinite(sample.at) || !Number.isFinite(sample.fromAt)) return 'the sample has no time';
  for (const arms of [sample, ...Object.values(sample.strata ?? {})]) {
    const fault = faultOfArm('the new version', arms.candidate) ?? faultOfArm('the old version', arms.baseline);
    if (fault !== null) return fault;
  }
  return null;
}

function faultOfArm(whose: string, counts: ArmCounts | null): string | null {
  if (counts === null) return null;
  if (!isCount(counts.requests)) return `the request count of ${whose} is ${counts.requests}`;
  if (!isCount(counts.errors)) return `the error count of ${whose} is ${counts.errors}`;
  if (counts.errors > counts.requests) return `${whose} has more errors (${counts.errors}) than requests (${counts.requests})`;
  for (const bucket in counts.latency) {
    const count = counts.latency[bucket] ?? 0;
    const index = Number(bucket);
    if (!(Number.isInteger(index) && index >= 0 && index <= MAX_BUCKET && String(index) === bucket))
      return `the latency histogram of ${whose} has an unknown bucket ${bucket}`;
    if (!isCount(count)) return `the latency histogram of ${whose} counts ${count} in bucket ${bucket}`;
  }
  return null;
}

function isCount(value: number): boolean {
  return Number.isFinite(value) && value >= 0 && value <= MAX_COUNT;
}
