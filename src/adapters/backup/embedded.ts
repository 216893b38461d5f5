import { chown, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import pg from 'pg';
import type { ArchiverReading } from '../../core/backup/archiver.ts';
import { OutsideError, UserError } from '../../core/errors.ts';
import type { Backup, BackupStore } from '../../ports/backup.ts';
import { type Collected, type Collector, physicalBackup } from './physical/backup.ts';
import type { Programs } from './physical/programs.ts';
import { withClient } from './physical/scratch.ts';
import { readArchiver, readServer } from './physical/server.ts';
import { spooled } from './physical/wal-store.ts';

export interface EmbeddedBackupOptions {
  readonly source: string;
  /** Connection string of a superuser. */
  url(): Promise<string>;
  /** The cluster's folder, readable for us; null when it is lost and only the store is looked at. */
  readonly data: string | null;
  /** Start the server anew: archiving can only be turned on as it starts. */
  restart(): Promise<void>;
  readonly store: BackupStore;
  readonly second: BackupStore | null;
  readonly programs: Programs;
  /** Longest time that a write waits in an unfinished segment, s (60): bounds what is lost with the disk. */
  readonly archiveTimeoutS?: number;
  readonly archiveMs?: number;
}

/** Backups of a cluster on this machine with SQL and file copies alone: nothing needs to be installed. */
export function embeddedBackup(options: EmbeddedBackupOptions): Backup {
  const { store, second, source, programs } = options;
  return physicalBackup({
    collector: createCollector(options),
    store,
    second,
    source,
    programs,
    ...(options.archiveMs === undefined ? {} : { archiveMs: options.archiveMs }),
  });
}

function createCollector(options: EmbeddedBackupOptions): Collector {
  const data = (): string => {
    if (options.data === null) throw noEmbedded();
    return options.data;
  };
  const spool = options.data === null ? null : join(dirname(options.data), 'wal-spool');
  return {
    adapter: 'embedded',
    spool,
    async prepare() {
      if (spool === null) throw noEmbedded();
      await mkdir(spool, { recursive: true, mode: 0o700 });
      const { owner } = options.programs;
      if (owner !== null) await chown(spool, owner.uid, owner.gid);
      const wanted = settingsFor(spool, options.archiveTimeoutS ?? 60);
      const needsRestart = await withClient(await options.url(), (client) => converge(client, wanted));
      if (needsRestart) await options.restart();
    },
    begin: async (label) => begin({ ...options, data: data() }, label),
    // The server archives by itself; what a backup needs is switched to by pg_backup_stop.
    flush: async (_signal, all) => (all ? withClient(await options.url(), switchSegment) : null),
    async archiver(): Promise<ArchiverReading> {
      const reading = await withClient(await options.url(), readArchiver);
      const { waiting, since } = await spooled(spool ?? '');
      return waiting > 0 && reading.waitingSince === null ? { ...reading, waiting, waitingSince: since } : reading;
    },
  };
}

/**
 * Begin a new segment, so that the one with everything so far in it is archived. Where nothing was written since the last one began,
 * the server begins none, and everything is in the one before.
 * @returns its name
 */
async function switchSegment(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ name: string }>('SELECT pg_walfile_name(pg_switch_wal() - 1) AS name');
  return rows[0]?.name ?? '';
}

/** Seen by PostgreSQL's own user, through a shell. A segment that is there already was archived before a crash. */
function settingsFor(spool: string, timeoutS: number): Record<string, string> {
  const to = `"${spool.replaceAll(/(["$`\\])/g, String.raw`\$1`)}/%f"`;
  const part = `${to.slice(0, -1)}.part"`;
  return {
    archive_mode: 'on',
    archive_command: `cmp -s "%p" ${to} || { cp "%p" ${part} && sync ${part} && mv ${part} ${to}; }`,
    archive_timeout: `${timeoutS}s`,
  };
}

/** @returns whether the server must be started anew */
async function converge(client: pg.Client, wanted: Readonly<Record<string, string>>): Promise<boolean> {
  let needsRestart = false;
  let isChanged = false;
  for (const [name, value] of Object.entries(wanted)) {
    const { rows } = await client.query<{ setting: string }>('SELECT current_setting($1) AS setting', [name]);
    if (sameSetting(name, rows[0]?.setting ?? '', value)) continue;
    await client.query(`ALTER SYSTEM SET ${name} = ${pg.escapeLiteral(value)}`);
    isChanged = true;
    if (name === 'archive_mode') needsRestart = true;
  }
  if (isChanged && !needsRestart) await client.query('SELECT pg_reload_conf()');
  return needsRestart;
}

function sameSetting(name: string, found: string, wanted: string): boolean {
  if (name !== 'archive_timeout') return found === wanted;
  const seconds = (text: string) => (text.endsWith('min') ? 60 : text.endsWith('h') ? 3600 : 1) * Number.parseInt(text, 10);
  return seconds(found) === seconds(wanted);
}

async function begin(options: EmbeddedBackupOptions & { readonly data: string }, label: string): Promise<Collected> {
  const client = new pg.Client({ connectionString: await options.url(), application_name: 'sluice backup', keepAlive: true });
  let lost: Error | null = null;
  client.on('error', (error) => (lost = error));
  await client.connect();
  try {
    await refuseTablespaces(client);
    const server = await readServer(client);
    const started = await client.query<{ lsn: string }>('SELECT pg_backup_start($1, true)::text AS lsn', [label]);
    return {
      data: options.data,
      server,
      startLsn: started.rows[0]?.lsn ?? '0/0',
      async finish() {
        if (lost !== null)
          throw new OutsideError(
            'BACKUP_FAILED',
            `the server went away during the backup: ${String(lost)}`,
            'It is taken again by itself.',
          );
        // The segment that it ends in is waited for by the caller, who can say why it does not come.
        const stopped = await client.query<{ lsn: string; labelfile: string; spcmapfile: string; timeline: number }>(
          'SELECT s.lsn::text, s.labelfile, s.spcmapfile, c.timeline_id AS timeline FROM pg_backup_stop(false) s, pg_control_checkpoint() c',
        );
        const [row] = stopped.rows;
        if (row === undefined) throw new Error('pg_backup_stop said nothing');
        return { stopLsn: row.lsn, timeline: row.timeline, texts: { backup_label: row.labelfile } };
      },
      release: () => client.end().catch(() => {}),
    };
  } catch (error) {
    await client.end().catch(() => {});
    throw rightsOf(error);
  }
}

function noEmbedded(): UserError {
  return new UserError(
    'BACKUP_NO_EMBEDDED',
    'there is no embedded cluster here: the control plane works on a PostgreSQL of yours, or the cluster is lost',
    'Use the adapter pg_basebackup (a role with REPLICATION is enough) or pgbackrest for your own; backups that exist can be restored all the same.',
  );
}

async function refuseTablespaces(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ spcname: string }>(
    "SELECT spcname FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')",
  );
  if (rows.length === 0) return;
  throw new UserError(
    'BACKUP_TABLESPACES',
    `the cluster has tablespaces outside its folder: ${rows.map(({ spcname }) => spcname).join(', ')}`,
    'Use pgBackRest for it, or move what they hold back (ALTER TABLE … SET TABLESPACE pg_default).',
  );
}

function rightsOf(error: unknown): unknown {
  if ((error as { code?: string }).code !== '42501') return error;
  return new UserError(
    'BACKUP_NOT_ALLOWED',
    'the role may not begin a backup',
    'As a superuser: GRANT EXECUTE ON FUNCTION pg_backup_start(text, boolean), pg_backup_stop(boolean) TO <role>; or use the adapter pg_basebackup, for which ALTER ROLE <role> REPLICATION is enough.',
    error,
  );
}
