import { parse } from 'yaml';
import { fixedFolder, matchesPattern } from '../../core/text/glob.ts';
import type { Reading } from './draft.ts';
import { pathFrom } from './draft.ts';
import { record, texts, type Values } from './values.ts';

/** The root of a workspace of npm, pnpm, yarn or bun. */
export interface Root {
  readonly folder: string;
  /** Name of what it brings to all in it, and the file that says so. */
  readonly shared: string;
  readonly manifest: string;
  readonly patterns: readonly string[];
  /** Those written with a `!`. */
  readonly exceptions: readonly string[];
  /** What pnpm-workspace.yaml says besides its members and catalogs; null where there is none. */
  readonly settings: Values | null;
  /** Name → range, of `catalog:` or `catalog:<name>`. */
  catalogs(said: string): Readonly<Record<string, string>>;
}

interface Said {
  readonly folder: string;
  readonly members: readonly string[];
}

/** The deepest first. */
export function rootsOf(reading: Reading, manifests: readonly Said[]): Root[] {
  const fromPnpm = reading.named('pnpm-workspace.yaml').flatMap(({ path, folder, text: content }) => {
    const values = reading.parsed(path, () => workspaceOf(content));
    return values === null ? [] : [rootOf(folder, texts(values['packages']), values)];
  });
  const fromNpm = manifests.flatMap(({ folder, members }) => (members.length === 0 ? [] : [rootOf(folder, members, null)]));
  return [...fromPnpm, ...fromNpm].toSorted((a, b) => b.folder.length - a.folder.length);
}

/** @throws Error for what is no YAML, and for what is no mapping. */
function workspaceOf(content: string): Values {
  const value: unknown = parse(content, { logLevel: 'error', merge: true });
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('it is no mapping');
  return value as Values;
}

function rootOf(folder: string, said: readonly string[], values: Values | null): Root {
  const all = said.map((pattern) => plain(pattern.replace(/^!/, '')));
  const { packages: _packages, catalog, catalogs, ...settings } = values ?? {};
  return {
    folder,
    shared: `workspace:${folder}`,
    manifest: pathFrom(folder, 'package.json') ?? '',
    patterns: all.filter((_, i) => said[i]?.startsWith('!') !== true).map(widened),
    // An exception that is not understood keeps everything in.
    exceptions: all.filter((pattern, i) => said[i]?.startsWith('!') === true && widened(pattern) === pattern),
    settings: values === null ? null : settings,
    catalogs(wanted) {
      const name = wanted.slice('catalog:'.length);
      const found = record(name === '' || name === 'default' ? (catalog ?? record(catalogs)['default']) : record(catalogs)[name]);
      return Object.fromEntries(Object.entries(found).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
    },
  };
}

function plain(pattern: string): string {
  return pattern.replace(/^(?:\.\/)+/, '').replace(/\/+$/, '');
}

/** Patterns in a language that is not understood here stand for everything that they may mean. */
function widened(pattern: string): string {
  if (!/[[\]()!+@]\(|[[\]]/.test(pattern)) return pattern;
  const folder = fixedFolder(pattern.replaceAll(/[[\]()!+@]/g, '*'));
  return folder === '.' ? '**' : `${folder}/**`;
}

/** The workspace that a folder belongs to: the nearest root above whose patterns it fits. */
export function membership(roots: readonly Root[]): (folder: string) => Root | null {
  const known = new Map<string, Root | null>();
  return (folder) => {
    let root = known.get(folder);
    if (root === undefined) known.set(folder, (root = roots.find((one) => isMember(folder, one)) ?? null));
    return root;
  };
}

function isMember(folder: string, root: Root): boolean {
  const isBelow = root.folder === '.' || folder.startsWith(`${root.folder}/`);
  if (folder === root.folder || !isBelow) return false;
  const relative = root.folder === '.' ? folder : folder.slice(root.folder.length + 1);
  return (
    root.patterns.some((pattern) => matchesPattern(relative, pattern)) && !root.exceptions.some((one) => matchesPattern(relative, one))
  );
}
