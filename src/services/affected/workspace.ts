import type { Changed, History } from '../../ports/history.ts';
import type { ManifestGraph, Manifests } from '../../ports/manifests.ts';
import { canonicalJson } from '../../core/text/canonical.ts';
import { fixedFolder, matchesPattern } from '../../core/text/glob.ts';
import { type Digest, merkle } from '../../core/changes/merkle.ts';
import type { Input, Project, ProjectGraph } from '../../core/changes/project.ts';
import { above, ancestors, appNode, isPattern, named } from '../../core/changes/project.ts';

/** What the configuration says of one app, as far as it makes a difference to what is built. */
export interface AppDeclaration {
  readonly app: string;
  readonly path: string;
  readonly dependsOn: readonly string[];
  /** Files, folders and patterns elsewhere in the workspace that it is made from. */
  readonly inputs: readonly string[];
  /** Its build and checks, in one text. */
  readonly settings: string;
}

/** The configuration's file, as edges and inputs that it names show it. */
const CONFIG = 'sluice.config';
const ROUNDS = 8;

export interface Readers {
  readonly history: History;
  readonly manifests: Manifests;
  /** Keeps graphs from one time to the next; a lost one is read anew. */
  readonly memory?: GraphMemory;
}

/** Lockfiles are large, and only matter where fingerprints are made or a manifest changed: `edges` is the graph without them. */
export type Detail = 'edges' | 'all';

/** What manifests say at one commit or tree. */
export interface ManifestState {
  readonly at: string;
  readonly detail: Detail;
  /** Folders of apps that it was read with. */
  readonly folders: readonly string[];
  /** Besides files with the names of manifests, those that were read, or asked for and not there. */
  readonly others: ReadonlySet<string>;
  readonly projects: ProjectGraph;
  readonly unreadable: ManifestGraph['unreadable'];
}

export interface GraphMemory {
  /** The state kept last; null when there is none. */
  recall(): Promise<ManifestState | null>;
  keep(state: ManifestState): Promise<void>;
}

/** The manifests' graph at a commit: from memory where nothing that it was read from has changed since. `early`: its files. */
export async function manifestsAt(
  readers: Readers,
  at: string,
  folders: readonly string[],
  detail: Detail = 'all',
  early: Promise<ManifestFiles | null> | null = null,
): Promise<ManifestState> {
  const known = (await readers.memory?.recall()) ?? null;
  if (known !== null && sameFolders(known.folders, folders) && (known.detail === 'all' || detail === 'edges')) {
    if (known.at === at) return known;
    const changed = await readers.history.changed(known.at, at).catch(() => null);
    if (changed !== null && !changesGraph(readers.manifests, known, changed)) {
      const moved = { ...known, at };
      await readers.memory?.keep(moved);
      return moved;
    }
  }
  const state = await readManifests(readers, at, folders, detail, await early);
  await readers.memory?.keep(state);
  return state;
}

/** Every file that has the name of a manifest. */
export interface ManifestFiles {
  /** Identities, by path. */
  readonly ids: ReadonlyMap<string, string>;
  /** Texts, by identity. */
  readonly texts: ReadonlyMap<string, string>;
  /** Those that have no text, and why. */
  readonly broken: ReadonlyMap<string, string>;
}

/**
 * What a graph is read from, to be asked for while it is not known yet with which folders, and how much of it. Null: there is
 * something in the memory, which may do.
 */
export async function earlyManifests(
  { history, manifests, memory }: Readers,
  at: string,
  detail: Promise<Detail>,
): Promise<ManifestFiles | null> {
  return (await memory?.recall()) == null ? manifestFiles(history, manifests, at, detail) : null;
}

async function manifestFiles(history: History, manifests: Manifests, at: string, detail: Detail | Promise<Detail>): Promise<ManifestFiles> {
  const [listed, how] = await Promise.all([history.list(at, manifests.names), detail]);
  const isLock = named(manifests.locks);
  const ids = new Map<string, string>();
  const broken = new Map<string, string>();
  for (const { path, id, link } of listed) {
    if (how !== 'all' && isLock(path)) continue;
    if (link === undefined) ids.set(path, id);
    else broken.set(path, link === 'link' ? 'it is a symbolic link, which is not followed' : 'it is another repository');
  }
  const texts = await textsOf(history, new Set(ids.values()));
  for (const [path, id] of ids) if (!texts.has(id)) broken.set(path, 'its content is not in this clone');
  return { ids, texts, broken };
}

/** Both ends of a change. Where no manifest changed the base's graph is the head's, and is not read. */
export async function baseManifests(
  readers: Readers,
  head: ManifestState,
  base: string,
  changed: readonly Changed[],
  folders: readonly string[],
): Promise<ManifestState> {
  const same = sameFolders(head.folders, folders) && !changesGraph(readers.manifests, head, changed);
  return same ? { ...head, at: base } : readManifests(readers, base, folders, head.detail, null);
}

/** Whether any of the files that changed is one that the graph was, or would be, read from. */
function changesGraph(manifests: Manifests, known: ManifestState, changed: readonly Changed[]): boolean {
  return changed.some(({ path }) => known.others.has(path)) || changesManifest(manifests, changed);
}

/** Whether any of the files that changed is a manifest or a lockfile by its name. */
export function changesManifest(manifests: Manifests, changed: readonly Changed[]): boolean {
  const isManifest = named(manifests.names);
  return changed.some(({ path }) => isManifest(path));
}

function sameFolders(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.join('\n') === b.join('\n');
}

async function readManifests(
  { history, manifests }: Readers,
  at: string,
  folders: readonly string[],
  detail: Detail,
  early: ManifestFiles | null,
): Promise<ManifestState> {
  const named = early ?? (await manifestFiles(history, manifests, at, detail));
  const others = new Set<string>();
  const files = new Map<string, string>();
  const broken = new Map(named.broken);
  for (const [path, id] of named.ids) files.set(path, named.texts.get(id) ?? '');
  for (const path of broken.keys()) files.set(path, '');
  for (let round = 0; ; round += 1) {
    const graph = await manifests.graph(files, folders, broken);
    if (graph.wanted.length === 0) return { at, detail, folders, others, projects: graph.projects, unreadable: graph.unreadable };
    const found = await history.ids(at, graph.wanted);
    const texts = await textsOf(history, new Set(found.filter((id) => id !== null)));
    for (const [i, path] of graph.wanted.entries()) {
      const id = found[i] ?? null;
      others.add(path);
      files.set(path, id === null ? '' : (texts.get(id) ?? ''));
      if (id !== null && !texts.has(id)) broken.set(path, 'it is no file, or its content is not in this clone');
      else if (round >= ROUNDS) broken.set(path, `it is named by a chain of more than ${ROUNDS} files`);
    }
  }
}

async function textsOf(history: History, ids: ReadonlySet<string>): Promise<Map<string, string>> {
  const [asked, texts] = [[...ids], new Map<string, string>()];
  const read = await history.texts(asked);
  for (let i = 0; i < asked.length; i += 1) {
    const text = read[i];
    if (text !== null && text !== undefined) texts.set(asked[i] ?? '', text);
  }
  return texts;
}

/** The graph of a workspace: what manifests say, and the apps of the configuration on top. */
export function withApps(projects: ProjectGraph, apps: readonly AppDeclaration[], everywhere: readonly string[]): ProjectGraph {
  const graph = new Map(projects);
  const names = new Set(apps.map((one) => one.app));
  const inside = projectsByApp(projects, apps);
  for (const { app, path, dependsOn, inputs, settings } of apps) {
    const around = path === '.' ? [] : [...ancestors(path)].filter((folder) => folder !== '.' && projects.has(folder)).slice(0, 1);
    const own = projects.has(path) ? [path] : around;
    const local = [...new Set([...own, ...(inside.get(app) ?? [])])].map((to) => ({ to, via: path }));
    const needed = dependsOn.filter((name) => names.has(name)).map((name) => ({ to: appNode(name), via: CONFIG }));
    graph.set(appNode(app), {
      path,
      edges: [...local, ...needed],
      inputs: [...new Set([...everywhere, ...inputs])].map((input) => ({ path: input, via: CONFIG })),
      lock: '',
      settings,
    });
  }
  return graph;
}

/** App → projects whose folders lie in the app's. */
function projectsByApp(projects: ProjectGraph, apps: readonly AppDeclaration[]): Map<string, string[]> {
  const byPath = new Map<string, string[]>();
  for (const { app, path } of apps) add(byPath, path, app);
  const known = new Map<string, readonly string[]>();
  const around = (folder: string | null): readonly string[] => {
    if (folder === null) return [];
    let names = known.get(folder);
    if (names === undefined) known.set(folder, (names = [...(byPath.get(folder) ?? []), ...around(above(folder))]));
    return names;
  };
  const found = new Map<string, string[]>();
  // What lies no deeper than the highest app lies in none: that is most.
  const highest = Math.min(...apps.map(({ path }) => depthOf(path)));
  for (const [name, project] of projects)
    if (name === project.path && depthOf(name) > highest) for (const app of around(above(name))) add(found, app, name);
  return found;
}

/** How many folders a path leads through: none for the workspace itself. */
function depthOf(path: string): number {
  if (path === '.') return 0;
  let depth = 1;
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) depth += 1;
  return depth;
}

function add(map: Map<string, string[]>, key: string, value: string): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, [value]);
  else values.push(value);
}

/** Projects that some need, near or far, with those themselves. */
export function reachable(graph: ProjectGraph, names: Iterable<string>): Map<string, Project> {
  const found = new Map<string, Project>();
  const open = [...names];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const project = graph.get(name);
    if (project === undefined || found.has(name)) continue;
    found.set(name, project);
    for (const { to } of project.edges) open.push(to);
  }
  return found;
}

/** Whether an app is built from more than its own folder: a project elsewhere, or a workspace whose root it needs. */
export function needsMore(graph: ProjectGraph, name: string, folder: string): boolean {
  const outside = (path: string): boolean => folder !== '.' && path !== folder && !path.startsWith(`${folder}/`);
  return [...reachable(ownParts(graph, name), [name])].some(([other, project]) => {
    if (other.startsWith('workspace:') || (other === project.path && outside(other))) return true;
    const isBuilt = other === name || other === project.path;
    return isBuilt && project.inputs.some((input) => outside(input.path) && !isVariables(input.path));
  });
}

/** The graph without the other apps: to be deployed before somebody is not to be built from them. */
function ownParts(graph: ProjectGraph, name: string): ProjectGraph {
  const own = graph.get(name);
  if (own === undefined) return graph;
  return new Map([...graph, [name, { ...own, edges: own.edges.filter((edge) => !edge.to.startsWith('app:')) }]]);
}

/** Every app has them as inputs, whether they are there or not. */
function isVariables(path: string): boolean {
  return /^\.env(\.|$)/.test(path);
}

/**
 * Identity of what each project is made from: the content of its folder and of its inputs, what its lockfile resolves
 * for it, its settings, and the identities of all it depends on. Equal fingerprints build equal artifacts.
 */
export async function fingerprintsOf(history: History, at: string, graph: ProjectGraph, digest: Digest): Promise<Map<string, string>> {
  const paths = new Set<string>();
  const patterns = new Map<string, Pattern>();
  for (const project of graph.values()) {
    const own = folderWithout(project);
    if (own === null) paths.add(project.path);
    for (const input of own === null ? project.inputs : [own, ...project.inputs]) {
      if (isPattern(input.path)) patterns.set(keyOf(input), input);
      else paths.add(input.path);
    }
  }
  const all = [...paths];
  const [found, matched] = await Promise.all([history.ids(at, all), matches(history, at, patterns, digest)]);
  const ids = new Map<string, string | null>(all.map((path, i) => [path, found[i] ?? null]));
  for (const [key, id] of matched) ids.set(key, id);
  const nodes = [...graph].map(([name, project]) => ({
    name,
    own: ownContent(project, ids),
    dependsOn: project.edges.map((edge) => edge.to),
  }));
  return merkle(nodes, digest);
}

type Pattern = Pick<Input, 'path' | 'except'>;

function keyOf({ path, except }: Pattern): string {
  return except === undefined ? path : `${path} ! ${except.join(' ')}`;
}

/** The folder of a project that does not have all of it, as a pattern; null for those that have. */
function folderWithout({ path, except }: Project): Pattern | null {
  return except === undefined ? null : { path: `${path}/**`, except: except.flatMap((folder) => [folder, `${folder}/**`]) };
}

/** Begins with the version of this rule: to change it builds everything anew, everywhere. */
function ownContent(project: Project, ids: ReadonlyMap<string, string | null>): string {
  const { path, inputs, lock, settings } = project;
  const own = folderWithout(project);
  const read = [...new Set(inputs.map(keyOf))].toSorted().map((input) => [input, ids.get(input) ?? null]);
  return canonicalJson([2, path, ids.get(own === null ? path : keyOf(own)) ?? null, read, lock, settings]);
}

async function matches(
  history: History,
  at: string,
  patterns: ReadonlyMap<string, Pattern>,
  digest: Digest,
): Promise<Map<string, string | null>> {
  if (patterns.size === 0) return new Map();
  const files = await history.below(at, [...new Set([...patterns.values()].map(({ path }) => fixedFolder(path)))]);
  return new Map(
    [...patterns].map(([key, { path: pattern, except = [] }]) => {
      const fits = (path: string): boolean => matchesPattern(path, pattern) && !except.some((one) => matchesPattern(path, one));
      const content = files.flatMap(({ path, id }) => (fits(path) ? [`${path} ${id}`] : [])).toSorted();
      return [key, content.length === 0 ? null : digest(content.join('\n'))];
    }),
  );
}
