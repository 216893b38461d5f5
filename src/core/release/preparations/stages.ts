import type { DeploymentWindow } from '../../access/window.ts';
import type { EvidenceLine, WaiverUse } from '../../gates/report.ts';

/**
 * What may lie between a plan and its rollouts, in this order: checks, approval and window hold nothing, so that
 * nobody waits behind a release that waits for people; backup, migrations and projections come once the apps are its own.
 * A plan without one of them goes past it.
 */
export interface PlannedStages {
  readonly checks?: PlannedChecks;
  readonly approval?: PlannedApproval;
  readonly window?: DeploymentWindow;
  /** Ask first whether the versions gone back to can work with the present schema (rollbacks). */
  readonly schemaGate?: { readonly deadlineMs: number };
  readonly backup?: PlannedBackup;
  readonly migrations?: PlannedMigrations;
  readonly projections?: PlannedProjections;
  /** An emergency: approval rule, window and checks of the environment are set aside for one other person's word. */
  readonly breakGlass?: { readonly reason: string };
  /** Environment whose healthy versions it takes as they are, by digest. */
  readonly promotedFrom?: string;
}

export interface PlannedChecks {
  readonly apps: readonly {
    readonly app: string;
    /** What its lines are new against; null: all of them are. */
    readonly base: string | null;
  }[];
  readonly deadlineMs: number;
}

export interface PlannedApproval {
  /** How many people have to say yes, 1 or more. */
  readonly number: number;
  /** Who may: the people of these roles; no roles at all: anybody but the author. */
  readonly from: readonly { readonly role: string; readonly people: readonly string[] }[];
  /** From being asked for to the start of the first rollout, ms. */
  readonly expiresMs: number;
  /** Authors of the change besides the person who asks for the release, as far as they are known. */
  readonly authors: readonly string[];
}

export interface PlannedBackup {
  readonly databases: readonly string[];
  readonly deadlineMs: number;
}

/** Databases that migrations change and nothing backs up. */
export function databasesWithoutBackup({ backup, migrations }: Pick<PlannedStages, 'backup' | 'migrations'>): string[] {
  const safe = backup?.databases ?? [];
  return (migrations?.databases ?? []).map(({ database }) => database).filter((database) => !safe.includes(database));
}

export interface PlannedMigrations {
  readonly databases: readonly {
    readonly database: string;
    /** In the order in which they are applied. */
    readonly migrations: readonly { readonly id: string; readonly checksum: string }[];
  }[];
  readonly deadlineMs: number;
}

export interface PlannedProjections {
  readonly projections: readonly { readonly name: string; readonly version: string }[];
  readonly deadlineMs: number;
}

/** What the checks of one app came to. */
export interface CheckEvidence {
  readonly app: string;
  readonly verdict: 'passed' | 'failed' | 'none';
  readonly evidence: readonly EvidenceLine[];
  readonly waivers: readonly WaiverUse[];
}

/** A moment that a database can be taken back to. */
export interface RestorePoint {
  readonly database: string;
  readonly id: string;
  /** ms since epoch */
  readonly at: number;
}

export interface AppliedMigration {
  readonly database: string;
  readonly id: string;
  readonly ms: number;
}

/** Whether versions can work with a schema. `reason`: why not, one sentence. */
export interface SchemaFit {
  readonly works: boolean;
  readonly reason: string | null;
}

export interface ReadyProjection {
  readonly name: string;
  readonly version: string;
  readonly events: number;
  readonly ms: number;
}

/** How far a release is on the way to its rollouts, and the evidence it has gathered. */
export interface Preparation {
  readonly checks: { readonly at: number; readonly passed: boolean; readonly reports: readonly CheckEvidence[] } | null;
  readonly approval: ApprovalState | null;
  /** When the apps became its own, ms since epoch. */
  readonly acquiredAt: number | null;
  readonly schema: SchemaFit | null;
  readonly restorePoints: readonly RestorePoint[] | null;
  /** `old`: whether the versions that run now can work with the schema it made. */
  readonly migrations: { readonly at: number; readonly applied: readonly AppliedMigration[]; readonly old: SchemaFit } | null;
  readonly projections: { readonly at: number; readonly ready: readonly ReadyProjection[]; readonly reverted: boolean } | null;
  /** Why one of the stages has failed, one sentence. */
  readonly failed: { readonly code: string; readonly message: string } | null;
  /** Why it cannot be put back: everything stays as it is and somebody is called. */
  readonly refused: string | null;
}

export interface ApprovalState {
  readonly askedAt: number;
  readonly expiresAt: number;
  readonly planHash: string;
  readonly given: readonly { readonly by: string; readonly at: number; readonly note: string | null }[];
  readonly rejected: { readonly by: string; readonly at: number; readonly reason: string } | null;
}

export const UNPREPARED: Preparation = {
  checks: null,
  approval: null,
  acquiredAt: null,
  schema: null,
  restorePoints: null,
  migrations: null,
  projections: null,
  failed: null,
  refused: null,
};
