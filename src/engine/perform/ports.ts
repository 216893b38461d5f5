import type { PlannedBackup, RestorePoint } from '../../core/release/preparations/backup.ts';
import type { PreparationEffect, PreparationEvent } from '../../core/release/preparations/index.ts';
import type { AppliedMigration, PlannedMigrations } from '../../core/release/preparations/migrations.ts';
import type { PlannedProjections, ReadyProjection } from '../../core/release/preparations/projections.ts';
import type { SchemaFit } from '../../core/release/preparations/schema.ts';
import type { ArtifactStore } from '../../ports/artifacts.ts';
import type { Builder } from '../../ports/builder.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Edge } from '../../ports/edge.ts';
import type { MetricSource } from '../../ports/metric-source.ts';
import type { Platform } from '../../ports/platform.ts';

/** What the performers reach the outside through; filled in by the composition root. */
export interface PerformPorts {
  /** @throws UserError PLATFORM_UNKNOWN */
  platform(name: string): Platform;
  /** The edge of one environment, started or adopted on first use. */
  edge(environment: string): Promise<Edge>;
  /** The edge that has been started for an environment, whatever its configuration says by now; null: none has. */
  servingEdge(environment: string): Promise<Edge | null>;
  /** Where users reach that edge; null while it has not been started. */
  edgeUrl(environment: string): Promise<string | null>;
  /** @throws UserError METRIC_SOURCE_UNKNOWN */
  metrics(kind: string): MetricSource;
  readonly builder: Builder;
  readonly artifacts: ArtifactStore;
  readonly clock: Clock;
  /** Environment handed to smoke commands (PATH and the like; no secrets). */
  readonly environment: NodeJS.ProcessEnv;
  /** Needed by plans that ask for these stages. */
  readonly stages?: StagePerformers;
}

/** What performs the effects of the stages before the rollouts, by kind. */
export type StagePerformers = {
  readonly [K in keyof StageEffects]?: (
    effect: StageEffects[K],
    request: StageRequest,
    signal: AbortSignal,
  ) => Promise<readonly PreparationEvent[]>;
};

export type StageEffects = { readonly [Body in PreparationEffect as Body['kind']]: Body };

/** Who asks a stage for its work. */
export interface StageRequest {
  readonly release: string;
  readonly environment: string;
  /** Grows with each taker of the work: a taker with a lower one is late. */
  readonly fence: number;
  /** Equal keys are one piece of work, asked for again after a crash: it is continued, or found done. */
  readonly key: string;
  readonly commit: string | null;
  /** App → identity of what its build is made from. */
  readonly fingerprints: ReadonlyMap<string, string>;
}

/*
 * Stages. Each call may be repeated with the same key and is cut off by its signal; what was half done is continued by
 * the next call. Evidence against going on is an answer (`failed`), not an error. @throws OutsideError: worth another try.
 */

export interface BackupStage {
  /** One restore point for each database of the plan, proven readable. @throws UserError when one cannot be made */
  restorePoints(request: StageRequest, backup: PlannedBackup, signal: AbortSignal): Promise<readonly RestorePoint[]>;
}

export interface MigrationStage {
  /** Bring the databases to the plan's schema. `old`: whether the versions running now can work with it. */
  apply(request: StageRequest, migrations: PlannedMigrations, signal: AbortSignal): Promise<MigrationOutcome>;
  /** Whether the versions these apps are to go to can work with the schema as it is. */
  worksWith(
    request: StageRequest,
    apps: readonly { readonly app: string; readonly artifact: string | null }[],
    signal: AbortSignal,
  ): Promise<SchemaFit>;
}

export interface MigrationOutcome {
  readonly applied: readonly AppliedMigration[];
  readonly old: SchemaFit;
  /** Why it was not done, one sentence; null: all done. */
  readonly failed: string | null;
}

export interface ProjectionStage {
  /** Rebuild beside what is there, compare, switch. */
  rebuild(request: StageRequest, projections: PlannedProjections, signal: AbortSignal): Promise<ProjectionOutcome>;
  /** Switch back to what was there before, and take away what was rebuilt, wherever a `rebuild` was cut off. */
  revert(request: StageRequest, projections: PlannedProjections, signal: AbortSignal): Promise<void>;
}

export interface ProjectionOutcome {
  readonly ready: readonly ReadyProjection[];
  /** Why they cannot be used, one sentence; null: switched. */
  readonly failed: string | null;
}
