import { withAnswers, type MetricsState } from './answers.ts';
import { NOTHING_COUNTED, widen } from './arms.ts';
import { classify, KAYENTA_METRIC, scoreOf, type KayentaMetric, type Label } from './kayenta.ts';
import { formatValue, valueOf } from './measure.ts';
import type { ComparedMetric, KayentaPolicy } from './policy.ts';
import { badLately, NOTHING_RECENT, recentAfter } from './recent.ts';
import type { AnalysisPhase, ArmCounts, Judge, MetricVerdict, Ruling, Sample, Verdict } from './sample.ts';
import { countOf, isOutage, missingEvidence, noDataPhase, startTimeline, taken } from './timeline.ts';
import { watching } from './watching.ts';

/** Everything the judge remembers. Plain JSON, and bounded: the newest `maxPoints` points of each metric. */
export interface KayentaState extends MetricsState {
  readonly judge: 'kayenta';
  /** In the order of the policy's metrics. */
  readonly metrics: readonly Series[];
}

/** How much worse the newest requests may be than the old version's over the same time, beside what the metric allows. */
const LATELY = { errors: 0.005, latency: 1.25, throughout: 1.5 };

interface Series {
  /** Counted since the last point: the window of the next one. */
  readonly candidate: ArmCounts | null;
  readonly baseline: ArmCounts | null;
  /** Values of the two over the same windows, oldest first. */
  readonly experiment: readonly number[];
  readonly control: readonly number[];
}

const FRESH_SERIES: Series = { candidate: null, baseline: null, experiment: [], control: [] };

/**
 * Kayenta's judge on the samples of a bake. Labels and scores are Kayenta's; what they mean where something is missing
 * is not: a metric without enough points counts neither for a failure nor for a pass, so nothing passes until all that
 * count have been compared.
 */
const JUDGE: Judge<KayentaPolicy, KayentaState> = {
  start,
  observe,
  verdict,
  finish,
  phase: (policy, state) => verdict(policy, state).phase,
  finalPhase: (policy, state, now) => finish(policy, state, now).phase,
};

export const kayentaJudge: Judge<KayentaPolicy, KayentaState, Verdict> = kayentaJudgeIn(null);

/** `share`: of the requests, that the candidate is to get, 0…1; null: not known. */
export function kayentaJudgeIn(share: number | null): Judge<KayentaPolicy, KayentaState, Verdict> {
  return watching(withAnswers(JUDGE), share);
}

function start(policy: KayentaPolicy, at: number): KayentaState {
  return { ...startTimeline(at), judge: 'kayenta', metrics: policy.metrics.map(() => FRESH_SERIES), recent: NOTHING_RECENT };
}

function observe(policy: KayentaPolicy, state: KayentaState, sample: Sample): KayentaState {
  return taken(policy, state, sample, {
    read: (next) => ({
      ...next,
      recent: recentAfter(state.recent, sample),
      metrics: policy.metrics.map((metric, i) => look(policy, metric, state.metrics[i] ?? FRESH_SERIES, sample)),
    }),
    unread: (next) => next,
  });
}

/** A point needs the requests of both: those of one side alone would be another time of day. */
function look(policy: KayentaPolicy, metric: ComparedMetric, series: Series, sample: Sample): Series {
  const keepsLatency = metric.measure.kind === 'latency';
  const candidate = widen(series.candidate, sample.candidate, keepsLatency);
  const baseline = widen(series.baseline, sample.baseline, keepsLatency);
  const [mine, theirs] = [candidate ?? NOTHING_COUNTED, baseline ?? NOTHING_COUNTED];
  if (Math.min(mine.requests, theirs.requests) < Math.max(1, metric.minRequests)) return { ...series, candidate, baseline };
  const [value, other] = [valueOf(metric.measure, mine), valueOf(metric.measure, theirs)];
  if (value === null || other === null) return { ...series, candidate: NOTHING_COUNTED, baseline: NOTHING_COUNTED };
  const newest = (points: readonly number[], point: number) => [...points, point].slice(-policy.maxPoints);
  return {
    candidate: NOTHING_COUNTED,
    baseline: NOTHING_COUNTED,
    experiment: newest(series.experiment, value),
    control: newest(series.control, other),
  };
}

/** What the points of one metric say; `label` null: there are too few to say anything. */
interface Assessed {
  readonly metric: ComparedMetric;
  readonly label: Label | null;
  readonly critical: boolean;
  readonly points: number;
  /** Means of the points. */
  readonly candidate: number | null;
  readonly baseline: number | null;
  /** There has been a baseline at all. */
  readonly hasBaseline: boolean;
}

/** The test takes milliseconds, and is asked for several times between two samples. */
const assessedOf = new WeakMap<KayentaState, { readonly policy: KayentaPolicy; readonly metrics: readonly Assessed[] }>();

function assessed(policy: KayentaPolicy, state: KayentaState): readonly Assessed[] {
  const known = assessedOf.get(state);
  if (known?.policy === policy) return known.metrics;
  const metrics = policy.metrics.map((metric, i) => assess(policy, metric, state.metrics[i] ?? FRESH_SERIES));
  assessedOf.set(state, { policy, metrics });
  return metrics;
}

function assess(policy: KayentaPolicy, metric: ComparedMetric, series: Series): Assessed {
  const { experiment, control } = series;
  const known = {
    metric,
    points: experiment.length,
    candidate: meanOf(experiment),
    baseline: meanOf(control),
    hasBaseline: series.baseline !== null,
  };
  if (experiment.length < Math.max(1, policy.minPoints)) return { ...known, label: null, critical: false };
  return { ...known, ...classify(comparison(metric, experiment, control)) };
}

/** Shares in per cent: the root that bounds the shift is found to 1e-4, which is much of a share and little of a per cent. */
function comparison(metric: ComparedMetric, experiment: readonly number[], control: readonly number[]): KayentaMetric {
  const scaled = (values: readonly number[]) => (metric.measure.kind === 'errorRate' ? values.map((value) => 100 * value) : values);
  return {
    ...KAYENTA_METRIC,
    name: metric.name,
    groups: [metric.group],
    control: scaled(control),
    experiment: scaled(experiment),
    direction: metric.direction,
    outliers: { ...KAYENTA_METRIC.outliers, strategy: metric.outliers },
    effect: metric.effect,
    critical: metric.critical,
    mustHaveData: metric.mustHaveData,
    muted: metric.dryRun,
  };
}

function meanOf(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Deviates to the side that is bad, or has no data where it must have some. */
function isBad({ label }: Assessed): boolean {
  return label === 'High' || label === 'Low' || label === 'NodataFailMetric';
}

/** The score if all that is not known were good: below `marginal` it fails whatever else may come. */
function bestScore(policy: KayentaPolicy, metrics: readonly Assessed[]): number {
  const counting = metrics.filter(({ metric }) => !metric.dryRun);
  if (counting.length === 0) return 100;
  const scored = counting.map((one) => ({
    groups: [one.metric.group],
    label: isBad(one) ? (one.label ?? 'Pass') : ('Pass' as const),
    critical: one.critical,
  }));
  const groups = new Set(counting.map(({ metric }) => metric.group));
  return scoreOf(scored, { ...policy.scores, weights: weightsOf(policy.groupWeights, groups) }).score;
}

/** Weights of the groups that count, a hundred in all: what a group without a counting metric had is nobody's fault. */
function weightsOf(weights: KayentaPolicy['groupWeights'], groups: ReadonlySet<string>): Record<string, number> {
  const counting = Object.entries(weights).filter(([group]) => groups.has(group));
  const sum = counting.reduce((total, [, weight]) => total + weight, 0);
  if (sum <= 0) return {};
  return counting.length < groups.size ? Object.fromEntries(counting) : scaledTo100(counting, sum);
}

function scaledTo100(weights: readonly (readonly [string, number])[], sum: number): Record<string, number> {
  return Object.fromEntries(weights.map(([group, weight]) => [group, (weight / sum) * 100]));
}

function verdict(policy: KayentaPolicy, state: KayentaState): Ruling {
  const metrics = assessed(policy, state);
  const failed = failure(policy, state, metrics);
  if (failed !== null) return failed;
  const points = pointsOf(metrics);
  const phase = state.readable + state.unreadable === 0 ? 'Pending' : 'Running';
  const reason =
    points < policy.minPoints
      ? `${points} of ${policy.minPoints} points taken so far`
      : `score ${bestScore(policy, metrics)} of 100 on ${points} points so far (asked: ${policy.scores.pass})`;
  return conclude(state, phase, reason, metrics, 'Running');
}

function failure(policy: KayentaPolicy, state: KayentaState, metrics: readonly Assessed[]): Ruling | null {
  const score = bestScore(policy, metrics);
  if (score >= policy.scores.marginal) return null;
  return conclude(state, 'Failed', `score ${score} of 100 (below ${policy.scores.marginal} fails): ${badOnes(metrics)}`, metrics);
}

/** The bake is over. A pass takes enough, fresh requests, and enough points of every metric that counts. */
function finish(policy: KayentaPolicy, state: KayentaState, now: number): Ruling {
  const metrics = assessed(policy, state);
  const failed = failure(policy, state, metrics);
  if (failed !== null) return failed;
  const missing = missingEvidence(policy, state, now);
  if (missing !== null) return conclude(state, missing.phase, missing.reason, metrics);
  const counting = metrics.filter(({ metric }) => !metric.dryRun);
  if (counting.length === 0) return conclude(state, 'Inconclusive', 'no metric counts towards the verdict, so nothing was proven', metrics);
  const unknown = counting.find(({ label }) => label === null || label === 'Error' || label === 'Nodata');
  return unknown === undefined ? scored(policy, state, metrics) : withoutPoints(policy, state, metrics, unknown);
}

function withoutPoints(policy: KayentaPolicy, state: KayentaState, metrics: readonly Assessed[], unknown: Assessed): Ruling {
  const lasting = isOutage(state) ? metrics : metrics.map(asMissing);
  const failed = failure(policy, state, lasting);
  if (failed !== null) return failed;
  const { metric, label, points, hasBaseline } = unknown;
  if (label !== null) return conclude(state, 'Inconclusive', `the points of ${metric.name} could not be compared`, lasting);
  const phase = isOutage(state) || !hasBaseline ? 'Inconclusive' : noDataPhase(policy);
  const reason = hasBaseline
    ? `only ${points} of ${policy.minPoints} points needed of ${metric.name} could be taken`
    : 'there was no old version beside the new one to compare it with';
  return conclude(state, phase, reason, lasting);
}

function asMissing(one: Assessed): Assessed {
  const isMissing = one.metric.mustHaveData && one.points === 0 && one.hasBaseline;
  return isMissing ? { ...one, label: 'NodataFailMetric', critical: one.metric.critical } : one;
}

function scored(policy: KayentaPolicy, state: KayentaState, metrics: readonly Assessed[]): Ruling {
  const [score, points] = [bestScore(policy, metrics), pointsOf(metrics)];
  const bad = badOnes(metrics);
  const what = `score ${score} of 100 on ${countOf(points, 'point')} of each version (asked: ${policy.scores.pass})`;
  const lately = score >= policy.scores.pass ? badAtTheEnd(state, metrics) : null;
  if (lately !== null) return conclude(state, 'Inconclusive', `${lately}; ${what}`, metrics);
  const phase = score >= policy.scores.pass ? 'Successful' : 'Inconclusive';
  return conclude(state, phase, bad === '' ? what : `${what}: ${bad}`, metrics);
}

/** A rank test weighs every point alike, so a fault in the last of them does not show in it. */
function badAtTheEnd({ recent }: KayentaState, metrics: readonly Assessed[]): string | null {
  for (const one of metrics) {
    const { name, measure, direction, dryRun } = one.metric;
    if (dryRun || direction === 'decrease') continue;
    const bad = badLately(name, measure, recent, (baseline) => (baseline === null ? null : latelyAllowed(one, baseline)));
    if (bad !== null) return bad;
  }
  return null;
}

/** A metric that is bad throughout is in the score already, so only what is worse than that is held against the newest requests. */
function latelyAllowed(one: Assessed, baseline: number): number {
  const { measure, effect } = one.metric;
  const allowed = effect.measure === 'cles' ? 1 : Math.max(1, effect.allowedIncrease);
  const limit = measure.kind === 'errorRate' ? allowed * baseline + LATELY.errors : Math.max(allowed, LATELY.latency) * baseline;
  return isBad(one) ? Math.max(limit, LATELY.throughout * (one.candidate ?? 0)) : limit;
}

/** Points of the metric that has the fewest; those that do not count are not waited for. */
function pointsOf(metrics: readonly Assessed[]): number {
  const counting = metrics.filter(({ metric }) => !metric.dryRun);
  return counting.length === 0 ? 0 : Math.min(...counting.map(({ points }) => points));
}

function badOnes(metrics: readonly Assessed[]): string {
  return metrics
    .filter((one) => !one.metric.dryRun && isBad(one))
    .map((one) => `${one.critical ? 'the critical ' : ''}${one.metric.name} is ${told(one)}`)
    .join('; ');
}

/** `High with 4.3 % against 0.1 % of the old version (means of 62 points)`. */
function told({ metric, label, points, candidate, baseline }: Assessed): string {
  if (candidate === null || baseline === null) return label === null ? 'without a point' : `${label}, without a point`;
  const values = `${formatValue(metric.measure, candidate)} against ${formatValue(metric.measure, baseline)} of the old version`;
  return `${label === null ? 'not compared yet:' : `${label} with`} ${values} (means of ${countOf(points, 'point')})`;
}

function conclude(
  state: KayentaState,
  phase: AnalysisPhase,
  reason: string,
  metrics: readonly Assessed[],
  good: AnalysisPhase = 'Successful',
): Ruling {
  return { phase, reason, metrics: metrics.map((one) => verdictOn(one, good)), candidateRequests: state.candidateRequests };
}

function verdictOn(one: Assessed, good: AnalysisPhase): MetricVerdict {
  const open = good === 'Running' ? (one.points === 0 ? 'Pending' : 'Running') : 'Inconclusive';
  const phase = one.label === 'Error' ? 'Error' : isBad(one) ? 'Failed' : one.label === 'Pass' ? good : open;
  return {
    name: one.metric.name,
    phase,
    reason: `${one.metric.name} is ${told(one)}`,
    candidate: one.candidate,
    baseline: one.baseline,
    dryRun: one.metric.dryRun,
  };
}
