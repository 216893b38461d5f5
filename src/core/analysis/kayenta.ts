import { commonLanguageEffect, isShifted, shiftBetween } from './mann-whitney.ts';
import { normalQuantile } from './normal.ts';

/**
 * The classic canary judge (Netflix ACA, as in Kayenta): each metric's points of candidate and baseline
 * compared by a Mann–Whitney test, each verdict a label, labels weighed into a score of 0 to 100. For
 * those who come from it and want the same numbers; it must not be looked at more than once, and takes
 * some 50 points a metric. `kayenta-judge.ts` puts it behind the interface of the judges.
 */
export type Label = 'Pass' | 'High' | 'Low' | 'Nodata' | 'NodataFailMetric' | 'Error';

export interface KayentaMetric {
  readonly name: string;
  readonly groups: readonly string[];
  readonly control: readonly number[];
  readonly experiment: readonly number[];
  /** Which deviation is bad. */
  readonly direction: 'increase' | 'decrease' | 'either';
  /** Points that are not numbers: leave out, or count as 0. */
  readonly nan: 'remove' | 'replace';
  readonly outliers: { readonly strategy: 'keep' | 'remove'; readonly factor: number };
  readonly effect: EffectSize;
  readonly critical: boolean;
  readonly mustHaveData: boolean;
  readonly muted: boolean;
}

export interface EffectSize {
  readonly measure: 'meanRatio' | 'cles';
  readonly allowedIncrease: number;
  readonly allowedDecrease: number;
  readonly criticalIncrease: number;
  readonly criticalDecrease: number;
}

export interface Classification {
  readonly name: string;
  readonly label: Label;
  readonly reason: string | null;
  /** Ratio of the means, experiment over control; NaN where a mean is 0. */
  readonly deviation: number;
  readonly critical: boolean;
}

/** Kayenta's own settings of the test. */
const KAYENTA_TEST = { tolerance: 0.25, confidence: 0.98 } as const;

/** Everything of a metric but its points. */
export const KAYENTA_METRIC: Omit<KayentaMetric, 'name' | 'control' | 'experiment'> = {
  groups: ['all'],
  direction: 'either',
  nan: 'remove',
  outliers: { strategy: 'keep', factor: 3 },
  effect: { measure: 'meanRatio', allowedIncrease: 1, allowedDecrease: 1, criticalIncrease: 1, criticalDecrease: 1 },
  critical: false,
  mustHaveData: false,
  muted: false,
};

/** The label of one metric. */
export function classify(
  metric: KayentaMetric,
  test: { readonly tolerance: number; readonly confidence: number } = KAYENTA_TEST,
): Classification {
  const control = prepared(metric, metric.control);
  const experiment = prepared(metric, metric.experiment);
  const as = (label: Label, reason: string | null, deviation = 1, critical = false): Classification => ({
    name: metric.name,
    label,
    reason,
    deviation,
    critical,
  });
  if (control.length === 0 || experiment.length === 0) {
    if (metric.nan === 'replace') return as('Pass', null);
    const reason = `Missing data for ${metric.name}`;
    return metric.mustHaveData && !metric.critical ? as('NodataFailMetric', reason) : as('Nodata', reason, 1, metric.critical);
  }
  if (isSame(control, experiment)) return as('Pass', 'control and experiment are identical');
  if (new Set([...control, ...experiment]).size === 1) return as('Pass', null);
  try {
    return compare(metric, experiment, control, test);
  } catch {
    return as('Error', 'Metric Classification Failed');
  }
}

function compare(
  metric: KayentaMetric,
  experiment: readonly number[],
  control: readonly number[],
  test: { readonly tolerance: number; readonly confidence: number },
): Classification {
  const degenerate = new Set(experiment).size === 1 && new Set(control).size === 1;
  const [mine, theirs] = degenerate ? [spreadOut(experiment), spreadOut(control)] : [experiment, control];
  const deviation = meanRatio(mine, theirs);
  if (!degenerate && !isShifted(mine, theirs, test.confidence))
    return { name: metric.name, label: 'Pass', reason: null, deviation, critical: false };
  const shift = shiftBetween(mine, theirs, test.confidence);
  const effect = metric.effect.measure === 'cles' ? commonLanguageEffect(mine, theirs) : deviation;
  const band = test.tolerance * Math.abs(shift.estimate);
  const label = labelOf(metric, shift.low > band, shift.high < -band, effect);
  const beyond =
    Number.isNaN(effect) || (label === 'High' ? effect >= metric.effect.criticalIncrease : effect <= metric.effect.criticalDecrease);
  const critical = metric.critical && label !== 'Pass' && beyond;
  const reason =
    label === 'Pass' ? null : `${critical ? 'The metric ' : ''}${metric.name} was classified as ${label}${critical ? ' (Critical)' : ''}`;
  return { name: metric.name, label, reason, deviation, critical };
}

/** An effect size that cannot be computed does not excuse anything. */
function labelOf(metric: KayentaMetric, isAbove: boolean, isBelow: boolean, effect: number): 'High' | 'Low' | 'Pass' {
  const { direction } = metric;
  if (direction !== 'decrease' && isAbove && (Number.isNaN(effect) || effect >= metric.effect.allowedIncrease)) return 'High';
  if (direction !== 'increase' && isBelow && (Number.isNaN(effect) || effect <= metric.effect.allowedDecrease)) return 'Low';
  return 'Pass';
}

/** Kayenta adds random noise of 1e-5 where both sides are constant; evenly spread ranks do the same and stay the same. */
function spreadOut(values: readonly number[]): number[] {
  return values.map((value, i) => value + Math.abs(value) * 1e-5 * normalQuantile((i + 0.5) / values.length));
}

function meanRatio(experiment: readonly number[], control: readonly number[]): number {
  const [mine, theirs] = [mean(experiment), mean(control)];
  return mine === 0 || theirs === 0 ? Number.NaN : mine / theirs;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  const sorted = [a, b].map((values) => values.toSorted((x, y) => x - y));
  return a.length === b.length && (sorted[0] ?? []).every((value, i) => value === sorted[1]?.[i]);
}

function prepared(metric: KayentaMetric, values: readonly number[]): number[] {
  const numbers =
    metric.nan === 'remove' ? values.filter((value) => !Number.isNaN(value)) : values.map((value) => (Number.isNaN(value) ? 0 : value));
  return metric.outliers.strategy === 'keep' || numbers.length === 0 ? numbers : withoutOutliers(numbers, metric.outliers.factor);
}

/** Tukey's fences, but never inside the 1st and 99th percentiles. */
function withoutOutliers(values: readonly number[], factor: number): number[] {
  const sorted = values.toSorted((a, b) => a - b);
  const [p01 = 0, p25 = 0, p75 = 0, p99 = 0] = [0.01, 0.25, 0.75, 0.99].map((q) => quantileOf(sorted, q));
  const low = Math.min(p01, p25 - factor * (p75 - p25));
  const high = Math.max(p99, p75 + factor * (p75 - p25));
  return values.filter((value) => value >= low && value <= high);
}

/** Quantile of sorted values by R's type 7. */
function quantileOf(sorted: readonly number[], q: number): number {
  const at = (sorted.length - 1) * q;
  const below = sorted[Math.floor(at)] ?? 0;
  return below + (at - Math.floor(at)) * ((sorted[Math.ceil(at)] ?? below) - below);
}

export interface Score {
  /** 0…100, two decimals. */
  readonly score: number;
  readonly verdict: 'Pass' | 'Marginal' | 'Fail';
  readonly reason: string | null;
  readonly groups: readonly { readonly name: string; readonly score: number; readonly noData: boolean }[];
}

export interface ScorePolicy {
  readonly pass: number;
  readonly marginal: number;
  /** Percent of the score by group; what is left is shared by the groups not named. */
  readonly weights: Readonly<Record<string, number>>;
}

/** All metrics judged and weighed. Muted ones are classified and not counted. */
export function judgeKayenta(
  metrics: readonly KayentaMetric[],
  policy: ScorePolicy,
): Score & { readonly classifications: readonly Classification[] } {
  const classifications = metrics.map((metric) => classify(metric));
  const counting = metrics.flatMap((metric, i) =>
    metric.muted
      ? []
      : [
          {
            groups: metric.groups,
            label: classifications[i]?.label ?? 'Error',
            critical: classifications[i]?.critical ?? false,
            reason: classifications[i]?.reason ?? null,
          },
        ],
  );
  return { ...scoreOf(counting, policy), classifications };
}

/** A metric's label as the score takes it. */
export interface Scored {
  readonly groups: readonly string[];
  readonly label: Label;
  readonly critical: boolean;
  readonly reason?: string | null;
}

export function scoreOf(metrics: readonly Scored[], policy: ScorePolicy): Score {
  const names = [...new Set(metrics.flatMap((metric) => metric.groups))];
  const groups = names.map((name) =>
    groupScore(
      name,
      metrics.filter((metric) => metric.groups.includes(name)),
    ),
  );
  const failed = metrics.find((metric) => metric.critical && metric.label !== 'Pass');
  if (failed !== undefined) return verdictOn(0, `Canary Failed: ${failed.reason ?? failed.label}`, groups, policy);
  const missing = metrics.filter((metric) => metric.label === 'Nodata').length;
  if (metrics.length === 0 || missing / metrics.length >= 0.5)
    return verdictOn(0, 'Canary Failed: 50% or more metrics returned NODATA', groups, policy);
  const given = Object.values(policy.weights).reduce((sum, weight) => sum + weight, 0);
  const unnamed = names.filter((name) => policy.weights[name] === undefined).length;
  const sum = groups.reduce(
    (total, group) => total + (group.noData ? 100 : group.score) * ((policy.weights[group.name] ?? (100 - given) / unnamed) / 100),
    0,
  );
  return verdictOn(Math.round(sum * 100) / 100, null, groups, policy);
}

function groupScore(name: string, metrics: readonly Scored[]): Score['groups'][number] {
  const counted = metrics.filter((metric) => metric.label !== 'Nodata' && metric.label !== 'Error');
  const passed = counted.filter((metric) => metric.label === 'Pass').length;
  return { name, score: counted.length === 0 ? 0 : (passed / counted.length) * 100, noData: counted.length === 0 };
}

function verdictOn(score: number, reason: string | null, groups: Score['groups'], policy: ScorePolicy): Score {
  return { score, verdict: score >= policy.pass ? 'Pass' : score >= policy.marginal ? 'Marginal' : 'Fail', reason, groups };
}
