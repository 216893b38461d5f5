import { edgesSaid, USUAL_EDGES } from '../../core/analysis/edges-of-source.ts';
import type { AnalysisPolicy, Condition, LatencyTests, MetricPolicy, NamedAnalysis, PolicyFrame } from '../../core/analysis/policy.ts';
import type { SourceSettings } from '../../core/analysis/reading.ts';
import type { Strategy } from '../../core/release/plan/plan.ts';
import { DEFAULTS as D } from '../schema/defaults.ts';
import { kayentaOf } from './kayenta.ts';
import type { AppConfig } from '../schema/workspace.ts';
import { defined, ms, parseCondition, parseMeasure } from '../schema/values.ts';

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
export function judgeOf(analysis: Analysis, kind: Strategy['kind']): AnalysisPolicy['judge'] {
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
    ...paceOf(judge),
    ...defined(said),
  };
  const common = { intervalMs: ms(interval), initialDelayMs: ms(initialDelay), noData, minRequests, ...frameOf(said) };
  if (judge === 'threshold') return { judge, ...common, metrics: (metrics ?? D.metrics).map(metricOf) };
  if (judge === 'kayenta') return { judge, ...common, ...kayentaOf(said) };
  const tested = latencyOf(latency, said);
  return {
    judge,
    ...withEdges(common, tested),
    alphaFail,
    alphaPass,
    errors: { ...D.errors, ...defined(errors) },
    latency: tested,
    designEffect,
    strata: 0,
  };
}

/** How often a judge looks, and from when on. */
function paceOf(judge: AnalysisPolicy['judge']): { readonly interval: string; readonly initialDelay: string } {
  const { interval, initialDelay } = D[judge];
  return { interval, initialDelay };
}

/** What no judge needs to know is left out where nothing is said of it: plans made before stay what they are. */
function frameOf({ source, onInconclusive, early, classes, routes }: Analysis): PolicyFrame {
  return {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it came from JSON or a file of data
    ...(source === undefined || source.kind === 'edge' ? {} : { source: source as SourceSettings }),
    ...(onInconclusive === undefined || onInconclusive === 'pause' ? {} : { onInconclusive }),
    ...(classes === false ? { classes } : {}),
    ...(routes === false ? { routes } : {}),
    ...(early === undefined ? {} : { early: { minBakeMs: ms(early === true ? D.early.minBake : (early.minBake ?? D.early.minBake)) } }),
  };
}

/** The further analyses of a strategy, if there are any. */
export function namedAnalysesOf(analyses: AppConfig['analyses'], kind: Strategy['kind']): { analyses?: readonly NamedAnalysis[] } {
  if (analyses === undefined || analyses.length === 0) return {};
  return {
    analyses: analyses.flatMap(({ name, during, dryRun, ...said }) => {
      const policy = analysisOf(said, during === 'afterPromotion' ? 'blueGreen' : kind);
      return policy === null ? [] : [{ name, during: during ?? D.named.during, dryRun: dryRun ?? D.named.dryRun, policy }];
    }),
  };
}

/** An early pass misses what comes later, so it asks for more: p99 too. */
function latencyOf(latency: Analysis['latency'], { early, source }: Analysis): LatencyTests | null {
  if (latency === false || (source !== undefined && !hasLatency(source))) return null;
  const { margin, quantiles } = {
    ...D.latency,
    ...(early === undefined ? {} : { quantiles: [...D.latency.quantiles, 0.99] }),
    ...defined(latency),
  };
  return { margin, quantiles: [...quantiles], edgesMs: edgesOf(source) };
}

/** Most sources have latencies only where they are told of them. */
function hasLatency(source: NonNullable<Analysis['source']>): boolean {
  return source.kind === 'edge' || source.kind === 'otlp' || source['latency'] !== undefined || source['bucketsMs'] !== undefined;
}

/** Bucket edges of a source: a list of them, or the scale of exponential ones. */
function edgesOf(source: Analysis['source']): readonly number[] | null {
  if (source === undefined || source.kind === 'edge' || source.kind === 'logs') return null;
  const said = edgesSaid(source['bucketsMs']);
  return said ?? (source.kind === 'web' || source.kind === 'job' ? null : USUAL_EDGES);
}

/** Where a source may cut is told to it as well, for it to refuse what cannot be cut there. */
function withEdges<T extends PolicyFrame>(frame: T, latency: LatencyTests | null): T {
  if (frame.source === undefined || frame.source['bucketsMs'] !== undefined || latency?.edgesMs == null) return frame;
  return { ...frame, source: { ...frame.source, bucketsMs: latency.edgesMs } };
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
