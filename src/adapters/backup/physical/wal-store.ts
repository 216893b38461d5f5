import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chown, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { Expiry } from '../../../core/backup/retention.ts';
import { isHistory, isSegment, segmentAt, segmentNumber, timelineOf } from '../../../core/backup/wal.ts';
import { logClock } from '../../../core/backup/log-time.ts';
import { OutsideError } from '../../../core/errors.ts';
import type { BackupStore } from '../../../ports/backup.ts';
import { errorCode } from '../../../lib/unfinished.ts';
import type { Owner } from './copy-in.ts';
import { storeGzipped } from './copy-out.ts';

/** A piece of the log in the store. Its key names its content: `<prefix>wal/<segment>.<sha256>.<newest>.gz`. */
export interface StoredWal {
  readonly name: string;
  readonly key: string;
  readonly sha256: string;
  /** When it was stored, ms: how long after it was written, nobody knows. */
  readonly at: number;
  /** The newest moment at which a transaction in it ended, ms; 0: none did. Null: not known. */
  readonly newest: number | null;
}

const KEY = /([0-9A-F]{24}(?:\.partial)?|[0-9A-F]{8}\.history)\.([0-9a-f]{64})(?:\.(\d+))?\.gz$/;

export async function listWal(store: BackupStore, prefix: string): Promise<StoredWal[]> {
  const objects = await store.list(`${prefix}wal/`);
  return objects.flatMap(({ key, at }) => {
    const match = KEY.exec(key);
    if (match === null) return [];
    const [, name = '', sha256 = '', newest] = match;
    return [{ name, sha256, key, at, newest: newest === undefined ? null : Number(newest) }];
  });
}

/** Segments that can be replayed in full, and the last one as far as it was streamed. */
export function replayable(wal: readonly StoredWal[]): Map<string, StoredWal> {
  const found = new Map<string, StoredWal>();
  // A longer part holds every commit of a shorter one, so its newest commit is as new or newer; some stores date objects to the second only.
  const partials = wal
    .filter(({ name }) => name.endsWith('.partial'))
    .toSorted((a, b) => (a.newest ?? a.at) - (b.newest ?? b.at) || a.at - b.at);
  for (const piece of partials) found.set(piece.name.replace('.partial', ''), piece);
  for (const piece of wal) if (!piece.name.endsWith('.partial')) found.set(piece.name, piece);
  return found;
}

/** `.partial` pieces whose content a newer piece holds too: the whole segment, or a later copy of the same part. */
export function superseded(wal: readonly StoredWal[]): StoredWal[] {
  const best = replayable(wal);
  return wal.filter((piece) => {
    const used = best.get(piece.name.replace('.partial', ''));
    if (!piece.name.endsWith('.partial') || used === undefined) return false;
    // The used one itself is among these. Which of two parts is the longer cannot be told where both were stored, and end, at the same moment: both stay.
    return !used.name.endsWith('.partial') || used.newest !== piece.newest || used.at !== piece.at;
  });
}

/**
 * Remove superseded pieces. `isRead`: a restore or a check of this process reads the log, so its pieces stay until the next call.
 * A reader in another process finds the newer piece by itself (`withNewest`).
 */
export async function removeSuperseded(store: BackupStore, prefix: string, isRead: () => boolean): Promise<void> {
  const old = superseded(await listWal(store, prefix));
  if (old.length > 0 && !isRead()) await store.remove(old.map(({ key }) => key));
}

/**
 * Move what the server has put into the spool to the store. A segment that is still being written is left alone; a `.partial`
 * one is copied as it is now, beside its former copy.
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
    const content = await contentOf(path);
    if (content === null) continue;
    const key = `${prefix}wal/${name}.${content}.gz`;
    await storeGzipped(createReadStream(path, { highWaterMark: 1 << 20 }), key, store);
    // Written on while it was read: what is stored is not what its name says.
    if (isPartial && (await contentOf(path)) !== content) {
      await store.remove([key]);
      continue;
    }
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

/** Where a restore begins: the log of the backup itself is needed whatever the moment. */
export interface WalFrom {
  readonly timeline: number;
  readonly startLsn: string;
  readonly stopLsn: string;
}

/** A piece, and the name that PostgreSQL asks for it by. */
export type NamedWal = readonly [name: string, piece: StoredWal];

/** What of the log a restore to a moment needs, in order: up to the first commit beyond it. `until` null: all there is. */
export function neededWal(wal: readonly StoredWal[], from: WalFrom, segmentBytes: number, until: number | null): NamedWal[] {
  const [first, least] = [segmentAt(from.startLsn, segmentBytes), segmentAt(from.stopLsn, segmentBytes)];
  const wanted = [...replayable(wal)]
    .filter(([name]) => isHistory(name) || (timelineOf(name) >= from.timeline && segmentNumber(name, segmentBytes) >= first))
    .toSorted(([a], [b]) => (a.slice(8) < b.slice(8) ? -1 : 1));
  const timeline = followed(wal, from.timeline);
  const isEnough = ([name, { newest }]: NamedWal) =>
    until !== null &&
    isSegment(name) &&
    timelineOf(name) === timeline &&
    segmentNumber(name, segmentBytes) >= least &&
    (newest ?? 0) > until;
  const last = wanted.findIndex(isEnough);
  return last < 0 ? wanted : wanted.slice(0, last + 1);
}

/** Lay it out for a restore_command that copies from there. @throws OutsideError WAL_SEGMENT_TAMPERED */
export async function layOutWal(
  pieces: readonly NamedWal[],
  segmentBytes: number,
  into: { readonly folder: string; readonly owner: Owner; readonly store: BackupStore },
  signal: AbortSignal,
): Promise<void> {
  await mkdir(into.folder, { recursive: true, mode: 0o700 });
  if (into.owner !== null) await chown(into.folder, into.owner.uid, into.owner.gid);
  for (const [name, piece] of pieces) {
    signal.throwIfAborted();
    await withNewest(piece, into.store, (one) => fetchWal(one, into.store, join(into.folder, name), into.owner, segmentBytes));
  }
}

/**
 * Up to when the log goes on from a timeline: to that moment, and to none after it, it can be replayed, ms. Null: no commit is known.
 * Of what was stored before keys said so, when it was stored stands in for it, and is later.
 */
export function endOfLog(wal: readonly StoredWal[], from: number): number | null {
  const timeline = followed(wal, from);
  const own = wal.filter(({ name }) => !isHistory(name) && timelineOf(name) === timeline);
  const newest = own.reduce((most, piece) => Math.max(most, piece.newest ?? piece.at), 0);
  // There must be a commit beyond it, and moments of commits were rounded down to this.
  return newest === 0 ? null : newest - 1;
}

/** The timeline that recovery ends on where the log has branched: the newest whose history says where it came from. */
function followed(wal: readonly StoredWal[], from: number): number {
  return wal.reduce((newest, { name }) => (isHistory(name) ? Math.max(newest, timelineOf(name)) : newest), from);
}

/**
 * Read a piece. The log goes on while it is read: a `.partial` piece may have been superseded and removed since it was listed, and
 * the newer one then holds the same part of the log, and more.
 */
async function withNewest<T>(piece: StoredWal, store: BackupStore, read: (piece: StoredWal) => Promise<T>): Promise<T> {
  for (let now = piece; ;) {
    try {
      return await read(now);
    } catch (error) {
      if (errorCode(error) !== 'STORE_OBJECT_MISSING' || !now.name.endsWith('.partial')) throw error;
      const prefix = now.key.slice(0, now.key.lastIndexOf('wal/'));
      const newer = replayable(await listWal(store, prefix)).get(now.name.replace('.partial', ''));
      if (newer === undefined || newer.key === now.key) throw error;
      now = newer;
    }
  }
}

/** @throws OutsideError WAL_SEGMENT_TAMPERED */
export function checkWal(piece: StoredWal, store: BackupStore): Promise<void> {
  return withNewest(piece, store, (one) => checkPiece(one, store));
}

async function checkPiece(piece: StoredWal, store: BackupStore): Promise<void> {
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
  await store.remove(wal.filter(({ name }) => !isHistory(name) && !needed(name.replace('.partial', ''))).map(({ key }) => key));
}

function tampered({ name, key }: StoredWal, store: BackupStore): OutsideError {
  return new OutsideError(
    'WAL_SEGMENT_TAMPERED',
    `segment ${name} of the log (${key} in ${store.location}) is not what was archived`,
    'Moments after it cannot be restored from here. Use the copy at the second location; take a full backup now.',
  );
}

/** As its key says it: `<sha256>.<newest>`, or without the second where it is not known. Null: the file is gone. */
async function contentOf(path: string): Promise<string | null> {
  const hash = createHash('sha256');
  const clock = logClock();
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
      hash.update(chunk as Buffer);
      clock.push(chunk as Buffer);
    }
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
  const newest = clock.newest();
  return newest === null ? hash.digest('hex') : `${hash.digest('hex')}.${newest}`;
}
