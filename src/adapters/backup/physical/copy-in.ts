import { createHash } from 'node:crypto';
import { chown, mkdir, open, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Transform, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { someOf } from '../../../core/backup/wal.ts';
import { OutsideError } from '../../../core/errors.ts';
import type { BackupStore } from '../../../ports/backup.ts';
import { sizeOf } from './copy-out.ts';
import type { Bundle, Manifest } from './manifest.ts';

/** The user that PostgreSQL runs as; null = ourselves. */
export type Owner = { readonly uid: number; readonly gid: number } | null;

const AT_ONCE = 3;

/**
 * Lay a backup's files into an empty folder, each compared with its hash on the way.
 * @throws OutsideError BACKUP_TAMPERED, BACKUP_FILE_MISSING
 */
export async function copyIn(
  manifest: Manifest,
  into: { readonly store: BackupStore; readonly data: string; readonly owner: Owner; laid?(bytes: number): void },
  signal: AbortSignal,
): Promise<void> {
  const { store, data, owner } = into;
  for (const folder of ['', ...manifest.folders]) {
    const path = join(data, folder);
    await mkdir(path, { recursive: true, mode: 0o700 });
    if (owner !== null) await chown(path, owner.uid, owner.gid);
  }
  const rest = [...manifest.bundles];
  let done = 0;
  async function work(): Promise<void> {
    for (let bundle = rest.shift(); bundle !== undefined; bundle = rest.shift()) {
      signal.throwIfAborted();
      await readBundle(bundle, store, (file) => openOwned(join(data, file), owner));
      done += sizeOf(bundle);
      into.laid?.(done);
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  for (const [name, text] of Object.entries(manifest.texts)) await writeOwned(join(data, name), text, owner);
}

/** Read a bundle and compare it with its hashes, without keeping it. @throws OutsideError BACKUP_TAMPERED, BACKUP_FILE_MISSING */
export async function checkBundle(bundle: Bundle, store: BackupStore): Promise<void> {
  const stored = await objectOf(bundle, store);
  const hash = createHash('sha256');
  for await (const chunk of stored) hash.update(chunk as Buffer);
  if (hash.digest('hex') !== bundle.sha256) throw tampered(bundle, store);
}

async function readBundle(bundle: Bundle, store: BackupStore, create: (path: string) => Promise<FileHandle>): Promise<void> {
  const stored = await objectOf(bundle, store);
  const hash = createHash('sha256');
  const hashing = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  try {
    await pipeline(stored, hashing, createGunzip({ chunkSize: 1 << 18 }), splitter(bundle, create));
  } catch (error) {
    // zlib stumbles over what was changed before all of it has been hashed.
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('Z_')) throw tampered(bundle, store);
    if (error instanceof FileDiffers) throw tampered(bundle, store, error.path);
    throw error;
  }
  if (hash.digest('hex') !== bundle.sha256) throw tampered(bundle, store);
}

class FileDiffers extends Error {
  readonly path: string;
  constructor(path: string) {
    super(path);
    this.path = path;
  }
}

/** Takes the bundle's bytes apart into its files. */
function splitter({ files }: Bundle, create: (path: string) => Promise<FileHandle>): (chunks: AsyncIterable<Buffer>) => Promise<void> {
  return async (chunks) => {
    let index = -1;
    let left = 0;
    let handle: FileHandle | null = null;
    let hash = createHash('sha256');

    async function finishFile(): Promise<void> {
      await handle?.close();
      handle = null;
      const file = files[index];
      if (file !== undefined && hash.digest('hex') !== file.sha256) throw new FileDiffers(file.path);
    }
    async function nextFile(): Promise<boolean> {
      while (left === 0) {
        if (index >= 0) await finishFile();
        index += 1;
        const file = files[index];
        if (file === undefined) return false;
        handle = await create(file.path);
        hash = createHash('sha256');
        left = file.bytes;
      }
      return true;
    }
    async function take(chunk: Buffer): Promise<void> {
      for (let at = 0; at < chunk.length;) {
        if (left === 0 && !(await nextFile())) throw new FileDiffers(files.at(-1)?.path ?? 'nothing');
        const part = chunk.subarray(at, at + left);
        hash.update(part);
        await handle?.writeFile(part);
        at += part.length;
        left -= part.length;
      }
    }
    try {
      for await (const chunk of chunks) await take(chunk);
      if (left > 0 || (await nextFile())) throw new FileDiffers(files[index]?.path ?? 'nothing');
    } finally {
      await (handle as FileHandle | null)?.close();
    }
  };
}

async function objectOf({ key, files }: Bundle, store: BackupStore): Promise<Readable> {
  try {
    return await store.get(key);
  } catch (error) {
    if (!(error instanceof OutsideError) || error.code !== 'STORE_OBJECT_MISSING') throw error;
    throw new OutsideError(
      'BACKUP_FILE_MISSING',
      `${key} is not in ${store.location}: it holds ${someOf(files.map(({ path }) => path))}`,
      'Use the copy at the second location, or an earlier backup.',
      error,
    );
  }
}

function tampered({ key, files }: Bundle, store: BackupStore, path?: string): OutsideError {
  return new OutsideError(
    'BACKUP_TAMPERED',
    `${key} in ${store.location} is not what was written: ${path ?? `it holds ${someOf(files.map((file) => file.path))}`}`,
    'Something changed it since. Use the copy at the second location, or an earlier backup, and find out who can write there.',
  );
}

async function openOwned(path: string, owner: Owner): Promise<FileHandle> {
  await mkdir(dirname(path), { recursive: true });
  const handle = await open(path, 'w', 0o600);
  if (owner !== null) await handle.chown(owner.uid, owner.gid);
  return handle;
}

export async function writeOwned(path: string, text: string, owner: Owner): Promise<void> {
  const handle = await openOwned(path, owner);
  try {
    await handle.writeFile(text);
  } finally {
    await handle.close();
  }
}
