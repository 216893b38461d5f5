import { matchesPattern } from './glob.ts';

/** Something of the workspace that others depend on, or an app; found in manifests, or named in the configuration. */
export interface Project {
  /** Its folder inside the workspace, POSIX separators, `.` = all of it. Everything below it is its content. */
  readonly path: string;
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
}

/** Projects by name: the folder for those found in manifests, `app:<name>` for those of the configuration. */
export type ProjectGraph = ReadonlyMap<string, Project>;

export const appNode = (app: string): string => `app:${app}`;
export const appOfNode = (name: string): string | null => (name.startsWith('app:') ? name.slice(4) : null);

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
