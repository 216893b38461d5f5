import type { ArmRead } from '../arms.ts';
import { addToClasses, NO_CLASSES, type ClassTotals } from '../classes.ts';
import { addWithin, NO_BUCKETS, shrink, type Buckets } from './buckets.ts';

/** Time in which what was seen loses half its say, ms. */
const HALF_LIFE_MS = 120_000;
/** Decay is applied in steps of this, so that rounding down costs next to nothing. */
const DECAY_STEP_MS = 10_000;
/** Latency counts are kept in 64ths of a request… */
const UNIT = 64;
/** …and all of them together below this, which keeps the state small whatever the traffic. */
const MOST_UNITS = 2 ** 20;
/** Requests of the baseline without which it cannot be predicted. */
export const LEAST_HISTORY = 50;

/**
 * What the old version has been like until now: the guess that the next block's alternatives are built on.
 * It only ever holds blocks already judged, so a wrong guess costs power and never validity.
 */
export interface Baseline {
  /** Until when decay has been applied; null before the first block. */
  readonly decayedAt: number | null;
  readonly requests: number;
  readonly errors: number;
  readonly latency: Buckets;
  /** Left out by a version that did not tell classes. */
  readonly classes?: ClassTotals;
}

export const UNKNOWN_BASELINE: Baseline = { decayedAt: null, requests: 0, errors: 0, latency: NO_BUCKETS };

/** The baseline after one more block that ended at `at`. `grain`: fine buckets per latency bucket kept. */
export function learn(baseline: Baseline, at: number, block: ArmRead, grain: number): Baseline {
  const { requests, errors, latency, decayedAt, classes } = decayed(baseline, at);
  return {
    decayedAt,
    requests: requests + block.requests,
    errors: errors + block.errors,
    latency: addWithin(latency, block.latency, grain, UNIT, MOST_UNITS),
    ...(classes === undefined && block.classes === null ? {} : { classes: addToClasses(classes ?? NO_CLASSES, block) }),
  };
}

function decayed(baseline: Baseline, at: number): Baseline {
  const since = baseline.decayedAt ?? at;
  const steps = Math.floor((at - since) / DECAY_STEP_MS);
  if (steps <= 0) return { ...baseline, decayedAt: since };
  const factor = 2 ** (-(steps * DECAY_STEP_MS) / HALF_LIFE_MS);
  return {
    decayedAt: since + steps * DECAY_STEP_MS,
    requests: baseline.requests * factor,
    errors: baseline.errors * factor,
    latency: shrink(baseline.latency, factor),
    ...(baseline.classes === undefined
      ? {}
      : { classes: { n: baseline.classes.n * factor, of: baseline.classes.of.map((count) => count * factor) } }),
  };
}

/** Predicted share of errors, never 0 or 1; null while too little is known. */
export function predictedErrorRate(baseline: Baseline): number | null {
  return baseline.requests < LEAST_HISTORY ? null : (baseline.errors + 0.5) / (baseline.requests + 1);
}

/** Whether enough latencies are known to place edges by them. */
export function knowsLatency(baseline: Baseline): boolean {
  return baseline.latency.sum >= LEAST_HISTORY * UNIT;
}

/** Counts kept, in requests. */
export function inRequests(units: number): number {
  return units / UNIT;
}
