import type { AnalysisPolicy, Condition, LatencyTests, MetricPolicy } from '../core/analysis/policy.ts';
import type { Strategy } from '../core/release/plan.ts';
import { DEFAULTS as D } from './defaults.ts';
import type { AppConfig } from './schema.ts';
import { defined, ms, parseCondition, parseMeasure } from './values.ts';

type Analysis = Exclude<AppConfig['analysis'], false | string | undefined>;
type Metric = NonNullable<Analysis['metrics']>[number];

/** `analysis` with the short forms written out; false stays false. */
export function expandAnalysis(analysis: AppConfig['analysis']): Analysis | false {
  if (analysis === false) return false;
  return typeof analysis === 'string' ? { judge: analysis } : (analysis ?? {});
}

/**
 * The judge that is meant. At 100 % (blueGreen) there is no old version beside to compare with, which the
 * sequential judge cannot do without.
 */
export function judgeOf(analysis: Analysis, kind: Strategy['kind']): 'sequential' | 'threshold' {
  return analysis.judge ?? (analysis.metrics !== undefined || kind === 'blueGreen' ? 'threshold' : 'sequential');
}

/** The policy by which a strategy of this kind is judged; null: not at all. */
export function analysisOf(analysis: AppConfig['analysis'], kind: Strategy['kind']): AnalysisPolicy | null {
  const said = expandAnalysis(analysis);
  if (said === false) return null;
  const judge = judgeOf(said, kind);
  const { interval, initialDelay, noData, minRequests, metrics, errors, latency, alphaFail, alphaPass, designEffect } = {
    ...D.analysis,
    ...D.sequential,
    ...(judge === 'threshold' ? D.threshold : {}),
    ...defined(said),
  };
  const common = { intervalMs: ms(interval), initialDelayMs: ms(initialDelay), noData, minRequests };
  if (judge === 'threshold') return { judge, ...common, metrics: (metrics ?? D.metrics).map(metricOf) };
  return {
    judge,
    ...common,
    alphaFail,
    alphaPass,
    errors: { ...D.errors, ...defined(errors) },
    latency: latencyOf(latency),
    designEffect,
    strata: 0,
  };
}

function latencyOf(latency: Analysis['latency']): LatencyTests | null {
  if (latency === false) return null;
  const { margin, quantiles } = { ...D.latency, ...defined(latency) };
  return { margin, quantiles: [...quantiles], edgesMs: null };
}

function metricOf(metric: Metric): MetricPolicy {
  const { failureLimit, inconclusiveLimit, consecutiveErrorLimit, consecutiveSuccessLimit, minRequests, dryRun } = {
    ...D.metric,
    ...defined(metric),
  };
  const measure = parseMeasure(metric.measure);
  if (measure === null) throw new TypeError(`unchecked measure ${metric.measure}`);
  return {
    name: metric.name ?? metric.measure,
    measure,
    success: conditionOf(metric.success),
    failure: conditionOf(metric.failure),
    failureLimit,
    inconclusiveLimit,
    consecutiveErrorLimit,
    consecutiveSuccessLimit,
    minRequests,
    dryRun,
  };
}

function conditionOf(condition: Metric['success']): Condition | null {
  if (condition === undefined) return null;
  return typeof condition === 'string'
    ? parseCondition(condition)
    : { compare: condition.compare, value: condition.value, of: condition.of ?? 'candidate' };
}
