import type { JudgeState } from '../../analysis/judge.ts';
import type { Reading } from '../../analysis/reading.ts';
import type { Verdict } from '../../analysis/sample.ts';
import type { Weights } from '../../app/traffic.ts';
import type { Actor, Cause, Outcome, PauseReason } from './events.ts';
import type { Plan, PlannedApp, VersionRef } from '../plan/plan.ts';
import type { Preparation } from '../preparations/index.ts';

/** A release, folded from its events. Plain JSON. */
export interface ReleaseState {
  readonly id: string;
  readonly plan: Plan;
  readonly by: Actor;
  readonly retryOf: string | null;
  readonly requestedAt: number;
  readonly stage: ReleaseStage;
  /** Time the present stage began. */
  readonly stageSince: number;
  /** Who has what this release waits for. */
  readonly waitingFor: { readonly app: string; readonly holder: string; readonly since: number } | null;
  /** A person paused the whole release. */
  readonly pause: { readonly since: number; readonly by: Actor; readonly reason: string | null } | null;
  /** Why it is being (or was) put back; null while all is well. */
  readonly cause: Cause | null;
  /** What it has gathered on the way to its rollouts. */
  readonly preparation: Preparation;
  readonly rollouts: Readonly<Record<string, RolloutState>>;
  readonly outcome: Outcome | null;
  readonly reason: string | null;
  readonly endedAt: number | null;
  /** Failed tries by effect key, for back-off. */
  readonly attempts: Readonly<Record<string, Attempt>>;
  /** Events folded so far. */
  readonly version: number;
}

export type ReleaseStage =
  /** Checks run; nothing is reserved. */
  | 'checking'
  /** Waits for approval; nothing is reserved, nothing runs. */
  | 'awaiting'
  /** Waits for the deployment window; nothing is reserved, nothing runs. */
  | 'scheduled'
  /** Waits for its apps. */
  | 'queued'
  /** Backup, migrations and projections; the apps are its own. */
  | 'preparing'
  | 'rolling'
  | 'finishing'
  | 'restoring'
  /** The outcome stands, the apps are still reserved. */
  | 'ended'
  /** Nothing more will happen. */
  | 'closed';

export interface Attempt {
  readonly count: number;
  readonly firstAt: number;
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
  /** All steps done, old version still alive beside. */
  | 'soaking'
  /** Soaked and seen healthy once more. */
  | 'ready'
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
  /** The candidate was seen healthy (and, where asked, passed its smoke test). */
  readonly healthy: boolean;
  /** Last weights verified at the data plane; {} before the first. */
  readonly weights: Weights;
  /** The candidate has had traffic. */
  readonly shifted: boolean;
  /** Index into `stepsOf(rollout)`. */
  readonly step: number;
  readonly stepSince: number;
  /** Milliseconds of the present step (or stage) spent paused: not counted. */
  readonly pausedMs: number;
  readonly pause: { readonly reason: PauseReason; readonly since: number; readonly message: string } | null;
  readonly analysis: RolloutAnalysis | null;
  /** What the analyses of the steps left so far knew, by name (`''`: the strategy's own): the next step's go on from it. */
  readonly evidence?: Readonly<Record<string, JudgeState>>;
  /** Further analyses that are under way, by name. */
  readonly also?: Readonly<Record<string, RolloutAnalysis>>;
  /** The last finished verdict, for people. */
  readonly verdict: Verdict | null;
  /** Last time the candidate was seen healthy. */
  readonly provenAt: number | null;
  /** Starts of its instances beyond the first when it was first seen healthy; null: not known. */
  readonly restarts: number | null;
  /**
   * Whether users reach the version that the last shift gave them through our edge. `none`: there is no edge to ask; `broken`: they do not
   * reach the stable version after a rollback; `since`: when that became so.
   */
  readonly edgeProof: { readonly state: 'none' | 'open' | 'proven' | 'broken'; readonly since: number };
  /** A health look, a smoke test or the edge said no; the rollout fails on it. */
  readonly failedCheck: { readonly code: 'UNHEALTHY' | 'SMOKE_FAILED' | 'NOT_SERVED'; readonly message: string } | null;
  /** A person said `promote --full`: no more analysis, pauses, steps. */
  readonly full: Actor | null;
  /** A person promoted past a bake: that is the evidence from there on. */
  readonly promoted: boolean;
  readonly cause: Cause | null;
  /** `recreate` stopped the old version. */
  readonly oldStopped: boolean;
  /** The restored old version was seen healthy again (only where it had been stopped). */
  readonly oldHealthy: boolean;
  readonly oldDeployed: boolean;
  /** While restoring: traffic is verified to be back on the stable version. */
  readonly trafficRestored: boolean;
  readonly candidateRetired: boolean;
  readonly oldRetired: boolean;
  /** The last thing worth telling a person, one sentence. */
  readonly reason: string | null;
}

export interface RolloutAnalysis {
  readonly startedAt: number;
  /** When the newest look was recorded. */
  readonly lastSampleAt: number;
  /** Up to when that look knows anything: recorded late (a database was away), it tells of earlier. */
  readonly seenUntil: number;
  readonly reading: Reading | null;
  readonly judge: JudgeState;
}
