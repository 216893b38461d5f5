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
  /** The same counts by stratum (route × method, region…), where the source can tell them apart. */
  readonly strata?: Readonly<Record<string, Arms>>;
  /** Whose counters went down without their source saying that it began again. */
  readonly restarted?: Readonly<Partial<Record<ArmName, Restart>>>;
}

/** The two sides of a comparison. */
export type ArmName = 'candidate' | 'baseline';

/** Counters that are lower than they were: what the one of requests was before, and what it is now. */
export interface Restart {
  readonly before: number;
  readonly after: number;
}

export interface Arms {
  readonly candidate: ArmCounts | null;
  readonly baseline: ArmCounts | null;
}

/** What a sample counts, whenever it was. */
export type Counts = Pick<Sample, 'candidate' | 'baseline' | 'strata'>;

export interface ArmCounts {
  readonly requests: number;
  /** Answers 5xx, and requests that got no answer. */
  readonly errors: number;
  readonly latency: Histogram;
  /** The same requests by what became of them; left out where the source cannot tell. */
  readonly classes?: ClassCounts;
  /** What the source cannot vouch for: a zero of it may mean that such a series does not exist. Left out: nothing. */
  readonly unknown?: readonly Unproven[];
}

/** A part of the counts whose absence a source cannot tell from zero. */
export type Unproven = 'errors';

/** Requests by status class `'1xx'`…`'5xx'`, `failed` (no whole answer) and `aborted` (the client left before one); together at most all requests. */
export type ClassCounts = Readonly<Record<string, number>>;

/** SEMANTICS.md: completed = the last four. */
export type AnalysisPhase = 'Pending' | 'Running' | 'Successful' | 'Failed' | 'Error' | 'Inconclusive';

/** A ruling with the numbers it rests on. The front of all judges makes it (judge.ts), so that there is none without them. */
export interface Verdict extends Ruling {
  /** Those that this policy needs, were they seen or not. */
  readonly streams: readonly StreamEvidence[];
}

export type StreamMeasure = 'requests' | 'errors' | 'latency';

/** What one stream of numbers has brought to a verdict. */
export interface StreamEvidence {
  readonly arm: ArmName;
  readonly measure: StreamMeasure;
  /** Kind of the metric source. */
  readonly source: string;
  /** Requests, or latencies; of errors the requests whose errors the source vouches for, were there any or none. */
  readonly count: number;
  /** End of the oldest and of the newest look that brought any, ms since the epoch; null: none did. */
  readonly oldestAt: number | null;
  readonly freshestAt: number | null;
}

/** What a judge makes of the samples it was given. */
export interface Ruling {
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
  /** How sure it is, where the judge can say so. */
  readonly evidence?: Evidence;
}

/** Evidence of the sequential judge: bets against "all is well" and against "it is worse". 1 is none. */
export interface Evidence {
  /** By how much a bet that the candidate is worse has multiplied its stake; null where this metric cannot fail. */
  readonly worse: number | null;
  /** …and the product of all metrics at which it counts as proven. */
  readonly worseNeeded: number;
  /** The same for "within the margin"; null where it cannot pass. */
  readonly good: number | null;
  readonly goodNeeded: number;
  readonly candidate: Estimate | null;
  readonly baseline: Estimate | null;
  /** The candidate by the baseline; null where either is not known. */
  readonly effect: Effect | null;
  /** Candidate requests still missing before it can pass, at what is seen so far; null when none or not to be had. */
  readonly requestsMissing: number | null;
  /** …and how long they take at the rate seen so far, ms. */
  readonly missingMs: number | null;
}

/** A value with an interval that holds at every look at once (95 %). */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly requests: number;
}

/** Of error rates the difference, of latency quantiles the ratio, with an interval that holds at every look at once (95 %). */
export interface Effect {
  readonly kind: 'difference' | 'ratio';
  readonly value: number;
  readonly low: number;
  /** Null: there is no end to it (the baseline may have been next to nothing). */
  readonly high: number | null;
}

/**
 * Samples in, verdict out. State is plain JSON: events replayed give the same verdict to the last digit.
 * `finish` is the verdict once no more samples will come (the bake is over).
 */
export interface Judge<Policy, State, Answer = Ruling> {
  start(policy: Policy, at: number): State;
  observe(policy: Policy, state: State, sample: Sample): State;
  verdict(policy: Policy, state: State, now: number): Answer;
  finish(policy: Policy, state: State, now: number): Answer;
  /** The phases of these two alone: they are asked for at every look, and all the evidence only where something is decided. */
  phase(policy: Policy, state: State, now: number): AnalysisPhase;
  finalPhase(policy: Policy, state: State, now: number): AnalysisPhase;
}
