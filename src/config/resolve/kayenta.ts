import type { ComparedMetric, KayentaPolicy } from '../../core/analysis/policy.ts';
import { DEFAULTS } from '../schema/defaults.ts';
import type { Mistake } from '../validate/problems.ts';
import type { AppConfig } from '../schema/workspace.ts';
import { defined, parseMeasure } from '../schema/values.ts';

type Analysis = Exclude<AppConfig['analysis'], false | string | undefined>;
type Metric = NonNullable<Analysis['metrics']>[number];
type Place = (...keys: PropertyKey[]) => PropertyKey[];

const D = DEFAULTS.kayenta;

/** What of a policy only the Kayenta judge has. */
export function kayentaOf(analysis: Analysis): Pick<KayentaPolicy, 'metrics' | 'scores' | 'groupWeights' | 'minPoints' | 'maxPoints'> {
  return {
    metrics: (analysis.metrics ?? D.metrics).map(metricOf),
    scores: { ...D.scores, ...defined(analysis.scores) },
    groupWeights: analysis.groupWeights ?? {},
    minPoints: analysis.minPoints ?? D.minPoints,
    maxPoints: analysis.maxPoints ?? Math.max(D.maxPoints, analysis.minPoints ?? 0),
  };
}

function metricOf(metric: Metric): ComparedMetric {
  const measure = parseMeasure(metric.measure);
  if (measure === null) throw new TypeError(`unchecked measure ${metric.measure}`);
  const { direction, group, critical, mustHaveData, outliers } = { ...D.metric, ...defined(metric) };
  return {
    name: metric.name ?? metric.measure,
    measure,
    direction,
    group,
    critical,
    mustHaveData,
    effect: effectOf(metric.effectSize),
    outliers,
    minRequests: metric.minRequests ?? DEFAULTS.metric.minRequests,
    dryRun: metric.dryRun ?? DEFAULTS.metric.dryRun,
  };
}

/** What no effect at all is: a ratio of one, or the new version higher in half of all pairs. */
const NO_EFFECT = { meanRatio: 1, cles: 0.5 } as const;

function effectOf(said: Metric['effectSize']): ComparedMetric['effect'] {
  const measure = said?.measure ?? D.metric.effectSize;
  const none = NO_EFFECT[measure];
  const { allowedIncrease, allowedDecrease } = { allowedIncrease: none, allowedDecrease: none, ...defined(said) };
  return {
    criticalIncrease: allowedIncrease,
    criticalDecrease: allowedDecrease,
    ...defined(said),
    measure,
    allowedIncrease,
    allowedDecrease,
  };
}

/** Mistakes in what only the Kayenta judge reads; `place` makes paths inside the analysis. */
export function checkKayenta(analysis: Analysis, place: Place): Mistake[] {
  const { scores, minPoints, maxPoints } = kayentaOf({ ...analysis, metrics: undefined });
  const found = (analysis.metrics ?? []).flatMap((metric, i) =>
    checkEffect(metric.effectSize, (key) => place('metrics', i, 'effectSize', key)),
  );
  if (scores.marginal > scores.pass)
    found.push({
      path: place('scores', 'marginal'),
      message: `found ${scores.marginal}, above the ${scores.pass} that passes; needed: at most that.`,
    });
  if (maxPoints < minPoints)
    found.push({
      path: place('maxPoints'),
      message: `found ${maxPoints}, but nothing is said on fewer than the ${minPoints} of minPoints.`,
    });
  return [...found, ...checkWeights(analysis, place)];
}

function checkEffect(effect: Metric['effectSize'], place: (key: string) => PropertyKey[]): Mistake[] {
  const none = NO_EFFECT[effect?.measure ?? D.metric.effectSize];
  const such = none === 1 ? '1.1 allows 10 % more, 0.9 allows 10 % less' : '0.5 is no difference, 1 is every pair';
  const checks = [
    ['allowedIncrease', (value: number) => value >= none, `from ${none} on`],
    ['criticalIncrease', (value: number) => value >= none, `from ${none} on`],
    ['allowedDecrease', (value: number) => value <= none, `up to ${none}`],
    ['criticalDecrease', (value: number) => value <= none, `up to ${none}`],
  ] as const;
  return checks.flatMap(([key, isAllowed, allowed]): Mistake[] => {
    const value = effect?.[key];
    return value === undefined || isAllowed(value) ? [] : [{ path: place(key), message: `found ${value}; allowed: ${allowed} (${such}).` }];
  });
}

function checkWeights({ metrics, groupWeights }: Analysis, place: Place): Mistake[] {
  if (groupWeights === undefined) return [];
  const groups = new Set((metrics ?? D.metrics).map((metric) => ('group' in metric ? metric.group : undefined) ?? D.metric.group));
  const known = [...groups].join(', ');
  const strange = Object.keys(groupWeights).filter((group) => !groups.has(group));
  if (strange.length > 0)
    return strange.map((group) => ({ path: place('groupWeights', group), message: `no metric is of group "${group}"; groups: ${known}.` }));
  const sum = Object.values(groupWeights).reduce((total, weight) => total + weight, 0);
  const isWhole = Object.keys(groupWeights).length === groups.size;
  if (isWhole ? Math.abs(sum - 100) < 1e-9 : sum <= 100) return [];
  const needed = isWhole ? '100 in all' : 'at most 100 in all';
  return [{ path: place('groupWeights'), message: `found ${sum} in all; needed: ${needed}, they are per cent of the score.` }];
}

/** Why a bake of this length could never pass, or null. */
export function tooFewPoints(policy: KayentaPolicy, bakeMs: number): string | null {
  const points = Math.floor((bakeMs - policy.initialDelayMs) / policy.intervalMs);
  if (points >= policy.minPoints) return null;
  return `brings ${points < 0 ? 0 : points} points at one each ${policy.intervalMs / 1000} s, and nothing passes on fewer than ${policy.minPoints}. Make it longer, or analysis.interval or analysis.minPoints smaller.`;
}
