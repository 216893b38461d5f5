import type { Artifact, ArtifactKind } from '../core/app/artifact.ts';
import type { AppRef, Env, Health, HealthSpec, RunSettings } from '../core/app/run.ts';
import type { Endpoint, Weights } from '../core/app/traffic.ts';
import type { Access } from './access.ts';

/**
 * Where app versions live. Calls converge (observe → ensure → return observed), may be repeated, and
 * may be cut off after any outside write and repeated to the same end state.
 * Proven by `test/contracts/platform.ts`.
 */
export interface Platform {
  readonly name: string;
  readonly capabilities: PlatformCapabilities;
  /**
   * What is wrong with these settings, found without asking the outside; empty: nothing. `ensure` refuses what has mistakes with
   * UserError `PLATFORM_SETTINGS_INVALID`.
   */
  check(settings: RunSettings): readonly SettingMistake[];
  /** Whether the control plane can do its work here now, and what to do about it if not. Changes nothing. Never rejects for what it finds. */
  access(signal: AbortSignal): Promise<Access>;
  /**
   * Make this version exist and run, receiving no traffic yet. Returns once it is started, not once
   * it is healthy. Asking again for a version that already runs starts nothing twice.
   * @throws OutsideError when the platform failed and the call may be repeated;
   *   UserError when the app's own settings or artifact are to blame (missing file, bad command, a kind of artifact it does not take).
   * @throws FencedError when `fence` is lower than the highest accepted for this app.
   */
  ensure(target: DeployTarget, signal: AbortSignal): Promise<ObservedVersion>;
  /** Every version of the app that exists on the platform, running or not. */
  observe(ref: AppRef): Promise<readonly ObservedVersion[]>;
  /** One look at the health of one version: does every instance answer as the app's settings ask? */
  health(target: DeployTarget, signal: AbortSignal): Promise<Health>;
  /**
   * Drain and stop a version: asked to end, given `drainMs`, then made to. Repeatable; a version that
   * is not there is already retired. The caller has verified that it has no traffic.
   */
  retire(ref: AppRef, version: string, drainMs: number, fence: number): Promise<void>;
  /**
   * Retire every version of every app in this scope, known to a manifest or not, and take away what the platform keeps beside
   * versions. An empty scope is all that this workspace has here. Repeatable.
   * @throws OutsideError `REMOVE_INCOMPLETE` naming each version that could not be retired; the others are.
   */
  removeAll(scope: Partial<AppRef>, drainMs: number, fence: number): Promise<void>;
  /** Newest log lines of the app, oldest first; `follow` goes on until the signal fires. */
  logs(ref: AppRef, options: LogOptions): AsyncIterable<LogLine>;
  /**
   * Present where part of a version's instances can run: exactly those with these numbers (from 0) then do, the others are
   * asked to end and given their drain time; the version is made to exist where it does not. Returns once it is so. A caller that
   * has number 3 of one version stopped before starting number 3 of another never has both. Repeatable; errors as `ensure`.
   */
  share?(target: DeployTarget, instances: readonly number[], signal: AbortSignal): Promise<ObservedVersion>;
  /** Present when the platform itself splits traffic (capability `weighted`, `staged` or `switch`). */
  readonly traffic?: PlatformTraffic;
}

export interface PlatformTraffic {
  /** Converge to these weights (sum 100, version id → percent) and return what is observed. */
  shift(ref: AppRef, weights: Weights, fence: number): Promise<Weights>;
  read(ref: AppRef): Promise<Weights>;
}

export interface PlatformCapabilities {
  /** `edge`: versions have endpoints and our edge splits traffic between them. */
  readonly traffic: 'edge' | 'weighted' | 'staged' | 'switch' | 'none';
  readonly routingReadable: boolean;
  readonly metricsPerVersion: boolean;
  readonly preview: boolean;
  /** How many versions can exist at once; null = no limit. */
  readonly maxVersions: number | null;
  /** Kinds of artifacts it takes, the usual one first. */
  readonly artifacts: readonly [ArtifactKind, ...ArtifactKind[]];
  /** Whether what runs there is part of this machine's workspace, and ends with `sluice down --all`. */
  readonly isLocal: boolean;
}

/** One setting that cannot be followed. */
export interface SettingMistake {
  /** Keys from the settings down to it. */
  readonly path: readonly string[];
  /** What was found and what is allowed, one sentence without the path. Never a value of a secret. */
  readonly message: string;
}

export interface DeployTarget extends AppRef {
  /** Version id: names artifact + run settings; equal ids are the same thing. */
  readonly version: string;
  readonly artifact: Artifact;
  readonly settings: RunSettings;
  readonly env: Env;
  readonly health: HealthSpec | null;
  /** Whether users reach it through routes: an instance is then healthy only once it answers HTTP. Left out: no. */
  readonly routed?: boolean;
  readonly fence: number;
}

export interface ObservedVersion {
  readonly version: string;
  /** Null: the platform cannot tell any more. */
  readonly artifact: Artifact | null;
  readonly instances: readonly ObservedInstance[];
  /** Empty when the app does not listen. */
  readonly endpoints: readonly Endpoint[];
}

export interface ObservedInstance {
  readonly id: string;
  /** `backoff`: it has ended, and the platform starts it again. */
  readonly state: 'running' | 'backoff' | 'stopped';
  /** What else the platform knows of it, in words for people ("pid 4711, started again once, last end: exit code 1"); null: nothing. */
  readonly detail: string | null;
}

export interface LogOptions {
  readonly lines: number;
  readonly follow: boolean;
  readonly version?: string;
  readonly signal?: AbortSignal;
}

export interface LogLine {
  readonly version: string;
  readonly instance: string;
  readonly line: string;
}
