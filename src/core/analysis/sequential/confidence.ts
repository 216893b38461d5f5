import type { Effect, Estimate } from '../sample.ts';
import { upperEdgeMs } from '../histogram.ts';
import { bisect, logBeta } from './numbers.ts';
import { indexesAt } from './buckets.ts';
import { COARSE, type Totals } from './state.ts';

/** Number of requests at which the intervals are tightest. */
const TUNED_FOR = 1000;
const ALPHA = 0.05;

/** Scale of the mixture that makes a boundary tightest at intrinsic time `v` (Howard, Ramdas, McAuliffe, Sekhon 2021). */
function bestRho(v: number, alpha: number): number {
  return v / (2 * Math.log(1 / alpha) + Math.log(1 + 2 * Math.log(1 / alpha)));
}

/**
 * Log of the two-sided beta-binomial mixture supermartingale for a sum `s` of centred indicators with
 * intrinsic time `v`, each step between -g and h.
 */
export function logBetaBinomial(s: number, v: number, tunedFor: number, g: number, h: number, alpha: number = ALPHA): number {
  const r = Math.max(bestRho(tunedFor, alpha) - g * h, 1e-3 * g * h);
  const up = (r + v - g * s) / (g * (g + h));
  const down = (r + v + h * s) / (h * (g + h));
  return (
    (v / (g * h)) * Math.log(g + h) -
    ((v + h * s) / (h * (g + h))) * Math.log(g) -
    ((v - g * s) / (g * (g + h))) * Math.log(h) +
    logBeta(up, down) -
    logBeta(r / (g * (g + h)), r / (h * (g + h)))
  );
}

/** How a boundary is set: where it is tightest, and how exactly its roots are found. */
export interface Tuning {
  /** Risk of the boundary. */
  readonly alpha?: number;
  /** Intrinsic time (or trials, for a share) and risk at which it is tightest. */
  readonly tunedFor?: number;
  readonly tunedAlpha?: number;
  /** Relative; 0: to the last digits. */
  readonly precision?: number;
}

/** Bound that the sum stays below at all times with probability 1 - alpha. */
export function betaBinomialBound(v: number, g: number, h: number, tuning: Tuning = {}): number {
  const { alpha = ALPHA, tunedFor = TUNED_FOR * g * h, tunedAlpha = ALPHA, precision = 0 } = tuning;
  const excess = (s: number) => logBetaBinomial(s, v, tunedFor, g, h, tunedAlpha) + Math.log(alpha);
  const most = v / g;
  return excess(most) < 0 ? most : bisect(excess, 0, most, precision);
}

/** Interval around a share that holds at every number of trials at once. */
export function shareInterval(hits: number, trials: number, tuning: Tuning = {}): readonly [number, number] {
  const { alpha = ALPHA, tunedFor = TUNED_FOR, tunedAlpha = ALPHA, precision = 0 } = tuning;
  if (!(trials > 0)) return [0, 1];
  const seen = hits / trials;
  // At 0 and 1 the mixture does not exist: what was seen there is possible, and impossible at the other end.
  const excess = (p: number) => {
    if (p <= 0 || p >= 1) return p === seen ? -1 : 1;
    return logBetaBinomial((seen - p) * trials, p * (1 - p) * trials, p * (1 - p) * tunedFor, p, 1 - p, tunedAlpha) + Math.log(alpha);
  };
  const low = seen > 0 ? bisect(excess, 0, seen, precision) : 0;
  const high = seen < 1 ? bisect(excess, seen, 1, precision) : 1;
  return [low, high];
}

/** Exact enough for people. */
const SHOWN: Tuning = { precision: 1e-5 };

/** Of two intervals that are both to hold at once (union bound). */
const EACH_OF_TWO: Tuning = { precision: 1e-5, alpha: ALPHA / 2 };

/** Error rate with its interval; null without requests. */
export function errorEstimate({ requests, errors }: Totals, tuning: Tuning = SHOWN): Estimate | null {
  if (!(requests > 0)) return null;
  const [low, high] = shareInterval(errors, requests, tuning);
  return { value: errors / requests, low, high, requests };
}

/** Latency quantile in ms with its interval; null without answers. Resolution: 10 %. */
export function quantileEstimate(totals: Totals, quantile: number): Estimate | null {
  const [low = 0, value = 0, high = 0] = quantileBuckets(totals, quantile, SHOWN).map(upperEdge);
  return totals.latency.sum > 0 ? { value, low, high, requests: totals.latency.sum } : null;
}

/** The coarse buckets that a quantile may lie in: the first, that of the estimate, the last. None without answers. */
function quantileBuckets({ latency }: Totals, quantile: number, tuning: Tuning): number[] {
  const requests = latency.sum;
  if (!(requests > 0)) return [];
  const time = quantile * (1 - quantile) * requests;
  const above = betaBinomialBound(time, quantile, 1 - quantile, tuning) / requests;
  const below = betaBinomialBound(time, 1 - quantile, quantile, tuning) / requests;
  return indexesAt(latency, [Math.max(0, quantile - below), quantile, Math.min(1, quantile + above)]);
}

function upperEdge(bucket: number): number {
  return upperEdgeMs(bucket * COARSE);
}

/** How much more often the candidate fails; null without requests on both sides. */
export function errorDifference(candidate: Totals, baseline: Totals): Effect | null {
  const [one, other] = [errorEstimate(candidate, EACH_OF_TWO), errorEstimate(baseline, EACH_OF_TWO)];
  if (one === null || other === null) return null;
  return { kind: 'difference', value: one.value - other.value, low: one.low - other.high, high: one.high - other.low };
}

/** How many times as long the candidate takes at a quantile; null without answers on both sides. Both ends count the width of their buckets. */
export function quantileRatio(candidate: Totals, baseline: Totals, quantile: number): Effect | null {
  const [low, value, high] = quantileBuckets(candidate, quantile, EACH_OF_TWO);
  const [least, usual, most] = quantileBuckets(baseline, quantile, EACH_OF_TWO);
  if (low === undefined || value === undefined || high === undefined) return null;
  if (least === undefined || usual === undefined || most === undefined) return null;
  const under = upperEdge(least - 1);
  return {
    kind: 'ratio',
    value: upperEdge(value) / upperEdge(usual),
    low: upperEdge(low - 1) / upperEdge(most),
    high: least > 0 && under > 0 ? upperEdge(high) / under : null,
  };
}
