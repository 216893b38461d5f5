import type { Run } from './run.ts';

interface Wanted {
  /** The folder's tree, as git is asked for it. */
  readonly tree: string;
  /** Name → what is wanted of it: its own identity, and that of paths below it. */
  readonly children: Map<string, Branch>;
}

interface Branch {
  /** Places in the answer that are this path's. */
  readonly own: number[];
  readonly children: Map<string, Branch>;
}

/**
 * What is at each path (from the repository's root, '' = all of it), null = nothing: found by reading the trees on the way,
 * each once, a level at a time. Asking git for `commit:path` one by one would read the trees above again for each.
 */
export async function idsOfPaths(run: Run, at: string, paths: readonly string[]): Promise<(string | null)[]> {
  const ids = paths.map((): string | null => null);
  const root: Branch = { own: [], children: new Map() };
  for (const [i, path] of paths.entries()) {
    let branch = root;
    for (const part of path === '' ? [] : path.split('/')) {
      const next: Branch = branch.children.get(part) ?? { own: [], children: new Map() };
      branch.children.set(part, next);
      branch = next;
    }
    branch.own.push(i);
  }
  let level: Wanted[] = [{ tree: `${at}^{tree}`, children: root.children }];
  for (let isRoot = true; level.length > 0; isRoot = false) {
    const { bytes } = await run(['cat-file', '--batch', '--buffer'], { input: level.map(({ tree }) => `${tree}\n`).join('') });
    const trees = objectsOf(bytes, level.length);
    if (isRoot) for (const i of root.own) ids[i] = trees[0]?.id ?? null;
    level = level.flatMap(({ children }, i) => {
      const tree = trees[i];
      return tree?.type === 'tree' ? found(bytes, tree, children, ids) : [];
    });
  }
  return ids;
}

/** Note the identities that one tree tells; the folders to be read next. `<mode> <name>\0<id>`, again and again. */
function found(bytes: Buffer, tree: GitObject, children: ReadonlyMap<string, Branch>, ids: (string | null)[]): Wanted[] {
  const next: Wanted[] = [];
  const length = tree.id.length / 2;
  for (let at = tree.start; at < tree.end;) {
    const space = bytes.indexOf(32, at);
    const end = bytes.indexOf(0, space);
    const branch = children.get(bytes.toString('utf8', space + 1, end));
    if (branch !== undefined) {
      const id = bytes.toString('hex', end + 1, end + 1 + length);
      for (const i of branch.own) ids[i] = id;
      // 40000: a folder. Nothing lies below a file, a link or another repository.
      if (branch.children.size > 0 && bytes[at] === 52) next.push({ tree: id, children: branch.children });
    }
    at = end + 1 + length;
  }
  return next;
}

export interface GitObject {
  readonly id: string;
  readonly type: string;
  /** Where its content begins and ends. */
  readonly start: number;
  readonly end: number;
}

const KINDS = ['blob', 'tree', 'commit', 'tag'];

/** What `git cat-file --batch` says: `<id> <type> <size>\n<content>\n`, or `<name> missing\n`, for each that was asked for. */
export function objectsOf(bytes: Buffer, count: number): (GitObject | null)[] {
  const objects: (GitObject | null)[] = [];
  for (let at = 0; objects.length < count && at < bytes.length;) {
    const line = bytes.indexOf(10, at);
    const [id = '', type = '', size] = bytes.toString('latin1', at, line).split(' ');
    const start = line + 1;
    const isThere = size !== undefined && KINDS.includes(type);
    const end = start + (isThere ? Number(size) : 0);
    objects.push(isThere ? { id, type, start, end } : null);
    at = isThere ? end + 1 : start;
  }
  return objects;
}
