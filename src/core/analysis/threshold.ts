import { addCounts, faultOf, NOTHING_COUNTED } from './arms.ts';
import { formatCondition, formatValue, measure, worstOf, type Measurement } from './measure.ts';
import type { MetricPolicy, ThresholdPolicy } from './policy.ts';
import type { AnalysisPhase, ArmCounts, Judge, MetricVerdict, Sample, Verdict } from './sample.ts';

/** Everything the threshold judge remembers. Plain JSON. */
export interface ThresholdState {
  readonly judge: 'threshold';
  readonly startedAt: number;
  /** End of the newest block counted; an older or overlapping one is never counted again. */
  readonly countedUntil: number | null;
  /** End of the newest error sample counted. */
  readonly errorUntil: number | null;
  /** End of the newest block in which the candidate answered anything. */
  readonly newestDataAt: number | null;
  readonly candidateRequests: number;
  /** Samples that could be read, and that could not. */
  readonly readable: number;
  readonly unreadable: number;
  readonly lastError: string | null;
  /** In the order of the policy's metrics. */
  readonly metrics: readonly MetricState[];
}

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
export const thresholdJudge: Judge<ThresholdPolicy, ThresholdState> = { start, observe, verdict, finish };

function start(policy: ThresholdPolicy, at: number): ThresholdState {
  return {
    judge: 'threshold',
    startedAt: at,
    countedUntil: null,
    errorUntil: null,
    newestDataAt: null,
    candidateRequests: 0,
    readable: 0,
    unreadable: 0,
    lastError: null,
    metrics: policy.metrics.map(() => FRESH_METRIC),
  };
}

function observe(policy: ThresholdPolicy, state: ThresholdState, sample: Sample): ThresholdState {
  const fault = faultOf(sample);
  if (fault !== null) return observeError(policy, state, sample, fault);
  if (isOld(state, sample) || isTooEarly(policy, state, sample.fromAt)) return state;
  const requests = sample.candidate?.requests ?? 0;
  return {
    ...state,
    countedUntil: sample.at,
    newestDataAt: requests > 0 ? sample.at : state.newestDataAt,
    candidateRequests: state.candidateRequests + requests,
    readable: state.readable + 1,
    metrics: policy.metrics.map((metric, index) => look(metric, state.metrics[index] ?? FRESH_METRIC, sample)),
  };
}

function observeError(policy: ThresholdPolicy, state: ThresholdState, sample: Sample, fault: string): ThresholdState {
  const repeated = state.errorUntil !== null && sample.at <= state.errorUntil;
  if (repeated || isTooEarly(policy, state, sample.at)) return state;
  return {
    ...state,
    errorUntil: Number.isFinite(sample.at) ? sample.at : state.errorUntil,
    unreadable: state.unreadable + 1,
    lastError: fault,
    metrics: policy.metrics.map((metric, index) => lookFailed(metric, state.metrics[index] ?? FRESH_METRIC, fault)),
  };
}

/** Judged already, in whole or in part, or from before this analysis: one sample is judged once. */
function isOld(state: ThresholdState, sample: Sample): boolean {
  return sample.at <= sample.fromAt || sample.at <= state.startedAt || (state.countedUntil !== null && sample.fromAt < state.countedUntil);
}

function isTooEarly(policy: ThresholdPolicy, state: ThresholdState, at: number): boolean {
  return policy.initialDelayMs > 0 && at < state.startedAt + policy.initialDelayMs;
}

function look(metric: MetricPolicy, state: MetricState, sample: Sample): MetricState {
  const keepsLatency = metric.measure.kind === 'latency';
  const candidate = widen(state.candidate, sample.candidate, keepsLatency) ?? NOTHING_COUNTED;
  const baseline = widen(state.baseline, sample.baseline, keepsLatency);
  const window = { ...state, errorsInARow: 0, candidate, baseline };
  if (candidate.requests < Math.max(1, metric.minRequests)) return window;
  return count(metric, { ...window, candidate: NOTHING_COUNTED, baseline: null }, measure(metric, candidate, baseline));
}

function widen(window: ArmCounts | null, more: ArmCounts | null, keepsLatency: boolean): ArmCounts | null {
  if (more === null) return window;
  return addCounts(window ?? NOTHING_COUNTED, keepsLatency ? more : { ...more, latency: {} });
}

function lookFailed(metric: MetricPolicy, state: MetricState, fault: string): MetricState {
  const errorsInARow = state.errorsInARow + 1;
  const next = { ...state, errorsInARow, successesInARow: 0 };
  if (metric.consecutiveErrorLimit < 0 || errorsInARow <= metric.consecutiveErrorLimit) return next;
  return decide(next, 'Error', `${metric.name} could not be read ${errorsInARow} times in a row: ${fault}`);
}

function count(metric: MetricPolicy, state: MetricState, measured: Measurement): MetricState {
  const next = { ...state, last: measured };
  switch (measured.phase) {
    case 'Successful': {
      const successesInARow = state.successesInARow + 1;
      const enough = state.enough || (metric.consecutiveSuccessLimit > 0 && successesInARow >= metric.consecutiveSuccessLimit);
      return { ...next, successful: state.successful + 1, successesInARow, enough };
    }
    case 'Failed': {
      const failed = state.failed + 1;
      const worse = { ...next, failed, successesInARow: 0 };
      return isOver(failed, metric.failureLimit) ? decide(worse, 'Failed', tell(metric, measured, failed, 'failed')) : worse;
    }
    case 'Inconclusive': {
      const inconclusive = state.inconclusive + 1;
      const open = { ...next, inconclusive, successesInARow: 0 };
      return isOver(inconclusive, metric.inconclusiveLimit) ? decide(open, 'Inconclusive', tell(metric, measured, inconclusive, 'told nothing')) : open;
    }
  }
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
  const asked = rule === null ? 'no condition is set' : `${rule === metric.success ? 'asked' : 'forbidden'}: ${formatCondition(metric.measure, rule)}`;
  return `${metric.name} ${what}${times > 1 ? ` ${times} times, last` : ''} with ${value}${against} (${asked})`;
}

function verdict(policy: ThresholdPolicy, state: ThresholdState, _now: number): Verdict {
  const metrics = policy.metrics.map((metric, index) => running(metric, state.metrics[index] ?? FRESH_METRIC));
  const decided = worstOf(policy.metrics.flatMap((metric, index) => (metric.dryRun ? [] : [state.metrics[index]?.decided ?? 'Successful'])));
  if (decided !== 'Successful') return conclude(state, decided, whyOf(metrics, decided), metrics);
  const phase = state.readable + state.unreadable === 0 ? 'Pending' : 'Running';
  return conclude(state, phase, `${count1(state.candidateRequests, 'request')} of the new version judged so far`, metrics);
}

function running(metric: MetricPolicy, state: MetricState): MetricVerdict {
  const phase = state.decided ?? (state.enough ? 'Successful' : state.last === null ? 'Pending' : 'Running');
  const missing = `${state.candidate.requests} of ${Math.max(1, metric.minRequests)} requests for the first measurement`;
  const reason = state.why ?? (state.last === null ? missing : tell(metric, state.last, 1, 'was last measured'));
  return { name: metric.name, phase, reason, candidate: state.last?.candidate ?? null, baseline: state.last?.baseline ?? null, dryRun: metric.dryRun };
}

/** The bake is over. Successful takes evidence: enough requests, fresh ones, and a good measurement of every metric that counts. */
function finish(policy: ThresholdPolicy, state: ThresholdState, now: number): Verdict {
  const metrics = policy.metrics.map((metric, index) => finished(policy, metric, state.metrics[index] ?? FRESH_METRIC));
  const counting = metrics.filter((metric) => !metric.dryRun);
  const decided = worstOf(policy.metrics.flatMap((metric, index) => (metric.dryRun ? [] : [state.metrics[index]?.decided ?? 'Successful'])));
  if (decided !== 'Successful') return conclude(state, decided, whyOf(metrics, decided), metrics);
  if (counting.length === 0) return conclude(state, 'Inconclusive', 'no metric counts towards the verdict, so nothing was proven', metrics);
  const missing = missingEvidence(policy, state, now);
  // A metrics outage says nothing about the release: it may hold it, but never puts it back.
  if (missing !== null) return conclude(state, isOutage(state) ? 'Inconclusive' : noDataPhase(policy), missing, metrics);
  const worst = worstOf(counting.map((metric) => metric.phase));
  if (worst !== 'Successful') return conclude(state, worst, whyOf(metrics, worst), metrics);
  return conclude(state, 'Successful', `${counting.length === 1 ? 'the metric is' : `all ${counting.length} metrics are`} good on ${count1(state.candidateRequests, 'request')} of the new version`, metrics);
}

/** Why this is too little to pass anything on, in one sentence; null when it is enough. */
function missingEvidence(policy: ThresholdPolicy, state: ThresholdState, now: number): string | null {
  const needed = Math.max(1, policy.minRequests);
  const { candidateRequests: requests, newestDataAt } = state;
  if (isOutage(state) && (newestDataAt === null || now - newestDataAt > 2 * policy.intervalMs)) return `the metrics could not be read: ${state.lastError}`;
  if (state.readable === 0) return 'nothing was measured before the bake ended';
  if (requests === 0 || newestDataAt === null) return 'no request reached the new version';
  if (requests < needed) return `only ${requests} of ${needed} requests needed reached the new version`;
  const ageMs = now - newestDataAt;
  if (Math.abs(ageMs) <= 2 * policy.intervalMs) return null;
  if (ageMs < 0) return 'the newest sample lies in the future: the clocks of edge and control plane disagree';
  return `no request reached the new version in the last ${Math.round(ageMs / 1000)} s, so nothing says how it is now`;
}

/** The newest thing heard of the source is that it could not be read. */
function isOutage(state: ThresholdState): boolean {
  if (state.unreadable === 0) return false;
  return state.countedUntil === null || (state.errorUntil ?? -Infinity) > state.countedUntil;
}

function noDataPhase(policy: ThresholdPolicy): AnalysisPhase {
  return policy.noData === 'fail' ? 'Failed' : 'Inconclusive';
}

function finished(policy: ThresholdPolicy, metric: MetricPolicy, state: MetricState): MetricVerdict {
  const now = running(metric, state);
  if (state.decided !== null) return now;
  if (state.successful === 0) return { ...now, phase: noDataPhase(policy), reason: state.last === null ? `${metric.name} was never measured: ${now.reason}` : `${metric.name} was never good` };
  if (metric.consecutiveSuccessLimit > 0 && !state.enough) {
    const phase = metric.failureLimit < 0 ? 'Failed' : 'Inconclusive';
    return { ...now, phase, reason: `${metric.name} was not good ${metric.consecutiveSuccessLimit} times in a row` };
  }
  return { ...now, phase: 'Successful' };
}

function whyOf(metrics: readonly MetricVerdict[], phase: AnalysisPhase): string {
  return metrics.find((metric) => !metric.dryRun && metric.phase === phase)?.reason ?? '';
}

function conclude(state: ThresholdState, phase: AnalysisPhase, reason: string, metrics: readonly MetricVerdict[]): Verdict {
  return { phase, reason, metrics, candidateRequests: state.candidateRequests };
}

function count1(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
