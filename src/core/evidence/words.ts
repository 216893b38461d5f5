import type { AnalysisPhase } from '../analysis/sample.ts';
import type { CheckOutcome, CheckReport, GateResult } from '../gates/report.ts';
import type { ChecklistLine } from '../release/state/checklist-line.ts';
import type { Outcome, ReleaseEventType } from '../release/state/events.ts';
import type { Health } from '../app/run.ts';

/**
 * Every word by which Sluice says that something is good. docs/evidence.md says of each one what it rests on, and what is said
 * instead where that evidence is absent, partial, stale, contradictory, unreadable or somebody else's; `test/evidence.spec.ts` holds
 * the page to this list.
 */
export const GOOD_WORDS = [
  'not affected',
  'check passed',
  'check reused',
  'gate passed',
  'no secrets',
  'plan unchanged',
  'approved',
  'window open',
  'schema compatible',
  'restore point made',
  'migrated',
  'projection equal',
  'built',
  'healthy',
  'smoke passed',
  'served',
  'weights shifted',
  'analysis successful',
  'promoted',
  'retired',
  'succeeded',
  'rolled back',
  'restorable',
  'notified',
  'audit intact',
  'doctor ok',
] as const;

export type GoodWord = (typeof GOOD_WORDS)[number];

/** Of each member of a union the good word that it says; null: it says nothing good. A new member without an entry is a type error. */
type Says<T extends string> = Readonly<Record<T, GoodWord | null>>;

/** What each event of a release says is good. */
export const EVENTS_SAY: Says<ReleaseEventType> = {
  ReleaseRequested: 'plan unchanged',
  PromoteRequested: null,
  PauseRequested: null,
  ResumeRequested: null,
  AbortRequested: null,
  ApprovalGiven: 'approved',
  ApprovalRejected: null,
  ChecksPassed: 'gate passed',
  ChecksFailed: null,
  ApprovalRequested: null,
  ApprovalExpired: null,
  WindowOpened: 'window open',
  SchemaCompatible: 'schema compatible',
  SchemaIncompatible: null,
  RestorePointMade: 'restore point made',
  MigrationsApplied: 'migrated',
  MigrationsFailed: null,
  ProjectionsReady: 'projection equal',
  ProjectionsFailed: null,
  ProjectionsReverted: 'rolled back',
  RollbackRefused: null,
  ReservationsAcquired: null,
  ReservationBusy: null,
  ReservationFreed: null,
  FinishingStarted: null,
  RollbackStarted: null,
  ReleaseEnded: 'succeeded',
  ReservationsReleased: null,
  RolloutStarted: null,
  ArtifactBuilt: 'built',
  RolloutSkipped: null,
  VersionDeployed: null,
  VersionHealthy: 'healthy',
  VersionUnhealthy: null,
  SmokePassed: 'smoke passed',
  SmokeFailed: null,
  RoutesProven: 'served',
  RoutesBroken: null,
  StepStarted: null,
  WeightsShifted: 'weights shifted',
  SampleCollected: null,
  AnalysisCompleted: 'analysis successful',
  RolloutPaused: null,
  RolloutResumed: null,
  RolloutPromoted: 'promoted',
  RolloutFailed: null,
  StableRestored: 'rolled back',
  VersionRetired: 'retired',
  RolloutFinished: 'promoted',
  EffectFailed: null,
};

/** What each verdict of the parts says is good, by the union that it comes from. */
export const VERDICTS_SAY: {
  readonly health: Says<Health['state']>;
  readonly analysis: Says<AnalysisPhase>;
  readonly check: Says<CheckOutcome['result']>;
  readonly checks: Says<CheckReport['verdict']>;
  readonly gate: Says<GateResult['result']>;
  readonly checklist: Says<ChecklistLine['result']>;
  readonly outcome: Says<Outcome>;
} = {
  health: { healthy: 'healthy', waiting: null, failed: null },
  analysis: { Pending: null, Running: null, Successful: 'analysis successful', Failed: null, Error: null, Inconclusive: null },
  check: { passed: 'check passed', failed: null, timedOut: null, aborted: null, skipped: null },
  checks: { passed: 'gate passed', failed: null, none: null },
  gate: { passed: 'gate passed', failed: null, notApplicable: null },
  checklist: { done: 'check passed', failed: null, open: null, notApplicable: null },
  outcome: { Succeeded: 'succeeded', Failed: null, Errored: null, Aborted: null, RolledBack: 'rolled back', RollbackFailed: null },
};
