import type { BuildSpec } from '../core/release/plan/plan.ts';

/** Makes an artifact from one commit of the workspace, never from the working tree as it happens to be. */
export interface Builder {
  /**
   * Check the sources out into a fresh folder, run the app's build there, store the result.
   * Equal inputs may reuse a stored artifact. When the caller dies, the build dies with it: no orphans.
   * @throws UserError `BUILD_FAILED` (with the last lines of output), `BUILD_OUTPUT_MISSING`;
   *   OutsideError `DISK_FULL`, `BUILD_TIMEOUT`.
   */
  build(request: BuildRequest, signal: AbortSignal): Promise<BuildResult>;
}

export interface BuildRequest {
  readonly app: string;
  /** Path of the app inside the workspace, POSIX separators. */
  readonly path: string;
  /** Commit, or recorded snapshot of a dirty tree (`SourceControl.snapshot`), to build; null when there is none. */
  readonly commit: string | null;
  /** Identity of the build's inputs; equal fingerprints build equal artifacts. */
  readonly fingerprint: string;
  readonly build: BuildSpec | null;
  readonly timeoutMs: number;
  /** Output, line by line, as it comes. */
  onOutput(line: string): void;
}

export interface BuildResult {
  readonly artifact: string;
  readonly reused: boolean;
  /** Where the whole output was written. */
  readonly log: string;
}
