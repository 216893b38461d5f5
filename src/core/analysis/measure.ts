import { errorRateOf } from './arms.ts';
import { MAX_BUCKET, quantileMs, upperEdgeMs } from './histogram.ts';
import type { Condition, Measure, MetricPolicy } from './policy.ts';
import type { AnalysisPhase, ArmCounts } from './sample.ts';

/** One value of one metric over one window. */
export interface Measurement {
  readonly phase: 'Successful' | 'Failed' | 'Inconclusive';
  readonly candidate: number | null;
  readonly baseline: number | null;
}

/** Measure a window and hold it against the metric's conditions. */
export function measure(metric: MetricPolicy, candidate: ArmCounts, baseline: ArmCounts | null): Measurement {
  const mine = valueOf(metric.measure, candidate);
  const theirs = baseline === null ? null : valueOf(metric.measure, baseline);
  const ratio = ratioOf(metric.measure, mine, theirs, baseline);
  const phase = judge(holds(metric.success, mine, ratio), holds(metric.failure, mine, ratio), metric);
  return { phase, candidate: mine, baseline: theirs };
}

/**
 * Argo's table of conditions, with one row of our own: what cannot be told (null) is never good.
 * Both: failure wins, neither true is Inconclusive. Only success: not true is Failed. Only failure:
 * not true is Successful.
 */
function judge(success: boolean | null, failure: boolean | null, metric: MetricPolicy): Measurement['phase'] {
  if (metric.failure !== null && failure === true) return 'Failed';
  if (metric.success !== null && metric.failure !== null) return success === true && failure === false ? 'Successful' : 'Inconclusive';
  const good = metric.success === null ? (metric.failure === null || failure === null ? null : !failure) : success;
  return good === null ? 'Inconclusive' : good ? 'Successful' : 'Failed';
}

function holds(condition: Condition | null, candidate: number | null, ratio: number | null): boolean | null {
  if (condition === null) return null;
  const value = condition.of === 'ratio' ? ratio : candidate;
  if (value === null || Number.isNaN(value) || Number.isNaN(condition.value)) return null;
  return COMPARE[condition.compare](value, condition.value);
}

const COMPARE: Readonly<Record<Condition['compare'], (value: number, limit: number) => boolean>> = {
  '<': (value, limit) => value < limit,
  '<=': (value, limit) => value <= limit,
  '>': (value, limit) => value > limit,
  '>=': (value, limit) => value >= limit,
};

/** The value of a window, or null where it has none. */
export function valueOf(kind: Measure, counts: ArmCounts): number | null {
  return kind.kind === 'errorRate' ? errorRateOf(counts) : quantileMs(counts.latency, kind.quantile);
}

/**
 * Candidate over baseline. A baseline without a single error counts as half an error, so that the ratio
 * exists: 0 when the candidate had none either, and large when it had some. Latencies beyond the
 * histogram cannot be divided.
 */
function ratioOf(kind: Measure, candidate: number | null, baseline: number | null, counts: ArmCounts | null): number | null {
  if (candidate === null || baseline === null || counts === null) return null;
  if (kind.kind === 'errorRate') return candidate / Math.max(baseline, 0.5 / counts.requests);
  const end = upperEdgeMs(MAX_BUCKET);
  return candidate >= end || baseline >= end ? null : candidate / baseline;
}

/** `errors` as `1.2 %`, latency as `230 ms`. */
export function formatValue(kind: Measure, value: number | null): string {
  if (value === null) return 'no data';
  if (kind.kind === 'errorRate') return `${Number((value * 100).toPrecision(3))} %`;
  return `${value >= 100 ? Math.round(value) : Number(value.toPrecision(3))} ms`;
}

/** The condition in words, e.g. `< 1 %` or `<= 1.2 times the old version's`. */
export function formatCondition(kind: Measure, condition: Condition): string {
  return condition.of === 'ratio'
    ? `${condition.compare} ${condition.value} times the old version's`
    : `${condition.compare} ${formatValue(kind, condition.value)}`;
}

/** SEMANTICS.md, worst last. */
const ORDER: readonly AnalysisPhase[] = ['Successful', 'Running', 'Pending', 'Inconclusive', 'Error', 'Failed'];

export function worstOf(phases: readonly AnalysisPhase[]): AnalysisPhase {
  return phases.reduce((worst, phase) => (ORDER.indexOf(phase) > ORDER.indexOf(worst) ? phase : worst), 'Successful');
}
