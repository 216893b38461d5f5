export interface AppRef {
  readonly environment: string;
  readonly app: string;
}

/** How a version runs, as plans and versions record it: part of the plan's hash and of the version's id. */
export interface RunSpec extends RunSettings {
  readonly env: Env;
}

/**
 * Settings of a version on its platform. Releases decide with the named ones, which mean the same everywhere. All others are the
 * platform's own (`command`, `memory`, `region`): opaque to core, checked by the schema of its adapter.
 */
export interface RunSettings {
  readonly instances: number;
  /** Whether the app listens on the port handed to it in `PORT`. Workers do not. */
  readonly listens: boolean;
  /** Time that what runs gets to end by itself before it is made to, ms. */
  readonly drainMs: number;
  readonly [setting: string]: unknown;
}

/** Variables of a running app. */
export type Env = Readonly<Record<string, EnvValue>>;

/** Plain text, or the name of a variable in the control plane's own environment (never recorded). */
export type EnvValue =
  | string
  | {
      readonly fromEnv: string;
      /** Tells one value from another by a key of the workspace, and nothing about it; left out where it was not known. */
      readonly identity?: string;
    };

export interface HealthSpec {
  readonly path: string;
  /** Host header of a look. Left out: the address that is asked. */
  readonly host?: string;
  /** Statuses that say healthy. Left out: 200 to 299. */
  readonly statuses?: readonly StatusRange[];
  /** Time between two looks, ms (Kamal: 1 s). */
  readonly intervalMs: number;
  /** Time one look may take, ms (Kamal: 5 s). */
  readonly timeoutMs: number;
}

/** HTTP statuses `from`…`to`, both included. */
export interface StatusRange {
  readonly from: number;
  readonly to: number;
}

export type Health =
  | { readonly state: 'healthy'; readonly evidence: HealthEvidence }
  /** Not yet; `reason` is one sentence for people. */
  | { readonly state: 'waiting'; readonly reason: string }
  /** It will not become healthy by waiting (for example: crashed again and again). */
  | { readonly state: 'failed'; readonly reason: string };

/** What `healthy` rests on: a look in which every instance did what was asked of it. */
export interface HealthEvidence {
  /** What each instance was asked, for people: `GET /up`, `a connection`, `to stay up`. */
  readonly asked: string;
  readonly instances: number;
  /** Starts after the first one, of all instances together: one more than at an earlier look means that one has ended since. */
  readonly restarts: number;
}
