import type { Sample } from './sample.ts';

/** The most that a source's clock may differ from the control plane's and still be taken for a clock, ms. */
const MOST_SKEW_MS = 300_000;
/** A look this many intervals long, and this long, may be one whose clock was wrong. */
const LONG_LOOKS = 3;
const LONG_MS = 30_000;

/** What is known of the clock that the looks of an analysis are told by. */
export interface SampleClock {
  /** By how much it was ahead of the control plane's at the first look, ms; null before it. */
  readonly aheadMs: number | null;
  /** The newest look that counted, where it was longer than looks are; left out: it was not. */
  readonly long?: { readonly fromAt: number; readonly at: number };
  /** Looks whose time was found to be wrong by those after them; left out: none. */
  readonly odd?: number;
}

export const NO_CLOCK: SampleClock = { aheadMs: null };

/** The clock of the next bake of a rollout: one that has fallen behind since is late with its numbers, and no other clock. */
export function carryClock({ aheadMs }: SampleClock): SampleClock {
  return { aheadMs };
}

/** The clock after a look that counts. The first one begins as the analysis does, if the two clocks are the same. */
export function clockAfter(clock: SampleClock, { fromAt, at }: Sample, startedAt: number, intervalMs: number): SampleClock {
  const ahead = fromAt - startedAt;
  const aheadMs = clock.aheadMs ?? (Math.abs(ahead) <= MOST_SKEW_MS ? ahead : 0);
  const isLong = at - fromAt > Math.max(LONG_MS, LONG_LOOKS * intervalMs);
  return { aheadMs, ...(isLong ? { long: { fromAt, at } } : {}), ...(clock.odd === undefined ? {} : { odd: clock.odd }) };
}

/** The clock after a look that ended before the analysis began: its source's clock is behind, if it was the first. */
export function clockBehind(clock: SampleClock, { fromAt, at }: Sample, startedAt: number): SampleClock {
  const isBehind = clock.aheadMs === null && at <= startedAt && at > fromAt && startedAt - fromAt <= MOST_SKEW_MS;
  return isBehind ? { ...clock, aheadMs: fromAt - startedAt } : clock;
}

/**
 * A look that lies within the one before, which was longer than looks are: that one's clock was wrong (an hour ahead, say),
 * for no two looks cover the same time. What it counted stays counted once; time goes on from here.
 */
export function isWithinOddLook({ long }: SampleClock, { fromAt, at }: Sample): boolean {
  return long !== undefined && at > fromAt && fromAt >= long.fromAt && at < long.at;
}

/** `now` by the clock of the looks, where that fits them better than the control plane's. */
export function nowOf({ aheadMs }: SampleClock, newestDataAt: number | null, now: number): number {
  if (aheadMs === null || newestDataAt === null) return now;
  const aligned = now + aheadMs;
  return Math.abs(aligned - newestDataAt) < Math.abs(now - newestDataAt) ? aligned : now;
}
