import type { Draft, Reading } from './draft.ts';
import { pathFrom } from './draft.ts';
import type { Root } from './node-workspace.ts';
import { record, type Values } from './values.ts';

/** Who asks: the manifest and its folder. */
export interface Asking {
  readonly path: string;
  readonly folder: string;
}

interface Names {
  /** Folder of the workspace's root; null outside of any. */
  readonly root: string | null;
  /** Name → folder, of the packages in the same workspace. */
  readonly folders: ReadonlyMap<string, string> | undefined;
}

export interface Target {
  readonly path: string;
  /** The range names the path, so that it counts even where no project is there. */
  readonly isNamed: boolean;
  /** The package is that path; false for a patch of a package from outside. */
  readonly isWhole: boolean;
}

/** Where in the workspace a dependency lies, or what of the workspace is put into it; null for packages from outside alone. */
export function targetOf({ folder }: Pick<Asking, 'folder'>, name: string, range: string, { root, folders }: Names): Target | null {
  const at = (from: string, written: string, isWhole = true): Target | null => {
    const path = pathFrom(from, written.replace(/^~\//, ''));
    return path === null ? null : { path, isNamed: true, isWhole };
  };
  const byName = (other: string): Target | null => {
    const path = folders?.get(other);
    return path === undefined ? null : { path, isNamed: false, isWhole: true };
  };
  const from = (written: string): string => (written.startsWith('~/') ? (root ?? folder) : folder);
  if (!/[:./]/.test(range)) return byName(name);
  const [, protocol = '', rest = ''] = /^(file|link|portal|exec|workspace|npm|patch):(.*)$/.exec(range) ?? [];
  if (protocol === 'file' || protocol === 'link' || protocol === 'portal' || protocol === 'exec') return at(from(rest), rest);
  if (protocol === 'patch') {
    const patch = /#(?:optional!)?([^#:]+?)(?:::.*)?$/.exec(rest)?.[1] ?? '';
    return patch === '' || patch.startsWith('builtin')
      ? byName(name)
      : at(patch.startsWith('~/') ? (root ?? folder) : folder, patch, false);
  }
  const alias = /^(@?[^@]+)(?:@|$)/.exec(rest)?.[1] ?? '';
  if (protocol === 'npm') return byName(alias);
  if (protocol === 'workspace') {
    if (/^\.{1,2}(?:\/|$)/.test(rest)) return at(folder, rest);
    return byName(name) ?? byName(alias) ?? (rest.includes('/') ? at(root ?? folder, rest) : null);
  }
  return /^\.{1,2}(?:\/|$)/.test(range) ? at(folder, range) : byName(name);
}

interface From {
  readonly root: Root;
  readonly folders: ReadonlyMap<string, string>;
  readonly via: string;
}

/** Overrides, resolutions and patches of a workspace that lead into the workspace: everyone in it may get them. */
export function addOverrides(reading: Reading, shared: Draft, values: Values, { root, folders, via }: From): void {
  const add = (path: string): void => {
    if (reading.projects.has(path)) reading.depends(shared, path, via);
    else if (path !== '.') reading.reads(shared, path, via);
  };
  const walk = (key: string, value: unknown): void => {
    if (typeof value !== 'string') {
      for (const [inner, one] of Object.entries(record(value))) walk(inner, one);
      return;
    }
    const name = /(@?[^@>/]+(?:\/[^@>/]+)?)(?:@[^@]*)?$/.exec(key.replace(/^.*>/, ''))?.[1] ?? key;
    const target = targetOf(root, name, value, { root: root.folder, folders });
    if (target !== null && (target.isNamed || value.startsWith('workspace:'))) add(target.path);
  };
  for (const key of ['overrides', 'resolutions', 'catalog', 'catalogs']) walk(key, values[key]);
  walk('overrides', record(values['pnpm'])['overrides']);
  for (const patches of [values['patchedDependencies'], record(values['pnpm'])['patchedDependencies']])
    for (const patch of Object.values(record(patches))) {
      const path = typeof patch === 'string' ? pathFrom(root.folder, patch) : null;
      if (path !== null) add(path);
    }
}
