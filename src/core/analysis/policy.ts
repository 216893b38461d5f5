/** How a candidate is judged while it bakes. */
export type AnalysisPolicy = ThresholdPolicy;

/** Measurements against fixed limits. Semantics of limits: Argo Rollouts. */
export interface ThresholdPolicy {
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
