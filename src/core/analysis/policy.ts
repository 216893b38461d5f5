import type { EffectSize } from './kayenta.ts';
import type { SourceSettings } from './reading.ts';

/** How a candidate is judged while it bakes. */
export type AnalysisPolicy = ThresholdPolicy | SequentialPolicy | KayentaPolicy;

/** What any judge's verdict rests on, and what is done where there is none. Left out: the edge, `pause`, no early end. */
export interface PolicyFrame {
  readonly source?: SourceSettings;
  readonly onInconclusive?: OnInconclusive;
  /** A bake ends as soon as it has passed, but not before this, ms. */
  readonly early?: { readonly minBakeMs: number };
  /** False: status classes that are no errors are not compared. Left out: they are, where the source tells them. */
  readonly classes?: false;
  /** False: routes are not looked at one by one. Left out: they are, where the source tells them apart. */
  readonly routes?: false;
}

/**
 * `pause`: until a person decides. `extend`: bake once more as long, then pause. `rollback`: as if it were bad.
 * `promote`: go on all the same, given the requests needed. Metrics that cannot be read always pause.
 */
export type OnInconclusive = 'pause' | 'extend' | 'rollback' | 'promote';

/** A further analysis of a rollout, beside the one that its strategy has. */
export interface NamedAnalysis {
  readonly name: string;
  /** `step`: each bake proves itself. `background`: one, from the first bake to the last. `afterPromotion`: while the old version is kept. */
  readonly during: 'step' | 'background' | 'afterPromotion';
  /** Looked at and shown, without consequences. */
  readonly dryRun: boolean;
  readonly policy: AnalysisPolicy;
}

/** What `steps: "auto"` is to keep to. */
export interface AutoSteps {
  /** Bad answers that a version which fails every request may cost at most before it is back at 0. */
  readonly harm: number;
  /** Longest bake of one step, ms. */
  readonly longestMs: number;
  /** Requests a second of the app; null: as seen at the edge when the plan is made. */
  readonly requestsPerSecond: number | null;
}

/** Measurements against fixed limits. Semantics of limits: Argo Rollouts. */
export interface ThresholdPolicy extends PolicyFrame {
  readonly judge: 'threshold';
  /** Time between two looks, ms. */
  readonly intervalMs: number;
  /** Samples before this age of the bake are not judged, ms. */
  readonly initialDelayMs: number;
  readonly metrics: readonly MetricPolicy[];
  /** What no data at all means at the end; `pass` is refused where it would be the only evidence. */
  readonly noData: 'inconclusive' | 'fail';
  /** Candidate requests without which nothing passes. */
  readonly minRequests: number;
}

export interface MetricPolicy {
  readonly name: string;
  readonly measure: Measure;
  /** At least one of the two is set (neither is a config error). */
  readonly success: Condition | null;
  readonly failure: Condition | null;
  /** Failed measurements tolerated (cumulative); failed when more. -1: no limit. */
  readonly failureLimit: number;
  readonly inconclusiveLimit: number;
  /** Errors in a row tolerated; Argo's default 4. */
  readonly consecutiveErrorLimit: number;
  /** Successful at once after this many in a row; 0 = off. */
  readonly consecutiveSuccessLimit: number;
  /** Candidate requests one measurement needs; windows are widened until they have them. */
  readonly minRequests: number;
  readonly dryRun: boolean;
}

export type Measure =
  /** Share of answers that are errors, 0…1. */
  | { readonly kind: 'errorRate' }
  /** Latency quantile in ms; `quantile` in (0, 1). */
  | { readonly kind: 'latency'; readonly quantile: number };

export interface Condition {
  readonly compare: '<' | '<=' | '>' | '>=';
  readonly value: number;
  /** What is compared: the candidate's value, or its ratio to the baseline's. */
  readonly of: 'candidate' | 'ratio';
}

/**
 * Series of data points of candidate and baseline, compared by Kayenta's Mann–Whitney test and weighed into a score.
 * A score is no evidence that may be looked at often: how often it fails a good candidate is not bounded by anything.
 */
export interface KayentaPolicy extends PolicyFrame {
  readonly judge: 'kayenta';
  /** Time between two looks, ms; each brings a point to every metric that has the requests for one. */
  readonly intervalMs: number;
  /** Samples before this age of the bake are not judged, ms. */
  readonly initialDelayMs: number;
  readonly noData: 'inconclusive' | 'fail';
  /** Candidate requests without which nothing passes. */
  readonly minRequests: number;
  readonly metrics: readonly ComparedMetric[];
  /** 0…100. From `pass` on it passes, below `marginal` it fails, between them a person decides. */
  readonly scores: { readonly pass: number; readonly marginal: number };
  /** Percent of the score by group; what is left is shared by the groups not named. */
  readonly groupWeights: Readonly<Record<string, number>>;
  /** Points of a metric before it is compared at all. With fewer than 5 the test could not find anything. */
  readonly minPoints: number;
  /** The newest so many points are compared. */
  readonly maxPoints: number;
}

export interface ComparedMetric {
  readonly name: string;
  readonly measure: Measure;
  /** Which deviation is bad. */
  readonly direction: 'increase' | 'decrease' | 'either';
  readonly group: string;
  /** Fails everything when it fails. */
  readonly critical: boolean;
  /** Not a single point in the end counts as bad, not as unknown. */
  readonly mustHaveData: boolean;
  /** Deviations smaller than these pass. */
  readonly effect: EffectSize;
  readonly outliers: 'keep' | 'remove';
  /** Requests of either version that one point needs; its window is widened until it has them. */
  readonly minRequests: number;
  readonly dryRun: boolean;
}

/**
 * Candidate compared with baseline request by request, by evidence that may be looked at after every
 * sample without raising the false-alarm rate (docs/judge.md). `SEQUENTIAL_DEFAULTS` are good values.
 */
export interface SequentialPolicy extends PolicyFrame {
  readonly judge: 'sequential';
  /** Time between two looks, ms. A burst inside one look can never fail a release alone, so 5 s or less detects fastest. */
  readonly intervalMs: number;
  /** Warm-up: latency before this age of a rollout's first bake is not judged, ms. */
  readonly initialDelayMs: number;
  /** What no traffic to the candidate means. */
  readonly noData: 'inconclusive' | 'fail';
  /** Candidate requests without which nothing passes. */
  readonly minRequests: number;
  /** Chance that a candidate no worse than the margins allow is failed, over all bakes of a rollout together. */
  readonly alphaFail: number;
  /** Chance that a candidate worse than the pass margins is passed. */
  readonly alphaPass: number;
  readonly errors: ErrorTests;
  /** Null: latency is not judged. */
  readonly latency: LatencyTests | null;
  /** At least 1. How many requests carry the information of one where they come in clumps; all evidence is divided by it. */
  readonly designEffect: number;
  /** Most strata told apart (route × method, region…) where samples have them; 0: compare all traffic as one. At most 4. */
  readonly strata: number;
}

/** Shares of errors, 0…1. */
export interface ErrorTests {
  /** Fails when the candidate's rate is above failRatio × baseline's + failMargin. */
  readonly failRatio: number;
  readonly failMargin: number;
  /** Passes when it is below passRatio × baseline's + passMargin. */
  readonly passRatio: number;
  readonly passMargin: number;
  /** Passes only when the candidate's rate is below this, whatever the baseline's. */
  readonly limit: number;
  /** Fail above `limit` too, even where the baseline is as bad. */
  readonly strict: boolean;
}

export interface LatencyTests {
  /** Slower by more than this share fails, slower by less passes: 0.1 is 10 %. */
  readonly margin: number;
  /** Quantiles that must be shown to be within the margin before anything passes. */
  readonly quantiles: readonly number[];
  /** Bucket edges of a source coarser than our own histogram, ms ascending; null: our own. */
  readonly edgesMs: readonly number[] | null;
}

/** The sequential judge as it is meant to be used. */
export const SEQUENTIAL_DEFAULTS: SequentialPolicy = {
  judge: 'sequential',
  intervalMs: 5000,
  initialDelayMs: 60_000,
  noData: 'inconclusive',
  minRequests: 100,
  alphaFail: 0.01,
  alphaPass: 0.05,
  errors: { failRatio: 1.1, failMargin: 0.001, passRatio: 1.1, passMargin: 0.005, limit: 0.01, strict: false },
  latency: { margin: 0.1, quantiles: [0.5, 0.95], edgesMs: null },
  designEffect: 1,
  strata: 0,
};
