import type { MigrationFile } from '../core/data/migrations/files.ts';
import type { PlannedMigration } from '../core/data/migrations/phases.ts';
import type { MigrationRecord, RecordedMigration } from '../core/data/migrations/record.ts';

/**
 * A database that the workspace's apps keep their data in, as far as its schema is concerned. What was done is recorded in the
 * database itself, in the same transaction.
 */
export interface Database {
  /**
   * Who we are there, and what we may do. Tells the pooled from the direct address. May be repeated.
   * @throws UserError `DATABASE_URL_POOLED`, `DATABASE_URLS_DIFFER`, `DATABASE_UNREACHABLE` | OutsideError `DATABASE_UNREACHABLE`.
   */
  look(): Promise<DatabaseFacts>;
  /** What was done so far; empty where nothing was ever recorded. Writes nothing. */
  record(): Promise<MigrationRecord>;
  /**
   * What these files would do: every statement judged by rules, and tried on a scratch clone where one can be made. Changes
   * nothing in the database itself.
   * @throws UserError `MIGRATION_SYNTAX`, `MIGRATION_CHANGED`, `MIGRATION_DIRECTIVE`, `MIGRATION_DUPLICATE`.
   */
  plan(files: readonly MigrationFile[]): Promise<DatabasePlan>;
  /**
   * Run these files one after the other. Each is found applied when it already is, so the call may be repeated after any
   * crash: a backfill goes on where it was, an index that was cut off is removed and built again.
   * @throws UserError `MIGRATION_FAILED` when a statement is to blame | OutsideError `MIGRATION_BLOCKED` (names who holds the
   *   lock), `MIGRATION_BUSY` (somebody else migrates), `MIGRATION_INTERRUPTED`, `DATABASE_UNREACHABLE`.
   */
  apply(files: readonly PlannedMigration[], options: ApplyOptions): Promise<readonly AppliedMigration[]>;
  /**
   * Record files as run without running them, for a database that has what they make already. They are run on an empty scratch
   * database, and what that then has is compared with this one. May be repeated. @returns ids recorded now.
   * @throws UserError `MIGRATION_BASELINE_DIFFERS` naming what is missing here, `MIGRATION_BASELINE_UNTRIED` where nothing can be compared.
   */
  baseline(files: readonly MigrationFile[], by: string): Promise<readonly string[]>;
  /**
   * Run the compensating script of one applied migration.
   * @throws UserError `MIGRATION_NOT_APPLIED`, `MIGRATION_NO_COMPENSATION`, and as `apply`.
   */
  compensate(file: MigrationFile, options: ApplyOptions): Promise<void>;
}

export interface ApplyOptions {
  readonly by: string;
  readonly release: string | null;
  readonly signal: AbortSignal;
  /** Told what takes a while, one sentence each. */
  onProgress?(message: string): void;
}

export interface DatabaseFacts {
  /** For example `15.18`. */
  readonly version: string;
  readonly role: string;
  readonly database: string;
  readonly superuser: boolean;
  /** The address for the apps goes through a pooler. */
  readonly pooled: boolean;
  /** What cannot be done with the rights there are, and which right it takes. */
  readonly limits: readonly string[];
  /** Transactions open for more than a minute: they hold up locks and clean-up. */
  readonly old: readonly Blocker[];
}

/** A session in the way. */
export interface Blocker {
  readonly pid: number;
  readonly role: string;
  readonly application: string;
  readonly state: string;
  /** Age of its transaction, ms. */
  readonly ageMs: number;
  /** Its statement, cut; null where our role may not see it. */
  readonly query: string | null;
}

export interface DatabasePlan {
  readonly pending: readonly PlannedMigration[];
  readonly record: readonly RecordedMigration[];
  /** Every statement was tried on a clone; otherwise `notes` says why not. */
  readonly traced: boolean;
  /** What one should know before, one sentence each. */
  readonly notes: readonly string[];
  /** File and statement → what it will lock, and for about how long, ms. */
  readonly estimates: readonly {
    readonly id: string;
    readonly line: number;
    readonly locks: Readonly<Record<string, string>>;
    readonly ms: number;
  }[];
}

export interface AppliedMigration {
  readonly id: string;
  readonly tookMs: number;
  /** Times a lock was not to be had in time. */
  readonly retries: number;
  readonly rows: number | null;
  /** It had run before. */
  readonly already: boolean;
}
