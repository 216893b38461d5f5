import type { Changed } from '../../ports/history.ts';
import { type GitObject, idLengthOf, type Objects } from './objects.ts';
import { byPath, endAt, idAt, isFolderAt, mustBeThere, nameAt, treeHere } from './trees.ts';

/** One folder on both sides, as git is asked for it; null: it is not there. */
interface Pair {
  /** '' or ending in '/'. */
  readonly path: string;
  readonly from: string | null;
  readonly to: string | null;
}

interface Asked {
  readonly pair: Pair;
  readonly isFrom: boolean;
}

interface Found {
  readonly changed: Changed[];
  /** Folders that differ. */
  readonly folders: Pair[];
}

/**
 * Files of the workspace that differ between two commits or trees, as `git diff --raw --no-renames` tells them: links and
 * other repositories count as files, and what only became executable differs. Only folders that differ are read.
 */
export async function differing(objects: Objects, from: string, to: string): Promise<Changed[]> {
  const changed: Changed[] = [];
  const missing: string[] = [];
  const top: Pair = { path: '', from: treeHere(from), to: treeHere(to) };
  for (let level: readonly Pair[] = [top]; level.length > 0;) {
    const found: Found = { changed, folders: [] };
    const asked = level.flatMap(both);
    let before: GitObject | null = null;
    await objects.each(
      asked.map(({ pair, isFrom }) => (isFrom ? pair.from : pair.to) ?? ''),
      (object, i) => {
        const { pair, isFrom } = asked[i] ?? { pair: top, isFrom: true };
        if (object === null && pair === top) missing.push(isFrom ? from : to);
        if (!isFrom) compare(pair.path, before, object, found);
        else if (pair.to === null) compare(pair.path, object, null, found);
        before = isFrom && pair.to !== null ? object : null;
      },
    );
    for (const at of missing.splice(0)) await mustBeThere(objects, at);
    level = found.folders;
  }
  return byPath(changed);
}

function both(pair: Pair): Asked[] {
  const sides: Asked[] = [];
  if (pair.from !== null) sides.push({ pair, isFrom: true });
  if (pair.to !== null) sides.push({ pair, isFrom: false });
  return sides;
}

/** One entry of a tree. */
interface Item {
  /** Its name, as git has it. */
  readonly bytes: Buffer;
  readonly mode: string;
  readonly id: string;
}

const NOTHING: GitObject = { type: 'tree', bytes: Buffer.alloc(0), at: 0, start: 0, end: 0 };

function compare(path: string, from: GitObject | null, to: GitObject | null, { changed, folders }: Found): void {
  const [one, other] = [from?.type === 'tree' ? from : NOTHING, to?.type === 'tree' ? to : NOTHING];
  const idLength = idLengthOf(one === NOTHING ? other : one);
  const [a, b] = [one.bytes.subarray(one.start, one.end), other.bytes.subarray(other.start, other.end)];
  const note = (old: Item | null, young: Item | null): void => {
    const at = path + ((old ?? young)?.bytes.toString('utf8') ?? '');
    if ((old ?? young)?.mode === FOLDER) folders.push({ path: `${at}/`, from: old?.id ?? null, to: young?.id ?? null });
    else changed.push({ path: at, id: young?.id ?? null });
  };
  let [i, j] = [0, 0];
  for (;;) {
    const same = entriesWithin(a, i, i + sameLength(a, i, b, j), idLength) - i;
    i += same;
    j += same;
    if (i >= a.length && j >= b.length) return;
    const [old, young] = [itemAt(a, i, idLength), itemAt(b, j, idLength)];
    const order = old === null ? 1 : young === null ? -1 : orderOf(old, young);
    if (order === 0 && (old?.id !== young?.id || old?.mode !== young?.mode)) note(old, young);
    else if (order < 0) note(old, null);
    else if (order > 0) note(null, young);
    if (order <= 0) i = endAt(a, nameAt(a, i)) + 1 + idLength;
    if (order >= 0) j = endAt(b, nameAt(b, j)) + 1 + idLength;
  }
}

/** So many bytes are compared at first. */
const STEP = 64;

/** How many bytes from there on are the same on both sides. Most are, so they are compared by the thousand. */
function sameLength(a: Buffer, i: number, b: Buffer, j: number): number {
  const all = Math.min(a.length - i, b.length - j);
  const isSame = (from: number, to: number): boolean => a.compare(b, j + from, j + to, i + from, i + to) === 0;
  let [same, step] = [0, STEP];
  while (same + step <= all && isSame(same, same + step)) {
    same += step;
    step *= 2;
  }
  for (; step >= 1; step /= 2) if (same + step <= all && isSame(same, same + step)) same += step;
  return same;
}

/** Where the last entry ends that is whole before `end`. */
function entriesWithin(content: Buffer, start: number, end: number, idLength: number): number {
  let at = start;
  while (at < end) {
    const next = endAt(content, nameAt(content, at)) + 1 + idLength;
    if (next > end) break;
    at = next;
  }
  return at;
}

const FOLDER = 'folder';
const SLASH = Buffer.from('/');

function itemAt(content: Buffer, start: number, idLength: number): Item | null {
  if (start >= content.length) return null;
  const name = nameAt(content, start);
  const end = endAt(content, name);
  const mode = isFolderAt(content, name) ? FOLDER : plainMode(content.toString('latin1', start, name - 1));
  return { bytes: content.subarray(name, end), mode, id: idAt(content, end, idLength) };
}

/** Of a file's mode only counts, as for git, whether its owner may execute it. */
function plainMode(mode: string): string {
  const bits = Number.parseInt(mode, 8);
  if ((bits & 0o170_000) !== 0o100_000) return mode;
  return (bits & 0o100) === 0 ? 'file' : 'program';
}

/** 0: the same name, and both are folders or neither is. */
function orderOf(one: Item, other: Item): number {
  return Buffer.compare(nameBytes(one), nameBytes(other));
}

function nameBytes({ bytes, mode }: Item): Buffer {
  return mode === FOLDER ? Buffer.concat([bytes, SLASH]) : bytes;
}
