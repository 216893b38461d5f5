import type { Estimate } from '../sample.ts';
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

/** Error rate with its interval; null without requests. */
export function errorEstimate(totals: Totals): Estimate | null {
  const { requests, errors } = totals;
  if (!(requests > 0)) return null;
  const [low, high] = shareInterval(errors, requests, SHOWN);
  return { value: errors / requests, low, high, requests };
}

/** Latency quantile in ms with its interval; null without answers. Resolution: 10 %. */
export function quantileEstimate(totals: Totals, quantile: number): Estimate | null {
  const requests = totals.latency.sum;
  if (!(requests > 0)) return null;
  const time = quantile * (1 - quantile) * requests;
  const above = betaBinomialBound(time, quantile, 1 - quantile, SHOWN) / requests;
  const below = betaBinomialBound(time, 1 - quantile, quantile, SHOWN) / requests;
  const levels = [Math.max(0, quantile - below), quantile, Math.min(1, quantile + above)];
  const [low = 0, value = 0, high = 0] = indexesAt(totals.latency, levels).map((index) => upperEdgeMs(index * COARSE));
  return { value, low, high, requests };
}
