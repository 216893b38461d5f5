import { BUCKET_LN, total } from './histogram.ts';
import type { ArmCounts, ArmName, Restart, Sample } from './sample.ts';
import { logSplitE } from './sequential/traffic.ts';

/** Requests from which the latencies of a look, or of some looks together, are compared with them. */
const COMPARED = 20;
/** Latencies by request within which the two agree; a few more or less may be under way between the two counters. */
const FEWEST_TIMED = 0.75;
const MOST_TIMED = 4 / 3;
const UNDER_WAY = 10;
/** Restarts within one bake that are still restarts: from more on, several sources answer in turn, or nothing stays up. */
const RESTARTS_TOLERATED = 1;
/** How many times what is usual a look may have after a restart. */
const MOST_AT_RESTART = 5;
/** How many times what is usual, and what the other version has meanwhile, is no traffic any more, but another counter. */
const MOST_AT_ONCE = 50;
/** Evidence at which requests are split otherwise than was asked. */
const SPLIT_NEEDED = Math.log(1e4);
/** Share that the past keeps at each look, of how things are at present, and requests from which there is enough of it. */
const LATELY_KEPT = 0.8;
const LATELY_ENOUGH = 50;
/** Share of errors of the old version from which nothing can be compared with it. */
const FAILING = 0.5;
/** How many times faster than the old version is no version any more, but another unit, and that in buckets. */
const MOST_FASTER = 20;
const MOST_FASTER_BUCKETS = Math.log(MOST_FASTER) / BUCKET_LN;

/** Requests beside the latencies counted of them. */
export interface Timed {
  readonly requests: number;
  readonly errors: number;
  readonly timed: number;
}

export const NO_TIMED: Timed = { requests: 0, errors: 0, timed: 0 };

export function whose(arm: ArmName): string {
  return arm === 'candidate' ? 'the new version' : 'the old version';
}

export function timedOf({ requests, errors, latency }: ArmCounts): Timed {
  return { requests, errors, timed: total(latency) };
}

export function addTimed(a: Timed, b: Timed): Timed {
  return { requests: a.requests + b.requests, errors: a.errors + b.errors, timed: a.timed + b.timed };
}

/** There are requests enough to compare their latencies with. */
export function isComparable({ requests }: Timed): boolean {
  return requests >= COMPARED;
}

/** Why there are more latencies than these requests can have had; null: there are not. */
export function tooManyTimed(arm: ArmName, counts: Timed): string | null {
  return counts.timed > counts.requests * MOST_TIMED + UNDER_WAY ? differ(arm, counts) : null;
}

/**
 * Why there are too few latencies of these requests to speak for all of them; null: there are enough, or too few requests
 * to tell. Not a single one is no contradiction: that stream is dark.
 */
export function tooFewTimed(arm: ArmName, counts: Timed): string | null {
  const { requests, errors, timed } = counts;
  // A request that failed may have no latency, because the version was gone before there was an answer.
  const isTooFew = isComparable(counts) && timed > 0 && timed < (requests - errors) * FEWEST_TIMED - UNDER_WAY / 2;
  return isTooFew ? differ(arm, counts) : null;
}

function differ(arm: ArmName, { requests, timed }: Timed): string {
  return `the counters of ${whose(arm)} contradict one another: ${timed} latencies of ${requests} requests`;
}

/** What the counters of one arm have done beside growing. */
export interface Restarts {
  readonly count: number;
  /** The newest: what the counter of requests was before, and what it has come to since. */
  readonly newest: Restart | null;
}

export const NO_RESTARTS: Restarts = { count: 0, newest: null };

export function restartsAfter(restarts: Restarts | undefined, sample: Sample, arm: ArmName): Restarts | undefined {
  const restart = sample.restarted?.[arm];
  if (restart !== undefined) return { count: (restarts?.count ?? 0) + 1, newest: restart };
  if (restarts?.newest === null || restarts?.newest === undefined) return restarts;
  const { newest } = restarts;
  return { ...restarts, newest: { ...newest, after: newest.after + (sample[arm]?.requests ?? 0) } };
}

/**
 * Why a look is no look at one set of counters; null: it may be. `usual`: requests that a look as long usually has, null
 * while that is not known. An instance that starts again counts from zero, and so is small for a while; sources that take
 * turns (instances behind a balancer) jump back to what they were.
 */
export function restartFault(restarts: Restarts, sample: Sample, arm: ArmName, usual: number | null): string | null {
  const requests = sample[arm]?.requests ?? 0;
  const restart = sample.restarted?.[arm];
  if (restart === undefined) {
    return isBackAtOnce(restarts.newest, requests)
      ? `the counters of ${whose(arm)} went down and came back to what they had been: they come from sources that take turns, such as instances behind a balancer`
      : null;
  }
  if (restart.after >= restart.before)
    return `some counters of ${whose(arm)} went down while others went up, so they are not of one source`;
  if (restarts.count >= RESTARTS_TOLERATED)
    return `the counters of ${whose(arm)} began again ${restarts.count + 1} times in one bake: they come from several sources, or from an instance that does not stay up`;
  if (usual !== null && requests > MOST_AT_RESTART * usual + COMPARED)
    return `the counters of ${whose(arm)} began again and yet have ${requests} requests at once, where about ${Math.round(usual)} are usual`;
  return null;
}

/** Why one version cannot have had so many requests in a look, while the other was `busyness` times as busy as usual; null: it can. */
export function surgeFault(arm: ArmName, requests: number, usual: number | null, busyness: number): string | null {
  if (usual === null || requests <= MOST_AT_ONCE * usual * busyness + 10 * COMPARED) return null;
  return `the counters of ${whose(arm)} rose by ${requests} requests at once, where about ${Math.round(usual)} are usual: they come from another source than before`;
}

/**
 * Why the counters of the two versions have changed places; null: they have not. The one that was higher falls to where the
 * other was, which rises by as much.
 */
export function swapFault(sample: Sample, arm: ArmName, usual: number | null): string | null {
  const fallen = sample.restarted?.[arm === 'candidate' ? 'baseline' : 'candidate'];
  const rise = sample[arm]?.requests ?? 0;
  if (fallen === undefined || fallen.after >= fallen.before || usual === null) return null;
  if (rise < fallen.before - fallen.after || rise <= MOST_AT_RESTART * usual + COMPARED) return null;
  return `the counters of ${whose(arm)} rose by ${rise} requests at once while those of the other fell from ${fallen.before} to ${fallen.after}: they have changed places`;
}

/** From below where it was before to above it in one look, and most of the way. */
function isBackAtOnce(restart: Restart | null, requests: number): boolean {
  if (restart === null || restart.after >= restart.before || requests <= UNDER_WAY) return false;
  return restart.after + requests >= restart.before && requests > (restart.before - restart.after) / 2;
}

/** Why these requests are not split as was asked; null: they may be. Sticky users make it differ by up to a factor of two. */
export function splitFault(share: number | null, candidate: number, baseline: number): string | null {
  if (share === null || share <= 0 || share >= 1 || candidate + baseline === 0) return null;
  const seen = candidate / (candidate + baseline);
  if (seen >= share / 2 && seen <= (share + 1) / 2 && seen <= share * 2) return null;
  if (logSplitE(share, candidate, baseline) < SPLIT_NEEDED) return null;
  const percent = (part: number) => `${Number((100 * part).toPrecision(3))} %`;
  return `the new version lately got ${percent(seen)} of the requests where ${percent(share)} was asked, so the two do not serve the same traffic`;
}

/**
 * What one version had lately, older looks counting less: requests, the share of them that failed, latencies by request, and the
 * mean of their buckets, which is one on the scale of logarithms. A list, because it is stored with every look.
 */
export type Lately = readonly [requests: number, failed: number, timed: number, bucket: number];

export const NO_LATELY: Lately = [0, 0, 0, 0];

export function latelyAfter([requests, failed, timed, bucket]: Lately, counts: ArmCounts | null): Lately {
  if (counts === null) return [digits(requests * keptOf(requests)), failed, timed, bucket];
  let [more, buckets] = [0, 0];
  for (const [its, count] of Object.entries(counts.latency)) {
    more += count;
    buckets += Number(its) * count;
  }
  const past = requests * keptOf(requests);
  const all = past + counts.requests;
  const allTimed = past * timed + more;
  if (all === 0) return NO_LATELY;
  return [
    digits(all),
    digits((past * failed + counts.errors) / all),
    digits(allTimed / all),
    allTimed === 0 ? 0 : digits((past * timed * bucket + buckets) / allTimed),
  ];
}

function keptOf(requests: number): number {
  return requests < LATELY_ENOUGH ? 1 : LATELY_KEPT;
}

/** Enough of them for what is told by these numbers. */
function digits(value: number): number {
  return Number(value.toPrecision(5));
}

/** Why nothing can be compared with an old version that hardly answers any more; null: it answers. */
export function failingFault([requests, failed]: Lately): string | null {
  if (failed * requests < COMPARED || failed < FAILING) return null;
  return `the old version itself fails: about ${Math.round(100 * failed)} % of what it was lately asked, so nothing can be compared with it`;
}

/** Why the latencies of the two versions are not of one unit; null: they may be. */
export function tempoFault([mine, , timed, bucket]: Lately, [theirs, , theirTimed, theirBucket]: Lately): string | null {
  if (mine * timed < COMPARED || theirs * theirTimed < COMPARED) return null;
  const faster = theirBucket - bucket;
  if (faster <= MOST_FASTER_BUCKETS) return null;
  return `the new version answers ${Math.round(Math.exp(faster * BUCKET_LN))} times as fast as the old one: that is another unit, or another kind of answers, until a person says that it is not`;
}
