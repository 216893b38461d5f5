import type { Step } from '../release/plan/plan.ts';
import type { AutoSteps, LatencyTests, SequentialPolicy, ThresholdPolicy } from './policy.ts';
import { requestsToFail, requestsToPass } from './sequential/planner.ts';

/** What it costs to find a bad version can be told beforehand. Points of Kayenta's judge take thousands of its requests whatever it does. */
export type PlannablePolicy = SequentialPolicy | ThresholdPolicy;

interface ChosenSteps {
  readonly steps: readonly Step[];
  /** Why these, in a few sentences. */
  readonly explained: string;
}

/** Percent that a step may have; one decimal is the finest an edge can do. */
const WEIGHTS: readonly number[] = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50];
/** A later step has at most this many times the traffic of the one before: load grows, caches and pools have to follow. */
const GROWTH = 5;
/**
 * Candidate requests after which nineteen of twenty good versions have shown their latency (bench/RESULTS.md), and their errors twice over:
 * with a margin of 10 % at p95. Half the margin takes four times as many, and of p99 there is a fifth as much to see.
 */
const LATENCY_REQUESTS = { margin: 0.1, quantile: 0.95, count: 4500 };
const AMPLE = 2;
/** What one capped stretch of 10 s can say, in nats, and what the mixture of alternatives costs. */
const [STRETCH_MS, NATS_A_STRETCH, MIXTURE_NATS] = [10_000, 4, 2];
/** From a verdict to weight 0 at the data plane. */
const REACTION_MS = 1000;
/** A rate of errors for which the judge is planned where none is known. */
const USUAL_ERRORS = 0.001;
const SHORTEST_BAKE_MS = 30_000;

/**
 * Weights and bakes for an app's traffic. The first weight is the largest at which a version that fails every request
 * costs at most `harm` answers until it is found and gone; each bake is as long as its proof takes. Pure: the same traffic
 * gives the same steps. Null where there is no traffic to choose for.
 */
export function chooseSteps(policy: PlannablePolicy, auto: AutoSteps, requestsPerSecond: number): ChosenSteps | null {
  if (!(requestsPerSecond > 0)) return null;
  const weights = weightsFrom(firstWeight(policy, auto, requestsPerSecond));
  const needed = requestsNeeded(policy);
  const steps = weights.flatMap((weight): Step[] => [
    { kind: 'weight', weight },
    { kind: 'bake', forMs: bakeMs(policy, auto, needed, (requestsPerSecond * weight) / 100) },
  ]);
  return { steps, explained: explain(policy, auto, requestsPerSecond, steps, needed) };
}

/** From the first bad answer to weight 0 for a version that fails every request, ms: warm-up, looks, evidence, the way back. */
export function timeToFailMs(policy: PlannablePolicy, bakes: number): number {
  const looks =
    policy.judge === 'threshold'
      ? policy.intervalMs * (1 + Math.max(0, ...policy.metrics.map(({ failureLimit }) => failureLimit)))
      : policy.intervalMs + STRETCH_MS * Math.ceil((Math.log(bakes / policy.alphaFail) + MIXTURE_NATS) / NATS_A_STRETCH);
  return policy.initialDelayMs + looks + REACTION_MS;
}

function firstWeight(policy: PlannablePolicy, auto: AutoSteps, rate: number): number {
  // As many bakes share the risk as there could be.
  const seconds = timeToFailMs(policy, WEIGHTS.length) / 1000;
  const most = (100 * auto.harm) / (rate * seconds);
  return WEIGHTS.findLast((weight) => weight <= most) ?? Math.min(...WEIGHTS);
}

function weightsFrom(first: number): number[] {
  const weights = [first];
  for (let last = first; last < Math.max(...WEIGHTS);) {
    const grown = WEIGHTS.findLast((weight) => weight <= last * GROWTH) ?? last;
    if (grown <= last) break;
    weights.push(grown);
    last = grown;
  }
  return weights;
}

/** Candidate requests that a good version needs to pass a bake. */
function requestsNeeded(policy: PlannablePolicy): number {
  return Math.max(1, policy.minRequests, policy.judge === 'threshold' ? measured(policy) : proven(policy));
}

function measured({ metrics }: ThresholdPolicy): number {
  return (
    AMPLE * Math.max(0, ...metrics.map(({ minRequests, consecutiveSuccessLimit }) => minRequests * Math.max(1, consecutiveSuccessLimit)))
  );
}

function proven(policy: SequentialPolicy): number {
  const { latency, designEffect } = policy;
  return designEffect * Math.max(AMPLE * (requestsToPass(policy, USUAL_ERRORS) ?? 0), latency === null ? 0 : latencyShown(latency));
}

/** Never less than was measured. Infinite without a margin: what is as good cannot be shown to be better. */
function latencyShown({ margin, quantiles }: LatencyTests): number {
  const { count, ...measured } = LATENCY_REQUESTS;
  const finer = (Math.log1p(measured.margin) / Math.log1p(margin)) ** 2;
  const rarer = (1 - measured.quantile) / (1 - Math.max(...quantiles));
  return round(count * Math.max(1, finer) * Math.max(1, rarer));
}

function bakeMs(policy: PlannablePolicy, auto: AutoSteps, needed: number, candidateRate: number): number {
  const judged = Math.max(SHORTEST_BAKE_MS, 2 * policy.intervalMs, (1000 * needed) / candidateRate);
  return Math.min(Math.max(auto.longestMs, policy.initialDelayMs + SHORTEST_BAKE_MS), roundUp(policy.initialDelayMs + judged));
}

/** A bake in which a good version may not come to the proof that it is good. */
export interface ShortBake {
  readonly weight: number;
  readonly forMs: number;
  /** Of the new version, that are judged in it. */
  readonly requests: number;
  /** That a good version needs to pass it. */
  readonly needed: number;
}

/** Bakes that bring too few requests at this traffic. */
export function shortBakes(policy: PlannablePolicy, steps: readonly Step[], requestsPerSecond: number): ShortBake[] {
  const needed = requestsNeeded(policy);
  let weight = 0;
  return steps.flatMap((step) => {
    if (step.kind === 'weight') weight = step.weight;
    if (step.kind !== 'bake') return [];
    const requests = (requestsPerSecond * weight * Math.max(0, step.forMs - policy.initialDelayMs)) / 100_000;
    return requests < needed * 0.95 ? [{ weight, forMs: step.forMs, requests: Math.round(requests), needed }] : [];
  });
}

/** To half minutes, from ten minutes on to whole ones. */
function roundUp(ms: number): number {
  const unit = ms >= 600_000 ? 60_000 : 30_000;
  return Math.ceil(ms / unit) * unit;
}

function explain(policy: PlannablePolicy, auto: AutoSteps, rate: number, steps: readonly Step[], needed: number): string {
  const weights = steps.flatMap((step) => (step.kind === 'weight' ? [step.weight] : []));
  const [first = 0] = weights;
  const failMs = timeToFailMs(policy, weights.length);
  const worst = Math.ceil((rate * first * failMs) / 100_000);
  const short = shortBakes(policy, steps, rate).map(({ weight }) => weight);
  const setting = { share: null, bakeMs: null, bakes: weights.length };
  const subtle = policy.judge === 'sequential' ? requestsToFail(policy, USUAL_ERRORS, 10 * USUAL_ERRORS, setting) : null;
  return [
    `for ${round(rate)} requests a second: at ${first} % a version that fails every request is gone after about ${Math.round(failMs / 1000)} s and has cost about ${worst} answers (${worst > auto.harm ? `more than the ${auto.harm} allowed, but there is no smaller share` : `allowed: ${auto.harm}`})`,
    ...(subtle === null ? [] : [`one with ten times the usual errors is found after about ${round(subtle)} of its requests`]),
    Number.isFinite(needed) ? `a good one needs about ${needed} to pass a step` : 'with a margin of 0 none can pass a step',
    ...(short.length === 0 ? [] : [`at ${short.join(' and ')} % the longest bake does not bring that many, so it may wait for a person`]),
  ].join('; ');
}

/** Two digits. */
function round(value: number): number {
  return Number(value.toPrecision(2));
}
