import { createHash } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { UserError } from '../../core/errors.ts';

/** One thing in an artifact. Paths are relative, POSIX separators. */
export type Entry =
  | { readonly path: string; readonly kind: 'folder' }
  | { readonly path: string; readonly kind: 'file'; readonly executable: boolean; readonly size: number }
  | { readonly path: string; readonly kind: 'link'; readonly target: string };

/** What the store keeps about an artifact beside its content: enough to see that it is complete. */
export interface Contents {
  readonly schema: 1;
  readonly entries: readonly StoredEntry[];
}

export type StoredEntry = Exclude<Entry, { kind: 'file' }> | (Extract<Entry, { kind: 'file' }> & { readonly sha256: string });

/**
 * Everything below a folder, sorted by path.
 * @throws UserError `ARTIFACT_UNSUPPORTED_FILE` for sockets, pipes and devices.
 */
export async function scan(root: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  const walk = async (folder: string): Promise<void> => {
    const children = await readdir(join(root, folder), { withFileTypes: true });
    for (const child of children) {
      const path = posix.join(folder, child.name);
      const entry = await entryOf(root, path, child);
      entries.push(entry);
      if (entry.kind === 'folder') await walk(path);
    }
  };
  await walk('');
  return entries.toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

async function entryOf(root: string, path: string, found: Dirent): Promise<Entry> {
  if (found.isDirectory()) return { path, kind: 'folder' };
  if (found.isSymbolicLink()) return { path, kind: 'link', target: await readlink(join(root, path)) };
  if (found.isFile()) {
    const { mode, size } = await lstat(join(root, path));
    return { path, kind: 'file', executable: (mode & 0o111) !== 0, size };
  }
  throw new UserError(
    'ARTIFACT_UNSUPPORTED_FILE',
    `The artifact has something that is neither file, folder nor link: ${path}.`,
    'Have the build remove it (a socket, pipe or device cannot be deployed).',
  );
}

/** `sha256:<hex>` over sorted paths, modes (only whether executable) and contents. */
export function digestOf(entries: readonly StoredEntry[]): string {
  const hash = createHash('sha256').update('sluice artifact 1\n');
  for (const entry of entries) hash.update(`${JSON.stringify(lineOf(entry))}\n`);
  return `sha256:${hash.digest('hex')}`;
}

function lineOf(entry: StoredEntry): readonly string[] {
  if (entry.kind === 'folder') return ['folder', entry.path];
  if (entry.kind === 'link') return ['link', entry.path, entry.target];
  return ['file', entry.path, entry.executable ? 'x' : '-', entry.sha256];
}

/**
 * The first link that leads outside the artifact, or null. Links are followed as the kernel would, so
 * that one link cannot lead out by way of another.
 */
export function linkOutside(entries: readonly Entry[]): Extract<Entry, { kind: 'link' }> | null {
  const links = new Map(entries.flatMap((entry) => (entry.kind === 'link' ? [[entry.path, entry.target] as const] : [])));
  return (
    entries.find((entry): entry is Extract<Entry, { kind: 'link' }> => entry.kind === 'link' && leadsOutside(entry.path, links)) ?? null
  );
}

/** More links in a row than any kernel follows. */
const MAX_LINKS = 64;

function leadsOutside(link: string, links: ReadonlyMap<string, string>): boolean {
  let at: string[] = [];
  const open = link.split('/').toReversed();
  for (let followed = 0; open.length > 0;) {
    const part = open.pop() ?? '';
    if (part === '' || part === '.') continue;
    if (part === '..') {
      if (at.length === 0) return true;
      at = at.slice(0, -1);
      continue;
    }
    const here = [...at, part];
    const target = links.get(here.join('/'));
    if (target === undefined) {
      at = here;
      continue;
    }
    if (target.startsWith('/')) return true;
    followed += 1;
    if (followed > MAX_LINKS) return false; // a loop leads nowhere at all
    open.push(...target.split('/').toReversed());
  }
  return false;
}
