import { OutsideError } from '../../core/errors.ts';
import { type GitObject, idLengthOf, idOf, type Objects } from './objects.ts';

/* A tree is `<mode> <name>\0<id>`, again and again, in the order of the names' bytes; a folder's as if it ended in `/`. */

const SPACE = 32;
const FOUR = 52;
const ZERO = 48;

/** Where the name of the entry at `start` begins. */
export function nameAt(content: Buffer, start: number): number {
  if (content[start + 6] === SPACE) return start + 7;
  return content[start + 5] === SPACE ? start + 6 : content.indexOf(SPACE, start) + 1;
}

/** Where the name ends, and then a zero. */
export function endAt(content: Buffer, name: number): number {
  let end = name;
  while (content[end] !== 0) end += 1;
  return end;
}

/** Of modes, only a folder's has a four there: 40000. */
export function isFolderAt(content: Buffer, name: number): boolean {
  return content[name - 6] === FOUR;
}

/** Modes of files begin with 100; of links with 120, of other repositories with 160. */
function isFileAt(content: Buffer, name: number): boolean {
  return content[name - 6] === ZERO;
}

export function idAt(content: Buffer, end: number, idLength: number): string {
  return content.toString('hex', end + 1, end + 1 + idLength);
}

/** The workspace's folder in a commit or tree, by the name that git knows it by when it is asked there. */
export function treeHere(at: string): string {
  return `${at}:./`;
}

/** There was no such folder: because the commit did not have it, or because there is no such commit here. @throws OutsideError */
export async function mustBeThere(objects: Objects, at: string): Promise<void> {
  await objects.each([`${at}^{tree}`], (tree) => {
    if (tree === null) throw new OutsideError('SOURCE_FAILED', `${at} is no commit or tree of this clone.`, 'Fetch it: git fetch origin.');
  });
}

/** In the order that git lists files in: by the bytes of their paths. */
export function byPath<T extends { readonly path: string }>(entries: T[]): T[] {
  // The order of UTF-16 is that of the bytes but for what lies beyond its surrogates.
  const isPlain = entries.every(({ path }) => !/[\ud800-\uffff]/.test(path));
  if (isPlain) return entries.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  return entries.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
}

interface Wanted {
  /** The folder's tree, as git is asked for it. */
  readonly tree: string;
  /** Name → what is wanted of it: its own identity, and that of paths below it. */
  readonly children: ReadonlyMap<string, Branch>;
}

interface Branch {
  /** Places in the answer that are this path's. */
  readonly own: number[];
  readonly children: Map<string, Branch>;
}

/**
 * What is at each path of the workspace (`.` = all of it), null = nothing: found by reading the trees on the way,
 * each once, a level at a time. Asking git for `commit:path` one by one would read the trees above again for each.
 */
export async function idsOfPaths(objects: Objects, at: string, paths: readonly string[]): Promise<(string | null)[]> {
  const ids = paths.map((): string | null => null);
  const root: Branch = { own: [], children: new Map() };
  for (const [i, path] of paths.entries()) branchOf(root, path).own.push(i);
  let level: Wanted[] = [{ tree: treeHere(at), children: root.children }];
  for (let isRoot = true; level.length > 0; isRoot = false) {
    const [asked, next]: [Wanted[], Wanted[]] = [level, []];
    await objects.each(
      asked.map(({ tree }) => tree),
      (tree, i) => {
        const wanted = asked[i];
        if (isRoot) for (const place of root.own) ids[place] = tree === null ? null : idOf(tree);
        if (tree?.type === 'tree' && wanted !== undefined) found(tree, wanted.children, ids, next);
      },
    );
    level = next;
  }
  return ids;
}

function branchOf(root: Branch, path: string): Branch {
  let branch = root;
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    let next = branch.children.get(part);
    if (next === undefined) branch.children.set(part, (next = { own: [], children: new Map() }));
    branch = next;
  }
  return branch;
}

/** Note the identities that one tree tells, and the folders to be read next. */
function found(tree: GitObject, children: ReadonlyMap<string, Branch>, ids: (string | null)[], next: Wanted[]): void {
  const [content, idLength] = [tree.bytes, idLengthOf(tree)];
  for (let at = tree.start; at < tree.end;) {
    const name = nameAt(content, at);
    const end = endAt(content, name);
    const branch = children.get(content.toString('utf8', name, end));
    at = end + 1 + idLength;
    if (branch !== undefined) {
      const id = idAt(content, end, idLength);
      for (const i of branch.own) ids[i] = id;
      if (branch.children.size === 0) continue;
      if (isFolderAt(content, name)) next.push({ tree: id, children: branch.children });
      // What lies below a link or another repository is not in this tree: it is as its whole is.
      else if (!isFileAt(content, name)) for (const i of placesBelow(branch)) ids[i] = id;
    }
  }
}

function placesBelow({ children }: Branch): number[] {
  return [...children.values()].flatMap((branch) => [...branch.own, ...placesBelow(branch)]);
}
