import type { Looks } from '../../src/core/analysis/play.ts';
import type { Counters, Reading } from '../../src/core/analysis/reading.ts';
import { sampleBetween } from '../../src/core/analysis/from-counters.ts';
import type { ArmName } from '../../src/core/analysis/sample.ts';

type Random = () => number;

/** What a version is like at a moment. */
export interface Weather {
  /** Shares of its answers, 0…1. */
  readonly errors: number;
  readonly refused: number;
  /** How many times slower than usual it answers. */
  readonly slower: number;
}

/** What the versions really do. */
export interface Truth {
  /** Of both versions together. */
  readonly requestsPerSecond: number;
  readonly weather: (version: ArmName, at: number) => Weather;
}

/** What a source says instead of the counters that are true, which go on below it. */
export interface Lie {
  readonly from: number;
  /** `before`: the counters when it began. @throws Error where it cannot be read. */
  readonly says: (now: Reading, before: Reading, past: (at: number) => Reading) => Reading;
}

/** Shares of latencies by bucket, about 40 ms in the middle. Few buckets: some hundred of them would cost time and tell no more. */
const BUCKETS = Array.from({ length: 30 }, (_, i) => ({ bucket: 232 + 2 * i, share: Math.exp(-((i - 12) ** 2) / 60) }));
const ALL_SHARES = BUCKETS.reduce((sum, { share }) => sum + share, 0);
/** Buckets by which an answer moves that takes ten per cent longer. */
const BUCKETS_A_TENTH = 4;

/** Share of the latencies beyond a quantile of the usual ones moved by `margin`, for a version `slower` times as slow. */
export function shareBeyond(quantile: number, slower: number, margin = 1.1): number {
  let below = 0;
  let edge = 0;
  for (const { bucket, share } of BUCKETS) {
    below += share / ALL_SHARES;
    edge = bucket;
    if (below >= quantile) break;
  }
  const moved = edge + Math.log(margin) / LN_A_BUCKET;
  return BUCKETS.reduce((sum, { bucket, share }) => sum + (bucket + shiftOf(slower) > moved ? share : 0), 0) / ALL_SHARES;
}

const LN_A_BUCKET = Math.log(1.1) / BUCKETS_A_TENTH;

function shiftOf(slower: number): number {
  return Math.round(Math.log(slower) / LN_A_BUCKET);
}

/** Numbers of chance that are binomial: exact where few are expected, by the normal curve where many are. */
function binomial(random: Random, n: number, p: number): number {
  if (n <= 0 || p <= 0) return 0;
  if (p >= 1) return n;
  if (p > 0.5) return n - binomial(random, n, 1 - p);
  const spread = n * p * (1 - p);
  if (spread > 30) return Math.min(n, Math.max(0, Math.round(n * p + Math.sqrt(spread) * normal(random))));
  // Waiting times between hits are geometric.
  const perMiss = Math.log1p(-p);
  let [hits, at] = [0, Math.floor(Math.log(1 - random()) / perMiss)];
  for (; at < n; at += 1 + Math.floor(Math.log(1 - random()) / perMiss)) hits += 1;
  return hits;
}

function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function poisson(random: Random, mean: number): number {
  return binomial(random, Math.ceil(mean * 1000) + 1000, mean / (Math.ceil(mean * 1000) + 1000));
}

interface Counting {
  requests: number;
  readonly byClass: Record<string, number>;
  readonly latency: Record<string, number>;
}

/** Counters of two versions as an edge has them, by what they really do; and a source that tells them, or something else. */
export function countedTraffic(random: Random, truth: Truth, lie: Lie | null): Looks {
  const counters: Record<ArmName, Counting> = { candidate: nothing(), baseline: nothing() };
  const past: Reading[] = [];
  let [share, previous]: [number, Reading | null] = [0, null];
  let before: Reading | null = null;
  const now = (at: number): Reading => ({
    epoch: 'one',
    at,
    versions: { candidate: copied(counters.candidate), baseline: copied(counters.baseline) },
  });
  const earlier = (at: number): Reading => past.findLast((reading) => reading.at <= at) ?? (past[0] as Reading);
  const said = (at: number): Reading => {
    const reading = now(at);
    past.push(reading);
    if (lie === null || at <= lie.from || before === null) before = reading;
    return lie === null || at <= lie.from ? reading : lie.says(reading, before, earlier);
  };
  return {
    begin(at, its) {
      share = its;
      // As a collector does: a look that fails leaves the reading before it.
      previous = read(() => said(at)).reading;
    },
    look(fromAt, at) {
      for (const version of ['candidate', 'baseline'] as const) {
        const mean = (truth.requestsPerSecond * (version === 'candidate' ? share : 1 - share) * (at - fromAt)) / 1000;
        serve(random, counters[version], poisson(random, mean), truth.weather(version, fromAt));
      }
      const { reading, error } = read(() => said(at));
      const last = previous;
      previous = reading ?? previous;
      if (reading === null || last === null)
        return { fromAt, at, candidate: null, baseline: null, error: error ?? 'there is no reading yet' };
      return sampleBetween(last, reading, 'candidate', 'baseline');
    },
  };
}

function read(ask: () => Reading): { readonly reading: Reading | null; readonly error: string | null } {
  try {
    return { reading: ask(), error: null };
  } catch (error) {
    return { reading: null, error: (error as Error).message };
  }
}

function nothing(): Counting {
  return { requests: 0, byClass: {}, latency: {} };
}

function copied({ requests, byClass, latency }: Counting): Counters {
  return { requests, byClass: { ...byClass }, latency: { ...latency } };
}

function serve(random: Random, counting: Counting, requests: number, { errors, refused, slower }: Weather): void {
  const failed = binomial(random, requests, errors);
  const refusals = binomial(random, requests - failed, refused);
  counting.requests += requests;
  add(counting.byClass, '5xx', failed);
  add(counting.byClass, '4xx', refusals);
  add(counting.byClass, '2xx', requests - failed - refusals);
  const shift = shiftOf(slower);
  let [left, leftShare] = [requests, ALL_SHARES];
  for (const { bucket, share } of BUCKETS) {
    const count = binomial(random, left, Math.min(1, share / leftShare));
    add(counting.latency, String(bucket + shift), count);
    left -= count;
    leftShare -= share;
    if (left === 0) break;
  }
  add(counting.latency, String((BUCKETS.at(-1)?.bucket ?? 0) + shift), left);
}

function add(counts: Record<string, number>, key: string, count: number): void {
  if (count > 0) counts[key] = (counts[key] ?? 0) + count;
}
