import { createWriteStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { OutsideError, UserError } from '../../../core/errors.ts';
import type { BackupStore } from '../../../ports/backup.ts';
import { diskError } from '../../../lib/atomic-file.ts';
import { errorCode, removeAbandoned, unfinishedName } from '../../../lib/unfinished.ts';

/** Objects as files below a folder: a disk of its own, or one that another machine shares. */
export function directoryStore(options: { readonly directory: string }): BackupStore {
  const root = resolve(options.directory);
  const unfinished = join(root, '.unfinished');
  let isReady: Promise<void> | null = null;

  async function ready(): Promise<void> {
    try {
      await mkdir(unfinished, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw new UserError(
        'BACKUP_STORE_UNUSABLE',
        `backups cannot be kept in ${root}: ${error instanceof Error ? error.message : String(error)}`,
        'Make the folder and give it to the user that Sluice runs as, or name another one.',
        error,
      );
    }
    await removeAbandoned(unfinished);
  }

  return {
    location: root,
    async put(key, content) {
      await (isReady ??= ready());
      const path = pathOf(root, key);
      const draft = join(unfinished, unfinishedName());
      try {
        await pipeline(content instanceof Readable ? content : Readable.from([content]), createWriteStream(draft, { mode: 0o600 }));
        await synced(draft);
        await mkdir(dirname(path), { recursive: true, mode: 0o700 });
        await rename(draft, path);
        await synced(dirname(path));
      } catch (error) {
        await rm(draft, { force: true });
        throw diskError(error, path);
      }
    },
    async get(key) {
      const path = pathOf(root, key);
      // Opened before it is answered: what is removed from now on is still read to its end.
      const handle = await open(path, 'r').catch((error: unknown) => {
        if (errorCode(error) === 'ENOENT') throw missing(root, key);
        throw error;
      });
      return handle.createReadStream({ highWaterMark: 1 << 20 });
    },
    async list(prefix) {
      const folder = prefix.endsWith('/') ? pathOf(root, prefix) : dirname(pathOf(root, `${prefix}x`));
      const found = await filesBelow(folder);
      return found
        .map(({ path, bytes, at }) => ({ key: relative(root, path).split(sep).join('/'), bytes, at }))
        .filter(({ key }) => key.startsWith(prefix))
        .toSorted((a, b) => (a.key < b.key ? -1 : 1));
    },
    async remove(keys) {
      for (const key of keys) {
        const path = pathOf(root, key);
        await rm(path, { force: true });
        await removeEmptyFolders(dirname(path), root);
      }
    },
  };
}

export function missing(location: string, key: string): OutsideError {
  return new OutsideError(
    'STORE_OBJECT_MISSING',
    `${key} is not in ${location}`,
    'It was removed by something else than Sluice. Look for it at the second location.',
  );
}

function pathOf(root: string, key: string): string {
  const path = join(root, ...key.split('/'));
  if (!path.startsWith(root + sep)) throw new Error(`the key ${key} leads out of the store`);
  return path;
}

async function filesBelow(folder: string): Promise<{ path: string; bytes: number; at: number }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const found: ({ path: string; bytes: number; at: number } | null)[] = await Promise.all(
    files.map(async (path) => {
      const info = await stat(path).catch(() => null);
      return info === null ? null : { path, bytes: info.size, at: info.mtimeMs };
    }),
  );
  return found.filter((one) => one !== null);
}

async function synced(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function removeEmptyFolders(folder: string, root: string): Promise<void> {
  for (let at = folder; at.startsWith(root + sep); at = dirname(at)) {
    // Not empty, or gone already: then so are we done.
    const isRemoved = await rmdir(at).then(
      () => true,
      () => false,
    );
    if (!isRemoved) return;
  }
}
