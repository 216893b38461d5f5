import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { baseFor, type BackupRecord } from '../../core/backup/catalog.ts';
import { OutsideError, UserError } from '../../core/errors.ts';
import type { Backup, BackupStore } from '../../ports/backup.ts';
import { writeAtomic } from '../../lib/atomic-file.ts';
import { findingOf, newId, noCopy, readText } from './physical/small.ts';

export interface FileBackupOptions {
  readonly source: string;
  readonly file: string;
  readonly store: BackupStore;
  readonly second: BackupStore | null;
}

const recordSchema = z.object({
  id: z.string(),
  at: z.number(),
  bytes: z.number(),
  sha256: z.string(),
  reason: z.string(),
  lineage: z.string().nullable(),
  serial: z.number().nullable(),
});
type Stored = z.output<typeof recordSchema>;

/** What Terraform and OpenTofu say of a state: which one it is, and how often it was written. */
const stateSchema = z.object({ lineage: z.string(), serial: z.number() });

/** Backups of one file that a tool keeps, such as the state of Terraform. A state that is not whole is not taken. */
export function fileBackup(options: FileBackupOptions): Backup {
  const { source, file, store, second } = options;
  const prefix = `${source}/files/`;

  async function records(from = store): Promise<Stored[]> {
    const keys = (await from.list(prefix)).map(({ key }) => key).filter((key) => key.endsWith('.json'));
    return Promise.all(keys.map(async (key) => recordSchema.parse(JSON.parse(await readText(from, key)))));
  }

  async function contentOf(id: string, from = store): Promise<{ record: Stored; text: string }> {
    const record = (await records(from)).find((one) => one.id === id);
    if (record === undefined)
      throw new UserError(
        'BACKUP_UNKNOWN',
        `there is no backup ${id} of ${source} in ${from.location}`,
        '`sluice backup list` shows what there is.',
      );
    const text = await readText(from, `${prefix}${id}.content`).catch((error: unknown) => {
      throw new OutsideError(
        'BACKUP_FILE_MISSING',
        `${prefix}${id}.content is not in ${from.location}`,
        'Use the copy at the second location, or an earlier backup.',
        error,
      );
    });
    if (sha256(text) !== record.sha256)
      throw new OutsideError(
        'BACKUP_TAMPERED',
        `${prefix}${id}.content in ${from.location} is not what was written`,
        'Use the copy at the second location, or an earlier backup.',
      );
    return { record, text };
  }

  async function copy(): Promise<void> {
    if (second === null) return;
    const there = new Set((await second.list(prefix)).map(({ key }) => key));
    for (const { key } of (await store.list(prefix)).toSorted((a, b) => Number(a.key.endsWith('.json')) - Number(b.key.endsWith('.json'))))
      if (!there.has(key)) await second.put(key, await store.get(key));
  }

  return {
    adapter: 'file',
    location: store.location,
    secondLocation: second?.location ?? null,
    capabilities: { pointInTime: false, partial: false, restoresTo: 'file', isDatabase: false },
    async prepare() {
      if ((await stat(file).catch(() => null)) === null)
        throw new UserError(
          'BACKUP_FILE_UNREADABLE',
          `there is no file ${file}`,
          'Name the file in the configuration; where the state is kept remotely, have it pulled there first (terraform state pull).',
        );
    },
    async take({ reason }) {
      const now = Date.now();
      const text = await readFile(file, 'utf8').catch((error: Error) => {
        throw new UserError(
          'BACKUP_FILE_UNREADABLE',
          `${file} cannot be read: ${error.message}`,
          'See that the file is there and may be read.',
          error,
        );
      });
      const state = stateOf(file, text);
      const record: Stored = {
        id: newId(now, 'F'),
        at: now,
        bytes: Buffer.byteLength(text),
        sha256: sha256(text),
        reason,
        lineage: state?.lineage ?? null,
        serial: state?.serial ?? null,
      };
      await store.put(`${prefix}${record.id}.content`, Buffer.from(text));
      await store.put(`${prefix}${record.id}.json`, Buffer.from(JSON.stringify(record)));
      await copy();
      return recordOf(record);
    },
    async catalog() {
      const backups = (await records()).map(recordOf).toSorted((a, b) => a.endedAt - b.endedAt);
      const there = second === null ? null : new Set((await second.list(prefix).catch(() => [])).map(({ key }) => key));
      return {
        backups,
        window: null,
        uncopied: there === null ? [] : backups.map(({ id }) => id).filter((id) => !there.has(`${prefix}${id}.json`)),
      };
    },
    async verify(id, digest) {
      try {
        const { record } = await contentOf(id);
        if (digest === null || digest === `sha256:${record.sha256}`) return [];
        throw new OutsideError(
          'BACKUP_MANIFEST_CHANGED',
          `the record of ${id} in ${store.location} is not the one that was made when it was taken`,
          'Use the copy at the second location, or an earlier backup.',
        );
      } catch (error) {
        if (error instanceof UserError) throw error;
        return [findingOf(error)];
      }
    },
    async restore({ backup, to, into, fromCopy }) {
      if (fromCopy === true && second === null) throw noCopy(source);
      const place = fromCopy === true && second !== null ? second : store;
      const known = (await records(place)).map(recordOf);
      const base = backup === null ? baseFor(known, to) : known.find(({ id }) => id === backup);
      if (base == null)
        throw new UserError('BACKUP_UNKNOWN', `there is no backup of ${source} that fits`, '`sluice backup list` shows what there is.');
      if ((await stat(into).catch(() => null)) !== null)
        throw new UserError('RESTORE_INTO_UNUSABLE', `${into} is there already, and a restore overwrites nothing`, 'Name a new file.');
      const from = performance.now();
      const { text } = await contentOf(base.id, place);
      stateOf(file, text);
      await mkdir(dirname(into), { recursive: true, mode: 0o700 });
      await writeAtomic(into, text, { mode: 0o600 });
      return {
        backup: base.id,
        location: into,
        url: null,
        timings: [{ part: 'files', ms: Math.round(performance.now() - from) }],
        checkPages: async () => ({ pages: 0, damaged: [] }),
        stop: async () => {},
        destroy: () => rm(into, { force: true }),
      };
    },
    async expire({ expire }) {
      for (const one of [store, ...(second === null ? [] : [second])])
        await one.remove(expire.flatMap((id) => [`${prefix}${id}.json`, `${prefix}${id}.content`]));
    },
    ship: copy,
    archiver: async () => null,
  };
}

function recordOf({ id, at, bytes, sha256: digest, reason }: Stored): BackupRecord {
  return {
    id,
    kind: 'full',
    needs: [],
    startedAt: at,
    endedAt: at,
    wal: null,
    bytes,
    storedBytes: bytes,
    digest: `sha256:${digest}`,
    reason,
    damaged: [],
  };
}

/** @throws UserError BACKUP_FILE_NOT_A_STATE */
function stateOf(file: string, text: string): z.output<typeof stateSchema> | null {
  if (!/\.tfstate(\.|$)/.test(file)) return null;
  try {
    return stateSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new UserError(
      'BACKUP_FILE_NOT_A_STATE',
      `${file} is not a whole Terraform state: it has no lineage and serial`,
      'A run may have been cut off while it wrote. Keep the backups that there are, and see `terraform state pull`.',
      error,
    );
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
