import type { Reading, SourceSettings } from '../../analysis/reading.ts';
import type { Weights } from '../../app/traffic.ts';
import type { ReleaseEvent } from '../state/events.ts';
import type { Concurrency, PlannedApp, VersionRef } from '../plan/plan.ts';
import type { PreparationEffect } from '../preparations/index.ts';

/**
 * What the runbook wants done, as data. `engine/perform/<kind>.ts` carries one out through a port and
 * returns the events that say how it went. Effects are performed at least once: the performer is
 * idempotent by `key`, which stays the same however often the same decision is made again.
 *
 * `lane`: effects of one lane run one after another; lanes run side by side. A rollout's lane is its
 * app's name; the release's own lane is ''.
 */
export type Effect = EffectBody & {
  readonly key: string;
  readonly lane: string;
  /** When the performer must give up, ms since epoch: the effect is then interrupted and counts as failed. */
  readonly deadline: number;
};

export type EffectBody =
  /** A decision: nothing to do outside, append these events. */
  | { readonly kind: 'record'; readonly events: readonly ReleaseEvent[] }
  /** Take the apps of this release for itself, or say who has them. Answers ReservationsAcquired | ReservationBusy. */
  | { readonly kind: 'reserve'; readonly apps: readonly { readonly app: string; readonly concurrency: Concurrency }[] }
  /** Give them back and wake the releases that wait. Answers ReservationsReleased. */
  | { readonly kind: 'unreserve' }
  /** What the stages before the rollouts want done. */
  | PreparationEffect
  /** Answers ArtifactBuilt | EffectFailed. */
  | { readonly kind: 'build'; readonly app: PlannedApp; readonly commit: string | null }
  /** Make a version exist and run at weight 0, and tell the edge of it. Answers VersionDeployed. */
  | { readonly kind: 'deploy'; readonly app: PlannedApp; readonly version: VersionRef; readonly weights: Weights }
  /** Look at its health until it is healthy, can no longer become so, or `until` passes. Answers VersionHealthy | VersionUnhealthy. */
  | { readonly kind: 'verify'; readonly app: PlannedApp; readonly version: VersionRef; readonly until: number }
  /** Answers SmokePassed | SmokeFailed. */
  | { readonly kind: 'smoke'; readonly app: PlannedApp; readonly version: VersionRef }
  /** Set traffic weights and verify them at the data plane. `versions` holds every version named in `weights`. Answers WeightsShifted. */
  | { readonly kind: 'shift'; readonly app: PlannedApp; readonly versions: readonly VersionRef[]; readonly weights: Weights }
  /** Ask every route through the edge as a user would, until the version answers or `until` passes. Answers RoutesProven | RoutesBroken. */
  | { readonly kind: 'probe'; readonly app: PlannedApp; readonly version: VersionRef; readonly until: number }
  /** Read the counters. Answers SampleCollected: the block between `previous` and now (no block when `previous` is null: only the first reading).
   * A source that cannot be read gives a sample with `error`, from `since`, and keeps `previous`. */
  | {
      readonly kind: 'collect';
      readonly app: PlannedApp;
      readonly candidate: string;
      readonly baseline: string | null;
      readonly previous: Reading | null;
      readonly since: number;
      /** Name of a further analysis; left out: the strategy's own. */
      readonly analysis?: string;
      /** Left out: the edge. */
      readonly source?: SourceSettings;
    }
  /** See that a version has no traffic at the data plane, drain and stop it. `keep` is what goes on serving, if anything. Answers VersionRetired. */
  | { readonly kind: 'retire'; readonly app: PlannedApp; readonly version: VersionRef; readonly keep: VersionRef | null };

export type EffectKind = EffectBody['kind'];

/** What the runbook decided: do these now, and look again at `wakeAt` (ms since epoch) if nothing happened. */
export interface Decision {
  readonly effects: readonly Effect[];
  readonly wakeAt: number | null;
}
