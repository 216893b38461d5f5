import type { Base } from './base.ts';

export interface CheckRequest {
  readonly app: string;
  /** Commit, or recorded snapshot of a dirty tree (`SourceControl.snapshot`). */
  readonly commit: string;
  /** What lines are new against, as a rule what runs in the environment now. */
  readonly base: Base;
  /** Identity of the app's sources, dependencies and build settings; equal ones reuse evidence. */
  readonly fingerprint: string;
}
