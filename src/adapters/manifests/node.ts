import { canonicalJson } from '../../core/text/canonical.ts';
import { ancestors } from '../../core/changes/project.ts';
import type { Draft, Reader, Reading } from './draft.ts';
import { pathFrom } from './draft.ts';
import { type Lock, wholeLock, type Wishes } from './locks/lock.ts';
import { npmLock } from './locks/npm.ts';
import { pnpmLock } from './locks/pnpm.ts';
import { yarnLock } from './locks/yarn.ts';
import { addOverrides, type Asking, targetOf } from './node-local.ts';
import { membership, type Root, rootsOf } from './node-workspace.ts';
import { strictJson } from './trouble.ts';
import { record, text, texts, type Values } from './values.ts';

const LOCKS: Readonly<Record<string, (text: string) => Lock>> = {
  'package-lock.json': npmLock,
  'npm-shrinkwrap.json': npmLock,
  'pnpm-lock.yaml': pnpmLock,
  'yarn.lock': yarnLock,
  'bun.lock': wholeLock,
  'bun.lockb': wholeLock,
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
interface Manifest extends Asking {
  readonly name: string;
  /** Name and range of what it asks for, one after the other; each name once. */
  readonly asked: readonly string[];
  /** Of these, what need not be installed: peers and what is for some platforms only. */
  readonly optional: ReadonlySet<string>;
  /** Members of its workspace, when it is a root: patterns of folders. */
  readonly members: readonly string[];
  readonly text: string;
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
    doubtMembers(reading, manifests, rootOf);
    const locks = locksOf(reading);
    if (manifests.length > 0) shareToolchain(reading);
    shareRoots(reading, { roots, manifests, locks, named });
    for (const one of manifests) {
      const project = reading.project(one.folder);
      if (project === null) continue;
      const root = rootOf(one.folder);
      reading.depends(project, TOOLCHAIN, '.nvmrc');
      if (root !== null) reading.depends(project, root.shared, root.manifest);
      const local = linkOne(reading, project, one, { root, folders: root === null ? undefined : named.get(root.folder) });
      const lockRoot = root?.folder ?? nearestLock(one.folder, locks);
      const lock = lockRoot === null ? undefined : locks.get(lockRoot);
      if (lock === undefined || lockRoot === null) continue;
      const relative = lockRoot === '.' ? one.folder : one.folder === lockRoot ? '.' : one.folder.slice(lockRoot.length + 1);
      const closure = lock.closure(relative, one.name, wishesOf(one, local), one.optional);
      if (closure !== '') project.locks.push(closure);
    }
  },
};

/** A member whose manifest cannot be read has a name that is not known: each other member may ask for it. */
function doubtMembers(reading: Reading, manifests: readonly Manifest[], rootOf: (folder: string) => Root | null): void {
  for (const { path, folder } of reading.named('package.json')) {
    const root = reading.isUnreadable(path) ? rootOf(folder) : null;
    if (root === null) continue;
    reading.doubt(reading.project(folder), path);
    for (const one of manifests) if (rootOf(one.folder) === root) reading.doubt(reading.project(one.folder), path);
  }
}

const NONE: ReadonlySet<string> = new Set();

function manifestsOf(reading: Reading): Manifest[] {
  const manifests: Manifest[] = [];
  for (const { path, folder, text: content } of reading.named('package.json')) {
    const values = reading.parsed(path, () => strictJson(content));
    if (values === null) continue;
    const said = values['workspaces'];
    const members = said === undefined ? [] : Array.isArray(said) ? texts(said) : texts(record(said)['packages']);
    const soft = [values['peerDependencies'], values['optionalDependencies']].flatMap((kind) => Object.keys(record(kind)));
    const hard = new Set([values['dependencies'], values['devDependencies']].flatMap((kind) => Object.keys(record(kind))));
    const optional = soft.length === 0 ? NONE : new Set(soft.filter((name) => !hard.has(name)));
    manifests.push({ path, folder, name: text(values['name']), asked: askedIn(values), optional, members, text: content });
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

/** What it asks for of packages from outside: `local` are those of the workspace. */
function wishesOf({ asked }: Manifest, local: ReadonlySet<string>): Wishes {
  const all = new Map<string, string>();
  for (let i = 0; i < asked.length; i += 2) {
    const name = asked[i] ?? '';
    if (!local.has(name)) all.set(name, asked[i + 1] ?? '');
  }
  return all;
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

interface Workspaces {
  readonly roots: readonly Root[];
  readonly manifests: readonly Manifest[];
  readonly locks: ReadonlyMap<string, Lock>;
  /** Folder of a root → folders of its members, by name. */
  readonly named: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

/** Files and folders beside the root of a workspace that its tools read for all in it. */
const OF_ROOT = ['.npmrc', '.yarnrc', '.yarnrc.yml', '.yarn/patches', '.yarn/plugins', '.yarn/releases', 'patches', 'bunfig.toml'];

/** What the roots of workspaces bring to all in them: their settings, and the tools they install. */
function shareRoots(reading: Reading, { roots, manifests, locks, named }: Workspaces): void {
  for (const root of roots) {
    const { folder } = root;
    const shared = reading.shared(root.shared, pathFrom(folder, '.pnpmfile.cjs') ?? '');
    for (const file of OF_ROOT) {
      const path = pathFrom(folder, file);
      if (path !== null) reading.reads(shared, path, path);
    }
    const folders = named.get(folder) ?? new Map<string, string>();
    if (root.settings !== null) {
      shared.settings.push(canonicalJson(root.settings));
      addOverrides(reading, shared, root.settings, { root, folders, via: pathFrom(folder, 'pnpm-workspace.yaml') ?? '' });
    }
    const manifest = manifests.findLast((one) => one.folder === folder);
    if (manifest === undefined) continue;
    const values = record(JSON.parse(manifest.text));
    const ofEveryone = Object.fromEntries(OF_EVERYONE.map((key) => [key, values[key] ?? null]));
    shared.settings.push(canonicalJson(ofEveryone));
    addOverrides(reading, shared, ofEveryone, { root, folders, via: manifest.path });
    const local = linkOne(reading, shared, manifest, { root, folders });
    const closure = locks.get(folder)?.closure('.', manifest.name, wishesOf(manifest, local), manifest.optional) ?? '';
    if (closure !== '') shared.locks.push(closure);
  }
}

const TOOLCHAIN = 'toolchain:node';

function shareToolchain(reading: Reading): void {
  const shared = reading.shared(TOOLCHAIN, '.nvmrc');
  for (const path of ['.node-version', '.tool-versions', 'mise.toml', '.mise.toml']) reading.reads(shared, path, path);
}

interface Around {
  readonly root: Root | null;
  /** Of the packages in the same workspace, by name. */
  readonly folders: ReadonlyMap<string, string> | undefined;
}

/** Edges to what it asks for in the workspace; returns the names of that, which no lockfile speaks of. */
function linkOne(reading: Reading, project: Draft, one: Manifest, { root, folders }: Around): Set<string> {
  const local = new Set<string>();
  for (let i = 0; i < one.asked.length; i += 2) {
    const name = one.asked[i] ?? '';
    const said = one.asked[i + 1] ?? '';
    const range = said.startsWith('catalog:') ? (root?.catalogs(said)[name] ?? said) : said;
    if (range !== said) project.settings.push(`${name} ${range}`);
    const target = targetOf(one, name, range, { root: root?.folder ?? null, folders });
    if (target === null) continue;
    if (target.isWhole) local.add(name);
    if (reading.projects.has(target.path)) reading.depends(project, target.path, one.path);
    else if (target.isNamed) reading.reads(project, target.path, one.path);
  }
  return local;
}
