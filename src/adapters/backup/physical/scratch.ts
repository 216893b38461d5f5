import { appendFile, chown, mkdir, mkdtemp, readFile, readdir, rm, stat, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Timing } from '../../../core/backup/drill.ts';
import { OutsideError, UserError } from '../../../core/errors.ts';
import { writeOwned } from './copy-in.ts';
import type { Programs } from './programs.ts';

/** A restored cluster that runs, reachable through a socket that only its own user (and root) can open. */
export interface RunningCopy {
  readonly url: string;
  readonly startMs: number;
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly data: string;
  readonly major: number;
  readonly superuser: string;
  /** Where segments of the log are laid out; null = it comes by the restore_command that the tool has written. */
  readonly walFolder: string | null;
  /** The moment to stop at, ms; null = the end of the log. */
  readonly to: number | null;
  readonly scratch: boolean;
  readonly programs: Programs;
}

/** Longest time for replaying the log, s. */
const REPLAY_S = 4 * 3600;

/**
 * Recover a copy to its moment and start it, cut off from the world: it archives nothing (or it would push its log into the store of
 * the source), it subscribes to nothing, and it listens on a private socket only.
 * @throws OutsideError RESTORE_FAILED, RESTORE_TARGET_NOT_REACHED
 */
export async function startCopy(options: StartOptions): Promise<RunningCopy> {
  const { data, programs, major } = options;
  const pgCtl = await programs.find('pg_ctl', major);
  if (pgCtl === null) throw noPrograms(major);
  const socket = await mkdtemp(join(tmpdir(), 'sluice-pg-'));
  if (programs.owner !== null) await chown(socket, programs.owner.uid, programs.owner.gid);
  await configure(options, socket);
  const log = join(data, 'sluice-restore.log');
  const from = performance.now();
  const started = await programs.run(pgCtl, ['start', '-D', data, '-l', log, '-w', '-t', String(REPLAY_S), '-o', '-p 5432']);
  if (started.code !== 0) {
    await rm(socket, { recursive: true, force: true });
    throw await whyNot(log, options, started.output);
  }
  const url = `postgres://${encodeURIComponent(options.superuser)}@/postgres?host=${encodeURIComponent(socket)}&port=5432`;
  await untilRecovered(url, options, log).catch(async (error: unknown) => {
    await programs.run(pgCtl, ['stop', '-D', data, '-m', 'immediate', '-w', '-t', '60']);
    await rm(socket, { recursive: true, force: true });
    throw error;
  });
  return {
    url,
    startMs: performance.now() - from,
    async stop() {
      await programs.run(pgCtl, ['stop', '-D', data, '-m', 'fast', '-w', '-t', '300']);
      await rm(socket, { recursive: true, force: true });
    },
  };
}

/** pg_ctl comes back as soon as the log is being replayed; people can work once that is over. */
async function untilRecovered(url: string, options: StartOptions, log: string): Promise<void> {
  const deadline = Date.now() + REPLAY_S * 1000;
  for (let pause = 20; ; pause = Math.min(500, pause * 1.5)) {
    try {
      await withClient(url, (client) => client.query('SELECT 1'));
      return;
    } catch (error) {
      // 57P03: starting up, recovering. Everything else, with the server gone, is its end.
      const isAlive = (await stat(join(options.data, 'postmaster.pid')).catch(() => null)) !== null;
      const isBusy = (error as { code?: string }).code === '57P03';
      if (!isBusy && !isAlive) throw await whyNot(log, options, String(error));
      if (Date.now() > deadline) throw await whyNot(log, options, 'the log was not replayed in time');
    }
    await sleep(pause);
  }
}

function noPrograms(major: number): UserError {
  return new UserError(
    'BACKUP_NO_PROGRAMS',
    `a copy of PostgreSQL ${major} cannot be started: pg_ctl of version ${major} is not installed here`,
    `Install it (Debian: apt-get install postgresql-${major}), or name its folder as \`programs\` in the configuration.`,
  );
}

async function configure({ data, walFolder, to, scratch, programs }: StartOptions, socket: string): Promise<void> {
  const hba = join(data, 'sluice-hba.conf');
  await writeOwned(hba, 'local all all trust\n', programs.owner);
  const settings: Record<string, string> = {
    archive_mode: 'off',
    archive_command: '',
    archive_library: '',
    listen_addresses: '',
    unix_socket_directories: socket,
    unix_socket_permissions: '0700',
    hba_file: hba,
    ident_file: hba,
    ssl: 'off',
    logging_collector: 'off',
    log_min_messages: 'log',
    // Recovery may then differ from the source in its limits.
    hot_standby: 'off',
    primary_conninfo: '',
    synchronous_standby_names: '',
    max_logical_replication_workers: '0',
    shared_preload_libraries: '',
    ...(walFolder === null ? {} : { restore_command: `cp "${walFolder}/%f" "%p"` }),
    recovery_target_action: 'promote',
    ...(to === null ? {} : { recovery_target_time: new Date(to).toISOString().replace('T', ' ').replace('Z', '+00') }),
    ...(scratch ? { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', autovacuum: 'off' } : {}),
  };
  if (Number(await majorOf(data)) < 15) delete settings['archive_library'];
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'`);
  // A Debian cluster keeps its configuration elsewhere.
  if ((await stat(join(data, 'postgresql.conf')).catch(() => null)) === null)
    await writeOwned(join(data, 'postgresql.conf'), '', programs.owner);
  await appendFile(join(data, 'postgresql.auto.conf'), `\n${MARK}\n${lines.join('\n')}\n`);
  if (programs.owner !== null) await chown(join(data, 'postgresql.auto.conf'), programs.owner.uid, programs.owner.gid);
  await writeOwned(join(data, 'recovery.signal'), '', programs.owner);
}

const MARK = '# set by Sluice for the restore';

async function majorOf(data: string): Promise<string> {
  return (await readFile(join(data, 'PG_VERSION'), 'utf8')).trim();
}

/** Take back the settings of the restore: the cluster is to be started by its new owner. */
export async function releaseCopy(data: string, programs: Programs): Promise<void> {
  const path = join(data, 'postgresql.auto.conf');
  const [before = ''] = (await readFile(path, 'utf8')).split(`\n${MARK}\n`);
  // Archiving stays off: whether this copy takes the place of the source is for a person to say.
  await writeOwned(
    path,
    `${before}\n# off after a restore: turn it on when this cluster takes the place of the old one\narchive_mode = 'off'\n`,
    programs.owner,
  );
  await rm(join(data, 'sluice-hba.conf'), { force: true });
  await rm(join(data, 'sluice-restore.log'), { force: true });
}

async function whyNot(log: string, { to }: StartOptions, output: string): Promise<OutsideError> {
  const text = await readFile(log, 'utf8').catch(() => '');
  const fatal = text.split('\n').filter((line) => /\b(FATAL|PANIC|ERROR):/.test(line));
  if (to !== null && text.includes('recovery ended before configured recovery target was reached')) {
    return new OutsideError(
      'RESTORE_TARGET_NOT_REACHED',
      `the log ends before ${new Date(to).toISOString()}: nothing was committed after that moment, or it has not been archived`,
      'Restore to an earlier moment, or without --to for the newest there is.',
    );
  }
  return new OutsideError(
    'RESTORE_FAILED',
    `the restored copy did not start: ${fatal.at(-1)?.replace(/^.*?(FATAL|PANIC|ERROR)/, '$1') ?? output}`,
    `Its log: ${log}`,
  );
}

const SPARE_BYTES = 64 << 20;

/**
 * A folder to restore into: new or empty, with room for so many bytes, and open to PostgreSQL's user.
 * @throws UserError RESTORE_INTO_UNUSABLE, RESTORE_NO_SPACE
 */
export async function emptyFolder(folder: string, programs: Programs, bytes = 0): Promise<void> {
  const refuse = (why: string, hint: string) => new UserError('RESTORE_INTO_UNUSABLE', `${folder} ${why}`, hint);
  const found = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw refuse(`cannot be used: ${error.message}`, 'Name a new folder.');
  });
  if (found.length > 0) throw refuse('is not empty, and a restore overwrites nothing', 'Name a new or empty folder.');
  // Folders on the way may be passed through, by PostgreSQL's own user too.
  await mkdir(dirname(folder), { recursive: true, mode: 0o711 });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (programs.owner !== null) await chown(folder, programs.owner.uid, programs.owner.gid);
  // The log that is replayed needs room too; a disk that is full would take the source down with it.
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < bytes * 1.2 + SPARE_BYTES)
    throw new UserError(
      'RESTORE_NO_SPACE',
      `${folder} has ${((bavail * bsize) / 1e9).toFixed(1)} GB free, and the copy takes ${(bytes / 1e9).toFixed(1)} GB and its log`,
      'Name a folder on a larger disk (`--into`; for drills `scratch` in the configuration).',
    );
  if (!(await programs.canEnter(folder)))
    throw refuse('lies in a folder that the user who runs PostgreSQL may not enter', 'Name one below /var/lib or /srv, for example.');
}

/** One question to a running copy or a source. */
export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: 'sluice backup', connectionTimeoutMillis: 10_000 });
  client.on('error', () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

export function timed(timings: Timing[]): <T>(part: string, work: () => Promise<T>) => Promise<T> {
  return async (part, work) => {
    const from = performance.now();
    try {
      return await work();
    } finally {
      timings.push({ part, ms: Math.round(performance.now() - from) });
    }
  };
}
