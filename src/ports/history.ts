/**
 * Reads what the workspace's files were at any commit. Reads only, except that a commit which a shallow clone lacks is
 * fetched, alone. Paths are inside the workspace, POSIX separators. An `at` is a commit or tree id.
 */
export interface History {
  /**
   * Id of the commit that a name stands for; fetched when a shallow clone lacks it.
   * @throws UserError `COMMIT_UNKNOWN`, `NOT_A_REPOSITORY`.
   */
  resolve(name: string): Promise<string>;
  /** Files with one of these names (patterns within one name, such as `tsconfig*.json`), in any folder. */
  list(at: string, names: readonly string[]): Promise<readonly Entry[]>;
  /** Files below any of these folders. */
  below(at: string, folders: readonly string[]): Promise<readonly Entry[]>;
  /** What is at each path: the identity of a file's or a folder's content; null = nothing. */
  ids(at: string, paths: readonly string[]): Promise<readonly (string | null)[]>;
  /** The text of each content, in the order asked for; null where there is none. */
  texts(ids: readonly string[]): Promise<readonly (string | null)[]>;
  /** Files that differ between the two, each with its content after (null: removed). A move is a removal and an addition. */
  changed(from: string, to: string): Promise<readonly Changed[]>;
}

export interface Entry {
  readonly path: string;
  /** Identity of its content. */
  readonly id: string;
  /** It is no file: a symbolic link, or another repository. Left out: it is one. */
  readonly link?: 'link' | 'repository';
}

export interface Changed {
  readonly path: string;
  readonly id: string | null;
}
