import { canonicalJson } from '../../core/canonical.ts';
import { matchesPattern } from '../../core/changes/glob.ts';
import { ancestors } from '../../core/changes/project.ts';
import type { Draft, Reader, Reading } from './draft.ts';
import { pathFrom } from './draft.ts';
import { type Lock, wholeLock, type Wishes } from './locks/lock.ts';
import { npmLock } from './locks/npm.ts';
import { pnpmLock } from './locks/pnpm.ts';
import { yarnLock } from './locks/yarn.ts';
import { record, text, texts, type Values } from './values.ts';

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

/** Of thousands of manifests only this is kept. */
interface Manifest {
  readonly path: string;
  readonly folder: string;
  readonly name: string;
  /** Name and range of what it asks for, one after the other; each name once. */
  readonly asked: readonly string[];
  /** Members of its workspace, when it is a root: patterns of folders. */
  readonly members: readonly string[];
  readonly text: string;
}

interface Root {
  readonly folder: string;
  /** Name of what it brings to all in it, and the file that says so. */
  readonly shared: string;
  readonly manifest: string;
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
    const rootOf = membership(roots);
    const named = new Map<string, Map<string, string>>(roots.map((root) => [root.folder, new Map()]));
    for (const { folder, name } of manifests) {
      const root = rootOf(folder);
      if (root !== null && name !== '') named.get(root.folder)?.set(name, folder);
    }
    const locks = locksOf(reading);
    if (manifests.length > 0) shareToolchain(reading);
    shareRoots(reading, roots, manifests, locks);
    for (const one of manifests) {
      const project = reading.project(one.folder);
      if (project === null) continue;
      const root = rootOf(one.folder);
      reading.depends(project, TOOLCHAIN, '.nvmrc');
      if (root !== null) reading.depends(project, root.shared, root.manifest);
      linkOne(reading, project, one, root === null ? undefined : named.get(root.folder));
      const lockRoot = root?.folder ?? nearestLock(one.folder, locks);
      const lock = lockRoot === null ? undefined : locks.get(lockRoot);
      if (lock === undefined || lockRoot === null) continue;
      const relative = lockRoot === '.' ? one.folder : one.folder === lockRoot ? '.' : one.folder.slice(lockRoot.length + 1);
      const closure = lock.closure(relative, one.name, wishesOf(one));
      if (closure !== '') project.locks.push(closure);
    }
  },
};

function manifestsOf(reading: Reading): Manifest[] {
  const manifests: Manifest[] = [];
  for (const { path, folder, text: content } of reading.named('package.json')) {
    const values = reading.parsed(path, () => record(JSON.parse(content)));
    if (values === null) continue;
    const said = values['workspaces'];
    const members = said === undefined ? [] : Array.isArray(said) ? texts(said) : texts(record(said)['packages']);
    manifests.push({ path, folder, name: text(values['name']), asked: askedIn(values), members, text: content });
  }
  return manifests;
}

/** What it asks for; of two that ask for the same, the first kind says which. */
function askedIn(values: Values): string[] {
  const asked: string[] = [];
  let before: ReadonlySet<string> | null = null;
  for (const kind of KINDS) {
    const ranges = record(values[kind]);
    const names = Object.keys(ranges);
    if (names.length === 0) continue;
    if (asked.length > 0) before = new Set(asked.filter((_, i) => i % 2 === 0));
    for (const name of names) {
      const range = ranges[name];
      if (typeof range === 'string' && before?.has(name) !== true) asked.push(name, range);
    }
  }
  return asked;
}

function wishesOf({ asked }: Manifest): Wishes {
  const all = new Map<string, string>();
  for (let i = 0; i < asked.length; i += 2) all.set(asked[i] ?? '', asked[i + 1] ?? '');
  return all;
}

function rootsOf(reading: Reading, manifests: readonly Manifest[]): Root[] {
  const fromNpm: Root[] = [];
  for (const { folder, members } of manifests) if (members.length > 0) fromNpm.push(rootOf(folder, members));
  const fromPnpm = reading.named('pnpm-workspace.yaml').map(({ folder, text: content }) => rootOf(folder, packagesOf(content)));
  return [...fromPnpm, ...fromNpm].toSorted((a, b) => b.folder.length - a.folder.length);
}

function rootOf(folder: string, said: readonly string[]): Root {
  const all = said.map((pattern) => pattern.replace(/\/+$/, ''));
  return {
    folder,
    shared: `workspace:${folder}`,
    manifest: pathFrom(folder, 'package.json') ?? '',
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

/** What the roots of workspaces bring to all in them: their settings, and the tools they install. */
function shareRoots(reading: Reading, roots: readonly Root[], manifests: readonly Manifest[], locks: ReadonlyMap<string, Lock>): void {
  for (const { folder, shared: name } of roots) {
    const shared = reading.shared(name, pathFrom(folder, '.pnpmfile.cjs') ?? '');
    for (const file of ['.npmrc', '.yarnrc', '.yarnrc.yml', 'patches']) {
      const path = pathFrom(folder, file);
      if (path !== null) reading.reads(shared, path, path);
    }
    const manifest = manifests.findLast((one) => one.folder === folder);
    if (manifest === undefined) continue;
    const values = record(JSON.parse(manifest.text));
    shared.settings.push(canonicalJson(Object.fromEntries(OF_EVERYONE.map((key) => [key, values[key] ?? null]))));
    const closure = locks.get(folder)?.closure('.', manifest.name, wishesOf(manifest)) ?? '';
    if (closure !== '') shared.locks.push(closure);
  }
}

const TOOLCHAIN = 'toolchain:node';

function shareToolchain(reading: Reading): void {
  const shared = reading.shared(TOOLCHAIN, '.nvmrc');
  for (const path of ['.node-version', '.tool-versions', 'mise.toml', '.mise.toml']) reading.reads(shared, path, path);
}

/** `folders`: of the packages in the same workspace, by name. */
function linkOne(
  reading: Reading,
  project: Draft,
  { folder, path, asked }: Manifest,
  folders: ReadonlyMap<string, string> | undefined,
): void {
  for (let i = 0; i < asked.length; i += 2) {
    const name = asked[i] ?? '';
    const range = asked[i + 1] ?? '';
    const local = range.includes(':') ? /^(?:file|link|portal):(.+)$/.exec(range)?.[1] : undefined;
    const target = local === undefined ? folders?.get(name) : pathFrom(folder, local);
    if (target === undefined || target === null || range.startsWith('npm:')) continue;
    if (reading.projects.has(target)) reading.depends(project, target, path);
    else if (local !== undefined) reading.reads(project, target, path);
  }
}
