import { classesDiffer, classOf, NO_CLASSES, refusesAll, type ComparedClass } from '../classes.ts';
import { upperEdgeMs } from '../histogram.ts';
import { formatValue } from '../measure.ts';
import type { SequentialPolicy } from '../policy.ts';
import type { AnalysisPhase, Effect, MetricVerdict, Ruling } from '../sample.ts';
import { brokenRoute, uncleanRoute } from '../routes.ts';
import { countOf, missingEvidence, noDataPhase } from '../timeline.ts';
import { indexesAt, NO_BUCKETS } from './buckets.ts';
import { quantileEstimate } from './confidence.ts';
import { baselineEdge, cutsOf, effectiveMargin, passEdge } from './edges.ts';
import { effectOf, evidenceToFail, evidenceToPass, hasPassed, metricsOf, missingOf, missingWords } from './evidence.ts';
import { logSumExp } from './numbers.ts';
import { TILTS } from './ordered.ts';
import { failEvidence, mayFail, strongest } from './process.ts';
import { uncleanOf } from './recent.ts';
import {
  COARSE,
  failNeeded,
  failTests,
  heldBack,
  isAlone,
  LEAST_TO_FAIL,
  passTests,
  tellsClasses,
  TRAFFIC_NEEDED,
  warmUntil,
  type Decided,
  type FailTest,
  type PassTest,
  type SequentialState,
} from './state.ts';
import { logSplitE } from './traffic.ts';

/** Whether the newest sample decides: a worse candidate fails for good, one cut off from traffic holds until it does. */
export function decide(policy: SequentialPolicy, state: SequentialState, at: number): SequentialState {
  if (state.decided?.phase === 'Failed') return state;
  const decided = failure(policy, state, at) ?? silence(policy, state, at);
  return decided === null ? state : { ...state, decided: state.decided !== null && decided.phase !== 'Failed' ? state.decided : decided };
}

function failure(policy: SequentialPolicy, state: SequentialState, at: number): Decided | null {
  if (requestsInAll(state) < LEAST_TO_FAIL || !mayHaveFailed(policy, state)) return null;
  const stakes = failTests(policy, state.setting).map((test) => ({
    test: test.name,
    log: Math.log(test.weight) + evidenceToFail(state, test.name),
  }));
  if (logSumExp(stakes.map((stake) => stake.log)) < failNeeded(policy, state.setting)) return null;
  const cause = stakes.reduce((best, stake) => (stake.log > best.log ? stake : best));
  const reason = causeOf(policy, state, cause.test);
  return cause.test === 'classes'
    ? { phase: 'Failed', at, test: cause.test, class: moreFrequent(state), reason }
    : { phase: 'Failed', at, test: cause.test, reason };
}

/** Of all bakes of the rollout so far. */
function requestsInAll({ candidateRequests, carried }: SequentialState): number {
  return candidateRequests + (carried?.candidateRequests ?? 0);
}

function moreFrequent({ fail }: SequentialState): ComparedClass {
  const process = fail['classes'];
  return classOf(process === undefined ? 0 : strongest(process));
}

/** Whether the weighted evidence may be enough: not where it is too little in every test, for it is their mean. */
function mayHaveFailed(policy: SequentialPolicy, state: SequentialState): boolean {
  const needed = failNeeded(policy, state.setting);
  for (const test of failTests(policy, state.setting)) {
    const processes = test.name === 'routes' ? Object.values(state.routes ?? {}) : [state.fail[test.name]];
    if (processes.some((process) => process !== undefined && mayFail(process, heldBack(state), needed))) return true;
  }
  return false;
}

function causeOf(policy: SequentialPolicy, state: SequentialState, test: FailTest['name']): string {
  const { candidate, baseline } = state.totals;
  const rate = (totals: typeof candidate) =>
    formatValue({ kind: 'errorRate' }, totals.requests > 0 ? totals.errors / totals.requests : null);
  const rest = `after ${countOf(requestsInAll(state), 'request')}`;
  if (test === 'classes')
    return `${classesDiffer(moreFrequent(state), candidate.classes ?? NO_CLASSES, baseline.classes ?? NO_CLASSES)}, ${rest}`;
  if (test === 'routes') return `${brokenRoute(state.routes)}, ${rest}`;
  if (test === 'errors' || test === 'failures') {
    const more = atLeast(effectOf(state, null));
    return `the new version fails more often: ${rate(candidate)} errors against ${rate(baseline)} of the old version${more}, ${rest}`;
  }
  if (test === 'limit')
    return `the new version fails too often: ${rate(candidate)} errors where ${formatValue({ kind: 'errorRate' }, policy.errors.limit)} is the limit, ${rest}`;
  const process = state.fail['latency'];
  const level = process === undefined ? 'in general' : (TILTS[strongest(process)]?.level ?? 'in general');
  const quantile = level === 'above p99' ? 0.99 : level === 'above p95' ? 0.95 : level === 'above p90' ? 0.9 : 0.5;
  const ratio = effectOf(state, quantile);
  const times = ratio === null ? '' : ` is ${short(ratio.value)} × the old version's${atLeast(ratio)}`;
  const limit = short(1 + (policy.latency?.margin ?? 0));
  const shown = `${formatQuantile(candidate, quantile)} against ${formatQuantile(baseline, quantile)} over the whole bake`;
  return `the new version is slower ${level}: p${quantile * 100}${times}, ${shown}, ${rest}; limit ${limit} ×`;
}

/** What the candidate surely is worse by (95 %, at all looks together); nothing where that is not sure. */
function atLeast(effect: Effect | null): string {
  if (effect === null) return '';
  if (effect.kind === 'ratio') return effect.low > 1 ? ` (at least ${short(effect.low)} ×)` : '';
  return effect.low > 0 ? ` (at least ${formatValue({ kind: 'errorRate' }, effect.low)} more)` : '';
}

/** Three digits say enough. */
function short(factor: number): string {
  return String(Number(factor.toPrecision(3)));
}

function formatQuantile(totals: SequentialState['totals']['candidate'], quantile: number): string {
  return formatValue({ kind: 'latency', quantile }, quantileEstimate(totals, quantile)?.value ?? null);
}

function silence(policy: SequentialPolicy, state: SequentialState, at: number): Decided | null {
  const held = heldBack(state);
  if (!mayFail(state.silence, held, TRAFFIC_NEEDED) || failEvidence(state.silence, held) < TRAFFIC_NEEDED) return null;
  const { candidate, baseline } = state.totals;
  const expected = Math.round((candidate.requests + baseline.requests) * (state.setting.share ?? 0));
  const reason =
    candidate.requests === 0
      ? `no request reaches the new version, where about ${expected} were to be expected: the old version has ${baseline.requests}`
      : `requests have all but stopped reaching the new version (${candidate.requests} in all), while the old version goes on getting its own`;
  return { phase: noDataPhase(policy), at, test: 'traffic', reason };
}

export function runningPhase(state: SequentialState): AnalysisPhase {
  if (state.decided !== null) return state.decided.phase;
  return state.readable + state.unreadable === 0 ? 'Pending' : 'Running';
}

/** The verdict while the bake goes on. */
export function runningVerdict(policy: SequentialPolicy, state: SequentialState): Ruling {
  const phase = runningPhase(state);
  const reason = state.decided?.reason ?? (phase === 'Pending' ? 'nothing measured so far' : progressOf(policy, state));
  return conclude(state, phase, reason, metricsOf(policy, state, 'Running'));
}

function progressOf(policy: SequentialPolicy, state: SequentialState): string {
  const seen = `${countOf(state.candidateRequests, 'request')} of the new version judged`;
  if (policy.latency !== null && !isAlone(state.setting) && (state.countedUntil ?? state.startedAt) <= warmUntil(policy, state))
    return `${seen}; warming up: latency of the first ${Math.round(policy.initialDelayMs / 1000)} s is not judged`;
  const open = weakest(policy, state);
  if (open === null) return `${seen}: nothing worse seen, and enough to pass when the bake ends`;
  const { missing } = open;
  return missing === null ? `${seen}: nothing proven yet` : `${seen}: nothing worse seen, ${missingWords(missing)} needed to pass`;
}

export function finalPhase(policy: SequentialPolicy, state: SequentialState, now: number): AnalysisPhase {
  return finalRuling(policy, state, now).phase;
}

/** The verdict at the end of the bake. */
export function finalVerdict(policy: SequentialPolicy, state: SequentialState, now: number): Ruling {
  const { phase, reason } = finalRuling(policy, state, now);
  return conclude(state, phase, reason, metricsOf(policy, state, 'Inconclusive'));
}

function finalRuling(policy: SequentialPolicy, state: SequentialState, now: number): { phase: AnalysisPhase; reason: string } {
  const ruled = state.decided ?? missingEvidence(policy, state, now);
  if (ruled !== null) return ruled;
  const wrong =
    wrongTraffic(state) ??
    refusal(state) ??
    (isPassed(policy, state) ? unclean(policy, state) : (unhealthy(policy, state) ?? unproven(policy, state)));
  return wrong === null ? { phase: 'Successful', reason: passedIn(policy, state) } : { phase: 'Inconclusive', reason: wrong };
}

/**
 * Whether a bake that is over may yet end well by lasting longer: nothing speaks against the candidate but that its newest requests
 * are not clean, or that not enough of them have come to show what they show so far.
 */
export function mayStillPass(policy: SequentialPolicy, state: SequentialState, now: number): boolean {
  if (state.decided !== null || missingEvidence(policy, state, now) !== null) return false;
  if (wrongTraffic(state) !== null || refusal(state) !== null) return false;
  if (isPassed(policy, state)) return unclean(policy, state) !== null;
  return unhealthy(policy, state) === null && weakest(policy, state)?.missing != null;
}

/** What the newest requests say against passing, of all traffic or of one route. */
function unclean(policy: SequentialPolicy, state: SequentialState): string | null {
  return uncleanOf(policy, state) ?? uncleanRoute(state.routes);
}

/** With all traffic on the candidate nothing can be compared; but one that answers nothing else than 4xx is not well. */
function refusal({ setting, totals }: SequentialState): string | null {
  if (!isAlone(setting) || !refusesAll(totals.candidate.classes ?? NO_CLASSES)) return null;
  return 'next to all answers of the new version are 4xx, so it cannot be shown to be well';
}

/** Requests split far from what was asked: the wrong users are compared. Sticky users alone do not do that. */
function wrongTraffic(state: SequentialState): string | null {
  const { share } = state.setting;
  const { candidate, baseline } = state.totals;
  if (share === null || isAlone(state.setting) || logSplitE(share, candidate.requests, baseline.requests) < TRAFFIC_NEEDED) return null;
  const seen = candidate.requests / (candidate.requests + baseline.requests);
  if (seen >= share / 2 && seen <= (share + 1) / 2 && seen <= share * 2) return null;
  return `the new version got ${percent(seen)} of the requests where ${percent(share)} was asked, so the two do not serve the same traffic`;
}

function unhealthy(policy: SequentialPolicy, state: SequentialState): string | null {
  if (isAlone(state.setting) || failEvidence(state.unhealthy, heldBack(state)) < failNeeded(policy, state.setting)) return null;
  const { baseline } = state.totals;
  return `the old version itself is unhealthy (${percent(baseline.errors / baseline.requests)} errors, the limit is ${percent(policy.errors.limit)}), so the new one cannot be shown to be well`;
}

interface Open {
  readonly test: PassTest;
  readonly missing: ReturnType<typeof missingOf>;
}

/** The pass test with the least evidence, null when all have enough. */
function weakest(policy: SequentialPolicy, state: SequentialState): Open | null {
  const open = passTests(policy, state.setting, tellsClasses(state))
    .map((test) => ({ test, log: evidenceToPass(state, test), passed: hasPassed(state, test) }))
    .filter(({ passed }) => !passed)
    .toSorted((a, b) => a.log - b.log)[0];
  return open === undefined ? null : { test: open.test, missing: missingOf(policy, state, open.test) };
}

function isPassed(policy: SequentialPolicy, state: SequentialState): boolean {
  return passTests(policy, state.setting, tellsClasses(state)).every((test) => hasPassed(state, test));
}

function unproven(policy: SequentialPolicy, state: SequentialState): string {
  const open = weakest(policy, state);
  const hits = open === null ? undefined : state.pass[open.test.name];
  if (open === null || hits === undefined) return 'nothing was shown';
  const what = nameOf(open.test, policy);
  const isRelative = open.test.name !== 'limit';
  if (hits.candidate.n === 0 || (isRelative && hits.baseline.n === 0))
    return `${what} could not be compared: too little of the old version was seen`;
  const coarse = tooCoarse(policy, state, open.test);
  if (coarse !== null) return `${what} cannot be shown: ${coarse}`;
  const against = isRelative ? ` against ${hits.baseline.k} of ${hits.baseline.n}` : '';
  const kind = open.test.class !== null ? `${open.test.class} in` : open.test.quantile === null ? 'errors in' : 'slower in';
  const more =
    open.missing === null
      ? 'what was seen does not tell how many more requests that would take'
      : `${missingWords(open.missing)} to the new version are needed`;
  return `${what} is not shown (${hits.candidate.k} ${kind} ${countOf(hits.candidate.n, 'request')}${against}): ${more}`;
}

/** A source whose next bucket edge is further away than the margin cannot show that anything is within it. */
function tooCoarse(policy: SequentialPolicy, state: SequentialState, test: PassTest): string | null {
  if (policy.latency === null || test.quantile === null) return null;
  const cuts = cutsOf(policy.latency, policy.strata > 0 ? COARSE : 1);
  const index = indexesAt(state.baselines['']?.latency ?? NO_BUCKETS, [test.quantile])[0];
  const edge = index === undefined ? null : baselineEdge(cuts, index);
  if (edge === null || passEdge(cuts, edge) !== edge) return null;
  return `the source's latency buckets are too coarse (a change of ${percent(effectiveMargin(cuts, edge))} is the least they tell at ${formatValue({ kind: 'latency', quantile: test.quantile }, upperEdgeMs(edge))})`;
}

function nameOf(test: PassTest, policy: SequentialPolicy): string {
  if (test.class !== null)
    return `that ${test.class === 'aborted' ? 'aborted requests are' : `answers ${test.class} are`} within the margin`;
  if (test.name === 'errors') return 'that errors are within the margin';
  if (test.name === 'limit') return `that errors are below ${percent(policy.errors.limit)}`;
  return `that latency is within ${percent(policy.latency?.margin ?? 0)} at ${test.name}`;
}

function passedIn(policy: SequentialPolicy, state: SequentialState): string {
  const what = isAlone(state.setting)
    ? `errors are below ${percent(policy.errors.limit)}`
    : policy.latency === null
      ? "errors are no worse than the old version's"
      : "errors and latency are no worse than the old version's";
  return `${what}, shown on ${countOf(state.candidateRequests, 'request')} of the new version`;
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}

function conclude(state: SequentialState, phase: AnalysisPhase, reason: string, metrics: readonly MetricVerdict[]): Ruling {
  return { phase, reason, metrics, candidateRequests: state.candidateRequests };
}
