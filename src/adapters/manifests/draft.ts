import type { Edge, Input, Project } from '../../core/changes/project.ts';
import { ancestors, folderOf, insideWorkspace, isPattern } from '../../core/changes/project.ts';
import { digest } from './locks/lock.ts';

/** What is known so far of a project. */
export interface Draft {
  readonly path: string;
  /** Name → file that says so. */
  readonly edges: Map<string, string>;
  readonly inputs: Map<string, string>;
  readonly locks: string[];
  readonly settings: string[];
}

/** The workspace while its manifests are being read. */
export interface Reading {
  /** Path → text, of every file that any reader asked for by name. */
  readonly files: ReadonlyMap<string, string>;
  /** Folders of apps. */
  readonly folders: readonly string[];
  /** Files with one of these names, with their folders. */
  named(...names: readonly (string | RegExp)[]): readonly { readonly path: string; readonly folder: string; readonly text: string }[];
  /** The project of a folder; made where there is none yet. The workspace's root is none. */
  project(folder: string): Draft | null;
  /** The nearest project that a path belongs to. */
  owner(path: string): Draft | null;
  /** Something that many projects share, such as the version of a language: `toolchain:node`. */
  shared(name: string, path: string): Draft;
  readonly projects: ReadonlyMap<string, Draft>;
  /** `from` reads a file or folder elsewhere. What lies in its own folder counts anyway. */
  reads(from: Draft, path: string, via: string): void;
  depends(from: Draft, to: string, via: string): void;
  /** Text of a file that has no telling name; asked for when it is not there yet. */
  text(path: string): string | null;
  /** Parse, or note that it cannot be read. */
  parsed<T>(path: string, parse: () => T): T | null;
}

/** One kind of manifest. `find` names the projects, `link` says what they need; all find before any links. */
export interface Reader {
  readonly names: readonly string[];
  find?(reading: Reading): void;
  link?(reading: Reading): void;
}

export interface Started {
  readonly reading: Reading;
  readonly wanted: ReadonlySet<string>;
  readonly unreadable: Map<string, string>;
}

export function startReading(files: ReadonlyMap<string, string>, folders: readonly string[]): Started {
  const projects = new Map<string, Draft>();
  const wanted = new Set<string>();
  const unreadable = new Map<string, string>();
  const byName = new Map<string, string[]>();
  for (const path of files.keys()) {
    if (path.includes('node_modules/')) continue;
    const name = path.slice(path.lastIndexOf('/') + 1);
    const paths = byName.get(name);
    if (paths === undefined) byName.set(name, [path]);
    else paths.push(path);
  }
  const make = (name: string, path: string): Draft => {
    const known = projects.get(name);
    if (known !== undefined) return known;
    const draft: Draft = { path, edges: new Map(), inputs: new Map(), locks: [], settings: [] };
    projects.set(name, draft);
    return draft;
  };
  const reading: Reading = {
    files,
    folders,
    projects,
    named: (...names) =>
      [...byName].flatMap(([name, paths]) =>
        names.some((wanting) => (typeof wanting === 'string' ? wanting === name : wanting.test(name)))
          ? paths.map((path) => ({ path, folder: folderOf(path), text: files.get(path) ?? '' }))
          : [],
      ),
    project: (folder) => (folder === '.' ? null : make(folder, folder)),
    owner(path) {
      const own = projects.get(path);
      if (own !== undefined) return own;
      for (const folder of ancestors(path)) {
        const draft = projects.get(folder);
        if (draft !== undefined) return draft;
      }
      return null;
    },
    shared: make,
    reads(from, path, via) {
      if (path !== from.path && !path.startsWith(`${from.path}/`)) from.inputs.set(path, from.inputs.get(path) ?? via);
    },
    depends(from, to, via) {
      if (projects.get(to) !== from && projects.has(to)) from.edges.set(to, from.edges.get(to) ?? via);
    },
    text(path) {
      const text = files.get(path);
      if (text === undefined && !isPattern(path)) wanted.add(path);
      return text === undefined || text === '' ? null : text;
    },
    parsed(path, parse) {
      try {
        return parse();
      } catch (error) {
        unreadable.set(path, error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error));
        return null;
      }
    },
  };
  return { reading, wanted, unreadable };
}

export function finished(draft: Draft): Project {
  const edges: Edge[] = [];
  for (const [to, via] of draft.edges) edges.push({ to, via });
  const inputs: Input[] = [];
  for (const [path, via] of draft.inputs) inputs.push({ path, via });
  return { path: draft.path, edges, inputs, lock: joined(draft.locks, ' '), settings: settingsOf(draft.settings) };
}

function settingsOf(settings: readonly string[]): string {
  return settings.length === 0 ? '' : digest(joined(settings, '\n'));
}

function joined(values: readonly string[], by: string): string {
  return values.length < 2 ? (values[0] ?? '') : [...new Set(values)].toSorted().join(by);
}

/** A path that a manifest in `folder` names; null when it leads out of the workspace. */
export function pathFrom(folder: string, written: string): string | null {
  return insideWorkspace(folder, written.replaceAll('\\', '/'));
}
