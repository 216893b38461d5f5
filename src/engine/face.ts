import type { Outcome, Recorded, ReleaseEvent } from '../core/release/state/events.ts';
import type { Plan, VersionRef } from '../core/release/plan/plan.ts';
import type { ReleaseState } from '../core/release/state/state.ts';

/** The engine's public face: what server and CLI may ask of it. */
export interface Engine {
  /** Accept a plan. Answers the new release's id at once; work goes on in the background.
   * @throws UserError `RELEASE_REJECTED` (concurrency `reject` and the app is busy), `VERSION_HELD`, `PLAN_STALE`. */
  request(plan: Plan, options: { readonly by: string; readonly retryOf?: string; readonly liftHold?: boolean }): Promise<string>;
  /** Append a person's command to a release and act on it at once.
   * @throws UserError `RELEASE_UNKNOWN`, `RELEASE_ENDED`, `NOT_PAUSED`. */
  command(release: string, command: Command): Promise<void>;
  /** State of one release, folded from its events; null when unknown. */
  release(id: string): Promise<ReleaseState | null>;
  releases(filter: {
    readonly environment?: string;
    readonly app?: string;
    readonly limit?: number;
    readonly active?: boolean;
  }): Promise<readonly ReleaseRow[]>;
  manifest(environment: string): Promise<Manifest>;
  environments(): Promise<readonly string[]>;
  /** Events after a position, oldest first. */
  events(options: { readonly after?: number; readonly release?: string; readonly limit?: number }): Promise<readonly Recorded[]>;
  /** Called for each event after `after`, in order, without gaps, until the signal fires. */
  follow(options: { readonly after: number; readonly release?: string }, on: (event: Recorded) => void, signal: AbortSignal): Promise<void>;
  /** Append to a stream that is neither a release's nor an environment's (`backup/main`): kept, chained and audited like all others. */
  record(stream: string, events: readonly { readonly type: string }[]): Promise<void>;
  /** All events of such a stream, oldest first. */
  recorded(stream: string): Promise<readonly { readonly at: number; readonly data: { readonly type: string } }[]>;
  /** Walk the hash chain. */
  verifyAudit(): Promise<AuditReport>;
  /** Lift the hold on a version. */
  liftHold(environment: string, app: string, version: string, by: string): Promise<void>;
  /** Control planes known, their heartbeats, and how many releases each carries. */
  controlPlanes(): Promise<readonly ControlPlaneRow[]>;
  /** A fresh fencing token, for work on an environment's apps outside any release (`down --all`). */
  fence(): Promise<number>;
  /** Stop working: running effects are interrupted, leases handed back. Releases stay as they are. */
  close(): Promise<void>;
}

export type Command =
  | { readonly kind: 'promote'; readonly by: string; readonly full: boolean; readonly app?: string }
  | { readonly kind: 'pause'; readonly by: string; readonly reason?: string }
  | { readonly kind: 'resume'; readonly by: string }
  | { readonly kind: 'abort'; readonly by: string; readonly reason?: string }
  /** A yes to exactly the plan with this hash. */
  | { readonly kind: 'approve'; readonly by: string; readonly planHash: string; readonly note?: string }
  | { readonly kind: 'reject'; readonly by: string; readonly reason: string };

export interface ReleaseRow {
  readonly id: string;
  readonly environment: string;
  readonly apps: readonly string[];
  readonly kind: 'deploy' | 'rollback';
  readonly commit: string | null;
  readonly planHash: string;
  readonly by: string;
  readonly requestedAt: number;
  readonly endedAt: number | null;
  readonly outcome: Outcome | null;
  readonly reason: string | null;
}

/** What runs where in an environment now. */
export interface Manifest {
  readonly environment: string;
  readonly apps: Readonly<Record<string, ManifestApp>>;
}

export interface ManifestApp {
  readonly app: string;
  readonly platform: string;
  /** Null until a first version is healthy. */
  readonly stable: VersionRef | null;
  /** Fingerprint of the sources that `stable` was built from. */
  readonly fingerprint: string | null;
  readonly weights: Readonly<Record<string, number>>;
  /** The release that made it stable. */
  readonly release: string | null;
  readonly since: number;
  /** Earlier stable versions, newest first (at most 10): what `rollback` can go back to. */
  readonly history: readonly {
    readonly version: VersionRef;
    readonly fingerprint: string;
    readonly release: string;
    readonly at: number;
  }[];
  /** Versions that a rollback rejected; nothing redeploys them by itself. */
  readonly held: readonly {
    readonly version: string;
    readonly fingerprint: string;
    readonly reason: string;
    readonly release: string;
    readonly at: number;
  }[];
}

export interface AuditReport {
  readonly events: number;
  readonly intact: boolean;
  /** Position of the first event whose hash does not fit, null when intact. */
  readonly brokenAt: number | null;
  readonly head: string | null;
}

export interface ControlPlaneRow {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  readonly startedAt: number;
  readonly seenAt: number;
  readonly alive: boolean;
  readonly releases: number;
}

/** Re-exported so that server and CLI need no other room of the engine. */
export type { Recorded, ReleaseEvent, ReleaseState };
