import type { ProjectGraph } from '../core/changes/project.ts';

/** Finds the projects of a workspace, and what each depends on, in the files that their tools read. */
export interface Manifests {
  /** Names of the files that are read, in any folder: `package.json`, `tsconfig*.json`. */
  readonly names: readonly string[];
  /** Of these, the lockfiles: without them the graph is the same but for what projects take from outside. */
  readonly locks: readonly string[];
  /**
   * The graph that these files make. What cannot be read is named in `unreadable`, and whatever it may concern depends on
   * the whole workspace, because its text might have named any part of it. `folders`: folders of apps, which are projects
   * even where no manifest says so. `broken`: files whose text could not be had at all, with the reason.
   */
  graph(files: ReadonlyMap<string, string>, folders: readonly string[], broken?: ReadonlyMap<string, string>): Promise<ManifestGraph>;
}

export interface ManifestGraph {
  readonly projects: ProjectGraph;
  /** Further files that have to be read to know everything: ask again with them (an empty text for those that are not there). */
  readonly wanted: readonly string[];
  /** Files that could not be read, and why: half a sentence. */
  readonly unreadable: readonly { readonly path: string; readonly reason: string }[];
}
