import { addCounts, errorRateOf, NOTHING_COUNTED } from './arms.ts';
import { bucketOf, quantileMs } from './histogram.ts';
import { formatValue } from './measure.ts';
import type { Measure } from './policy.ts';
import type { ArmCounts, Sample } from './sample.ts';

/** A stretch is closed once it has so many looks, and so many requests of the candidate. */
const STRETCH_LOOKS = 3;
const STRETCH_REQUESTS = 50;
/** Log of the chance at which a stretch is worse than its limit by more than luck. */
const BEYOND_LUCK = Math.log(1e4);

/** Counts of both over the same time. */
interface Stretch {
  readonly candidate: ArmCounts;
  readonly baseline: ArmCounts;
  readonly looks: number;
}

/** How things are now: the newest look, the looks since the last stretch was closed, and that stretch. Plain JSON. */
export interface Recent {
  readonly newest: Stretch;
  readonly open: Stretch;
  readonly closed: Stretch;
}

const EMPTY: Stretch = { candidate: NOTHING_COUNTED, baseline: NOTHING_COUNTED, looks: 0 };
export const NOTHING_RECENT: Recent = { newest: EMPTY, open: EMPTY, closed: EMPTY };

export function recentAfter(recent: Recent, { candidate, baseline }: Pick<Sample, 'candidate' | 'baseline'>): Recent {
  const newest: Stretch = { candidate: candidate ?? NOTHING_COUNTED, baseline: baseline ?? NOTHING_COUNTED, looks: 1 };
  const isFull = recent.open.looks >= STRETCH_LOOKS && recent.open.candidate.requests >= STRETCH_REQUESTS;
  return isFull ? { newest, open: newest, closed: recent.open } : { newest, open: together(recent.open, newest), closed: recent.closed };
}

function together(a: Stretch, b: Stretch): Stretch {
  return { candidate: addCounts(a.candidate, b.candidate), baseline: addCounts(a.baseline, b.baseline), looks: a.looks + b.looks };
}

/** The newest look, the newest stretch, and that one with what came before it. */
export function stretchesOf({ newest, open, closed }: Recent): readonly Stretch[] {
  return [newest, open, together(closed, open)];
}

/** What a value may at most be, given the old version's over the same time (null: it had none); null: there is no limit. */
export type LimitOf = (baseline: number | null, requests: number) => number | null;

/**
 * Why the candidate is not well at present, whatever it was before; null: it may be. The newest look, the newest stretch and
 * the one with what came before it are each held against the limit, and have to be worse than it by more than luck.
 */
export function badLately(name: string, measure: Measure, recent: Recent, limitOf: LimitOf): string | null {
  const stretches = stretchesOf(recent);
  const wide = stretches.at(-1) ?? recent.open;
  for (const stretch of stretches) {
    // Beside a handful of its requests, the old version's value is that of the wider stretch.
    const beside = stretch.baseline.requests >= STRETCH_REQUESTS ? stretch.baseline : wide.baseline;
    const limit = limitOf(valueIn(measure, beside), beside.requests);
    if (limit === null || !isBeyond(measure, stretch.candidate, limit)) continue;
    const value = formatValue(measure, valueIn(measure, stretch.candidate));
    return `${name} is bad in what came last: ${value} in the newest ${stretch.candidate.requests} requests of the new version (limit ${formatValue(measure, limit)})`;
  }
  return null;
}

function valueIn(measure: Measure, counts: ArmCounts): number | null {
  return measure.kind === 'errorRate' ? errorRateOf(counts) : quantileMs(counts.latency, measure.quantile);
}

/** Whether more requests are beyond the limit than luck explains, were the true value at the limit (Chernoff's bound). */
function isBeyond(measure: Measure, counts: ArmCounts, limit: number): boolean {
  if (measure.kind === 'errorRate') return logOdds(counts.errors, counts.requests, limit) > BEYOND_LUCK;
  const edge = bucketOf(limit);
  let [above, all] = [0, 0];
  for (const [bucket, count] of Object.entries(counts.latency)) {
    all += count;
    if (Number(bucket) > edge) above += count;
  }
  return logOdds(above, all, 1 - measure.quantile) > BEYOND_LUCK;
}

/** n × KL(k/n ‖ p): the chance of k or more in n at p is at most e to minus this. 0 where k is no more than is to be expected. */
function logOdds(k: number, n: number, p: number): number {
  if (n <= 0 || k <= n * p) return 0;
  const share = Math.min(1, k / n);
  const rest = share === 1 ? 0 : (1 - share) * Math.log((1 - share) / (1 - p));
  return n * (share * Math.log(share / p) + rest);
}
