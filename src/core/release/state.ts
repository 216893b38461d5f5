import type { Verdict } from '../analysis/sample.ts';
import type { ThresholdState } from '../analysis/threshold.ts';
import type { Weights } from '../../ports/platform.ts';
import type { Actor, Cause, Outcome, PauseReason } from './events.ts';
import type { Plan, PlannedApp, VersionRef } from './plan.ts';

/** A release, folded from its events. Plain JSON. */
export interface ReleaseState {
  readonly id: string;
  readonly plan: Plan;
  readonly by: Actor;
  readonly requestedAt: number;
  readonly stage: ReleaseStage;
  /** Time the present stage began. */
  readonly stageSince: number;
  /** Release that has what this one waits for. */
  readonly waitingFor: { readonly app: string; readonly holder: string } | null;
  /** A person paused the whole release. */
  readonly pause: { readonly since: number; readonly by: Actor; readonly reason: string | null } | null;
  /** Why it is being (or was) put back; null while all is well. */
  readonly cause: Cause | null;
  readonly rollouts: Readonly<Record<string, RolloutState>>;
  readonly outcome: Outcome | null;
  readonly reason: string | null;
  readonly endedAt: number | null;
  /** Failed tries by effect key, for back-off. */
  readonly attempts: Readonly<Record<string, Attempt>>;
  /** Events folded so far. */
  readonly version: number;
}

export type ReleaseStage = 'queued' | 'rolling' | 'finishing' | 'restoring' | 'ended' | 'closed';

export interface Attempt {
  readonly count: number;
  readonly lastAt: number;
  readonly code: string;
  readonly message: string;
  readonly blame: 'user' | 'outside' | 'bug';
}

export type RolloutStage =
  | 'waiting'
  | 'building'
  | 'stoppingOld'
  | 'deploying'
  | 'verifying'
  | 'smoking'
  | 'stepping'
  | 'promoting'
  | 'soaking'
  | 'ready'
  | 'retiring'
  | 'done'
  | 'failed'
  | 'restored'
  | 'skipped';

export type RolloutPhase = 'Pending' | 'Progressing' | 'Paused' | 'Healthy' | 'Degraded';

/** One app's part of a release. */
export interface RolloutState {
  readonly app: PlannedApp;
  readonly stage: RolloutStage;
  readonly stageSince: number;
  readonly phase: RolloutPhase;
  /** The version being rolled out; null until it is built. */
  readonly candidate: VersionRef | null;
  readonly deployed: boolean;
  readonly healthy: boolean;
  /** Last weights verified at the data plane; {} before the first. */
  readonly weights: Weights;
  /** Index into the strategy's steps. */
  readonly step: number;
  readonly stepSince: number;
  readonly pause: { readonly reason: PauseReason; readonly since: number; readonly message: string } | null;
  /** Milliseconds of the present step spent paused (not counted). */
  readonly pausedMs: number;
  readonly analysis: { readonly startedAt: number; readonly lastSampleAt: number; readonly state: ThresholdState; readonly verdict: Verdict | null } | null;
  /** A person said `promote --full`: no more analysis, pauses, steps. */
  readonly full: Actor | null;
  readonly cause: Cause | null;
  readonly oldStopped: boolean;
  readonly reason: string | null;
}
