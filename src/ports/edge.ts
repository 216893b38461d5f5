/**
 * The data path: users → edge → app versions. An edge keeps serving while the control plane and
 * PostgreSQL are down, and keeps what it was last told across its own restart.
 *
 * The whole intent for one app is sent at once and converged to (observe, ensure, return what is
 * observed), so every call may be repeated.
 */
export interface Edge {
  readonly name: string;
  /**
   * Converge one app to this intent and return what the data plane then really does: the weights in
   * the answer are read back, not echoed. Existing requests are never cut.
   * @throws FencedError when `intent.fence` is lower than the highest fence accepted for this app.
   */
  apply(intent: EdgeIntent): Promise<EdgeObservation>;
  /** What the data plane does now for one app; null when it does not know the app. */
  observe(app: string): Promise<EdgeObservation | null>;
  /** Monotone counters per version since the edge's epoch. Versions at weight 0 are included. */
  stats(app: string): Promise<EdgeStats>;
  /** Forget an app. Requests for its routes are answered 404 afterwards. Repeatable. */
  remove(app: string, fence: number): Promise<void>;
}

export interface EdgeIntent {
  /** `environment/app` */
  readonly app: string;
  /** Fencing token: calls with a lower one than already accepted for this app are refused. */
  readonly fence: number;
  readonly routes: readonly EdgeRoute[];
  /**
   * Order matters for stickiness: a user's bucket u in [0, 100) is fixed; the LAST version takes the
   * low end of the range, so raising its weight never moves a user who already has it (invariant 7).
   * Weights sum to 100 (integers or one decimal); weight-0 versions are reachable by header only.
   */
  readonly versions: readonly EdgeVersion[];
  readonly sticky: Sticky;
}

export interface EdgeRoute {
  /** Host header to match (without port), or null for any. */
  readonly host: string | null;
  /** Path prefix of whole segments (`/api` is not `/apix`), `/` for all. The longest match wins; a host match beats any host. */
  readonly pathPrefix: string;
}

export interface EdgeVersion {
  readonly id: string;
  readonly weight: number;
  readonly endpoints: readonly Endpoint[];
}

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** How a user is recognised: a cookie the edge sets itself (`sluice_id`), or a request header. */
export type Sticky = { readonly by: 'cookie' } | { readonly by: 'header'; readonly header: string } | { readonly by: 'none' };

export interface EdgeObservation {
  readonly app: string;
  readonly fence: number;
  readonly versions: readonly {
    readonly id: string;
    readonly weight: number;
    readonly endpoints: readonly Endpoint[];
    /** Requests and upgraded connections not yet finished. */
    readonly inFlight: number;
  }[];
}

export interface EdgeStats {
  /** Changes when the counters started again from zero. */
  readonly epoch: string;
  /** Milliseconds since the Unix epoch at which the counters were read. */
  readonly at: number;
  readonly versions: Readonly<Record<string, VersionCounters>>;
}

/** Monotone within one epoch. */
export interface VersionCounters {
  readonly requests: number;
  /**
   * Answers by status class, `'1xx'`…`'5xx'`; plus `failed`: no (whole) answer could be had from the version,
   * and `aborted`: the client left before there was one.
   */
  readonly byClass: Readonly<Record<string, number>>;
  /** Sparse counts by bucket of `core/analysis/histogram.ts`: bucket index → answers. */
  readonly latency: Readonly<Record<string, number>>;
}

/** Request header that reaches one version of an app whatever its weight, even 0. */
export const VERSION_HEADER = 'sluice-version';
/** Cookie by which the edge recognises a user when `sticky.by` is `cookie`. */
export const STICKY_COOKIE = 'sluice_id';
