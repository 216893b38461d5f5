import type { ProjectGraph } from '../core/changes/project.ts';

/** Finds the projects of a workspace, and what each depends on, in the files that their tools read. */
export interface Manifests {
  /** Names of the files that are read, in any folder: `package.json`, `tsconfig*.json`. */
  readonly names: readonly string[];
  /** Of these, the lockfiles: without them the graph is the same but for what projects take from outside. */
  readonly locks: readonly string[];
  /**
   * The graph that these files make. What cannot be read counts as saying nothing, and is named in `unreadable`.
   * `folders`: folders of apps, which are projects even where no manifest says so.
   */
  graph(files: ReadonlyMap<string, string>, folders: readonly string[]): Promise<ManifestGraph>;
}

export interface ManifestGraph {
  readonly projects: ProjectGraph;
  /** Further files that have to be read to know everything: ask again with them (an empty text for those that are not there). */
  readonly wanted: readonly string[];
  readonly unreadable: readonly { readonly path: string; readonly reason: string }[];
}
