import { withAnswers, type MetricsState } from './answers.ts';
import { addCounts, NOTHING_COUNTED, widen } from './arms.ts';
import { formatCondition, formatValue, measure, worstOf, type Measurement } from './measure.ts';
import type { MetricPolicy, ThresholdPolicy } from './policy.ts';
import { badLately, NOTHING_RECENT, recentAfter, type LimitOf } from './recent.ts';
import type { AnalysisPhase, ArmCounts, Judge, MetricVerdict, Ruling, Sample, Verdict } from './sample.ts';
import { countOf, missingEvidence, noDataPhase, startTimeline, taken } from './timeline.ts';
import { watching } from './watching.ts';

/** Everything the threshold judge remembers. Plain JSON. */
export interface ThresholdState extends MetricsState {
  readonly judge: 'threshold';
  /** In the order of the policy's metrics. */
  readonly metrics: readonly MetricState[];
  /** The newest looks in a row at which next to nothing but errors was answered. */
  readonly failing: Failing;
}

interface Failing {
  readonly candidate: ArmCounts;
  readonly baseline: ArmCounts;
  readonly looks: number;
}

const NOT_FAILING: Failing = { candidate: NOTHING_COUNTED, baseline: NOTHING_COUNTED, looks: 0 };
/** Share of errors from which a version answers nothing… */
const TOTAL = 0.9;
/** …and requests from which that is no accident: over two looks, or many in one. */
const TOTAL_REQUESTS = 20;
const TOTAL_AT_ONCE = 100;
/** Share of errors of the old version from which they have the same trouble. */
const SHARED = 0.5;

export interface MetricState {
  /** Set once a limit is exceeded; it only gets worse from there. */
  readonly decided: 'Failed' | 'Error' | 'Inconclusive' | null;
  readonly why: string | null;
  /** Counted since the last measurement: the window of the next one. */
  readonly candidate: ArmCounts;
  readonly baseline: ArmCounts | null;
  readonly successful: number;
  readonly failed: number;
  readonly inconclusive: number;
  readonly errorsInARow: number;
  readonly successesInARow: number;
  /** `consecutiveSuccessLimit` was reached. */
  readonly enough: boolean;
  readonly last: Measurement | null;
}

const FRESH_METRIC: MetricState = {
  decided: null,
  why: null,
  candidate: NOTHING_COUNTED,
  baseline: null,
  successful: 0,
  failed: 0,
  inconclusive: 0,
  errorsInARow: 0,
  successesInARow: 0,
  enough: false,
  last: null,
};

/**
 * Measurements against fixed limits, one a metric a look, with the limits of Argo Rollouts. No data is
 * never a success: a look without enough candidate requests only widens the window of the next one.
 */
const JUDGE: Judge<ThresholdPolicy, ThresholdState> = {
  start,
  observe,
  verdict,
  finish,
  phase: (policy, state, now) => verdict(policy, state, now).phase,
  finalPhase: (policy, state, now) => finish(policy, state, now).phase,
};

export const thresholdJudge: Judge<ThresholdPolicy, ThresholdState, Verdict> = thresholdJudgeIn(null);

/** `share`: of the requests, that the candidate is to get, 0…1; null: not known. */
export function thresholdJudgeIn(share: number | null): Judge<ThresholdPolicy, ThresholdState, Verdict> {
  return watching(withAnswers(JUDGE), share);
}

function start(policy: ThresholdPolicy, at: number): ThresholdState {
  return {
    ...startTimeline(at),
    judge: 'threshold',
    metrics: policy.metrics.map(() => FRESH_METRIC),
    recent: NOTHING_RECENT,
    failing: NOT_FAILING,
  };
}

function observe(policy: ThresholdPolicy, state: ThresholdState, sample: Sample): ThresholdState {
  return taken(policy, state, sample, {
    read: (next) => {
      const failing = failingAfter(state.failing, sample);
      const metrics = forEach(policy, state, (metric, own) => failed(metric, look(metric, own, sample), failing));
      return { ...next, metrics, failing, recent: recentAfter(state.recent, sample) };
    },
    unread: (next, fault) => ({ ...next, metrics: forEach(policy, state, (metric, own) => lookFailed(metric, own, fault)) }),
  });
}

function failingAfter(failing: Failing, { candidate, baseline }: Sample): Failing {
  if (candidate === null || candidate.requests === 0) return failing;
  if (candidate.errors < TOTAL * candidate.requests) return NOT_FAILING;
  const rates = (counts: ArmCounts | null): ArmCounts => ({ ...(counts ?? NOTHING_COUNTED), latency: {} });
  return {
    candidate: addCounts(failing.candidate, rates(candidate)),
    baseline: addCounts(failing.baseline, rates(baseline)),
    looks: failing.looks + 1,
  };
}

/** A version that answers nothing but errors is not waited for: neither for a window's requests, nor for a tolerated number of them. */
function failed(metric: MetricPolicy, state: MetricState, { candidate, baseline, looks }: Failing): MetricState {
  if (metric.measure.kind !== 'errorRate' || metric.failureLimit < 0 || state.decided === 'Failed') return state;
  const isEnough = candidate.requests >= (looks > 1 ? TOTAL_REQUESTS : TOTAL_AT_ONCE);
  const isShared = baseline.requests > 0 && baseline.errors >= SHARED * baseline.requests;
  if (!isEnough || isShared) return state;
  const measured = measure(metric, candidate, baseline.requests > 0 ? baseline : null);
  if (measured.phase !== 'Failed') return state;
  return decide(
    { ...state, last: measured },
    'Failed',
    `${tell(metric, measured, 1, 'failed')}: nothing but errors in the newest ${countOf(candidate.requests, 'request')}`,
  );
}

function forEach<T>(policy: ThresholdPolicy, state: ThresholdState, change: (metric: MetricPolicy, state: MetricState) => T): T[] {
  return policy.metrics.map((metric, index) => change(metric, state.metrics[index] ?? FRESH_METRIC));
}

function look(metric: MetricPolicy, state: MetricState, sample: Sample): MetricState {
  const keepsLatency = metric.measure.kind === 'latency';
  const candidate = widen(state.candidate, sample.candidate, keepsLatency) ?? NOTHING_COUNTED;
  const baseline = widen(state.baseline, sample.baseline, keepsLatency);
  const window = { ...state, errorsInARow: 0, candidate, baseline };
  if (candidate.requests < Math.max(1, metric.minRequests)) return window;
  return count(metric, { ...window, candidate: NOTHING_COUNTED, baseline: null }, measure(metric, candidate, baseline));
}

function lookFailed(metric: MetricPolicy, state: MetricState, fault: string): MetricState {
  const errorsInARow = state.errorsInARow + 1;
  const next = { ...state, errorsInARow, successesInARow: 0 };
  if (metric.consecutiveErrorLimit < 0 || errorsInARow <= metric.consecutiveErrorLimit) return next;
  return decide(next, 'Error', `${metric.name} could not be read ${errorsInARow} times in a row: ${fault}`);
}

function count(metric: MetricPolicy, state: MetricState, measured: Measurement): MetricState {
  const next = { ...state, last: measured };
  if (measured.phase === 'Successful') {
    const successesInARow = state.successesInARow + 1;
    const enough = state.enough || (metric.consecutiveSuccessLimit > 0 && successesInARow >= metric.consecutiveSuccessLimit);
    return { ...next, successful: state.successful + 1, successesInARow, enough };
  }
  if (measured.phase === 'Failed') {
    const worse = { ...next, failed: state.failed + 1, successesInARow: 0 };
    return isOver(worse.failed, metric.failureLimit) ? decide(worse, 'Failed', tell(metric, measured, worse.failed, 'failed')) : worse;
  }
  const open = { ...next, inconclusive: state.inconclusive + 1, successesInARow: 0 };
  if (!isOver(open.inconclusive, metric.inconclusiveLimit)) return open;
  return decide(open, 'Inconclusive', tell(metric, measured, open.inconclusive, 'told nothing'));
}

function isOver(count: number, limit: number): boolean {
  return limit >= 0 && count > limit;
}

function decide(state: MetricState, phase: 'Failed' | 'Error' | 'Inconclusive', why: string): MetricState {
  const worse = state.decided === null || (worstOf([state.decided, phase]) === phase && state.decided !== phase);
  return worse ? { ...state, decided: phase, why } : state;
}

function tell(metric: MetricPolicy, measured: Measurement, times: number, what: string): string {
  const value = formatValue(metric.measure, measured.candidate);
  const against = measured.baseline === null ? '' : ` against ${formatValue(metric.measure, measured.baseline)} of the old version`;
  const rule = metric.success ?? metric.failure;
  const asked =
    rule === null ? 'no condition is set' : `${rule === metric.success ? 'asked' : 'forbidden'}: ${formatCondition(metric.measure, rule)}`;
  return `${metric.name} ${what}${times > 1 ? ` ${times} times, last` : ''} with ${value}${against} (${asked})`;
}

function verdict(policy: ThresholdPolicy, state: ThresholdState, _now: number): Ruling {
  const metrics = forEach(policy, state, running);
  const decided = decidedOf(policy, state);
  if (decided !== 'Successful') return conclude(state, decided, whyOf(metrics, decided), metrics);
  const phase = state.readable + state.unreadable === 0 ? 'Pending' : 'Running';
  return conclude(state, phase, `${countOf(state.candidateRequests, 'request')} of the new version judged so far`, metrics);
}

/** The worst that a metric that counts was decided to be; Successful while none was. */
function decidedOf(policy: ThresholdPolicy, state: ThresholdState): AnalysisPhase {
  return worstOf(forEach(policy, state, (metric, own) => (metric.dryRun ? 'Successful' : (own.decided ?? 'Successful'))));
}

function running(metric: MetricPolicy, state: MetricState): MetricVerdict {
  const phase = state.decided ?? (state.enough ? 'Successful' : state.last === null ? 'Pending' : 'Running');
  const missing = `${state.candidate.requests} of ${Math.max(1, metric.minRequests)} requests for the first measurement`;
  const reason = state.why ?? (state.last === null ? missing : tell(metric, state.last, 1, 'was last measured'));
  return {
    name: metric.name,
    phase,
    reason,
    candidate: state.last?.candidate ?? null,
    baseline: state.last?.baseline ?? null,
    dryRun: metric.dryRun,
  };
}

/** The bake is over. Successful takes evidence: enough requests, fresh ones, and a good measurement of every metric that counts. */
function finish(policy: ThresholdPolicy, state: ThresholdState, now: number): Ruling {
  const metrics = forEach(policy, state, (metric, own) => finished(policy, metric, own));
  const counting = metrics.filter((metric) => !metric.dryRun);
  const decided = decidedOf(policy, state);
  if (decided !== 'Successful') return conclude(state, decided, whyOf(metrics, decided), metrics);
  if (counting.length === 0) return conclude(state, 'Inconclusive', 'no metric counts towards the verdict, so nothing was proven', metrics);
  const missing = missingEvidence(policy, state, now);
  if (missing !== null) return conclude(state, missing.phase, missing.reason, metrics);
  const worst = worstOf(counting.map((metric) => metric.phase));
  if (worst !== 'Successful') return conclude(state, worst, whyOf(metrics, worst), metrics);
  const lately = badAtTheEnd(policy, state);
  if (lately !== null) return conclude(state, 'Inconclusive', lately, metrics);
  const what = counting.length === 1 ? 'the metric is' : `all ${counting.length} metrics are`;
  return conclude(state, 'Successful', `${what} good on ${countOf(state.candidateRequests, 'request')} of the new version`, metrics);
}

/** What was tolerated on the way is not tolerated last: the newest measurement, the unfinished window and the newest requests must be good. */
function badAtTheEnd(policy: ThresholdPolicy, state: ThresholdState): string | null {
  for (const [index, metric] of policy.metrics.entries()) {
    const own = state.metrics[index] ?? FRESH_METRIC;
    if (metric.dryRun) continue;
    if (own.last !== null && own.last.phase !== 'Successful') return tell(metric, own.last, 1, 'was bad at the newest measurement,');
    const limitOf: LimitOf = (baseline, requests) => limitIn(metric, baseline, requests);
    const bad = badLately(metric.name, metric.measure, state.recent, limitOf) ?? badWindow(metric, own);
    if (bad !== null) return bad;
  }
  return null;
}

function badWindow(metric: MetricPolicy, { candidate, baseline }: MetricState): string | null {
  const window = { candidate, baseline: baseline ?? NOTHING_COUNTED, looks: 1 };
  const limitOf: LimitOf = (value, requests) => limitIn(metric, value, requests);
  return badLately(
    metric.name,
    metric.measure,
    { newest: window, open: window, closed: { ...window, candidate: NOTHING_COUNTED } },
    limitOf,
  );
}

/** The value above which the metric's conditions do not hold; null where they forbid no high ones. */
function limitIn({ measure: kind, success, failure }: MetricPolicy, baseline: number | null, requests: number): number | null {
  const limits = [
    success?.compare === '<' || success?.compare === '<=' ? success : null,
    failure?.compare === '>' || failure?.compare === '>=' ? failure : null,
  ].flatMap((condition) => {
    if (condition === null) return [];
    if (condition.of === 'candidate') return [condition.value];
    if (baseline === null) return [];
    // A baseline without an error counts as half an error, as it does where it is measured (measure.ts).
    return [condition.value * (kind.kind === 'errorRate' ? Math.max(baseline, 0.5 / Math.max(1, requests)) : baseline)];
  });
  return limits.length === 0 ? null : Math.max(0, Math.min(...limits));
}

function finished(policy: ThresholdPolicy, metric: MetricPolicy, state: MetricState): MetricVerdict {
  const now = running(metric, state);
  if (state.decided !== null) return now;
  if (state.successful === 0) {
    const reason = state.last === null ? `${metric.name} was never measured: ${now.reason}` : `${metric.name} was never good`;
    return { ...now, phase: noDataPhase(policy), reason };
  }
  if (metric.consecutiveSuccessLimit > 0 && !state.enough) {
    const phase = metric.failureLimit < 0 ? 'Failed' : 'Inconclusive';
    return { ...now, phase, reason: `${metric.name} was not good ${metric.consecutiveSuccessLimit} times in a row` };
  }
  return { ...now, phase: 'Successful' };
}

function whyOf(metrics: readonly MetricVerdict[], phase: AnalysisPhase): string {
  return metrics.find((metric) => !metric.dryRun && metric.phase === phase)?.reason ?? '';
}

function conclude(state: ThresholdState, phase: AnalysisPhase, reason: string, metrics: readonly MetricVerdict[]): Ruling {
  return { phase, reason, metrics, candidateRequests: state.candidateRequests };
}
