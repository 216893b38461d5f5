import type { Histogram } from './histogram.ts';

/**
 * Everything observed in one half-open interval (fromAt, at], the same clock edges for both arms.
 * One sample is judged once; a source that could not be read gives an `error` sample, which is
 * never a bad value (and never a good one).
 */
export interface Sample {
  readonly fromAt: number;
  readonly at: number;
  readonly candidate: ArmCounts | null;
  /** Null when there is no baseline (first deploy). */
  readonly baseline: ArmCounts | null;
  /** Why the source could not be read, null when it was. */
  readonly error: string | null;
}

export interface ArmCounts {
  readonly requests: number;
  /** Answers 5xx, and requests that got no answer. */
  readonly errors: number;
  readonly latency: Histogram;
}

/** SEMANTICS.md: completed = the last four. */
export type AnalysisPhase = 'Pending' | 'Running' | 'Successful' | 'Failed' | 'Error' | 'Inconclusive';

export interface Verdict {
  readonly phase: AnalysisPhase;
  /** One sentence for people. */
  readonly reason: string;
  readonly metrics: readonly MetricVerdict[];
  /** Candidate requests the verdict rests on. */
  readonly candidateRequests: number;
}

export interface MetricVerdict {
  readonly name: string;
  readonly phase: AnalysisPhase;
  readonly reason: string;
  readonly candidate: number | null;
  readonly baseline: number | null;
  readonly dryRun: boolean;
}

/**
 * Samples in, verdict out. State is plain JSON: events replayed give the same verdict to the last digit.
 * `finish` is the verdict once no more samples will come (the bake is over).
 */
export interface Judge<Policy, State> {
  start(policy: Policy, at: number): State;
  observe(policy: Policy, state: State, sample: Sample): State;
  verdict(policy: Policy, state: State, now: number): Verdict;
  finish(policy: Policy, state: State, now: number): Verdict;
}
