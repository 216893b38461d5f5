import type { Step } from '../release/plan/plan.ts';
import type { AutoSteps, LatencyTests, SequentialPolicy, ThresholdPolicy } from './policy.ts';
import { requestsToFail, requestsToPass } from './sequential/planner.ts';
import { LEAST_TO_FAIL } from './sequential/state.ts';

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
 * with a margin of 10 % at p95, at a share of 5 %. Half the margin takes four times as many, and of p99 there is a fifth as much to
 * see; a larger share takes more, because less of the old version is left to compare with.
 */
const LATENCY_REQUESTS = { margin: 0.1, quantile: 0.95, weight: 5, count: 4500 };
const AMPLE = 2;
/** How long failures of every request have to be seen by the sequential judge, however short its looks are. */
const LEAST_SEEN_MS = 3000;
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
  const steps = weights.flatMap((weight, i): Step[] => [
    { kind: 'weight', weight },
    { kind: 'bake', forMs: bakeMs(policy, auto, requestsNeeded(policy, weight), (requestsPerSecond * weight) / 100, warmUpMs(policy, i)) },
  ]);
  return { steps, explained: explain(policy, auto, requestsPerSecond, steps) };
}

/**
 * From the first bad answer to weight 0 for a version that fails every request, ms: looks, evidence, the way back.
 * `candidateRate`: its requests a second.
 */
export function timeToFailMs(policy: PlannablePolicy, candidateRate: number): number {
  if (policy.judge === 'threshold') {
    const looks = 1 + Math.max(0, ...policy.metrics.map(({ failureLimit }) => failureLimit));
    return policy.initialDelayMs + policy.intervalMs * looks + REACTION_MS;
  }
  // Errors are judged from the first request on, and the look under way as they begin is not all theirs.
  return policy.intervalMs + Math.max(policy.intervalMs, LEAST_SEEN_MS) + (1000 * LEAST_TO_FAIL) / candidateRate + REACTION_MS;
}

function firstWeight(policy: PlannablePolicy, auto: AutoSteps, rate: number): number {
  const costs = (weight: number) => answersLost(policy, (rate * weight) / 100) <= auto.harm;
  return WEIGHTS.findLast(costs) ?? Math.min(...WEIGHTS);
}

/** Bad answers until such a version is gone. */
function answersLost(policy: PlannablePolicy, candidateRate: number): number {
  return Math.ceil((candidateRate * timeToFailMs(policy, candidateRate)) / 1000);
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

/** Candidate requests that a good version needs to pass a bake at this weight. */
function requestsNeeded(policy: PlannablePolicy, weight: number): number {
  return Math.max(1, policy.minRequests, policy.judge === 'threshold' ? measured(policy) : proven(policy, weight));
}

function measured({ metrics }: ThresholdPolicy): number {
  return (
    AMPLE * Math.max(0, ...metrics.map(({ minRequests, consecutiveSuccessLimit }) => minRequests * Math.max(1, consecutiveSuccessLimit)))
  );
}

function proven(policy: SequentialPolicy, weight: number): number {
  const { latency, designEffect } = policy;
  return designEffect * Math.max(AMPLE * (requestsToPass(policy, USUAL_ERRORS) ?? 0), latency === null ? 0 : latencyShown(latency, weight));
}

/** Never less than was measured. Infinite without a margin: what is as good cannot be shown to be better. */
function latencyShown({ margin, quantiles }: LatencyTests, weight: number): number {
  const { count, ...measured } = LATENCY_REQUESTS;
  const finer = (Math.log1p(measured.margin) / Math.log1p(margin)) ** 2;
  const rarer = (1 - measured.quantile) / (1 - Math.max(...quantiles));
  const noisier = (100 - measured.weight) / Math.max(100 - weight, 1);
  return round(count * Math.max(1, finer) * Math.max(1, rarer) * Math.max(1, noisier));
}

/** What is not judged of a bake, ms; `before`: bakes before it. The sequential judge warms up once a rollout. */
function warmUpMs({ judge, initialDelayMs }: PlannablePolicy, before: number): number {
  return judge === 'sequential' && before > 0 ? 0 : initialDelayMs;
}

function bakeMs(policy: PlannablePolicy, auto: AutoSteps, needed: number, candidateRate: number, warmUp: number): number {
  const judged = Math.max(SHORTEST_BAKE_MS, 2 * policy.intervalMs, (1000 * needed) / candidateRate);
  return Math.min(Math.max(auto.longestMs, warmUp + SHORTEST_BAKE_MS), roundUp(warmUp + judged));
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
  let [weight, bakes] = [0, 0];
  return steps.flatMap((step) => {
    if (step.kind === 'weight') weight = step.weight;
    if (step.kind !== 'bake') return [];
    const judgedMs = Math.max(0, step.forMs - warmUpMs(policy, bakes));
    bakes += 1;
    const needed = requestsNeeded(policy, weight);
    const requests = (requestsPerSecond * weight * judgedMs) / 100_000;
    return requests < needed * 0.95 ? [{ weight, forMs: step.forMs, requests: Math.round(requests), needed }] : [];
  });
}

/** To half minutes, from ten minutes on to whole ones. */
function roundUp(ms: number): number {
  const unit = ms >= 600_000 ? 60_000 : 30_000;
  return Math.ceil(ms / unit) * unit;
}

function explain(policy: PlannablePolicy, auto: AutoSteps, rate: number, steps: readonly Step[]): string {
  const weights = steps.flatMap((step) => (step.kind === 'weight' ? [step.weight] : []));
  const [first = 0] = weights;
  const needed = weights.map((weight) => requestsNeeded(policy, weight));
  const failMs = timeToFailMs(policy, (rate * first) / 100);
  const worst = answersLost(policy, (rate * first) / 100);
  const short = shortBakes(policy, steps, rate).map(({ weight }) => weight);
  const subtle = policy.judge === 'sequential' ? requestsToFail(policy, USUAL_ERRORS, 10 * USUAL_ERRORS) : null;
  return [
    `for ${round(rate)} requests a second: at ${first} % a version that fails every request is gone after about ${Math.round(failMs / 1000)} s and has cost about ${worst} answers (${worst > auto.harm ? `more than the ${auto.harm} allowed, but there is no smaller share` : `allowed: ${auto.harm}`})`,
    ...(subtle === null ? [] : [`one with ten times the usual errors is found after about ${round(subtle)} of its requests`]),
    Number.isFinite(Math.max(...needed))
      ? `a good one needs about ${fromTo(needed)} to pass a step`
      : 'with a margin of 0 none can pass a step',
    ...(short.length === 0 ? [] : [`at ${short.join(' and ')} % the longest bake does not bring that many, so it may wait for a person`]),
  ].join('; ');
}

/** The least and the most of them. */
export function fromTo(counts: readonly number[]): string {
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return least === most ? String(least) : `${least} to ${most}`;
}

/** Two digits. */
function round(value: number): number {
  return Number(value.toPrecision(2));
}
