import type { Edge, Input, Project } from '../../core/changes/project.ts';
import { ancestors, folderOf, insideWorkspace, isPattern } from '../../core/changes/project.ts';
import { digest } from './locks/lock.ts';
import { troubleOf, withoutMark } from './trouble.ts';

/** What is known so far of a project. */
export interface Draft {
  readonly name: string;
  readonly path: string;
  /** Each once; the file that said it first. */
  readonly edges: Edge[];
  readonly inputs: Input[];
  readonly locks: string[];
  readonly settings: string[];
  /** Folders inside of it that are no part of it. */
  readonly except: string[];
}

export interface Named {
  readonly path: string;
  readonly folder: string;
  readonly text: string;
}

/** The workspace while its manifests are being read. */
export interface Reading {
  /** Path → text, of every file that any reader asked for by name. */
  readonly files: ReadonlyMap<string, string>;
  /** Folders of apps. */
  readonly folders: readonly string[];
  /** Files with one of these names, with their folders. */
  named(...names: readonly (string | RegExp)[]): readonly Named[];
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
  /** Whether a file is known to be unreadable. */
  isUnreadable(path: string): boolean;
  /** This project may be concerned by a file that cannot be read, besides those that its place concerns. */
  doubt(project: Draft | null, path: string): void;
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
  /** Path → why it cannot be read. */
  readonly unreadable: Map<string, string>;
  /** Path that cannot be read → projects that may be concerned besides those of its place. */
  readonly doubts: ReadonlyMap<string, ReadonlySet<Draft>>;
}

/** `broken`: files whose text could not be had at all, with the reason. */
export function startReading(given: ReadonlyMap<string, string>, folders: readonly string[], broken: ReadonlyMap<string, string>): Started {
  const projects = new Map<string, Draft>();
  const isNew = remember();
  const wanted = new Set<string>();
  const unreadable = new Map<string, string>();
  const doubts = new Map<string, Set<Draft>>();
  const byName = new Map<string, Named[]>();
  const files = new Map<string, string>();
  for (const [path, written] of given) {
    const text = withoutMark(written);
    files.set(path, text);
    if (path.includes('node_modules/')) continue;
    const reason = broken.get(path) ?? (path.endsWith('.lockb') ? null : troubleOf(text));
    if (reason !== null) unreadable.set(path, reason);
    const name = path.slice(path.lastIndexOf('/') + 1);
    const one = { path, folder: folderOf(path), text };
    const others = byName.get(name);
    if (others === undefined) byName.set(name, [one]);
    else others.push(one);
  }
  const make = (name: string, path: string): Draft => {
    const known = projects.get(name);
    if (known !== undefined) return known;
    const draft: Draft = { name, path, edges: [], inputs: [], locks: [], settings: [], except: [] };
    projects.set(name, draft);
    return draft;
  };
  const reading: Reading = {
    files,
    folders,
    projects,
    named: (...names) =>
      [...byName].flatMap(([name, found]) =>
        names.some((wanting) => (typeof wanting === 'string' ? wanting === name : wanting.test(name))) ? found : [],
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
      if (path === from.path || path.startsWith(`${from.path}/`)) return;
      if (isNew(from.inputs, path, (input) => input.path)) from.inputs.push({ path, via });
    },
    depends(from, to, via) {
      const target = projects.get(to);
      if (target === undefined || target === from) return;
      if (isNew(from.edges, to, (edge) => edge.to)) from.edges.push({ to: target.name, via });
    },
    text(path) {
      const text = files.get(path);
      if (text === undefined && !isPattern(path)) wanted.add(path);
      return text === undefined || text === '' ? null : text;
    },
    parsed(path, parse) {
      if (unreadable.has(path)) return null;
      try {
        return parse();
      } catch (error) {
        unreadable.set(path, error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error));
        return null;
      }
    },
    isUnreadable: (path) => unreadable.has(path),
    doubt(project, path) {
      if (project === null) return;
      const known = doubts.get(path);
      if (known === undefined) doubts.set(path, new Set([project]));
      else known.add(project);
    },
  };
  return { reading, wanted, unreadable, doubts };
}

/** Most lists are looked through faster than a set of them is made. */
const FEW = 16;

/** Whether a list has nothing of a name yet, which is about to be added when it has not. */
function remember() {
  const sets = new Map<readonly unknown[], Set<string>>();
  return <T>(list: readonly T[], name: string, nameOf: (one: T) => string): boolean => {
    if (list.length < FEW) {
      for (const one of list) if (nameOf(one) === name) return false;
      return true;
    }
    let set = sets.get(list);
    if (set === undefined) sets.set(list, (set = new Set(list.map(nameOf))));
    return set.size < set.add(name).size;
  };
}

export function finished(draft: Draft): Project {
  const { path, edges, inputs, except } = draft;
  const own = { path, edges, inputs, lock: joined(draft.locks, ' '), settings: settingsOf(draft.settings) };
  return except.length === 0 ? own : { ...own, except };
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
