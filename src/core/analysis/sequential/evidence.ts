import { COMPARED, NO_CLASSES } from '../classes.ts';
import type { SequentialPolicy } from '../policy.ts';
import type { AnalysisPhase, Effect, Estimate, Evidence, MetricVerdict } from '../sample.ts';
import { routeEvidence } from '../routes.ts';
import { WORSE_STAKES } from './block.ts';
import { errorDifference, errorEstimate, quantileEstimate, quantileRatio } from './confidence.ts';
import { TILT_STAKES } from './ordered.ts';
import { requestsMissing } from './planner.ts';
import { failEvidence, hasCrossed, passEvidence } from './process.ts';
import {
  failNeeded,
  heldBack,
  passNeeded,
  passTests,
  tellsClasses,
  type Decided,
  type FailTest,
  type PassTest,
  type SequentialState,
  type Totals,
} from './state.ts';

const LOG_STAKES: Readonly<Record<FailTest['name'], readonly number[] | null>> = {
  errors: WORSE_STAKES.map(Math.log),
  limit: WORSE_STAKES.map(Math.log),
  latency: TILT_STAKES.map(Math.log),
  classes: null,
  failures: null,
  routes: null,
};

/** Log-evidence that the candidate is worse, by test. */
export function evidenceToFail(state: SequentialState, test: FailTest['name']): number {
  if (test === 'routes') return routeEvidence(state.routes, heldBack(state));
  const process = state.fail[test];
  return process === undefined ? 0 : failEvidence(process, heldBack(state), LOG_STAKES[test]);
}

/** Log-evidence that it is within the margin. */
export function evidenceToPass(state: SequentialState, test: PassTest): number {
  const process = state.pass[test.name];
  return process === undefined ? 0 : passEvidence(process);
}

/** Had enough once, and has not been refuted since. */
export function hasPassed(state: SequentialState, test: PassTest): boolean {
  const process = state.pass[test.name];
  return process !== undefined && hasCrossed(process);
}

/** One row a pass test; latency has one test to fail and several to pass, so its rows share the blame. */
export function metricsOf(policy: SequentialPolicy, state: SequentialState, open: AnalysisPhase): MetricVerdict[] {
  return passTests(policy, state.setting, tellsClasses(state)).map((test) => {
    const failTest = failTestOf(test);
    const isCause = state.decided?.phase === 'Failed' && isBlamed(state.decided, test);
    const phase = isCause ? 'Failed' : hasPassed(state, test) ? 'Successful' : open;
    const evidence = evidenceOf(policy, state, test, state.fail[failTest] === undefined ? null : evidenceToFail(state, failTest));
    return {
      name: metricName(test),
      phase,
      reason: isCause ? (state.decided?.reason ?? '') : phase === 'Successful' ? 'within the margin' : shortfall(evidence),
      candidate: evidence.candidate?.value ?? null,
      baseline: evidence.baseline?.value ?? null,
      dryRun: false,
      evidence,
    };
  });
}

function failTestOf(test: PassTest): FailTest['name'] {
  if (test.class !== null) return 'classes';
  return test.quantile !== null ? 'latency' : test.name === 'limit' ? 'limit' : 'errors';
}

/** A class is blamed by name; failures in great numbers, and those of one route, are errors. */
function isBlamed({ test: cause, class: its }: Decided, test: PassTest): boolean {
  if (cause === 'failures' || cause === 'routes') return test.name === 'errors';
  return cause === failTestOf(test) && (its === undefined || its === test.class);
}

function metricName(test: PassTest): string {
  if (test.class !== null) return test.class === 'aborted' ? 'requests aborted' : `answers ${test.class}`;
  return test.name === 'limit' ? 'error limit' : test.quantile === null ? 'errors' : `latency ${test.name}`;
}

function shortfall({ requestsMissing: requests, missingMs: ms }: Evidence): string {
  return requests === null ? 'not shown to be within the margin' : `${missingWords({ requests, ms })} to the new version are needed`;
}

function evidenceOf(policy: SequentialPolicy, state: SequentialState, test: PassTest, worse: number | null): Evidence {
  const { candidate, baseline } = state.totals;
  const estimate = (totals: Totals): Estimate | null =>
    test.quantile !== null ? quantileEstimate(totals, test.quantile) : errorEstimate(countedIn(totals, test));
  const missing = hasPassed(state, test) ? null : missingOf(policy, state, test);
  return {
    worse: worse === null ? null : odds(worse),
    worseNeeded: odds(failNeeded(policy, state.setting)),
    good: odds(evidenceToPass(state, test)),
    goodNeeded: odds(passNeeded(policy)),
    candidate: estimate(candidate),
    baseline: test.name === 'limit' ? null : estimate(baseline),
    effect: test.name === 'limit' ? null : test.class === null ? effectOf(state, test.quantile) : classEffect(state, test),
    requestsMissing: missing?.requests ?? null,
    missingMs: missing?.ms ?? null,
  };
}

/** Requests, and those that a test counts: errors, or answers of its class. */
function countedIn(totals: Totals, test: PassTest): Totals {
  if (test.class === null) return totals;
  const { n, of } = totals.classes ?? NO_CLASSES;
  return { requests: n, errors: of[COMPARED.indexOf(test.class)] ?? 0, latency: totals.latency };
}

function classEffect({ totals: { candidate, baseline } }: SequentialState, test: PassTest): Effect | null {
  return errorDifference(countedIn(candidate, test), countedIn(baseline, test));
}

/** The candidate by the baseline, over the whole bake. `quantile`: of latency; null: errors. */
export function effectOf({ totals: { candidate, baseline } }: SequentialState, quantile: number | null): Effect | null {
  return quantile === null ? errorDifference(candidate, baseline) : quantileRatio(candidate, baseline, quantile);
}

/** What a pass test still needs at what it has seen so far. */
interface Missing {
  readonly requests: number;
  /** How long they take at the rate seen so far; null without any. */
  readonly ms: number | null;
}

/** Null: nothing more would help, as far as can be seen. */
export function missingOf(policy: SequentialPolicy, state: SequentialState, test: PassTest): Missing | null {
  const count = state.pass[test.name];
  if (count === undefined) return null;
  const requests = requestsMissing(policy, test, passEvidence(count), count.candidate, count.baseline);
  const judgedMs = (state.countedUntil ?? state.startedAt) - state.startedAt;
  const perMs = judgedMs > 0 ? state.candidateRequests / judgedMs : 0;
  return requests === null ? null : { requests, ms: perMs > 0 ? Math.ceil(requests / perMs) : null };
}

/** `about 1100 more requests (7 min at the present rate)` */
export function missingWords({ requests, ms }: Missing): string {
  return `about ${requests} more requests${ms === null ? '' : ` (${roughly(ms)} at the present rate)`}`;
}

function roughly(ms: number): string {
  if (ms < 90_000) return `${Math.ceil(ms / 1000)} s`;
  return ms < 5_400_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}

/** For people: three digits, and bounded so that JSON can say it. */
function odds(log: number): number {
  return Number(Math.exp(Math.min(log, 690)).toPrecision(3));
}
