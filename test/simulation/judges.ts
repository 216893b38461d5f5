import { KAYENTA_METRIC } from '../../src/core/analysis/kayenta.ts';
import { type AnalysisPolicy, type ComparedMetric, SEQUENTIAL_DEFAULTS, type ThresholdPolicy } from '../../src/core/analysis/policy.ts';
import type { PlannedApp, Strategy } from '../../src/core/release/plan/plan.ts';
import type { Random } from './random.ts';

/** Any judge, and any thing to do where it does not know, for apps that are judged at all. */
export function judgedBy(random: Random, app: PlannedApp): PlannedApp {
  const { strategy } = app;
  if ((strategy.kind !== 'canary' && strategy.kind !== 'blueGreen') || strategy.analysis?.judge !== 'threshold') return app;
  const judged: Strategy = { ...strategy, analysis: policyOf(random, strategy.analysis) };
  return { ...app, strategy: judged };
}

function policyOf(random: Random, usual: ThresholdPolicy): AnalysisPolicy {
  const frame = {
    intervalMs: usual.intervalMs,
    initialDelayMs: random.pick([0, 0, 1_000]),
    noData: usual.noData,
    minRequests: usual.minRequests,
    ...(random.chance(0.5) ? {} : { onInconclusive: random.pick(['extend', 'rollback', 'promote'] as const) }),
    ...(random.chance(0.8) ? {} : { early: { minBakeMs: 1_500 } }),
  };
  const judge = random.next();
  if (judge < 0.5)
    return { ...usual, ...frame, metrics: usual.metrics.map((one) => ({ ...one, consecutiveSuccessLimit: random.pick([0, 2]) })) };
  const { errors } = SEQUENTIAL_DEFAULTS;
  if (judge < 0.8) return { ...SEQUENTIAL_DEFAULTS, ...frame, latency: null, errors: { ...errors, passMargin: 0.1 } };
  const metric: ComparedMetric = {
    name: 'errors',
    measure: { kind: 'errorRate' },
    direction: 'increase',
    group: 'all',
    critical: random.chance(0.5),
    mustHaveData: random.chance(0.2),
    effect: KAYENTA_METRIC.effect,
    outliers: 'keep',
    minRequests: 5,
    dryRun: false,
  };
  const scores = { pass: 95, marginal: 75 };
  return { ...frame, intervalMs: 300, judge: 'kayenta', metrics: [metric], scores, groupWeights: {}, minPoints: 5, maxPoints: 100 };
}
