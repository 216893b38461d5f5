import { createHash } from 'node:crypto';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { constants, createGzip } from 'node:zlib';
import { PAGE_SIZE, pageLsn, pageState } from '../../../core/backup/page-checksum.ts';
import { parseLsn } from '../../../core/backup/wal.ts';
import type { BackupStore } from '../../../ports/backup.ts';
import { errorCode } from '../../../lib/unfinished.ts';
import type { Bundle } from './manifest.ts';

const BUNDLE_BYTES = 16 << 20;
const CHUNK_BYTES = 1 << 20;
const AT_ONCE = 2;
const PAGES_A_FILE = 131_072;

/** What a server makes anew, or must not find: see "Making a base backup using the low level API". */
const LEFT_OUT =
  /^(postmaster\.(pid|opts)|sluice\.password|backup_label(\.old)?|tablespace_map(\.old)?|pg_internal\.init|current_logfiles|.*\.draft)$/;
const EMPTY_FOLDERS = new Set([
  'pg_wal',
  'pg_replslot',
  'pg_dynshmem',
  'pg_notify',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
]);
const RELATION = /^(?:base\/\d+|global)\/\d+(?:_(?:fsm|vm|init))?(?:\.(\d+))?$/;

export interface Listing {
  readonly folders: readonly string[];
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
}

/** What of a cluster's folder belongs into a backup. */
export async function listCluster(data: string): Promise<Listing> {
  const folders: string[] = [];
  const files: { path: string; bytes: number }[] = [];
  async function walk(below: string): Promise<void> {
    for (const entry of await readdir(join(data, below), { withFileTypes: true })) {
      const path = below === '' ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory()) {
        if (entry.name.startsWith('pgsql_tmp')) continue;
        folders.push(path);
        if (!EMPTY_FOLDERS.has(path)) await walk(path);
        if (path === 'pg_wal') folders.push('pg_wal/archive_status');
      } else if (entry.isFile() && !LEFT_OUT.test(entry.name)) {
        const info = await stat(join(data, path)).catch(() => null);
        if (info !== null) files.push({ path, bytes: info.size });
      }
    }
  }
  await walk('');
  // pg_control last: it then is at least as new as all that was copied before.
  files.sort((a, b) => Number(a.path === 'global/pg_control') - Number(b.path === 'global/pg_control') || (a.path < b.path ? -1 : 1));
  return { folders, files };
}

export interface CopyOutOptions {
  readonly data: string;
  readonly store: BackupStore;
  /** Key prefix, ending in `/`. */
  readonly prefix: string;
  /** Pages carry checksums; where the backup begins: pages changed since may be torn, the log makes them whole. */
  readonly checksums: { readonly startLsn: string } | null;
  readonly signal: AbortSignal;
  /** After each bundle: bytes so far. */
  stored?(bytes: number): void;
}

/** Store every file of a cluster, two bundles at a time. Files may change and vanish meanwhile. */
export async function copyOut(listing: Listing, options: CopyOutOptions): Promise<{ bundles: Bundle[]; bytes: number; damaged: string[] }> {
  const groups = grouped(listing.files);
  const bundles: Bundle[] = [];
  const damaged: string[] = [];
  let next = 0;
  let done = 0;
  async function work(): Promise<void> {
    for (;;) {
      const index = next;
      next += 1;
      const group = groups[index];
      if (group === undefined) return;
      const bundle = await storeBundle(group, `${options.prefix}data/${String(index).padStart(6, '0')}.gz`, options, damaged);
      bundles[index] = bundle;
      done += sizeOf(bundle);
      options.stored?.(done);
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { bundles, bytes: bundles.reduce((sum, bundle) => sum + sizeOf(bundle), 0), damaged };
}

/** Of its files, before they were packed. */
export function sizeOf({ files }: Bundle): number {
  return files.reduce((sum, file) => sum + file.bytes, 0);
}

function grouped(files: Listing['files']): string[][] {
  const groups: string[][] = [];
  let size = Number.POSITIVE_INFINITY;
  for (const { path, bytes } of files) {
    if (size + bytes > BUNDLE_BYTES) {
      groups.push([]);
      size = 0;
    }
    groups.at(-1)?.push(path);
    size += bytes;
  }
  return groups;
}

async function storeBundle(paths: readonly string[], key: string, options: CopyOutOptions, damaged: string[]): Promise<Bundle> {
  const files: { path: string; bytes: number; sha256: string }[] = [];
  async function* contents(): AsyncGenerator<Buffer> {
    for (const path of paths) yield* readFile(path, options, files, damaged);
  }
  const { bytes, sha256 } = await storeGzipped(
    Readable.from(contents(), { objectMode: false, highWaterMark: CHUNK_BYTES }),
    key,
    options.store,
  );
  return { key, bytes, sha256, files };
}

/** Compress and store; answers size and hash of what is stored. */
export async function storeGzipped(source: Readable, key: string, store: BackupStore): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  const hashing = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  const gzip = createGzip({ level: constants.Z_BEST_SPEED, chunkSize: 1 << 18 });
  source.on('error', (error) => hashing.destroy(error));
  gzip.on('error', (error) => hashing.destroy(error));
  await store.put(key, source.pipe(gzip).pipe(hashing));
  return { bytes, sha256: hash.digest('hex') };
}

async function* readFile(
  path: string,
  { data, checksums, signal }: CopyOutOptions,
  files: { path: string; bytes: number; sha256: string }[],
  damaged: string[],
): AsyncGenerator<Buffer> {
  const handle = await open(join(data, path), 'r').catch((error: unknown) => {
    // Dropped since it was listed: the log knows.
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  });
  if (handle === null) return;
  const relation = RELATION.exec(path);
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    for (;;) {
      signal.throwIfAborted();
      const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafeSlow(CHUNK_BYTES), 0, CHUNK_BYTES, bytes);
      if (bytesRead === 0) break;
      if (relation !== null && checksums !== null) {
        const first = Number(relation[1] ?? 0) * PAGES_A_FILE;
        const reread = (at: number) => handle.read(Buffer.allocUnsafeSlow(PAGE_SIZE), 0, PAGE_SIZE, at);
        for (const at of suspects(buffer.subarray(0, bytesRead), bytes, first, parseLsn(checksums.startLsn)))
          if (await isDamaged(reread, at, first)) damaged.push(`${path} page ${at / PAGE_SIZE}`);
      }
      hash.update(buffer.subarray(0, bytesRead));
      bytes += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
  files.push({ path, bytes, sha256: hash.digest('hex') });
}

function suspects(chunk: Buffer, offset: number, firstPage: number, startLsn: bigint): number[] {
  const found: number[] = [];
  for (let at = 0; at + PAGE_SIZE <= chunk.length; at += PAGE_SIZE) {
    const page = chunk.subarray(at, at + PAGE_SIZE);
    if (pageState(page, firstPage + (offset + at) / PAGE_SIZE) === 'damaged' && pageLsn(page) < startLsn) found.push(offset + at);
  }
  return found;
}

/** Read once more, a little later: it may just have been written. */
async function isDamaged(
  reread: (at: number) => Promise<{ buffer: Buffer; bytesRead: number }>,
  at: number,
  firstPage: number,
): Promise<boolean> {
  await new Promise((resolve) => setTimeout(resolve, 50));
  const { buffer, bytesRead } = await reread(at);
  return bytesRead === PAGE_SIZE && pageState(buffer, firstPage + at / PAGE_SIZE) === 'damaged';
}

/** Judge every page of a cluster that is not running. */
export async function checkPagesOf(data: string, signal: AbortSignal): Promise<{ pages: number; damaged: string[] }> {
  const { files } = await listCluster(data);
  const damaged: string[] = [];
  let pages = 0;
  const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  for (const { path } of files) {
    const relation = RELATION.exec(path);
    if (relation === null) continue;
    const first = Number(relation[1] ?? 0) * PAGES_A_FILE;
    const handle = await open(join(data, path), 'r');
    try {
      for (let offset = 0; ;) {
        signal.throwIfAborted();
        const { bytesRead } = await handle.read(buffer, 0, CHUNK_BYTES, offset);
        if (bytesRead === 0) break;
        for (const at of suspects(buffer.subarray(0, bytesRead), offset, first, 1n << 64n)) damaged.push(`${path} page ${at / PAGE_SIZE}`);
        pages += Math.floor(bytesRead / PAGE_SIZE);
        offset += bytesRead;
      }
    } finally {
      await handle.close();
    }
  }
  return { pages, damaged };
}
