import { canonicalJson } from '../../core/canonical.ts';
import { matchesPattern } from '../../core/changes/glob.ts';
import { ancestors } from '../../core/changes/project.ts';
import type { Draft, Reader, Reading } from './draft.ts';
import { pathFrom } from './draft.ts';
import { type Lock, wholeLock, type Wishes } from './locks/lock.ts';
import { npmLock } from './locks/npm.ts';
import { pnpmLock } from './locks/pnpm.ts';
import { yarnLock } from './locks/yarn.ts';
import { record, text, texts, type Values, wishes } from './values.ts';

const LOCKS: Readonly<Record<string, (text: string) => Lock>> = {
  'package-lock.json': npmLock,
  'npm-shrinkwrap.json': npmLock,
  'pnpm-lock.yaml': pnpmLock,
  'yarn.lock': yarnLock,
  'bun.lock': wholeLock,
};
const KINDS = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'] as const;
/** What the manifest of a workspace's root says of everyone in it. Scripts, its own version and the like are its own affair. */
const OF_EVERYONE = [
  'packageManager',
  'engines',
  'type',
  'overrides',
  'resolutions',
  'pnpm',
  'browserslist',
  'volta',
  'patchedDependencies',
];

interface Manifest {
  readonly path: string;
  readonly folder: string;
  readonly name: string;
  readonly wishes: Wishes;
  readonly values: Values;
}

interface Root {
  readonly folder: string;
  readonly patterns: readonly string[];
  /** Those written with a `!`. */
  readonly exceptions: readonly string[];
}

/** `package.json`: npm, pnpm and yarn workspaces, `file:` and `link:` dependencies, and their lockfiles. */
export const nodeReader: Reader = {
  names: ['package.json', 'pnpm-workspace.yaml', ...Object.keys(LOCKS)],
  find(reading) {
    for (const { folder } of reading.named('package.json')) reading.project(folder);
  },
  link(reading) {
    const manifests = manifestsOf(reading);
    const roots = rootsOf(reading, manifests);
    const byFolder = new Map(manifests.map((one) => [one.folder, one]));
    const rootOf = membership(roots);
    const named = new Map<string, string>();
    for (const one of manifests) {
      const root = rootOf(one.folder);
      if (root !== null && one.name !== '') named.set(`${root.folder} ${one.name}`, one.folder);
    }
    const locks = locksOf(reading);
    const toolchain = manifests.length === 0 ? null : toolchainOf(reading);
    for (const root of roots) shareRoot(reading, root, byFolder.get(root.folder), locks.get(root.folder) ?? null);
    for (const one of manifests) {
      const project = reading.project(one.folder);
      if (project === null) continue;
      const root = rootOf(one.folder);
      if (toolchain !== null) reading.depends(project, 'toolchain:node', '.nvmrc');
      if (root !== null) reading.depends(project, `workspace:${root.folder}`, pathFrom(root.folder, 'package.json') ?? '');
      linkOne(reading, project, one, (name) => (root === null ? undefined : named.get(`${root.folder} ${name}`)));
      const lockRoot = root?.folder ?? nearestLock(one.folder, locks);
      const lock = lockRoot === null ? undefined : locks.get(lockRoot);
      if (lock === undefined || lockRoot === null) continue;
      const relative = lockRoot === '.' ? one.folder : one.folder === lockRoot ? '.' : one.folder.slice(lockRoot.length + 1);
      const closure = lock.closure(relative, one.name, one.wishes);
      if (closure !== '') project.locks.push(closure);
    }
  },
};

function manifestsOf(reading: Reading): Manifest[] {
  return reading.named('package.json').flatMap(({ path, folder, text: content }) => {
    const values = reading.parsed(path, () => record(JSON.parse(content)));
    if (values === null) return [];
    return [{ path, folder, name: text(values['name']), wishes: wishesOf(values), values }];
  });
}

/** What it asks for; of two that ask for the same, the first kind says which. */
function wishesOf(values: Values): Wishes {
  const all = wishes(values[KINDS[0]]);
  for (const kind of KINDS.slice(1)) for (const [name, range] of wishes(values[kind])) if (!all.has(name)) all.set(name, range);
  return all;
}

function rootsOf(reading: Reading, manifests: readonly Manifest[]): Root[] {
  const fromNpm = manifests.flatMap(({ folder, values }): Root[] => {
    const said = values['workspaces'];
    const patterns = Array.isArray(said) ? texts(said) : texts(record(said)['packages']);
    return patterns.length === 0 ? [] : [rootOf(folder, patterns)];
  });
  const fromPnpm = reading.named('pnpm-workspace.yaml').map(({ folder, text: content }) => rootOf(folder, packagesOf(content)));
  return [...fromPnpm, ...fromNpm].toSorted((a, b) => b.folder.length - a.folder.length);
}

function rootOf(folder: string, said: readonly string[]): Root {
  const all = said.map((pattern) => pattern.replace(/\/+$/, ''));
  return {
    folder,
    patterns: all.filter((pattern) => !pattern.startsWith('!')),
    exceptions: all.flatMap((pattern) => (pattern.startsWith('!') ? [pattern.slice(1)] : [])),
  };
}

/** The list `packages:` of a pnpm-workspace.yaml. */
function packagesOf(content: string): string[] {
  const lines = content.split('\n');
  const start = lines.findIndex((line) => /^packages\s*:/.test(line));
  if (start < 0) return [];
  const inline = /^packages\s*:\s*\[(.*)\]/.exec(lines[start] ?? '')?.[1];
  const after = lines.slice(start + 1);
  const end = after.findIndex((line) => /^\S/.test(line) && !line.startsWith('-') && !line.startsWith('#'));
  const items =
    inline === undefined
      ? (end < 0 ? after : after.slice(0, end)).map((line) => /^\s*-\s*(.+?)\s*(?:\s#.*)?$/.exec(line)?.[1])
      : inline.split(',');
  return items.flatMap((item) => (item === undefined ? [] : [item.trim().replaceAll(/^["']|["']$/g, '')]));
}

/** The workspace that a folder belongs to: the nearest root above whose patterns it fits. */
function membership(roots: readonly Root[]): (folder: string) => Root | null {
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

function locksOf(reading: Reading): Map<string, Lock> {
  const locks = new Map<string, Lock>();
  for (const [name, read] of Object.entries(LOCKS)) {
    for (const { path, folder, text: content } of reading.named(name))
      locks.set(folder, reading.parsed(path, () => read(content)) ?? wholeLock(content));
  }
  return locks;
}

function nearestLock(folder: string, locks: ReadonlyMap<string, Lock>): string | null {
  if (locks.has(folder)) return folder;
  for (const above of ancestors(folder)) if (locks.has(above)) return above;
  return null;
}

/** What the root of a workspace brings to all in it: its settings, and the tools it installs. */
function shareRoot(reading: Reading, root: Root, manifest: Manifest | undefined, lock: Lock | null): void {
  const shared = reading.shared(`workspace:${root.folder}`, pathFrom(root.folder, '.pnpmfile.cjs') ?? '');
  for (const name of ['.npmrc', '.yarnrc', '.yarnrc.yml', 'patches']) {
    const path = pathFrom(root.folder, name);
    if (path !== null) reading.reads(shared, path, path);
  }
  if (manifest === undefined) return;
  shared.settings.push(canonicalJson(Object.fromEntries(OF_EVERYONE.map((key) => [key, manifest.values[key] ?? null]))));
  const closure = lock?.closure('.', manifest.name, manifest.wishes) ?? '';
  if (closure !== '') shared.locks.push(closure);
}

function toolchainOf(reading: Reading): Draft {
  const shared = reading.shared('toolchain:node', '.nvmrc');
  for (const path of ['.node-version', '.tool-versions', 'mise.toml', '.mise.toml']) reading.reads(shared, path, path);
  return shared;
}

function linkOne(reading: Reading, project: Draft, one: Manifest, folderOfName: (name: string) => string | undefined): void {
  for (const [name, range] of one.wishes) {
    const local = /^(?:file|link|portal):(.+)$/.exec(range)?.[1];
    const target = local === undefined ? folderOfName(name) : pathFrom(one.folder, local);
    if (target === undefined || target === null || range.startsWith('npm:')) continue;
    if (reading.projects.has(target)) reading.depends(project, target, one.path);
    else if (local !== undefined) reading.reads(project, target, one.path);
  }
}
