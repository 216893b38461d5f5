import { bucketOf, type Histogram } from '../../src/core/analysis/histogram.ts';
import type { MetricPolicy, ThresholdPolicy } from '../../src/core/analysis/policy.ts';
import type { ArmCounts, Sample } from '../../src/core/analysis/sample.ts';

/** Time a look takes in these tests, ms. */
export const LOOK = 10_000;
/** When analyses start in these tests. */
export const T0 = 1_000_000;

/** Counts of one arm; every answer took `ms`. */
export function arm(requests: number, errors = 0, ms = 20): ArmCounts {
  return { requests, errors, latency: requests > 0 ? latency({ [ms]: requests }) : {} };
}

/** Histogram of `{ ms: answers }`. */
export function latency(answers: Readonly<Record<string, number>>): Histogram {
  const histogram: Record<string, number> = {};
  for (const [ms, count] of Object.entries(answers)) histogram[bucketOf(Number(ms))] = count;
  return histogram;
}

/** The sample of look number `look` (0, 1, 2 …). */
export function sampleAt(
  look: number,
  candidate: ArmCounts | null,
  baseline: ArmCounts | null = null,
  error: string | null = null,
): Sample {
  return { fromAt: T0 + look * LOOK, at: T0 + (look + 1) * LOOK, candidate, baseline, error };
}

/** A look at which the source could not be read. */
export function unreadable(look: number): Sample {
  return sampleAt(look, null, null, 'prometheus answered 503');
}

export const ERROR_RATE: MetricPolicy = {
  name: 'error rate',
  measure: { kind: 'errorRate' },
  success: { compare: '<', value: 0.01, of: 'candidate' },
  failure: null,
  failureLimit: 0,
  inconclusiveLimit: 0,
  consecutiveErrorLimit: 4,
  consecutiveSuccessLimit: 0,
  minRequests: 20,
  dryRun: false,
};

export const LATENCY: MetricPolicy = {
  ...ERROR_RATE,
  name: 'p95',
  measure: { kind: 'latency', quantile: 0.95 },
  success: { compare: '<=', value: 1.2, of: 'ratio' },
};

export const POLICY: ThresholdPolicy = {
  judge: 'threshold',
  intervalMs: LOOK,
  initialDelayMs: 0,
  metrics: [ERROR_RATE],
  noData: 'inconclusive',
  minRequests: 100,
};
