import { matchesPattern } from '../text/glob.ts';

/** Something of the workspace that others depend on, or an app; found in manifests, or named in the configuration. */
export interface Project {
  /** Its folder inside the workspace, POSIX separators, `.` = all of it. Everything below it is its content, but for `except`. */
  readonly path: string;
  /** Folders below its own that are no part of it, such as modules of their own. */
  readonly except?: readonly string[];
  readonly edges: readonly Edge[];
  /** Files and folders elsewhere that its build reads: what they hold is part of it. */
  readonly inputs: readonly Input[];
  /** Identity of what it takes from outside, as a lockfile resolves it; '' = nothing, or nothing locked. */
  readonly lock: string;
  /** Identity of what manifests outside its folder say of it, and of its configuration. */
  readonly settings: string;
}

export interface Edge {
  /** Name of the project that it depends on. */
  readonly to: string;
  /** File that says so, inside the workspace. */
  readonly via: string;
}

export interface Input {
  /** A file, a folder with everything below it, or a pattern (`*`, `**`, `?`). */
  readonly path: string;
  readonly via: string;
  /** Of a pattern: what fits one of these patterns too does not count. */
  readonly except?: readonly string[];
}

/** Projects by name: the folder for those found in manifests, `app:<name>` for those of the configuration. */
export type ProjectGraph = ReadonlyMap<string, Project>;

export const appNode = (app: string): string => `app:${app}`;
export const appOfNode = (name: string): string | null => (name.startsWith('app:') ? name.slice(4) : null);

/** A file that cannot be read, as a project that whatever it may concern depends on. */
export const unreadableNode = (path: string): string => `unreadable:${path}`;
export const unreadableOfNode = (name: string): string | null => (name.startsWith('unreadable:') ? name.slice(11) : null);

/** Whether a path lies among data of tests, where manifests are often wrong on purpose. */
export function isTestData(path: string): boolean {
  return /(?:^|\/)(?:fixtures?|__fixtures__|testdata|test-data|node_modules)\//.test(path);
}

export function isPattern(path: string): boolean {
  return /[*?]/.test(path);
}

/** Whether a file has one of these names, or one that fits a pattern among them. */
export function named(names: readonly string[]): (path: string) => boolean {
  const plain = new Set(names.filter((name) => !isPattern(name)));
  const patterns = names.filter(isPattern);
  return (path) => {
    const name = path.slice(path.lastIndexOf('/') + 1);
    return plain.has(name) || patterns.some((pattern) => matchesPattern(name, pattern));
  };
}

/** A path inside the workspace from one that is written relative to a folder; null when it leads outside. */
export function insideWorkspace(folder: string, written: string): string | null {
  const parts: string[] = written.startsWith('/') ? [] : folder === '.' ? [] : folder.split('/');
  for (const part of written.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) return null;
  }
  return parts.length === 0 ? '.' : parts.join('/');
}

/** `a/b/c` → `a/b`, `a`, `.` */
export function* ancestors(path: string): Generator<string> {
  for (let folder = above(path); folder !== null; folder = above(folder)) yield folder;
}

/** The folder that a path lies in; null for the workspace itself. */
export function above(path: string): string | null {
  if (path === '.') return null;
  const at = path.lastIndexOf('/');
  return at > 0 ? path.slice(0, at) : '.';
}

export function folderOf(path: string): string {
  const at = path.lastIndexOf('/');
  return at < 0 ? '.' : path.slice(0, at);
}
