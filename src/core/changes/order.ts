interface Node {
  readonly name: string;
  readonly dependsOn: readonly string[];
}

/**
 * Names so that each comes after all it depends on; otherwise by name, so that the order in which they
 * were written down does not count. Dependencies that are not among the nodes are left out of account.
 * Nodes of a cycle are missing from the answer: see `cycles`.
 */
export function inDependencyOrder(nodes: readonly Node[]): string[] {
  const waiting = new Map(nodes.toSorted(byName).map((node) => [node.name, node]));
  const ordered: string[] = [];
  for (;;) {
    const ready = [...waiting.values()].find((node) => node.dependsOn.every((name) => !waiting.has(name)));
    if (ready === undefined) return ordered;
    waiting.delete(ready.name);
    ordered.push(ready.name);
  }
}

/** Each cycle once, beginning at its first name and ending where it began: `['a', 'b', 'a']`. */
export function cycles(nodes: readonly Node[]): string[][] {
  const byNames = new Map(nodes.map((node) => [node.name, node]));
  const found = new Map<string, string[]>();
  const finished = new Set<string>();
  const walk = (name: string, trail: readonly string[]): void => {
    const start = trail.indexOf(name);
    if (start >= 0) {
      const loop = turned(trail.slice(start));
      found.set(loop.join(' '), [...loop, loop[0] ?? name]);
      return;
    }
    if (finished.has(name)) return;
    for (const next of byNames.get(name)?.dependsOn ?? []) if (byNames.has(next)) walk(next, [...trail, name]);
    finished.add(name);
  };
  for (const node of nodes.toSorted(byName)) walk(node.name, []);
  return [...found.values()];
}

/** Everything a name depends on, near or far, without itself. */
export function closure(name: string, nodes: readonly Node[]): Set<string> {
  const byNames = new Map(nodes.map((node) => [node.name, node]));
  const seen = new Set<string>();
  const open = [...(byNames.get(name)?.dependsOn ?? [])];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    open.push(...(byNames.get(next)?.dependsOn ?? []));
  }
  seen.delete(name);
  return seen;
}

function turned(loop: readonly string[]): string[] {
  const first = loop.indexOf(loop.toSorted()[0] ?? '');
  return [...loop.slice(first), ...loop.slice(0, first)];
}

function byName(a: Node, b: Node): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
