import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chown, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { Expiry } from '../../../core/backup/retention.ts';
import { isHistory, isSegment, segmentAt, segmentNumber, timelineOf } from '../../../core/backup/wal.ts';
import { OutsideError } from '../../../core/errors.ts';
import type { BackupStore } from '../../../ports/backup.ts';
import { errorCode } from '../../_shared/unfinished.ts';
import type { Owner } from './copy-in.ts';
import { storeGzipped } from './copy-out.ts';

/** A piece of the log in the store. Its key names its content: `<prefix>wal/<segment>.<sha256>.gz`. */
export interface StoredWal {
  readonly name: string;
  readonly key: string;
  readonly sha256: string;
  readonly at: number;
}

const KEY = /([0-9A-F]{24}(?:\.partial)?|[0-9A-F]{8}\.history)\.([0-9a-f]{64})\.gz$/;

export async function listWal(store: BackupStore, prefix: string): Promise<StoredWal[]> {
  const objects = await store.list(`${prefix}wal/`);
  return objects.flatMap(({ key, at }) => {
    const match = KEY.exec(key);
    return match === null ? [] : [{ name: match[1] ?? '', sha256: match[2] ?? '', key, at }];
  });
}

/** Segments that can be replayed in full, and the last one as far as it was streamed. */
export function replayable(wal: readonly StoredWal[]): Map<string, StoredWal> {
  const found = new Map<string, StoredWal>();
  const partials = wal.filter(({ name }) => name.endsWith('.partial')).toSorted((a, b) => a.at - b.at);
  for (const piece of partials) found.set(piece.name.replace('.partial', ''), piece);
  for (const piece of wal) if (!piece.name.endsWith('.partial')) found.set(piece.name, piece);
  return found;
}

/**
 * Move what the server has put into the spool to the store. A segment that is still being written is left alone; a `.partial`
 * one is copied as it is now, replacing its former copy.
 * @returns names that were shipped
 */
export async function shipSpool(spool: string, store: BackupStore, prefix: string, signal: AbortSignal): Promise<string[]> {
  const names = await readdir(spool).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  });
  const shipped: string[] = [];
  for (const name of names.toSorted((a, b) => (a < b ? -1 : 1))) {
    const isPartial = name.endsWith('.partial');
    if (!isSegment(name.replace('.partial', '')) && !isHistory(name)) continue;
    signal.throwIfAborted();
    const path = join(spool, name);
    const content = await hashOf(path);
    if (content === null) continue;
    const key = `${prefix}wal/${name}.${content}.gz`;
    await storeGzipped(createReadStream(path, { highWaterMark: 1 << 20 }), key, store);
    // Written on while it was read: what is stored is not what its name says.
    if (isPartial && (await hashOf(path)) !== content) {
      await store.remove([key]);
      continue;
    }
    const old = (await store.list(`${prefix}wal/${name.replace('.partial', '')}.partial.`))
      .map((one) => one.key)
      .filter((one) => one !== key);
    await store.remove(old);
    if (!isPartial) await rm(path, { force: true });
    shipped.push(name);
  }
  return shipped;
}

/** What waits in the spool. */
export async function spooled(spool: string): Promise<{ readonly waiting: number; readonly since: number | null }> {
  const names = (await readdir(spool).catch(() => [])).filter(isSegment);
  const times = await Promise.all(names.map(async (name) => (await stat(join(spool, name)).catch(() => null))?.mtimeMs ?? null));
  const known = times.filter((time) => time !== null);
  return { waiting: known.length, since: known.length === 0 ? null : Math.min(...known) };
}

/**
 * Lay out the log from a place on, for a restore_command that copies from there.
 * @throws OutsideError WAL_SEGMENT_TAMPERED
 */
export async function layOutWal(
  wal: readonly StoredWal[],
  from: { readonly timeline: number; readonly lsn: string },
  segmentBytes: number,
  into: { readonly folder: string; readonly owner: Owner; readonly store: BackupStore; readonly until: number | null },
  signal: AbortSignal,
): Promise<number> {
  await mkdir(into.folder, { recursive: true, mode: 0o700 });
  if (into.owner !== null) await chown(into.folder, into.owner.uid, into.owner.gid);
  const first = segmentAt(from.lsn, segmentBytes);
  const wanted = [...replayable(wal)]
    .filter(([name]) => isHistory(name) || (timelineOf(name) >= from.timeline && segmentNumber(name, segmentBytes) >= first))
    .toSorted(([a], [b]) => (a.slice(8) < b.slice(8) ? -1 : 1));
  let beyond = 0;
  let laidOut = 0;
  for (const [name, piece] of wanted) {
    signal.throwIfAborted();
    // A few more than the moment asks for: clocks of the store and of the source may differ by minutes.
    if (isSegment(name) && into.until !== null && piece.at > into.until + SKEW_MS) beyond += 1;
    if (beyond > 2) break;
    await fetchWal(piece, into.store, join(into.folder, name), into.owner, segmentBytes);
    laidOut += 1;
  }
  return laidOut;
}

const SKEW_MS = 10 * 60_000;

/** @throws OutsideError WAL_SEGMENT_TAMPERED */
export async function checkWal(piece: StoredWal, store: BackupStore): Promise<void> {
  const hash = createHash('sha256');
  try {
    await pipeline(await store.get(piece.key), createGunzip(), async function consume(chunks) {
      for await (const chunk of chunks) hash.update(chunk as Buffer);
    });
  } catch (error) {
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('Z_')) throw tampered(piece, store);
    throw error;
  }
  if (hash.digest('hex') !== piece.sha256) throw tampered(piece, store);
}

async function fetchWal(piece: StoredWal, store: BackupStore, path: string, owner: Owner, segmentBytes: number): Promise<void> {
  const handle = await open(path, 'w', 0o600);
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    if (owner !== null) await handle.chown(owner.uid, owner.gid);
    await pipeline(await store.get(piece.key), createGunzip(), async function write(chunks) {
      for await (const chunk of chunks) {
        hash.update(chunk as Buffer);
        bytes += (chunk as Buffer).length;
        await handle.writeFile(chunk as Buffer);
      }
    });
    // A segment cut off in the middle goes on as zeros, which end the replay.
    if (piece.name.endsWith('.partial') && bytes < segmentBytes) await handle.truncate(segmentBytes);
  } catch (error) {
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('Z_')) throw tampered(piece, store);
    throw error;
  } finally {
    await handle.close();
  }
  if (hash.digest('hex') !== piece.sha256) throw tampered(piece, store);
}

/** Remove the log that no kept backup needs. */
export async function expireWal(store: BackupStore, prefix: string, expiry: Expiry, segmentBytes: number): Promise<void> {
  const { walFrom, walOf } = expiry;
  if (walFrom === null) return;
  const first = segmentAt(walFrom.lsn, segmentBytes);
  const needed = (name: string): boolean => {
    const number = segmentNumber(name, segmentBytes);
    if (number >= first) return true;
    return walOf.some(({ startLsn, stopLsn }) => number >= segmentAt(startLsn, segmentBytes) && number <= segmentAt(stopLsn, segmentBytes));
  };
  const wal = await listWal(store, prefix);
  await store.remove(wal.filter(({ name }) => isSegment(name) && !needed(name)).map(({ key }) => key));
}

function tampered({ name, key }: StoredWal, store: BackupStore): OutsideError {
  return new OutsideError(
    'WAL_SEGMENT_TAMPERED',
    `segment ${name} of the log (${key} in ${store.location}) is not what was archived`,
    'Moments after it cannot be restored from here. Use the copy at the second location; take a full backup now.',
  );
}

async function hashOf(path: string): Promise<string | null> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
  return hash.digest('hex');
}
