export type Weights = Readonly<Record<string, number>>;

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
  /** The same classes by route, of those routes that are told apart (`core/edge/told-routes.ts`); left out: none are. */
  readonly routes?: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** How an edge treats the clients that connect to it: the same words on every edge. Addresses are IPs or networks (`10.0.0.0/8`). */
export interface EdgeRules {
  /** Proxies of one's own in front of the edge: what they say in `X-Forwarded-*` and `Forwarded` is believed. */
  readonly trustedProxies: readonly string[];
  /** Who may reach a version by `Sluice-Version`. */
  readonly pinFrom: readonly string[];
  readonly limits: EdgeLimits;
  readonly timeouts: EdgeTimeouts;
}

export interface EdgeLimits {
  /** Largest head of a request (431 beyond) and of an answer (502 beyond), bytes. */
  readonly headBytes: number;
  /** Largest request body, bytes (413 beyond; without a length 411); null: any. */
  readonly bodyBytes: number | null;
  /** Most connections of users at a time; null: what the descriptors of the process allow. */
  readonly connections: number | null;
  /** Most connections of one address, but for this machine's and trusted proxies'; null: any. */
  readonly connectionsPerAddress: number | null;
  /** A request body that comes more slowly is given up, bytes a second. */
  readonly bodyRate: number;
}

export interface EdgeTimeouts {
  /** From the first byte of a request head to its last, and for the first request of a connection, ms. */
  readonly headMs: number;
  /** A connection without a request after its first, ms. */
  readonly idleMs: number;
  /** A request body without progress, or an answer that the user does not take, ms. */
  readonly bodyMs: number;
  /** A version that is silent: until its answer begins, and between two pieces of it, ms. */
  readonly answerMs: number;
}

/**
 * Request header that reaches one version of an app whatever its weight, even 0: from the addresses of `EdgeRules.pinFrom`. Such a
 * request is never counted: who chooses a version is no evidence about it.
 */
export const VERSION_HEADER = 'sluice-version';

/** Cookie by which the edge recognises a user when `sticky.by` is `cookie`. */
export const STICKY_COOKIE = 'sluice_id';
