import type { Reading } from '../../analysis/reading.ts';
import type { Sample, Verdict } from '../../analysis/sample.ts';
import type { Weights } from '../../app/traffic.ts';
import type { ChecklistLine } from './checklist-line.ts';
import type { Plan, VersionRef } from '../plan/plan.ts';
import type { PreparationEvent } from '../preparations/index.ts';

/** Who did it: a person's name, or `sluice` for a decision of the runbook. */
export type Actor = string;

/**
 * Everything that can happen to a release. Facts in the past tense; the release's state is a fold over them
 * (`evolve.ts`). Stored with a schema version per type; old ones are upcast on read (`upcast.ts`).
 */
export type ReleaseEvent =
  // what people ask
  | {
      readonly type: 'ReleaseRequested';
      readonly release: string;
      readonly plan: Plan;
      readonly by: Actor;
      readonly retryOf: string | null;
    }
  | { readonly type: 'PromoteRequested'; readonly by: Actor; readonly full: boolean; readonly app: string | null }
  | { readonly type: 'PauseRequested'; readonly by: Actor; readonly reason: string | null }
  | { readonly type: 'ResumeRequested'; readonly by: Actor }
  | { readonly type: 'AbortRequested'; readonly by: Actor; readonly reason: string | null }
  | PreparationEvent
  // the release
  /** The apps are this release's alone now. `stables`: what is stable in the manifest at this moment, which may be newer than what the plan saw. */
  | { readonly type: 'ReservationsAcquired'; readonly stables: Readonly<Record<string, VersionRef | null>> }
  /** Each time `reserve` found an app taken; the runbook then waits for ReservationFreed (or looks again after 30 s). */
  | { readonly type: 'ReservationBusy'; readonly app: string; readonly holder: string }
  /** Appended by the engine to every release that waits for an app which has just been given back. */
  | { readonly type: 'ReservationFreed'; readonly app: string; readonly by: string }
  /** Every rollout is out, soaked and healthy: from here old versions are retired and there is no way back within this release. */
  | { readonly type: 'FinishingStarted' }
  | { readonly type: 'RollbackStarted'; readonly cause: Cause }
  /** `checklist`: as it stands at the end; not in events of earlier versions. */
  | {
      readonly type: 'ReleaseEnded';
      readonly outcome: Outcome;
      readonly reason: string;
      readonly checklist?: readonly ChecklistLine[];
    }
  | { readonly type: 'ReservationsReleased' }
  // one app's rollout
  | { readonly type: 'RolloutStarted'; readonly app: string }
  | {
      readonly type: 'ArtifactBuilt';
      readonly app: string;
      readonly version: VersionRef;
      readonly reused: boolean;
      readonly log: string | null;
    }
  | { readonly type: 'RolloutSkipped'; readonly app: string; readonly reason: string }
  | { readonly type: 'VersionDeployed'; readonly app: string; readonly version: string }
  /** `restarts`: starts of its instances after the first one, up to then; not in events of earlier versions. */
  | { readonly type: 'VersionHealthy'; readonly app: string; readonly version: string; readonly restarts?: number }
  | { readonly type: 'VersionUnhealthy'; readonly app: string; readonly version: string; readonly reason: string }
  | { readonly type: 'SmokePassed'; readonly app: string; readonly version: string }
  | { readonly type: 'SmokeFailed'; readonly app: string; readonly version: string; readonly reason: string }
  | { readonly type: 'StepStarted'; readonly app: string; readonly step: number }
  /** `toProve`: users reach the app by way of our edge, which has to be asked before anything is built on this shift. */
  | { readonly type: 'WeightsShifted'; readonly app: string; readonly weights: Weights; readonly toProve: boolean }
  /** Every route was asked through the edge, and the version answered. */
  | { readonly type: 'RoutesProven'; readonly app: string; readonly version: string; readonly routes: readonly RouteEvidence[] }
  | { readonly type: 'RoutesBroken'; readonly app: string; readonly version: string; readonly reason: string }
  | {
      readonly type: 'SampleCollected';
      readonly app: string;
      readonly sample: Sample | null;
      readonly reading: Reading | null;
      /** Name of a further analysis; left out: the strategy's own. */
      readonly analysis?: string;
    }
  | { readonly type: 'AnalysisCompleted'; readonly app: string; readonly verdict: Verdict; readonly analysis?: string }
  | { readonly type: 'RolloutPaused'; readonly app: string; readonly step: number; readonly reason: PauseReason; readonly message: string }
  | { readonly type: 'RolloutResumed'; readonly app: string }
  | { readonly type: 'RolloutPromoted'; readonly app: string }
  | { readonly type: 'RolloutFailed'; readonly app: string; readonly cause: Cause }
  /** `kept`: there was nothing to go back to, so the only copy stays and is the stable version from here on. */
  | { readonly type: 'StableRestored'; readonly app: string; readonly kept: boolean }
  | { readonly type: 'VersionRetired'; readonly app: string; readonly version: string }
  /** The candidate is the stable version now. `note`: what is left over, if anything. */
  | { readonly type: 'RolloutFinished'; readonly app: string; readonly note: string | null }
  /** An effect could not be carried out; the runbook decides whether to try again. */
  | {
      readonly type: 'EffectFailed';
      readonly app: string | null;
      readonly effect: string;
      readonly key: string;
      readonly blame: 'user' | 'outside' | 'bug';
      readonly code: string;
      readonly message: string;
    };

/** One request through the edge, and the status of the answer. */
export interface RouteEvidence {
  /** Host and path, such as `shop.example/api`. */
  readonly route: string;
  /** The version was asked for by its header; otherwise as users ask. */
  readonly pinned: boolean;
  readonly status: number;
}

export type ReleaseEventType = ReleaseEvent['type'];

export type PauseReason = 'manual' | 'pauseStep' | 'confirm' | 'inconclusive';

/** Why a rollout did not go on. `verdict`: evidence was bad; `technical`: something broke; `person`: someone said so. */
export interface Cause {
  readonly kind: 'verdict' | 'technical' | 'person';
  readonly app: string | null;
  readonly code: string;
  /** One sentence for people. */
  readonly message: string;
}

export type Outcome = 'Succeeded' | 'Failed' | 'Errored' | 'Aborted' | 'RolledBack' | 'RollbackFailed';

/** An event as it stands in the log. */
export interface Recorded<E = ReleaseEvent> {
  /** Global position, increasing in the order in which events became visible. */
  readonly position: number;
  readonly stream: string;
  /** Position in its stream, from 1. */
  readonly version: number;
  readonly type: string;
  readonly schema: number;
  /** Milliseconds since the Unix epoch, the control plane's clock. */
  readonly at: number;
  readonly data: E;
  /** `sha256:<hex>` over the previous event's hash and this one: the audit chain. */
  readonly hash: string;
}
