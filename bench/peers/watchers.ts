import { addCounts, NOTHING_COUNTED } from '../../src/core/analysis/arms.ts';
import { MAX_BUCKET, quantileMs, upperEdgeMs, type Histogram } from '../../src/core/analysis/histogram.ts';
import { judgeFor } from '../../src/core/analysis/judge.ts';
import { judgeKayenta, KAYENTA_METRIC } from '../../src/core/analysis/kayenta.ts';
import type { AnalysisPolicy, MetricPolicy, ThresholdPolicy } from '../../src/core/analysis/policy.ts';
import type { Arms, ArmCounts } from '../../src/core/analysis/sample.ts';
import type { AnalysisSetting } from '../../src/core/analysis/sequential/state.ts';
import { logSplitE } from '../../src/core/analysis/sequential/traffic.ts';
import { distributionBound } from './boundaries.ts';
import { proportion, relativeLift, sequentialHalfwidth, type Moments } from './growthbook.ts';

/**
 * A judge at work on one bake: looks once a second and says when it fails the candidate. Those of other
 * projects are adaptations of their published algorithms to the same stream, in our configuration.
 */
export interface Watcher {
  readonly name: string;
  readonly start: () => (second: number, arms: Arms) => boolean;
}

interface Pair {
  candidate: ArmCounts;
  baseline: ArmCounts;
}

const nothing = (): Pair => ({ candidate: NOTHING_COUNTED, baseline: NOTHING_COUNTED });
const together = (a: Pair, arms: Arms): Pair => ({
  candidate: addCounts(a.candidate, arms.candidate ?? NOTHING_COUNTED),
  baseline: addCounts(a.baseline, arms.baseline ?? NOTHING_COUNTED),
});

/** One of our own judges, looking every `every` seconds. */
export function ours(name: string, policy: AnalysisPolicy, setting: AnalysisSetting, every: number): Watcher {
  return {
    name,
    start: () => {
      const judge = judgeFor(policy, setting);
      let state = judge.start(policy, 0);
      let block = nothing();
      return (second, arms) => {
        block = together(block, arms);
        const end = second + 1;
        if (end % every !== 0) return false;
        state = judge.observe(policy, state, { fromAt: (end - every) * 1000, at: end * 1000, ...block, error: null });
        block = nothing();
        const decided = state.judge === 'sequential' ? state.decided?.phase : judge.verdict(policy, state, end * 1000).phase;
        return decided === 'Failed';
      };
    },
  };
}

/** Measurements against limits every minute: Argo Rollouts (`failureLimit`) and Flagger (`threshold`, cumulative failed checks). */
export function limits(name: string, failureLimit: number): Watcher {
  const metric: MetricPolicy = {
    name: 'errors',
    measure: { kind: 'errorRate' },
    success: { compare: '<', value: 0.01, of: 'candidate' },
    failure: null,
    failureLimit,
    inconclusiveLimit: -1,
    consecutiveErrorLimit: 4,
    consecutiveSuccessLimit: 0,
    minRequests: 1,
    dryRun: false,
  };
  const latency: MetricPolicy = {
    ...metric,
    name: 'p95',
    measure: { kind: 'latency', quantile: 0.95 },
    success: { compare: '<=', value: 1.1, of: 'ratio' },
  };
  const policy: ThresholdPolicy = {
    judge: 'threshold',
    intervalMs: 60_000,
    initialDelayMs: 0,
    noData: 'inconclusive',
    minRequests: 1,
    metrics: [metric, latency],
  };
  return ours(name, policy, { share: null, bakeMs: null, bakes: 1 }, 60);
}

/** Kayenta: points of `pointSeconds`, all metrics critical and bad when higher, judged every `judgeSeconds` on all points so far. */
export function kayenta(name: string, pointSeconds: number, judgeSeconds: number): Watcher {
  const values: readonly ((counts: ArmCounts) => number)[] = [
    (counts) => counts.errors / counts.requests,
    ...[0.5, 0.95, 0.99].map((quantile) => (counts: ArmCounts) => quantileMs(counts.latency, quantile) ?? Number.NaN),
  ];
  return {
    name,
    start: () => {
      const points = values.map(() => ({ control: [] as number[], experiment: [] as number[] }));
      let block = nothing();
      return (second, arms) => {
        block = together(block, arms);
        if ((second + 1) % pointSeconds === 0) {
          for (const [i, value] of values.entries()) {
            points[i]?.control.push(value(block.baseline));
            points[i]?.experiment.push(value(block.candidate));
          }
          block = nothing();
        }
        if ((second + 1) % judgeSeconds !== 0) return false;
        const metrics = points.map((point, i) => ({
          ...KAYENTA_METRIC,
          ...point,
          name: `m${i}`,
          direction: 'increase' as const,
          critical: true,
        }));
        return judgeKayenta(metrics, { pass: 95, marginal: 75, weights: {} }).verdict === 'Fail';
      };
    },
  };
}

const ALPHA = 0.01;
const MARGIN = 0.1;

/** GrowthBook's sequential intervals for error rate and mean latency, at the same risk in all and with our margin. */
export function growthbook(name: string): Watcher {
  return {
    name,
    start: () => {
      let errors = { candidate: proportion(0, 0), baseline: proportion(0, 0) };
      let latency = { candidate: proportion(0, 0), baseline: proportion(0, 0) };
      const isWorse = ({ candidate, baseline }: { candidate: Moments; baseline: Moments }, isProportion: boolean) => {
        if (candidate.sum <= 0 || baseline.sum <= 0 || candidate.n < 2) return false;
        const { lift, se } = relativeLift(baseline, candidate, isProportion);
        return lift - sequentialHalfwidth(se, candidate.n + baseline.n, ALPHA / 2, 5000, true) > MARGIN;
      };
      return (_, arms) => {
        errors = { candidate: plus(errors.candidate, errorsOf(arms.candidate)), baseline: plus(errors.baseline, errorsOf(arms.baseline)) };
        latency = {
          candidate: plus(latency.candidate, latencyOf(arms.candidate)),
          baseline: plus(latency.baseline, latencyOf(arms.baseline)),
        };
        return isWorse(errors, true) || isWorse(latency, false);
      };
    },
  };
}

function plus(a: Moments, b: Moments): Moments {
  return { n: a.n + b.n, sum: a.sum + b.sum, squares: a.squares + b.squares };
}

function errorsOf(counts: ArmCounts | null): Moments {
  return proportion(counts?.errors ?? 0, counts?.requests ?? 0);
}

function latencyOf(counts: ArmCounts | null): Moments {
  let [n, sum, squares] = [0, 0, 0];
  for (const [bucket, count] of Object.entries(counts?.latency ?? {})) {
    const ms = upperEdgeMs(Number(bucket));
    n += count;
    sum += count * ms;
    squares += count * ms * ms;
  }
  return { n, sum, squares };
}

/**
 * In the style of Netflix's papers of 2022: errors by a sequential test that they split between the arms as
 * requests do (multinomial counts), latency by time-uniform bands around both distributions.
 */
export function netflix(name: string): Watcher {
  const band = distributionBound(ALPHA / 4, 100);
  return {
    name,
    start: () => {
      let total = nothing();
      return (_, arms) => {
        total = together(total, arms);
        const { candidate, baseline } = total;
        if (candidate.requests === 0 || baseline.requests === 0) return false;
        const share = candidate.requests / (candidate.requests + baseline.requests);
        const isHigher = candidate.errors / candidate.requests > baseline.errors / baseline.requests;
        if (isHigher && logSplitE(share, candidate.errors, baseline.errors, 20) >= Math.log(2 / ALPHA)) return true;
        return gap(baseline.latency, candidate.latency) > band(candidate.requests) + band(baseline.requests);
      };
    },
  };
}

/** Largest excess of the first distribution function over the second. */
function gap(fast: Histogram, slow: Histogram): number {
  const totals = [fast, slow].map((histogram) => Object.values(histogram).reduce((sum, count) => sum + count, 0));
  let [a, b, most] = [0, 0, 0];
  for (let bucket = 0; bucket <= MAX_BUCKET; bucket++) {
    a += (fast[bucket] ?? 0) / (totals[0] ?? 1);
    b += (slow[bucket] ?? 0) / (totals[1] ?? 1);
    most = Math.max(most, a - b);
  }
  return most;
}
