import { chown, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { z } from 'zod';
import type { ArchiverReading } from '../../core/backup/archiver.ts';
import { OutsideError, UserError } from '../../core/errors.ts';
import type { Backup, BackupStore } from '../../ports/backup.ts';
import { type Collected, type Collector, physicalBackup } from './physical/backup.ts';
import type { Programs } from './physical/programs.ts';
import { withClient } from './physical/scratch.ts';
import { requireDirect } from '../../lib/direct-connection.ts';
import { readServer } from './physical/server.ts';
import { spooled } from './physical/wal-store.ts';

export interface BasebackupOptions {
  readonly source: string;
  /** Connection string of a role with REPLICATION; direct, not through a pooler. */
  url(): Promise<string>;
  /** Folder that the log is streamed into, and that a backup is received in. */
  readonly spool: string;
  readonly store: BackupStore;
  readonly second: BackupStore | null;
  readonly programs: Programs;
  readonly archiveMs?: number;
}

/**
 * Backups of any PostgreSQL, near or far, through its replication protocol: pg_basebackup takes the files, pg_receivewal fetches the
 * log. Needs a role with REPLICATION, no superuser, and nothing on the server.
 */
export function basebackup(options: BasebackupOptions): Backup {
  const { source, store, second, programs } = options;
  return physicalBackup({
    collector: createCollector(options),
    store,
    second,
    source,
    programs,
    ...(options.archiveMs === undefined ? {} : { archiveMs: options.archiveMs }),
  });
}

function createCollector(options: BasebackupOptions): Collector {
  const { programs, spool } = options;
  const slot = `sluice_${options.source.replaceAll('-', '_')}`;
  let fetchedAt: number | null = null;
  let failure: string | null = null;

  async function prepare(): Promise<void> {
    const url = await options.url();
    await requireDirect(url, 'sluice backup', 'a cluster cannot be copied through one');
    await mkdir(spool, { recursive: true, mode: 0o711 });
    if (programs.owner !== null) await chown(spool, programs.owner.uid, programs.owner.gid);
    if (!(await programs.canEnter(spool)))
      throw new UserError(
        'RESTORE_INTO_UNUSABLE',
        `${spool} lies in a folder that the user who runs PostgreSQL may not enter`,
        'Name another folder as `scratch` in the configuration.',
      );
    await withClient(url, async (client) => {
      await requireReplication(client);
      await ensureSlot(client, slot);
    });
  }

  /** As far as the server has come now (it ends once it is beyond `endpos`); what is not a whole segment yet stays behind as `.partial`. */
  async function flush(signal: AbortSignal): Promise<null> {
    const url = await options.url();
    const { major, lsn } = await withClient(url, async (client) => {
      const found = await client.query<{ version: number; lsn: string }>(
        "SELECT current_setting('server_version_num')::int AS version, (pg_current_wal_flush_lsn() - 1)::text AS lsn",
      );
      return { major: Math.floor((found.rows[0]?.version ?? 0) / 10_000), lsn: found.rows[0]?.lsn ?? '0/0' };
    });
    signal.throwIfAborted();
    const program = await programOf('pg_receivewal', major, programs);
    const done = await programs.run(
      program,
      ['-D', spool, '-S', slot, '--no-loop', `--endpos=${lsn}`, '-d', withoutPassword(url)],
      passwordOf(url),
    );
    if (done.code !== 0) {
      failure = lastLine(done.output);
      throw new OutsideError(
        'ARCHIVER_FAILING',
        `the log could not be fetched from the server: ${failure}`,
        'See that the server runs, and that pg_hba.conf lets the role in for `replication`; it is tried again every round.',
      );
    }
    failure = null;
    fetchedAt = Date.now();
    return null;
  }

  return {
    adapter: 'pg_basebackup',
    spool,
    prepare,
    flush,
    begin: async (_label, signal) => {
      // The log from before the files on, or there would be a gap between the two.
      await flush(signal);
      return receive(options);
    },
    async archiver(): Promise<ArchiverReading> {
      const { waiting } = await spooled(spool);
      return {
        mode: null,
        failedCount: failure === null ? 0 : 1,
        lastFailedAt: null,
        lastFailedSegment: null,
        lastArchivedAt: fetchedAt,
        waiting,
        waitingSince: fetchedAt,
      };
    },
  };
}

async function receive(options: BasebackupOptions): Promise<Collected> {
  const { programs, spool } = options;
  const url = await options.url();
  const server = await withClient(url, readServer);
  const program = await programOf('pg_basebackup', server.major, programs);
  const folder = await mkdtemp(join(spool, 'receiving-'));
  if (programs.owner !== null) await chown(folder, programs.owner.uid, programs.owner.gid);
  const release = () => rm(folder, { recursive: true, force: true });
  const data = join(folder, 'data');
  const done = await programs.run(
    program,
    ['-D', data, '-Fp', '-X', 'none', '-c', 'fast', '--no-sync', '-d', withoutPassword(url)],
    passwordOf(url),
  );
  if (done.code !== 0) {
    await release();
    throw new OutsideError(
      'BACKUP_FAILED',
      `pg_basebackup: ${lastLine(done.output)}`,
      'It needs a free WAL sender (max_wal_senders), and a line for `replication` in pg_hba.conf.',
    );
  }
  const { range, label } = await manifestOf(data).catch(async (error: unknown) => {
    await release();
    throw error;
  });
  return {
    data,
    server,
    startLsn: range['Start-LSN'],
    finish: async () => ({ stopLsn: range['End-LSN'], timeline: range.Timeline, texts: { backup_label: label } }),
    release,
  };
}

const manifestSchema = z.object({
  'WAL-Ranges': z.array(z.object({ Timeline: z.number(), 'Start-LSN': z.string(), 'End-LSN': z.string() })).min(1),
});

/** What pg_basebackup has written down: which part of the log belongs to the files. */
async function manifestOf(data: string): Promise<{ range: z.output<typeof manifestSchema>['WAL-Ranges'][number]; label: string }> {
  const [manifest, label] = await Promise.all([
    readFile(join(data, 'backup_manifest'), 'utf8'),
    readFile(join(data, 'backup_label'), 'utf8'),
  ]);
  const ranges = manifestSchema.parse(JSON.parse(manifest))['WAL-Ranges'];
  const range = ranges.at(-1);
  if (range === undefined) throw new Error('backup_manifest names no log');
  return { range, label };
}

/** @throws UserError BACKUP_NEEDS_REPLICATION */
async function requireReplication(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ role: string; may: boolean; level: string }>(
    "SELECT rolname AS role, rolreplication OR rolsuper AS may, current_setting('wal_level') AS level FROM pg_roles WHERE rolname = current_user",
  );
  const [row] = rows;
  if (row?.may !== true) {
    throw new UserError(
      'BACKUP_NEEDS_REPLICATION',
      `the role ${row?.role ?? ''} may not copy the cluster: it lacks REPLICATION`,
      `As a superuser: ALTER ROLE ${row?.role ?? ''} REPLICATION; and in pg_hba.conf: host replication ${row?.role ?? ''} <our address> scram-sha-256. A superuser is not needed.`,
    );
  }
  if (row.level === 'minimal')
    throw new UserError(
      'BACKUP_NEEDS_REPLICATION',
      'the server keeps too little log for copies (wal_level is minimal)',
      'Set wal_level = replica in postgresql.conf, and restart the server.',
    );
}

/** Holds the log on the server until it has been fetched. */
async function ensureSlot(client: pg.Client, slot: string): Promise<void> {
  const found = await client.query('SELECT 1 FROM pg_replication_slots WHERE slot_name = $1', [slot]);
  if (found.rowCount !== 0) return;
  try {
    await client.query('SELECT pg_create_physical_replication_slot($1, true)', [slot]);
  } catch (error) {
    if ((error as { code?: string }).code === '42710') return;
    throw new UserError(
      'BACKUP_NEEDS_REPLICATION',
      `the server gives no replication slot: ${(error as Error).message}`,
      'Raise max_replication_slots, or drop slots that nobody uses (pg_replication_slots).',
      error,
    );
  }
}

async function programOf(name: string, major: number, programs: Programs): Promise<string> {
  const found = await programs.find(name, major);
  if (found !== null) return found;
  throw new UserError(
    'BACKUP_NO_PROGRAMS',
    `${name} of PostgreSQL ${major} is not installed here`,
    `Install it (Debian: apt-get install postgresql-client-${major}), or name its folder as \`programs\` in the configuration.`,
  );
}

/** Arguments can be read by everybody on the machine: the password goes by the environment. */
function withoutPassword(url: string): string {
  const parsed = new URL(url);
  parsed.password = '';
  return parsed.href;
}

function passwordOf(url: string): Record<string, string> {
  const { password } = new URL(url);
  return password === '' ? {} : { PGPASSWORD: decodeURIComponent(password) };
}

function lastLine(output: string): string {
  return output.split('\n').findLast((line) => line.trim() !== '') ?? 'no output';
}
