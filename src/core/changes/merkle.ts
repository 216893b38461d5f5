/** A node whose identity is what it holds itself and all it depends on. */
export interface MerkleNode {
  readonly name: string;
  /** Identity of its own content. */
  readonly own: string;
  readonly dependsOn: readonly string[];
}

/** A digest of a text: short, and different for different texts. */
export type Digest = (text: string) => string;

/**
 * One identity per node, that changes exactly when its own content changes, or that of anything it reaches, or
 * which of them it depends on. Nodes may depend on each other in circles, as packages do. Names that are no node count
 * by their name alone. Each node is visited once: 5,000 nodes take a few milliseconds besides their digests.
 */
export function merkle(nodes: readonly MerkleNode[], digest: Digest): Map<string, string> {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const ids = new Map<string, string>();
  for (const component of components(nodes, byName)) {
    const members = new Set(component);
    const outside = (node: MerkleNode): string[] =>
      node.dependsOn.flatMap((name) => (members.has(name) ? [] : [`${name} ${ids.get(name) ?? '-'}`]));
    if (component.length === 1) {
      const node = byName.get(component[0] ?? '');
      if (node !== undefined) ids.set(node.name, digest([node.own, ...unique(outside(node))].join('\n')));
      continue;
    }
    // In a circle everyone reaches everyone: they share one identity, to which each adds its own.
    const all = component.toSorted().flatMap((name) => {
      const node = byName.get(name);
      return node === undefined ? [] : [`${name} ${node.own}`, ...unique([...outside(node), ...inside(node, members)])];
    });
    const shared = digest(all.join('\n'));
    for (const name of component) ids.set(name, digest(`${name}\n${shared}`));
  }
  return ids;
}

function inside(node: MerkleNode, members: ReadonlySet<string>): string[] {
  return node.dependsOn.filter((name) => members.has(name));
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)].toSorted();
}

interface Frame {
  readonly name: string;
  readonly dependsOn: readonly string[];
  next: number;
}

/** Circles of nodes (most are of one node), each after all it depends on. Tarjan's algorithm, without recursion. */
function components(nodes: readonly MerkleNode[], byName: ReadonlyMap<string, MerkleNode>): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const open = new Set<string>();
  const stack: string[] = [];
  const found: string[][] = [];
  const enter = (name: string): Frame => {
    index.set(name, index.size);
    low.set(name, index.size - 1);
    stack.push(name);
    open.add(name);
    return { name, dependsOn: byName.get(name)?.dependsOn ?? [], next: 0 };
  };
  const lower = (name: string, to: number): void => void low.set(name, Math.min(low.get(name) ?? to, to));
  for (const node of nodes) {
    if (index.has(node.name)) continue;
    const frames = [enter(node.name)];
    for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
      const next = frame.dependsOn[frame.next];
      if (next !== undefined) {
        frame.next += 1;
        if (!byName.has(next)) continue;
        if (!index.has(next)) frames.push(enter(next));
        else if (open.has(next)) lower(frame.name, index.get(next) ?? 0);
        continue;
      }
      frames.pop();
      const parent = frames.at(-1);
      if (parent !== undefined) lower(parent.name, low.get(frame.name) ?? 0);
      if (low.get(frame.name) === index.get(frame.name)) found.push(closed(stack, open, frame.name));
    }
  }
  return found;
}

function closed(stack: string[], open: Set<string>, root: string): string[] {
  const component: string[] = [];
  for (let name = stack.pop(); name !== undefined; name = stack.pop()) {
    open.delete(name);
    component.push(name);
    if (name === root) break;
  }
  return component;
}
