import { matchesPattern } from '../../core/changes/glob.ts';
import { isPattern } from '../../core/changes/project.ts';
import type { Entry } from '../../ports/history.ts';
import type { Objects } from './objects.ts';
import { byPath, endAt, idAt, isFolderAt, mustBeThere, nameAt, treeHere } from './trees.ts';

/** So many folders are asked for together, while others are still coming. */
const TOGETHER = 200;

interface Folder {
  /** As git is asked for it. */
  readonly tree: string;
  /** '' or ending in '/'. */
  readonly path: string;
}

/**
 * Files with one of these names (or that fit a pattern), in any folder of the workspace. Every tree is read, but only
 * names that look right by two bytes are made into text.
 */
export async function filesNamed(objects: Objects, at: string, names: readonly string[]): Promise<Entry[]> {
  const entries: Entry[] = [];
  const isNamed = nameMatcher(names);
  let isThere = false;
  const walk = async (folders: readonly Folder[]): Promise<void> => {
    const below: Promise<void>[] = [];
    let next: Folder[] = [];
    const take = (content: Buffer, idLength: number, path: string): void => {
      for (let start = 0; start < content.length;) {
        const name = nameAt(content, start);
        const end = endAt(content, name);
        if (isFolderAt(content, name))
          next.push({ tree: idAt(content, end, idLength), path: `${path}${content.toString('utf8', name, end)}/` });
        else if (isNamed(content, name, end))
          entries.push({ path: path + content.toString('utf8', name, end), id: idAt(content, end, idLength) });
        start = end + 1 + idLength;
      }
    };
    await objects.each(
      folders.map(({ tree }) => tree),
      (object, i) => {
        if (object?.type !== 'tree') return;
        isThere = true;
        take(object.content, object.id.length / 2, folders[i]?.path ?? '');
        if (next.length < TOGETHER) return;
        below.push(walk(next));
        next = [];
      },
    );
    if (next.length > 0) below.push(walk(next));
    await Promise.all(below);
  };
  await walk([{ tree: treeHere(at), path: '' }]);
  if (!isThere) await mustBeThere(objects, at);
  return byPath(entries);
}

/** Whether a name, as bytes, is one of these, or fits one of the patterns among them. */
function nameMatcher(names: readonly string[]): (content: Buffer, start: number, end: number) => boolean {
  const plain = new Set(names.filter((name) => !isPattern(name)));
  const patterns = names.filter(isPattern);
  const [beginnings, endings] = [new Uint8Array(65_536), new Uint8Array(65_536)];
  let isAny = false;
  for (const name of names) {
    const bytes = Buffer.from(name);
    if (bytes.length >= 2 && !/[*?].?$/.test(name)) endings[bytes.readUInt16BE(bytes.length - 2)] = 1;
    else if (bytes.length >= 2 && !/^.?[*?]/.test(name)) beginnings[bytes.readUInt16BE(0)] = 1;
    else isAny = true;
  }
  return (content, start, end) => {
    const last = ((content[end - 2] ?? 0) << 8) | (content[end - 1] ?? 0);
    const first = ((content[start] ?? 0) << 8) | (content[start + 1] ?? 0);
    if (!isAny && endings[last] !== 1 && beginnings[first] !== 1) return false;
    const name = content.toString('utf8', start, end);
    return plain.has(name) || patterns.some((pattern) => matchesPattern(name, pattern));
  };
}
