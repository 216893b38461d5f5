import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { baseFor, type BackupRecord, type Catalog, type Finding } from '../../../core/backup/catalog.ts';
import { OutsideError, UserError } from '../../../core/errors.ts';
import type { Backup, Restored, RestoreRequest } from '../../../ports/backup.ts';
import { lastBeatWithin } from '../heartbeat.ts';
import { checkPagesOf } from '../physical/copy-out.ts';
import type { Programs } from '../physical/programs.ts';
import { emptyFolder, releaseCopy, startCopy, timed, withClient } from '../physical/scratch.ts';
import { readArchiver } from '../physical/server.ts';
import { findingOf, noCopy } from '../physical/small.ts';
import { commands } from './commands.ts';
import { infoSchema, type Stanza } from './schema.ts';

export interface PgbackrestOptions {
  readonly source: string;
  url(): Promise<string>;
  readonly stanza: string;
  /** Its own configuration: repositories, encryption, retention. Readable for the user that PostgreSQL runs as. */
  readonly configFile: string;
  readonly programs: Programs;
}

/** Backups by pgBackRest, as its own file configures it. It archives the log, keeps the second repository and checks its own hashes. */
export function pgbackrest(options: PgbackrestOptions): Backup {
  const { programs, source } = options;
  const place = { stanza: options.stanza, configFile: options.configFile };

  async function run(args: readonly string[], code = 'BACKUP_FAILED'): Promise<string> {
    const program = await programs.find('pgbackrest', null);
    if (program === null)
      throw new UserError('BACKUP_NO_PROGRAMS', 'pgbackrest is not installed here', 'Install it: apt-get install pgbackrest.');
    const { code: exit, output } = await programs.run(program, args);
    if (exit === 0) return output;
    throw new OutsideError(
      code,
      `pgbackrest ${args.at(-1) ?? ''}: ${said(output)}`,
      `Run it by hand as PostgreSQL's user to see more: pgbackrest ${args.join(' ')}`,
    );
  }

  async function info(): Promise<Stanza | null> {
    const output = await run(commands.info(place));
    const parsed = infoSchema.safeParse(JSON.parse(output === '' ? '[]' : output));
    if (!parsed.success)
      throw new OutsideError(
        'BACKUP_FAILED',
        `pgbackrest info says something that is not understood: ${parsed.error.issues[0]?.message ?? ''}`,
        'Use pgBackRest 2.40 or newer.',
        parsed.error,
      );
    return parsed.data.find(({ name }) => name === place.stanza) ?? null;
  }

  async function records(): Promise<BackupRecord[]> {
    const stanza = await info();
    return (stanza?.backup ?? []).map(recordOf).toSorted((a, b) => a.endedAt - b.endedAt);
  }

  async function repositories(): Promise<number[]> {
    const text = await readFile(options.configFile, 'utf8').catch(() => '');
    const keys = new Set([...text.matchAll(/^\s*repo(\d+)-/gm)].map((match) => Number(match[1])));
    return keys.size === 0 ? [1] : [...keys].toSorted((a, b) => a - b);
  }

  return {
    adapter: 'pgbackrest',
    location: `stanza ${options.stanza} of ${options.configFile}`,
    secondLocation: null,
    capabilities: { pointInTime: true, partial: true, restoresTo: 'folder', isDatabase: true },
    async prepare() {
      const stanza = await info();
      // 1: no such stanza yet.
      if (stanza === null || stanza.status.code === 1) await run(commands.createStanza(place));
      await run(commands.check(place), 'ARCHIVER_FAILING');
    },
    async take({ kind, reason }) {
      const before = new Set((await records()).map(({ id }) => id));
      // Each repository is backed up on its own; the log goes to all of them by itself.
      for (const repo of await repositories()) await run(commands.backup(place, kind, repo));
      const made = (await records()).findLast(({ id }) => !before.has(id));
      if (made === undefined)
        throw new OutsideError('BACKUP_FAILED', 'pgbackrest made a backup that it does not list', 'See `pgbackrest info`.');
      return { ...made, reason };
    },
    async catalog(): Promise<Catalog> {
      const stanza = await info();
      const backups = (stanza?.backup ?? []).map(recordOf).toSorted((a, b) => a.endedAt - b.endedAt);
      const newest = newestArchived(stanza);
      // When it was archived says nothing of when it was written.
      const beat =
        newest === null
          ? null
          : await options
              .url()
              .then((url) => lastBeatWithin(url, newest))
              .catch(() => null);
      const [oldest] = backups;
      const to = beat ?? backups.at(-1)?.endedAt ?? 0;
      return { backups, window: oldest === undefined ? null : { from: oldest.endedAt, to: Math.max(oldest.endedAt, to) }, uncopied: [] };
    },
    async verify(id) {
      const known = (await records()).find((record) => record.id === id);
      if (known === undefined)
        throw new UserError(
          'BACKUP_UNKNOWN',
          `there is no backup ${id} in stanza ${place.stanza}`,
          '`sluice backup list` shows what there is.',
        );
      try {
        return defectsOf(await run(commands.verify(place)));
      } catch (error) {
        return [findingOf(error)];
      }
    },
    restore: (request) => restore(request),
    async expire({ expire }) {
      const known = new Set((await records()).map(({ id }) => id));
      // Its own retention may have been quicker.
      for (const id of expire) if (known.has(id)) await run(commands.expire(place, id));
    },
    // `check` begins a new segment, and waits until the one before has come to every repository.
    ship: async (_signal, all = false) => {
      if (all) await run(commands.check(place), 'ARCHIVER_FAILING');
    },
    archiver: async () => withClient(await options.url(), readArchiver),
  };

  async function restore(request: RestoreRequest): Promise<Restored> {
    const timings: { part: string; ms: number }[] = [];
    const time = timed(timings);
    const all = await records();
    const base = request.backup === null ? baseFor(all, request.to) : (all.find(({ id }) => id === request.backup) ?? null);
    if (base === null)
      throw new UserError('BACKUP_UNKNOWN', `there is no backup of ${source} that fits`, '`sluice backup list` shows what there is.');
    if (request.fromCopy === true) throw noCopy(source);
    await emptyFolder(request.into, programs, base.bytes);
    const data = join(request.into, 'data');
    const remove = () => rm(request.into, { recursive: true, force: true });
    try {
      // The folder must be there before pgBackRest writes into it.
      await emptyFolder(data, programs);
      await time('files', () => run(commands.restore(place, { data, set: base.id, to: request.to }), 'RESTORE_FAILED'));
      const major = Number((await readFile(join(data, 'PG_VERSION'), 'utf8')).trim());
      const superuser = await superuserOf(options);
      const copy = await time('replay', () =>
        startCopy({ data, major, superuser, walFolder: null, to: request.to, scratch: request.scratch, programs }),
      );
      let isStopped = false;
      const stop = async () => {
        if (isStopped) return;
        isStopped = true;
        await copy.stop();
        if (!request.scratch) await releaseCopy(data, programs);
      };
      return {
        backup: base.id,
        location: data,
        url: copy.url,
        timings,
        stop,
        async checkPages(signal) {
          await stop();
          return checkPagesOf(data, signal);
        },
        async destroy() {
          await stop();
          await remove();
        },
      };
    } catch (error) {
      if (request.scratch) await remove();
      throw error;
    }
  }
}

async function superuserOf({ url }: PgbackrestOptions): Promise<string> {
  // The source may be gone: then it is called what it usually is.
  return url()
    .then((at) => withClient(at, (client) => client.query<{ name: string }>('SELECT rolname AS name FROM pg_roles WHERE oid = 10')))
    .then(({ rows }) => rows[0]?.name ?? 'postgres')
    .catch(() => 'postgres');
}

function recordOf(backup: Stanza['backup'][number]): BackupRecord {
  const { label, type, reference, timestamp, lsn, archive, info } = backup;
  return {
    id: label,
    kind: type,
    needs: reference ?? [],
    startedAt: timestamp.start * 1000,
    endedAt: timestamp.stop * 1000,
    wal:
      lsn.start === null || lsn.stop === null
        ? null
        : { timeline: Number.parseInt(archive.start?.slice(0, 8) ?? '1', 16), startLsn: lsn.start, stopLsn: lsn.stop },
    bytes: info.size,
    storedBytes: info.repository.delta,
    digest: null,
    reason: backup.annotation?.['reason'] ?? 'schedule',
    damaged: backup.error === true ? ['see pgbackrest info --set'] : [],
  };
}

/** Defects by their names, out of what `verify` prints. It ends with 0 whatever it finds. */
function defectsOf(output: string): Finding[] {
  const hint = 'See `pgbackrest verify`; use the other repository, or an earlier backup, and take a full backup now.';
  const found = (code: Finding['code'], pattern: RegExp, what: string): Finding[] => {
    const lines = output.split('\n').filter((line) => pattern.test(line));
    return lines.length === 0 ? [] : [{ code, severity: 'fail', message: `${what}: ${said(lines.slice(0, 3).join('; '))}`, hint }];
  };
  return [
    ...found(
      'BACKUP_TAMPERED',
      /(invalid checksum|invalid result|checksum invalid|size invalid).*\.(zst|gz|lz4|bz2)|checksum invalid: [1-9]|invalid checksum .*\/backup\//i,
      'stored files are not what was written',
    ),
    ...found('BACKUP_FILE_MISSING', /missing: [1-9]|file missing/i, 'stored files are missing'),
    ...found('WAL_SEGMENT_MISSING', /missing WAL|gap|WAL segment.*missing/i, 'segments of the log are missing'),
    ...found(
      'WAL_SEGMENT_TAMPERED',
      /invalid.*\/archive\/|archiveId.*invalid checksum: [1-9]/i,
      'segments of the log are not what was archived',
    ),
  ];
}

function said(output: string): string {
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  const errors = lines.filter((line) => /ERROR|WARN/.test(line));
  return (errors.length > 0 ? errors : lines).slice(-3).join('; ').replaceAll(/\s+/g, ' ').slice(0, 600) || 'no output';
}

/** The newest segment of the cluster as it is now: an upgrade begins an archive of its own (`16-2` after `15-1`), whose places mean something else. */
export function newestArchived(stanza: Pick<Stanza, 'archive'> | null): string | null {
  const of = stanza?.archive ?? [];
  const number = ({ id }: { readonly id: string }) => Number(id.slice(id.lastIndexOf('-') + 1));
  const current = Math.max(...of.map(number));
  const own = of.filter((one) => number(one) === current).flatMap(({ max }) => (max === null ? [] : [max]));
  return own.toSorted().at(-1) ?? null;
}
