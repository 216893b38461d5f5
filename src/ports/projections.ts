import type { BuildProgress } from '../core/data/projections/progress.ts';
import type { CoverageFinding } from '../core/data/projections/upcast.ts';

/**
 * Read models made from events, version beside version. Whatever is asked for here is recorded in the database and done
 * by processes of their own: it goes on when the control plane dies, and several control planes share the work.
 */
export interface Projections {
  /** Every version there is, and every module that has not been built. Sources that cannot be reached say so in `error`. */
  list(environment: string): Promise<readonly ProjectionStatus[]>;
  /**
   * Begin to build the version that the module stands for, or go on where it was left off. Answers at once.
   * @throws UserError `PROJECTION_UNKNOWN`, `PROJECTION_INVALID`, `PROJECTION_VERSION_TAKEN`, `PROJECTION_SHAPE_CHANGED`, `EVENTS_*`
   */
  rebuild(environment: string, name: string, options: { readonly shards?: number }): Promise<ProjectionVersion>;
  /** Hold a version against the live one and against its events; null = the newest. The verdict is kept. @throws UserError `PROJECTION_NOT_READY` */
  verify(environment: string, name: string, version: number | null): Promise<VerificationReport>;
  /** Let readers see a version; null = the newest one, `previous` = back to the one before. @throws UserError `PROJECTION_NOT_VERIFIED`, `PROJECTION_NOT_READY` */
  switch(environment: string, name: string, to: number | 'previous' | null): Promise<SwitchedReport>;
  /** Stop folding at the next checkpoint; `rebuild` goes on. */
  pause(environment: string, name: string): Promise<ProjectionVersion>;
  /** Remove the version that is not live. @throws UserError `PROJECTION_LIVE` */
  cancel(environment: string, name: string): Promise<ProjectionVersion>;
  /** Whether every stored kind of event can be read by the modules as they are now. */
  coverage(environment: string): Promise<readonly (CoverageFinding & { readonly projection: string })[]>;
}

export interface ProjectionVersion {
  readonly name: string;
  readonly version: number;
}

export interface ProjectionStatus extends ProjectionVersion {
  /** Name of the source in the configuration. */
  readonly source: string;
  readonly phase: 'notBuilt' | 'catchUp' | 'paused' | 'tail' | 'stopped';
  readonly live: boolean;
  /** Kept up to date until then, ms since the epoch, so that going back is a switch. */
  readonly keptUntil: number | null;
  readonly progress: BuildProgress | null;
  /** Null: not verified. */
  readonly verified: boolean | null;
  /** Events that could not be applied. */
  readonly deadLetters: number;
  readonly error: string | null;
}

export interface VerificationReport {
  readonly passed: boolean;
  readonly reasons: readonly string[];
  /** What differs as declared. */
  readonly expected: readonly string[];
  readonly rows: number;
  /** Rows of the version before; 0 without one. */
  readonly compared: number;
  readonly against: number | null;
  readonly refolded: { readonly rows: number; readonly events: number } | null;
}

export interface SwitchedReport {
  readonly from: number | null;
  readonly to: number;
  readonly tries: number;
  readonly missing: readonly string[];
  readonly added: readonly string[];
}
