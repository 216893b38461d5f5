import { BUCKET_LN } from './histogram.ts';
import { normalQuantile } from './normal.ts';
import type { Histogram } from './histogram.ts';
import type { ArmCounts, Counts } from './sample.ts';

/**
 * Traffic of two versions, second by second, to try judges on: the same seed gives the same requests
 * to every judge. Every request is drawn by itself, so counts have the spread real counts have.
 */
export interface Scenario {
  readonly name: string;
  readonly requestsPerSecond: number;
  /** Share of requests to the candidate, 0…1. */
  readonly share: number;
  readonly seconds: number;
  /** Share of errors of the baseline. */
  readonly errorRate: number;
  /** Mean number of consecutive requests one fault takes down; 1: each fails by itself. */
  readonly errorClump?: number;
  /** Slow change of both arms' latencies over the run, as a share of them: 0.3 swings by ±30 %. */
  readonly drift?: number;
  /** Noise of its own that each arm's latency has, relative, changing every 10 s. */
  readonly armNoise?: number;
  /** Times of day of the traffic itself: 3 makes every tenth second three times as busy. */
  readonly burst?: number;
  /** Share of answers 4xx of the baseline; left out: as of a source that does not tell status classes. */
  readonly refusedRate?: number;
  /** Share of the requests that go to one endpoint, whose counts are told apart; left out: none are. */
  readonly endpointShare?: number;
  /** Trouble that both arms have alike. */
  readonly incident?: Incident;
  readonly candidate: Regression;
}

export interface Incident {
  readonly from: number;
  readonly until: number;
  readonly errorRate: number;
  readonly latencyFactor: number;
}

/** What is different about the candidate, from second `from` on. */
export interface Regression {
  readonly from?: number;
  readonly errorRate?: number;
  readonly latencyFactor?: number;
  /** Only the slowest `tailShare` of requests are slower, by this. */
  readonly tailFactor?: number;
  readonly tailShare?: number;
  /** Slower by this as it starts, with `coldSeconds` to warm up. */
  readonly coldFactor?: number;
  readonly coldSeconds?: number;
  /** Share of answers 4xx. */
  readonly refusedRate?: number;
  /** The endpoint is broken: each of its requests fails. */
  readonly isEndpointBroken?: boolean;
  /** Stops answering at all. */
  readonly silentFrom?: number;
}

/** What the one endpoint that is told apart is called. */
const ENDPOINT = '/endpoint';

/** Uniform numbers in [0, 1) from a seed (sfc32). */
export function randomFrom(seed: number): () => number {
  let [a, b, c, d] = [seed | 0, (seed ^ 0x9e3779b9) | 0, (Math.imul(seed, 0x85ebca6b) + 1) | 0, 1];
  const next = () => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return (t >>> 0) / 4294967296;
  };
  for (let i = 0; i < 16; i++) next();
  return next;
}

/** Median of the simulated latencies, ms, and the spread of their logarithm. */
const MEDIAN_MS = 40;
const SPREAD = 0.6;
/** Share of requests of a second, slower kind (a cache missed), and how much slower. */
const SLOW_SHARE = 0.03;
const SLOW_FACTOR = 4;
/** ln of the first bucket's edge in ms (histogram.ts). */
const UNIT_LN = Math.log(0.1);

interface Weather {
  readonly errorRate: number;
  readonly refusedRate: number | null;
  /** ln of what multiplies every latency. */
  readonly shift: number;
  readonly tail: { readonly share: number; readonly ln: number } | null;
  readonly endpointShare: number;
  readonly isEndpointBroken: boolean;
}

/** The run of one scenario: what each second brought to both arms. `shareAt`: the candidate's share in a second, where it changes. */
export function* simulate(scenario: Scenario, seed: number, shareAt = (_second: number): number => scenario.share): Generator<Counts> {
  const random = randomFrom(seed);
  const noise = { candidate: 0, baseline: 0 };
  const phase = random();
  for (let second = 0; second < scenario.seconds; second++) {
    if (second % 10 === 0) {
      noise.candidate = normal(random) * (scenario.armNoise ?? 0);
      noise.baseline = normal(random) * (scenario.armNoise ?? 0);
    }
    const both = bothArms(scenario, second, phase);
    const rate = scenario.requestsPerSecond * (scenario.burst !== undefined && second % 10 === 0 ? scenario.burst : 1);
    const silent = second >= (scenario.candidate.silentFrom ?? Infinity);
    const share = shareAt(second);
    const candidate = silent ? 0 : poisson(random, rate * share);
    const baseline = poisson(random, rate * (1 - share));
    const clump = scenario.errorClump ?? 1;
    const mine = answers(random, candidate, candidateWeather(scenario, both, noise.candidate, second), clump);
    const theirs = answers(random, baseline, { ...both, shift: both.shift + noise.baseline }, clump);
    const whole = { candidate: mine.counts, baseline: theirs.counts };
    if (scenario.endpointShare === undefined) yield whole;
    else
      yield {
        ...whole,
        strata: {
          [ENDPOINT]: { candidate: mine.endpoint, baseline: theirs.endpoint },
          '/': { candidate: mine.rest, baseline: theirs.rest },
        },
      };
  }
}

function bothArms(scenario: Scenario, second: number, phase: number): Weather {
  const drift = (scenario.drift ?? 0) * Math.sin(2 * Math.PI * (second / 1800 + phase));
  const { incident } = scenario;
  const inIncident = incident !== undefined && second >= incident.from && second < incident.until;
  return {
    errorRate: inIncident ? incident.errorRate : scenario.errorRate,
    refusedRate: scenario.refusedRate ?? null,
    shift: Math.log1p(drift) + (inIncident ? Math.log(incident.latencyFactor) : 0),
    tail: null,
    endpointShare: scenario.endpointShare ?? 0,
    isEndpointBroken: false,
  };
}

function candidateWeather(scenario: Scenario, both: Weather, noise: number, second: number): Weather {
  const { candidate } = scenario;
  const changed = second >= (candidate.from ?? 0);
  const cold = Math.max(0, 1 - second / (candidate.coldSeconds ?? 1));
  return {
    errorRate: changed ? Math.max(both.errorRate, candidate.errorRate ?? 0) : both.errorRate,
    isEndpointBroken: changed && candidate.isEndpointBroken === true,
    refusedRate: changed ? (candidate.refusedRate ?? both.refusedRate) : both.refusedRate,
    shift: both.shift + noise + (changed ? Math.log(candidate.latencyFactor ?? 1) : 0) + cold * Math.log(candidate.coldFactor ?? 1),
    endpointShare: both.endpointShare,
    tail: changed && candidate.tailFactor !== undefined ? { share: candidate.tailShare ?? 0.03, ln: Math.log(candidate.tailFactor) } : null,
  };
}

interface Answers {
  readonly counts: ArmCounts;
  /** Of the one endpoint, and of all else. */
  readonly endpoint: ArmCounts;
  readonly rest: ArmCounts;
}

interface Tally {
  requests: number;
  errors: number;
  refused: number;
}

function answers(random: () => number, requests: number, weather: Weather, clump: number): Answers {
  const latency: Record<string, number> = {};
  const endpoint: Tally = { requests: 0, errors: 0, refused: 0 };
  const rest: Tally = { requests: 0, errors: 0, refused: 0 };
  let failing = 0;
  for (let i = 0; i < requests; i++) {
    const isAtEndpoint = weather.endpointShare > 0 && random() < weather.endpointShare;
    const tally = isAtEndpoint ? endpoint : rest;
    tally.requests += 1;
    if (failing > 0) failing -= 1;
    else if (random() < weather.errorRate / clump) failing = clump;
    if (failing > 0 || (isAtEndpoint && weather.isEndpointBroken)) tally.errors += 1;
    else if (weather.refusedRate !== null && random() < weather.refusedRate) tally.refused += 1;
    if (clump === 1) failing = 0;
    const bucket = latencyBucket(random, weather);
    latency[bucket] = (latency[bucket] ?? 0) + 1;
  }
  const isTold = weather.refusedRate !== null;
  const all: Tally = { requests, errors: endpoint.errors + rest.errors, refused: endpoint.refused + rest.refused };
  return { counts: counted(all, isTold, latency), endpoint: counted(endpoint, isTold, {}), rest: counted(rest, isTold, {}) };
}

function counted({ requests, errors, refused }: Tally, isTold: boolean, latency: Histogram): ArmCounts {
  if (!isTold) return { requests, errors, latency };
  return { requests, errors, latency, classes: { '2xx': requests - errors - refused, '4xx': refused, '5xx': errors } };
}

function latencyBucket(random: () => number, weather: Weather): number {
  const rank = random();
  const slow = random() < SLOW_SHARE ? Math.log(SLOW_FACTOR) : 0;
  const tail = weather.tail !== null && rank > 1 - weather.tail.share ? weather.tail.ln : 0;
  const ln = Math.log(MEDIAN_MS) + SPREAD * normalAt(rank) + slow + weather.shift + tail;
  return Math.max(0, Math.ceil((ln - UNIT_LN) / BUCKET_LN));
}

function poisson(random: () => number, mean: number): number {
  let [count, left] = [0, mean];
  while (left > 0) {
    left += Math.log(1 - random());
    if (left > 0) count += 1;
  }
  return count;
}

function normal(random: () => number): number {
  return normalAt(random());
}

const TABLE = 4096;
const QUANTILES: readonly number[] = Array.from({ length: TABLE + 1 }, (_, i) =>
  normalQuantile(Math.min(Math.max(i / TABLE, 0.25 / TABLE), 1 - 0.25 / TABLE)),
);

/** Standard normal quantile, from a table: exact enough to make traffic with, and fast. */
function normalAt(rank: number): number {
  const at = rank * TABLE;
  const i = Math.floor(at);
  const low = QUANTILES[i] ?? 0;
  return low + (at - i) * ((QUANTILES[i + 1] ?? low) - low);
}
