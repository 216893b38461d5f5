import { addCounts, NOTHING_COUNTED } from '../../core/analysis/arms.ts';
import { quantileMs } from '../../core/analysis/histogram.ts';
import type { ArmCounts, Sample } from '../../core/analysis/sample.ts';

/** What one version has served in the present step. */
export interface Served extends ArmCounts {
  /** p95 of each stretch of time, ms, the newest last; null: no answers in it. */
  readonly trend: readonly (number | null)[];
}

/** Both versions of an app in the present step. */
export interface Seen {
  readonly baseline: Served;
  readonly candidate: Served;
  /** When the newest stretch of the trend began, ms since epoch. */
  readonly stretchFrom: number;
  readonly stretch: { readonly baseline: ArmCounts; readonly candidate: ArmCounts };
}

/** How many stretches a trend shows. */
const STRETCHES = 8;
/** Longest time that a trend shows, ms. */
const TREND_MS = 600_000;
const STRETCH_MS = TREND_MS / STRETCHES;

const NOTHING: Served = { ...NOTHING_COUNTED, trend: [] };

/** A step begins at this time: nothing is counted yet. */
export function startSeen(at: number): Seen {
  return { baseline: NOTHING, candidate: NOTHING, stretchFrom: at, stretch: { baseline: NOTHING_COUNTED, candidate: NOTHING_COUNTED } };
}

/** One more sample. A sample that could not be read changes nothing. */
export function withSample(seen: Seen, sample: Sample | null): Seen {
  if (sample === null || sample.error !== null) return seen;
  const isNew = sample.at - seen.stretchFrom >= STRETCH_MS;
  const lasting = (own: ArmCounts, arm: ArmCounts | null): ArmCounts => addCounts(isNew ? NOTHING_COUNTED : own, arm ?? NOTHING_COUNTED);
  const stretch = {
    baseline: lasting(seen.stretch.baseline, sample.baseline),
    candidate: lasting(seen.stretch.candidate, sample.candidate),
  };
  const kept = (trend: Served['trend']): Served['trend'] => (isNew ? trend : trend.slice(0, -1)).slice(1 - STRETCHES);
  const grown = (before: Served, arm: ArmCounts | null, own: ArmCounts): Served => ({
    ...addCounts(before, arm ?? NOTHING_COUNTED),
    trend: [...kept(before.trend), quantileMs(own.latency, 0.95)],
  });
  return {
    baseline: grown(seen.baseline, sample.baseline, stretch.baseline),
    candidate: grown(seen.candidate, sample.candidate, stretch.candidate),
    stretchFrom: isNew ? sample.at : seen.stretchFrom,
    stretch,
  };
}
