import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ArchiverReading } from '../../../core/backup/archiver.ts';
import { baseFor, type Finding } from '../../../core/backup/catalog.ts';
import { isSegment, someOf } from '../../../core/backup/wal.ts';
import { OutsideError, UserError } from '../../../core/errors.ts';
import type { Backup, BackupStore, Restored, RestoreRequest } from '../../../ports/backup.ts';
import { checkBundle, copyIn } from './copy-in.ts';
import { checkPagesOf, copyOut, listCluster, sizeOf } from './copy-out.ts';
import { type Manifest, parseManifest } from './manifest.ts';
import type { Programs } from './programs.ts';
import { emptyFolder, releaseCopy, startCopy, timed } from './scratch.ts';
import { gapsOf, notArchived, nothingFor, recordOf, segmentFrom, walMissing, windowOf } from './records.ts';
import { copyMissing, uncopiedOf } from './second.ts';
import { findingOf, newId, noCopy, readText, share } from './small.ts';
import { checkWal, expireWal, layOutWal, listWal, neededWal, removeSuperseded, replayable, shipSpool } from './wal-store.ts';

/** How the files of a cluster are got hold of; everything else is the same for all physical backups. */
export interface Collector {
  readonly adapter: string;
  prepare(signal: AbortSignal): Promise<void>;
  /** A folder whose files, with the log from `startLsn`, make a cluster. */
  begin(label: string, signal: AbortSignal): Promise<Collected>;
  /** Where finished segments of the log wait to be shipped; null when the source is lost. */
  readonly spool: string | null;
  /**
   * Have the log come to the spool. `all`: also the segment that is being written.
   * @returns the segment that will come by itself and has to be waited for; null: all there is lies in the spool.
   */
  flush(signal: AbortSignal, all: boolean): Promise<string | null>;
  archiver(): Promise<ArchiverReading>;
}

export interface Collected {
  readonly data: string;
  readonly startLsn: string;
  readonly server: Manifest['server'];
  /** Called when all files are copied. */
  finish(): Promise<{ readonly stopLsn: string; readonly timeline: number; readonly texts: Readonly<Record<string, string>> }>;
  /** Called in any case. */
  release(): Promise<void>;
}

export interface PhysicalOptions {
  readonly collector: Collector;
  readonly store: BackupStore;
  /** A second location that everything is copied to. */
  readonly second: BackupStore | null;
  /** Name of the source: first part of every key. */
  readonly source: string;
  readonly programs: Programs;
  /** Longest wait for the log of a backup to be archived, ms. */
  readonly archiveMs?: number;
}

const ARCHIVE_MS = 120_000;

/** A backup made of a cluster's files and its log. */
export function physicalBackup(options: PhysicalOptions): Backup {
  const { collector, store, source, programs } = options;
  const prefix = `${source}/`;

  async function manifests(from: BackupStore): Promise<Manifest[]> {
    const objects = await from.list(`${prefix}backups/`);
    const keys = objects.map(({ key }) => key).filter((key) => key.endsWith('/manifest.json'));
    const read = keys.map(async (key) => {
      // A manifest that cannot be read is no backup; `verify` says why.
      const text = await readText(from, key).catch(() => null);
      return text === null ? null : tryParse(text, key);
    });
    return (await Promise.all(read)).filter((one) => one !== null);
  }

  async function manifestOf(id: string): Promise<{ manifest: Manifest; digest: string }> {
    const key = `${prefix}backups/${id}/manifest.json`;
    const text = await readText(store, key).catch((error: unknown) => {
      throw new UserError(
        'BACKUP_UNKNOWN',
        `there is no backup ${id} of ${source} in ${store.location}`,
        '`sluice backup list` shows what there is.',
        error,
      );
    });
    return { manifest: parseManifest(text, key), digest: digestOf(text) };
  }

  // Two at once would send the same segments, and fetch the log through the same slot.
  let line: Promise<unknown> = Promise.resolve();
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = line.then(work, work);
    line = result.catch(() => {});
    return result;
  }

  // Pieces of the log that a restore or a check has listed stay until it has read them.
  let readers = 0;
  const isRead = (): boolean => readers > 0;
  async function whileReading<T>(work: () => Promise<T>): Promise<T> {
    readers += 1;
    try {
      return await work();
    } finally {
      readers -= 1;
    }
  }

  /** @returns the segment that has to be waited for */
  const ship = (signal: AbortSignal, all: boolean | null): Promise<string | null> =>
    inTurn(async () => {
      const segment = all === null ? null : await collector.flush(signal, all);
      if (collector.spool !== null) {
        await shipSpool(collector.spool, store, prefix, signal);
        await removeSuperseded(store, prefix, isRead);
      }
      return segment;
    });
  const copy = async (signal: AbortSignal): Promise<void> => {
    const { second } = options;
    if (second === null) return;
    await inTurn(async () => {
      await copyMissing(store, second, prefix, signal);
      await removeSuperseded(second, prefix, isRead);
    });
  };

  return {
    adapter: collector.adapter,
    location: store.location,
    secondLocation: options.second?.location ?? null,
    capabilities: { pointInTime: true, partial: false, restoresTo: 'folder', isDatabase: true },
    prepare: (signal) => collector.prepare(signal),
    ship: async (signal, all = false) => {
      const segment = await ship(signal, all);
      if (segment !== null) await untilStored(segment, signal);
      await copy(signal);
    },
    archiver: () => collector.archiver(),
    async take({ reason, say }, signal) {
      await collector.prepare(signal);
      const id = newId(Date.now(), 'F');
      const key = `${prefix}backups/${id}/`;
      const startedAt = Date.now();
      const collected = await collector.begin(`sluice ${id}`, signal);
      try {
        const { server, startLsn } = collected;
        const listing = await listCluster(collected.data);
        const checksums = server.checksums ? { startLsn } : null;
        const total = listing.files.reduce((sum, file) => sum + file.bytes, 0);
        const stored = (done: number) => say?.(`files: ${share(done, total)}`);
        const { bundles, bytes, damaged } = await copyOut(listing, {
          data: collected.data,
          store,
          prefix: key,
          checksums,
          signal,
          stored,
        });
        say?.('waiting for the log of the backup');
        const { stopLsn, timeline, texts } = await collected.finish();
        const wal = { timeline, startLsn, stopLsn };
        const folders = [...listing.folders];
        const manifest: Manifest = {
          format: 1,
          id,
          kind: 'full',
          reason,
          startedAt,
          endedAt: Date.now(),
          server,
          wal,
          folders,
          bundles,
          texts,
          damaged,
        };
        await untilArchived(manifest, signal);
        const text = JSON.stringify({ ...manifest, endedAt: Date.now() });
        await store.put(`${key}manifest.json`, Buffer.from(text));
        say?.('copying to the second location');
        await copy(signal);
        return { ...recordOf(parseManifest(text, key), digestOf(text)), bytes };
      } catch (error) {
        const left = await store.list(key).catch(() => []);
        await store.remove(left.map((object) => object.key)).catch(() => {});
        throw error;
      } finally {
        await collected.release();
      }
    },
    async catalog(fromCopy = false) {
      const from = sourceOf({ fromCopy });
      const [all, wal] = await Promise.all([manifests(from), listWal(from, prefix)]);
      const backups = all.map((manifest) => recordOf(manifest, null)).toSorted((a, b) => a.endedAt - b.endedAt);
      const uncopied = options.second === null ? [] : await uncopiedOf(backups, options.second, prefix);
      return { backups, window: windowOf(all, wal), uncopied };
    },
    verify: (id, digest, signal) => whileReading(() => verify(id, digest, signal)),
    restore: (request, signal) => whileReading(() => restore(request, signal)),
    async expire(expiry) {
      const [newest] = (await manifests(store)).toSorted((a, b) => b.endedAt - a.endedAt);
      for (const one of [store, ...(options.second === null ? [] : [options.second])]) {
        for (const id of expiry.expire) {
          // The manifest goes first: what is half removed is not listed.
          await one.remove([`${prefix}backups/${id}/manifest.json`]);
          await one.remove((await one.list(`${prefix}backups/${id}/`)).map(({ key }) => key));
        }
        if (newest !== undefined) await expireWal(one, prefix, expiry, newest.server.segmentBytes);
      }
    },
  };

  async function untilStored(segment: string, signal: AbortSignal): Promise<void> {
    const deadline = Date.now() + (options.archiveMs ?? ARCHIVE_MS);
    while (!(await listWal(store, prefix)).some(({ name }) => name === segment)) {
      if (Date.now() > deadline) throw notArchived([segment], '');
      await sleep(100, undefined, { signal });
      await ship(signal, null);
    }
  }

  /** Only with all of its log is a backup more than a heap of files. */
  async function untilArchived(manifest: Manifest, signal: AbortSignal): Promise<void> {
    const deadline = Date.now() + (options.archiveMs ?? ARCHIVE_MS);
    for (;;) {
      await ship(signal, false);
      const missing = gapsOf(manifest, await listWal(store, prefix));
      if (missing.length === 0) return;
      if (Date.now() > deadline) {
        const reading = await collector.archiver().catch(() => null);
        const why = reading?.lastFailedAt == null ? '' : `; the archive command has failed ${reading.failedCount} times`;
        throw notArchived(missing, why);
      }
      await sleep(200, undefined, { signal });
    }
  }

  async function verify(id: string, recorded: string | null, signal: AbortSignal): Promise<readonly Finding[]> {
    const findings: Finding[] = [];
    const note = (error: unknown) => findings.push(findingOf(error));
    let manifest: Manifest;
    try {
      const found = await manifestOf(id);
      manifest = found.manifest;
      if (recorded !== null && found.digest !== recorded) {
        note(
          new OutsideError(
            'BACKUP_MANIFEST_CHANGED',
            `the manifest of ${id} in ${store.location} is not the one that was recorded when it was taken`,
            'Somebody rewrote it, perhaps with the files it names. Use the copy at the second location, or an earlier backup.',
          ),
        );
      }
    } catch (error) {
      if (error instanceof UserError) throw error;
      note(error);
      return findings;
    }
    for (const bundle of manifest.bundles) {
      signal.throwIfAborted();
      await checkBundle(bundle, store).catch(note);
    }
    const stored = await listWal(store, prefix);
    const wal = replayable(stored);
    const missing = gapsOf(manifest, stored);
    if (missing.length > 0) note(walMissing(missing, store));
    for (const [name, piece] of wal) {
      signal.throwIfAborted();
      if (isSegment(name) && name.slice(8) >= segmentFrom(manifest)) await checkWal(piece, store).catch(note);
    }
    if (manifest.damaged.length > 0) {
      findings.push({
        code: 'BACKUP_OF_DAMAGED_PAGES',
        severity: 'fail',
        message: `${manifest.damaged.length} pages had a wrong checksum in the source already when it was copied: ${someOf(manifest.damaged)}`,
        hint: "The source's disk is damaged. Find the last backup without this finding (`sluice backup verify`), and restore the relation from it.",
      });
    }
    return findings;
  }

  /** @throws UserError BACKUP_NO_COPY */
  function sourceOf({ fromCopy }: Pick<RestoreRequest, 'fromCopy'>): BackupStore {
    if (fromCopy !== true) return store;
    if (options.second === null) throw noCopy(source);
    return options.second;
  }

  async function restore(request: RestoreRequest, signal: AbortSignal): Promise<Restored> {
    const timings: { part: string; ms: number }[] = [];
    const time = timed(timings);
    const from = sourceOf(request);
    const all = await manifests(from);
    const records = all.map((manifest) => recordOf(manifest, null));
    const base = request.backup === null ? baseFor(records, request.to) : (records.find(({ id }) => id === request.backup) ?? null);
    const manifest = all.find(({ id }) => id === base?.id);
    if (manifest === undefined) throw nothingFor(request, records, from);
    const wal = await listWal(from, prefix);
    const missing = gapsOf(manifest, wal);
    if (missing.length > 0 && request.to === null) throw walMissing(missing, from);
    const total = manifest.bundles.reduce((sum, bundle) => sum + sizeOf(bundle), 0);
    await emptyFolder(request.into, programs, total);
    const data = join(request.into, 'data');
    const walFolder = join(request.into, 'wal');
    const remove = () => rm(request.into, { recursive: true, force: true });
    try {
      const laid = (done: number) => request.say?.(`files: ${share(done, total)}`);
      await time('files', () => copyIn(manifest, { store: from, data, owner: programs.owner, laid }, signal));
      request.say?.('laying out the log');
      const { major, superuser, segmentBytes } = manifest.server;
      const needed = neededWal(wal, manifest.wal, segmentBytes, request.to);
      await time('log', () => layOutWal(needed, segmentBytes, { folder: walFolder, owner: programs.owner, store: from }, signal));
      request.say?.('replaying the log');
      const copy = await time('replay', () =>
        startCopy({ data, major, superuser, walFolder, to: request.to, scratch: request.scratch, programs }),
      );
      let isStopped = false;
      const stop = async () => {
        if (isStopped) return;
        isStopped = true;
        await copy.stop();
        await rm(walFolder, { recursive: true, force: true });
        if (!request.scratch) await releaseCopy(data, programs);
      };
      return {
        backup: manifest.id,
        location: data,
        url: copy.url,
        timings,
        stop,
        async checkPages(look) {
          await stop();
          return manifest.server.checksums ? checkPagesOf(data, look) : { pages: 0, damaged: [] };
        },
        async destroy() {
          await stop();
          await remove();
        },
      };
    } catch (error) {
      // Of a failed look nothing is left; of a restore that somebody asked for, what there is may still help them.
      if (request.scratch) await remove();
      throw error;
    }
  }
}

function digestOf(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

function tryParse(text: string, where: string): Manifest | null {
  try {
    return parseManifest(text, where);
  } catch {
    return null;
  }
}
