/**
 * The workspace's history: what is committed, and what a build starts from. Reads only; the working tree,
 * its index and its branches are never changed. Paths are inside the workspace, POSIX separators, `.` = all of it.
 *
 * An `at` below is a commit id, or the id that `snapshot` returned.
 */
export interface SourceControl {
  /**
   * Where the workspace stands now.
   * @throws UserError `NOT_A_REPOSITORY`, `REPOSITORY_NOT_TRUSTED`, `GIT_NOT_FOUND`.
   */
  head(): Promise<SourceHead>;
  /**
   * Record the working tree as it is (tracked and untracked files, not the ignored ones), so that it may
   * change afterwards. Equal content gives equal ids. Kept as long as git keeps unreachable objects (two weeks).
   * @throws OutsideError `DISK_FULL`, `SOURCE_FAILED`.
   */
  snapshot(): Promise<string>;
  /**
   * Identity of the content of each path; null where there is no such folder.
   * @throws UserError `COMMIT_UNKNOWN`.
   */
  trees(at: string, paths: readonly string[]): Promise<ReadonlyMap<string, string | null>>;
  /**
   * Write the content of a path into an existing empty folder.
   * @throws UserError `COMMIT_UNKNOWN`, `PATH_NOT_COMMITTED` | OutsideError `DISK_FULL`, `SOURCE_FAILED`.
   */
  export(at: string, path: string, into: string, signal?: AbortSignal): Promise<void>;
}

export interface SourceHead {
  /** Full commit id; null in a repository without a commit. */
  readonly commit: string | null;
  /** Null when no branch is checked out. */
  readonly branch: string | null;
  /** Files of the workspace (not of what lies around it) that differ from `commit`, as far as they are not ignored. */
  readonly uncommitted: readonly string[];
}
