import { matchesPattern } from '../text/glob.ts';
import type { Edge, Project, ProjectGraph } from './project.ts';
import { ancestors, isPattern } from './project.ts';

/** Why a project is affected by itself: files of it that changed, or what is said of it elsewhere. */
export interface Cause {
  /** At most `CAUSES_KEPT` of them. */
  readonly files: readonly string[];
  /** `added`, `lockfile`, `settings`, `dependencies`: what differs besides its files. */
  readonly also: readonly string[];
}

export interface Affected {
  /** Projects that are affected, themselves or through what they depend on. */
  readonly names: ReadonlySet<string>;
  /** Those that are affected by themselves, and why. */
  readonly causes: ReadonlyMap<string, Cause>;
  /** Projects of the base that are no more. */
  readonly removed: readonly string[];
}

const CAUSES_KEPT = 20;

/** A graph prepared for questions: made once, asked often. */
export interface GraphIndex {
  readonly graph: ProjectGraph;
  /** Path → projects whose content it is, or that read it; but for those whose name it is. */
  readonly byPath: ReadonlyMap<string, readonly string[]>;
  readonly patterns: readonly { readonly pattern: string; readonly name: string; readonly except: readonly string[] }[];
  /** Folder → projects that read something below it; made when it is asked for first. */
  readersBelow(): ReadonlyMap<string, readonly string[]>;
  /** Who depends on whom; made when it is asked for first. */
  dependents(): Dependents;
}

export function indexOf(graph: ProjectGraph): GraphIndex {
  const byPath = new Map<string, string[]>();
  const patterns: { pattern: string; name: string; except: readonly string[] }[] = [];
  let known: Dependents | null = null;
  let below: ReadonlyMap<string, readonly string[]> | null = null;
  for (const [name, project] of graph) {
    if (project.path !== name) add(byPath, project.path, name);
    for (const { path, except = [] } of project.inputs) {
      if (isPattern(path)) patterns.push({ pattern: path, name, except });
      else if (path !== project.path) add(byPath, path, name);
    }
  }
  return {
    graph,
    byPath,
    patterns,
    dependents: () => (known ??= dependentsIn(graph)),
    readersBelow: () => (below ??= readersBelow(graph)),
  };
}

/** Another repository or a link may stand where a folder was: what is read through it is told by its own path alone. */
function readersBelow(graph: ProjectGraph): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const [name, { inputs }] of graph)
    for (const { path } of inputs)
      if (path.includes('/') && !isPattern(path)) for (const folder of ancestors(path)) if (folder !== '.') add(found, folder, name);
  return found;
}

function add(map: Map<string, string[]>, key: string, value: string): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, [value]);
  else values.push(value);
}

/** Projects by number. Edges too: the last of those that lead to project n is `last[n]`, the one before edge e `before[e]`; -1: none. */
interface Dependents {
  readonly numbers: ReadonlyMap<string, number>;
  readonly names: readonly string[];
  readonly last: Int32Array;
  readonly before: Int32Array;
  /** The project that each edge comes from. */
  readonly from: Int32Array;
}

function dependentsIn(graph: ProjectGraph): Dependents {
  const names = [...graph.keys()];
  const projects = [...graph.values()];
  const numbers = new Map<string, number>();
  let edges = 0;
  for (let i = 0; i < names.length; i += 1) {
    numbers.set(names[i] ?? '', i);
    edges += projects[i]?.edges.length ?? 0;
  }
  const last = new Int32Array(names.length).fill(-1);
  const [before, from] = [new Int32Array(edges), new Int32Array(edges)];
  let edge = 0;
  for (let i = 0; i < projects.length; i += 1) {
    const own = projects[i]?.edges ?? [];
    for (let j = 0; j < own.length; j += 1) {
      const target = numbers.get(own[j]?.to ?? '');
      if (target === undefined) continue;
      before[edge] = last[target] ?? -1;
      last[target] = edge;
      from[edge] = i;
      edge += 1;
    }
  }
  return { numbers, names, last, before, from };
}

/**
 * What changed files, and the difference of two graphs, affect. With the base's own graph the answer is exactly the set
 * of projects whose fingerprints differ; without it (null: no manifest changed) both graphs are the same.
 */
export function affectedBy(head: GraphIndex, base: GraphIndex | null, files: readonly string[]): Affected {
  const found = new Map<string, { files: string[]; also: string[] }>();
  const note = (name: string): { files: string[]; also: string[] } => {
    let cause = found.get(name);
    if (cause === undefined) found.set(name, (cause = { files: [], also: [] }));
    return cause;
  };
  const touch = (names: readonly string[] | undefined, file: string): void => {
    for (const name of names ?? []) {
      const cause = note(name);
      if (cause.files.length < CAUSES_KEPT && cause.files.at(-1) !== file) cause.files.push(file);
    }
  };
  const touchAt = (path: string, file: string): void => {
    const project = head.graph.get(path);
    if (project?.path === path && !isApart(project, file)) touch([path], file);
    touch(head.byPath.get(path), file);
  };
  const below = head.readersBelow();
  for (const file of files) {
    touchAt(file, file);
    touch(below.get(file), file);
    for (const folder of ancestors(file)) touchAt(folder, file);
    for (const { pattern, name, except } of head.patterns)
      if (matchesPattern(file, pattern) && !except.some((one) => matchesPattern(file, one))) touch([name], file);
  }
  if (base !== null) {
    for (const [name, project] of head.graph) {
      const also = differences(base.graph.get(name), project);
      if (also.length > 0) note(name).also.push(...also);
    }
  }
  const removed = base === null ? [] : [...base.graph.keys()].filter((name) => !head.graph.has(name));
  return { names: withDependents(head, found.keys()), causes: found, removed };
}

function isApart({ except = [] }: Project, file: string): boolean {
  return except.some((folder) => file === folder || file.startsWith(`${folder}/`));
}

function differences(before: Project | undefined, after: Project): string[] {
  if (before === undefined) return ['added'];
  if (before === after) return [];
  return [
    ...(before.path === after.path ? [] : ['moved']),
    ...(before.lock === after.lock ? [] : ['lockfile']),
    ...(before.settings === after.settings ? [] : ['settings']),
    ...(sameTargets(before.edges, after.edges) && sameInputs(before, after) ? [] : ['dependencies']),
  ];
}

function sameTargets(before: readonly Edge[], after: readonly Edge[]): boolean {
  return targets(before) === targets(after);
}

function targets(edges: readonly Edge[]): string {
  return [...new Set(edges.map((edge) => edge.to))].toSorted().join('\n');
}

function sameInputs(before: Project, after: Project): boolean {
  return inputPaths(before) === inputPaths(after);
}

function inputPaths(project: Project): string {
  const paths = project.inputs.map(({ path, except }) => (except === undefined ? path : `${path} ! ${except.join(' ')}`));
  return [...new Set(paths), ...(project.except ?? [])].toSorted().join('\n');
}

function withDependents(index: GraphIndex, first: Iterable<string>): Set<string> {
  const found = new Set<string>();
  const open = [...first].filter((name) => index.graph.has(name));
  if (open.length === 0) return found;
  const { numbers, names, last, before, from } = index.dependents();
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (found.has(name)) continue;
    found.add(name);
    for (let edge = last[numbers.get(name) ?? -1] ?? -1; edge >= 0; edge = before[edge] ?? -1) {
      const next = names[from[edge] ?? -1];
      if (next !== undefined && !found.has(next)) open.push(next);
    }
  }
  return found;
}

/** One step from an app to what made it affected. */
export interface Hop {
  readonly from: string;
  readonly to: string;
  /** File that makes the one depend on the other. */
  readonly via: string;
}

/** The shortest way from a project to one that is affected by itself; null when it is not affected. */
export function explain(
  graph: ProjectGraph,
  affected: Affected,
  name: string,
): { readonly hops: readonly Hop[]; readonly cause: Cause } | null {
  const came = new Map<string, Hop | null>([[name, null]]);
  const open = [name];
  for (let at = 0; at < open.length; at += 1) {
    const here = open[at] ?? '';
    const cause = affected.causes.get(here);
    if (cause !== undefined) return { hops: wayTo(came, here), cause };
    for (const { to, via } of graph.get(here)?.edges ?? []) {
      if (came.has(to) || !affected.names.has(to)) continue;
      came.set(to, { from: here, to, via });
      open.push(to);
    }
  }
  return null;
}

function wayTo(came: ReadonlyMap<string, Hop | null>, end: string): Hop[] {
  const hops: Hop[] = [];
  for (let hop = came.get(end) ?? null; hop !== null; hop = came.get(hop.from) ?? null) hops.unshift(hop);
  return hops;
}
