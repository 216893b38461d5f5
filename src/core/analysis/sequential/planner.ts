import type { SequentialPolicy } from '../policy.ts';
import type { Hits, Line } from './binary.ts';
import { CLASS_PASS } from '../classes.ts';
import { failLine, LATENCY_LINE, limitLine, passLine } from './block.ts';
import { binaryDistance } from './numbers.ts';
import { failNeeded, passNeeded, UNKNOWN_SETTING, type AnalysisSetting, type PassTest } from './state.ts';

/** Price of not knowing the alternative: nats of evidence that the mixtures cost. */
const MIXTURE_TO_FAIL = 4;
const MIXTURE_TO_PASS = 2;

/** Candidate requests until an error rate of `candidate` is failed, about; null when it is within the margin. */
export function requestsToFail(
  policy: SequentialPolicy,
  baseline: number,
  candidate: number,
  setting: AnalysisSetting = UNKNOWN_SETTING,
): number | null {
  const boundary = boundaryOf(failLine(policy.errors), baseline);
  return candidate > boundary ? Math.ceil((failNeeded(policy, setting) + MIXTURE_TO_FAIL) / binaryDistance(candidate, boundary)) : null;
}

/** Candidate requests until a candidate with the baseline's own error rate has shown it; null when the baseline is above the limit itself. */
export function requestsToPass(policy: SequentialPolicy, baseline: number): number | null {
  const needed = [passLine(policy.errors), limitLine(policy.errors)].map((line) => {
    const boundary = boundaryOf(line, baseline);
    return baseline < boundary ? Math.ceil((passNeeded(policy) + MIXTURE_TO_PASS) / binaryDistance(baseline, boundary)) : null;
  });
  return needed.some((count) => count === null) ? null : Math.max(...needed.map((count) => count ?? 0));
}

/** What a bake can be expected to show, before it starts. */
export interface BakeForecast {
  /** Candidate requests the bake will see. */
  readonly requests: number;
  readonly requestsToPass: number | null;
  /** Whether a candidate as good as the baseline will have shown it by the end. */
  readonly canPass: boolean;
  /** Smallest candidate error rate that will be failed within the bake, null when none will. */
  readonly failsAbove: number | null;
}

/** Forecast from the baseline's error rate and its traffic. */
export function forecastBake(
  policy: SequentialPolicy,
  baselineErrorRate: number,
  requestsPerSecond: number,
  share: number,
  bakeMs: number,
): BakeForecast {
  const requests = Math.floor(requestsPerSecond * share * (Math.max(0, bakeMs - policy.initialDelayMs) / 1000));
  const toPass = requestsToPass(policy, baselineErrorRate);
  return {
    requests,
    requestsToPass: toPass,
    canPass: toPass !== null && requests >= Math.max(toPass, policy.minRequests),
    failsAbove: rateFailedBy(policy, baselineErrorRate, requests),
  };
}

function rateFailedBy(policy: SequentialPolicy, baseline: number, requests: number): number | null {
  const steps = Array.from({ length: 400 }, (_, i) => boundaryOf(failLine(policy.errors), baseline) + (i + 1) / 400);
  return steps.find((rate) => rate < 1 && (requestsToFail(policy, baseline, rate) ?? Infinity) <= requests) ?? null;
}

/** How many times the requests seen so far can be told ahead from them, and from how many at least. */
const FARTHEST = 20;
const LEAST_SEEN = 100;

/** Candidate requests a pass test still needs at what it has seen; null when that is not better than its line, or too near to it to tell. */
export function requestsMissing(
  policy: SequentialPolicy,
  test: PassTest,
  evidence: number,
  candidate: Hits,
  baseline: Hits,
): number | null {
  const needed = passNeeded(policy) - evidence;
  if (needed <= 0) return 0;
  const line =
    test.class !== null
      ? CLASS_PASS
      : test.quantile !== null
        ? LATENCY_LINE
        : test.name === 'limit'
          ? limitLine(policy.errors)
          : passLine(policy.errors);
  const seen = (candidate.k + 0.5) / (candidate.n + 1);
  const boundary = boundaryOf(line, (baseline.k + 0.5) / (baseline.n + 1));
  if (!(candidate.n > 0 && seen < boundary)) return null;
  // Before the first evidence, what the mixture costs is still to be paid too.
  const cost = evidence < 1 ? MIXTURE_TO_PASS : 0;
  const missing = Math.ceil((needed + cost) / binaryDistance(seen, Math.min(boundary, 1 - 1e-9)));
  return missing <= FARTHEST * Math.max(candidate.n, LEAST_SEEN) ? missing : null;
}

function boundaryOf(line: Line, baseline: number): number {
  return line.slope * baseline + line.shift;
}
