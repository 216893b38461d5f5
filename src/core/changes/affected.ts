import { matchesPattern } from './glob.ts';
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
  /** Path → projects whose content it is, or that read it. */
  readonly byPath: ReadonlyMap<string, readonly string[]>;
  readonly patterns: readonly { readonly pattern: string; readonly name: string }[];
  /** Project → those that depend on it. */
  readonly dependents: ReadonlyMap<string, readonly string[]>;
}

export function indexOf(graph: ProjectGraph): GraphIndex {
  const byPath = new Map<string, string[]>();
  const dependents = new Map<string, string[]>();
  const patterns: { pattern: string; name: string }[] = [];
  for (const [name, project] of graph) {
    add(byPath, project.path, name);
    for (const { path } of project.inputs) {
      if (isPattern(path)) patterns.push({ pattern: path, name });
      else if (path !== project.path) add(byPath, path, name);
    }
    for (const { to } of project.edges) add(dependents, to, name);
  }
  return { graph, byPath, patterns, dependents };
}

function add(map: Map<string, string[]>, key: string, value: string): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, [value]);
  else values.push(value);
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
  for (const file of files) {
    touch(head.byPath.get(file), file);
    for (const folder of ancestors(file)) touch(head.byPath.get(folder), file);
    for (const { pattern, name } of head.patterns) if (matchesPattern(file, pattern)) touch([name], file);
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
  return [...new Set(project.inputs.map((input) => input.path))].toSorted().join('\n');
}

function withDependents({ graph, dependents }: GraphIndex, first: Iterable<string>): Set<string> {
  const names = new Set<string>();
  const open = [...first].filter((name) => graph.has(name));
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (names.has(name)) continue;
    names.add(name);
    for (const next of dependents.get(name) ?? []) if (!names.has(next)) open.push(next);
  }
  return names;
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
