import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { chmod, mkdir, open, readFile, readdir, rename, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { OutsideError, UserError } from '../../core/errors.ts';
import type { ArtifactStore } from '../../ports/artifacts.ts';
import { errorCode, isDiskFull, removeAbandoned, removeTree, unfinishedName } from '../../lib/unfinished.ts';
import type { Contents, Entry, StoredEntry } from './tree.ts';
import { digestOf, linkOutside, scan } from './tree.ts';

export interface FileArtifactsOptions {
  /** Folder of the store; made when it is not there. */
  readonly dir: string;
}

export interface FileArtifacts extends ArtifactStore {
  /**
   * Read every byte of an artifact again and compare it with its digest.
   * @throws OutsideError `ARTIFACT_MISSING`, `ARTIFACT_DAMAGED`.
   */
  verify(digest: string): Promise<void>;
}

const FILES = 'files';
const CONTENTS = 'contents.json';
const UNFINISHED = '.unfinished';
/** Files copied at the same time. */
const LANES = 8;

/**
 * Artifacts as plain folders, one for each digest: `<dir>/<hex>/files` and, beside it, what must be in there.
 * Written to `<dir>/.unfinished` first, flushed to the disk, then renamed: whole or not at all.
 */
export function fileArtifacts({ dir }: FileArtifactsOptions): FileArtifacts {
  const home = (digest: string): string => join(dir, hexOf(digest));

  async function check(digest: string, deep: boolean): Promise<string> {
    const contents = await readContents(home(digest), digest);
    const files = join(home(digest), FILES);
    const problem = await firstDifference(files, contents, deep);
    if (problem !== null) throw damaged(digest, problem);
    return files;
  }

  async function isWhole(digest: string): Promise<boolean> {
    return check(digest, false).then(
      () => true,
      (error: unknown) => {
        if (error instanceof OutsideError) return false;
        throw error;
      },
    );
  }

  return {
    async put(folder) {
      const entries = await scan(folder);
      if (!entries.some((entry) => entry.kind !== 'folder')) {
        throw new UserError(
          'ARTIFACT_EMPTY',
          'The artifact has no files in it.',
          'See what the build writes, and that build.output names that folder.',
        );
      }
      const link = linkOutside(entries);
      if (link !== null) {
        throw new UserError(
          'ARTIFACT_LINK_OUTSIDE',
          `The link ${link.path} leads outside the artifact, to ${link.target}.`,
          'Have the build copy what it points to, or make the link relative (python -m venv --copies does).',
        );
      }
      const unfinished = join(dir, UNFINISHED, unfinishedName());
      try {
        await mkdir(join(unfinished, FILES), { recursive: true });
        const stored = await copyAll(folder, join(unfinished, FILES), entries);
        const digest = digestOf(stored);
        if (await isWhole(digest)) return digest;
        await writeFlushed(join(unfinished, CONTENTS), JSON.stringify({ schema: 1, entries: stored } satisfies Contents));
        await sealFolders(join(unfinished, FILES), stored);
        await place(unfinished, home(digest), () => isWhole(digest));
        await flushFolder(dir);
        if (!(await isWhole(digest))) throw damaged(digest, 'it was damaged while it was stored');
        return digest;
      } catch (error) {
        throw isDiskFull(error)
          ? new OutsideError(
              'DISK_FULL',
              `The disk is full: the artifact could not be stored in ${dir}.`,
              'Free some space; the release goes on by itself.',
              error,
            )
          : error;
      } finally {
        await removeTree(unfinished);
      }
    },

    has: isWhole,
    folder: (digest) => check(digest, false),
    async verify(digest) {
      await check(digest, true);
    },

    async keepOnly(digests) {
      const keep = new Set([...digests].map(hexOf));
      const stored = (await readdir(dir).catch(noneIfMissing)).filter((name) => /^[0-9a-f]{64}$/.test(name));
      const removed = stored.filter((name) => !keep.has(name));
      await mkdir(join(dir, UNFINISHED), { recursive: true });
      for (const name of removed) {
        // Away from its place first: it must never be there in part.
        const aside = join(dir, UNFINISHED, unfinishedName());
        await rename(join(dir, name), aside).catch(ignoreMissing);
        await removeTree(aside);
      }
      await removeAbandoned(join(dir, UNFINISHED));
      return removed.map((name) => `sha256:${name}`);
    },
  };
}

function hexOf(digest: string): string {
  const hex = /^sha256:([0-9a-f]{64})$/.exec(digest)?.[1];
  if (hex === undefined)
    throw new OutsideError('ARTIFACT_MISSING', `"${digest}" is not the digest of an artifact.`, 'Build it again: sluice deploy --force');
  return hex;
}

function damaged(digest: string, problem: string): OutsideError {
  return new OutsideError(
    'ARTIFACT_DAMAGED',
    `The stored artifact ${digest.slice(0, 19)} is damaged: ${problem}.`,
    'Build it again: sluice deploy --force',
  );
}

async function readContents(home: string, digest: string): Promise<Contents> {
  const text = await readFile(join(home, CONTENTS), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    throw new OutsideError(
      'ARTIFACT_MISSING',
      `There is no artifact ${digest.slice(0, 19)} in the store.`,
      'Build it again: sluice deploy --force',
      error,
    );
  });
  const contents = parse(text);
  if (contents === null || digestOf(contents.entries) !== digest) throw damaged(digest, `${CONTENTS} is not what was written`);
  return contents;
}

function parse(text: string): Contents | null {
  try {
    const value: Partial<Contents> = JSON.parse(text);
    return value.schema === 1 && Array.isArray(value.entries) ? { schema: 1, entries: value.entries } : null;
  } catch {
    return null;
  }
}

/**
 * Kinds, sizes, modes and bytes are compared always, because what is started is what was judged; what was added, only when `deep`. A
 * cache that some program has put beside the files (root may, read-only or not) must not stand in the way of a rollback.
 */
async function firstDifference(files: string, contents: Contents, deep: boolean): Promise<string | null> {
  const there = await scan(files).catch(noneIfMissing);
  const byPath = new Map(there.map((entry) => [entry.path, entry]));
  const wrong = contents.entries.find((entry) => !isSame(entry, byPath.get(entry.path)));
  if (wrong !== undefined) return `${wrong.path} is ${byPath.has(wrong.path) ? 'not what was stored' : 'missing'}`;
  if (deep) {
    const known = new Set(contents.entries.map((entry) => entry.path));
    const added = there.find((entry) => !known.has(entry.path));
    if (added !== undefined) return `${added.path} was added`;
  }
  return otherBytes(files, contents);
}

async function otherBytes(files: string, { entries }: Contents): Promise<string | null> {
  let [next, found]: [number, string | null] = [0, null];
  const lane = async (): Promise<void> => {
    for (let entry = entries[next++]; entry !== undefined && found === null; entry = entries[next++])
      if (entry.kind === 'file' && (await hashFile(join(files, entry.path))) !== entry.sha256) found = entry.path;
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return found === null ? null : `${String(found)} has other bytes than were stored`;
}

function isSame(stored: StoredEntry, there: Entry | undefined): boolean {
  if (there === undefined || there.kind !== stored.kind) return false;
  if (stored.kind === 'link') return there.kind === 'link' && there.target === stored.target;
  if (stored.kind === 'file') return there.kind === 'file' && there.size === stored.size && there.executable === stored.executable;
  return true;
}

async function copyAll(from: string, to: string, entries: readonly Entry[]): Promise<StoredEntry[]> {
  for (const entry of entries) if (entry.kind === 'folder') await mkdir(join(to, entry.path));
  const stored: StoredEntry[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let i = next++; i < entries.length; i = next++) {
      const entry = entries[i];
      if (entry !== undefined) stored[i] = await copyOne(from, to, entry);
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: LANES }, lane));
  const failed = lanes.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return stored;
}

/** The digest is taken of the bytes that are written, whatever happens to the source meanwhile. */
async function copyOne(from: string, to: string, entry: Entry): Promise<StoredEntry> {
  if (entry.kind === 'folder') return entry;
  if (entry.kind === 'link') {
    await symlink(entry.target, join(to, entry.path));
    return entry;
  }
  const source = await open(join(from, entry.path), 'r');
  try {
    const target = await open(join(to, entry.path), 'wx', 0o600);
    try {
      const { sha256, size } = await copyBytes(source, target);
      await target.chmod(entry.executable ? 0o555 : 0o444);
      await target.sync();
      return { path: entry.path, kind: 'file', executable: entry.executable, size, sha256 };
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

async function copyBytes(source: FileHandle, target: FileHandle): Promise<{ sha256: string; size: number }> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(256 * 1024);
  let size = 0;
  for (;;) {
    const { bytesRead } = await source.read(buffer, 0, buffer.length, size);
    if (bytesRead === 0) return { sha256: hash.digest('hex'), size };
    const bytes = buffer.subarray(0, bytesRead);
    hash.update(bytes);
    for (let written = 0; written < bytesRead;)
      written += (await target.write(bytes, written, bytesRead - written, size + written)).bytesWritten;
    size += bytesRead;
  }
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, 'r');
  try {
    const bytes: AsyncIterable<Buffer> = file.createReadStream({ autoClose: false });
    for await (const chunk of bytes) hash.update(chunk);
    return hash.digest('hex');
  } finally {
    await file.close();
  }
}

async function writeFlushed(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o444);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Folders read-only and flushed, the innermost first. */
async function sealFolders(root: string, entries: readonly StoredEntry[]): Promise<void> {
  const folders = entries.filter((entry) => entry.kind === 'folder').map((entry) => join(root, entry.path));
  for (const folder of [root, ...folders].toReversed()) {
    await flushFolder(folder);
    await chmod(folder, 0o555);
  }
}

async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Somebody else may have stored the same in the meantime; a damaged one is replaced. */
async function place(unfinished: string, home: string, isWhole: () => Promise<boolean>): Promise<void> {
  await flushFolder(unfinished);
  try {
    await rename(unfinished, home);
  } catch (error) {
    if (!isTaken(error)) throw error;
    if (await isWhole()) return;
    const aside = `${unfinished}-old`;
    await rename(home, aside).catch(ignoreMissing);
    await rename(unfinished, home).catch((again: unknown) => {
      if (!isTaken(again)) throw again;
    });
    await removeTree(aside);
  }
}

function isTaken(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOTEMPTY' || code === 'EEXIST';
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

function noneIfMissing(error: NodeJS.ErrnoException): [] {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
  return [];
}
