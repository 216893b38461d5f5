import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync } from 'node:fs';
import { appendFile, chmod, chown, link, lstat, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { foreign, privateFolder } from '../../lib/own-folder.ts';
import { OutsideError } from '../../core/errors.ts';
import { PART_OF } from '../../core/app/part-of.ts';
import { findBinaries, type Binaries } from './binaries.ts';
import { canEnter, whoRunsPostgres, type RunAs } from './identity.ts';
import { isAlive, run } from './process.ts';

export interface EmbeddedPostgres {
  /** Connection string with the password in it: for `createEngine`, never for a log. */
  readonly url: string;
  readonly dataDirectory: string;
  /** Start it again, at the same address, if it died. Safe to call at any time. */
  revive(): Promise<void>;
  /** Stop the server (`sluice down`). Data stays. */
  stop(mode?: 'fast' | 'immediate'): Promise<void>;
}

export interface EmbeddedOptions {
  /** Lines for postgresql.conf, used when the cluster is made. */
  readonly settings?: Readonly<Record<string, string>>;
}

interface Place {
  readonly data: string;
  readonly spare: string;
  readonly runAs: RunAs;
  readonly binaries: Binaries;
}

const USER = 'sluice';
const DATABASE = 'sluice';
const START_MS = 60_000;
const LOG = 'server.log';
const PASSWORD = 'sluice.password';

/**
 * PostgreSQL below `<dir>/postgres`: made on first use, adopted when it runs already (it outlives the control
 * plane that started it), on loopback only, with a password in a file only its user may read.
 * Several processes may call this at once.
 * @throws UserError `DATABASE_NO_USER`, `DATABASE_NO_BINARIES`; OutsideError `DATABASE_START_FAILED`.
 */
export async function startEmbeddedPostgres(dir: string, options: EmbeddedOptions = {}): Promise<EmbeddedPostgres> {
  const place = await findPlace(resolve(dir));
  if (!(await exists(join(place.data, 'PG_VERSION')))) await makeCluster(place, options.settings ?? {});
  const port = await ensureRunning(place);
  const password = (await readFile(join(place.data, PASSWORD), 'utf8')).trim();
  const url = `postgres://${USER}:${password}@127.0.0.1:${port}/${DATABASE}`;
  await createDatabase(`postgres://${USER}:${password}@127.0.0.1:${port}/postgres`);
  return {
    url,
    dataDirectory: place.data,
    async revive() {
      await ensureRunning(place);
    },
    async stop(mode = 'fast') {
      if ((await running(place.data)) === null) return;
      const stopped = await run(place.binaries.pgCtl, ['stop', '-D', place.data, '-m', mode, '-w', '-t', '60'], place.runAs);
      if (stopped.code !== 0 && (await running(place.data)) !== null) throw failed('could not be stopped', stopped.output);
    },
  };
}

/** Where an embedded cluster is (or would be) for this folder; null when there is none yet. */
export async function findEmbedded(dir: string): Promise<{ readonly dataDirectory: string; readonly running: boolean } | null> {
  const recorded = await readFile(join(resolve(dir), 'postgres', 'location'), 'utf8').catch(() => null);
  const data = recorded?.trim();
  if (data === undefined || !(await exists(join(data, 'PG_VERSION')))) return null;
  return { dataDirectory: data, running: (await running(data)) !== null };
}

/** The cluster's folder must be reachable for the user that runs PostgreSQL; where that is not so, it lies elsewhere and `<dir>` says where. */
async function findPlace(dir: string): Promise<Place> {
  const runAs = await whoRunsPostgres();
  const home = join(dir, 'postgres');
  const note = join(home, 'location');
  await mkdir(home, { recursive: true, mode: 0o711 });
  const recorded = (await readFile(note, 'utf8').catch(() => '')).trim();
  if (recorded !== '') return placed(recorded, runAs);
  const folder = (await canEnter(home, runAs)) ? home : await newFolderOutside(dir, note, runAs);
  const data = await recordOnce(note, join(folder, 'data'));
  if (folder !== home && data !== join(folder, 'data')) await rm(folder, { recursive: true, force: true });
  return placed(data, runAs);
}

/**
 * A new one each time: who has removed the workspace's folder, and with it the note that says where its cluster is, begins anew.
 * A server that is left over from before has nobody any more, and is stopped; its data stays.
 */
async function newFolderOutside(dir: string, note: string, runAs: RunAs): Promise<string> {
  const base = privateBase(dir);
  const name = createHash('sha256').update(dir).digest('hex').slice(0, 16);
  for (const old of await readdir(base)) {
    const data = join(base, old, 'data');
    if (!old.startsWith(name) || (await running(data)) === null) continue;
    // Written before its server starts: then it is that of somebody who is just beginning, too.
    if ((await readFile(note, 'utf8').catch(() => '')).trim() === data) continue;
    const { binaries } = await placed(data, runAs);
    await run(binaries.pgCtl, ['stop', '-D', data, '-m', 'fast', '-w', '-t', '60'], runAs);
  }
  const folder = join(base, `${name}-${randomBytes(4).toString('hex')}`);
  await mkdir(folder, { mode: 0o755 });
  return folder;
}

/** Of several that write the note at once the first one counts; answers what it says. */
async function recordOnce(note: string, data: string): Promise<string> {
  const draft = `${note}.${process.pid}.${randomBytes(3).toString('hex')}`;
  await writeFile(draft, `${data}\n`);
  try {
    await link(draft, note);
    return data;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return (await readFile(note, 'utf8')).trim();
  } finally {
    await rm(draft, { force: true });
  }
}

async function placed(data: string, runAs: RunAs): Promise<Place> {
  const spare = resolve(data, '..');
  privateFolder(spare, 0o755);
  const owner = runAs?.uid ?? process.getuid?.() ?? null;
  const why = (await exists(data)) ? foreign(await lstat(data), owner) : null;
  if (why !== null)
    throw new OutsideError('FOLDER_FOREIGN', `the cluster's folder ${data} ${why}`, 'Remove .sluice/postgres/location to begin a new one.');
  return { data, spare, runAs, binaries: await findBinaries(runAs, spare) };
}

/** A folder that PostgreSQL's own user can pass through, and that nobody but us may have put anything into. */
function privateBase(dir: string): string {
  // Temporary workspaces leave nothing outside the temporary folder.
  if (!dir.startsWith(tmpdir() + sep)) return privateFolder('/var/lib/sluice/postgres', 0o755);
  try {
    return privateFolder(join(tmpdir(), 'sluice-postgres'), 0o755);
  } catch (error) {
    if (!(error instanceof OutsideError)) throw error;
    // Another user made the usual one: they must not be able to keep us from starting, either.
    const own = mkdtempSync(join(tmpdir(), 'sluice-postgres-'));
    chmodSync(own, 0o755);
    return own;
  }
}

/** Made aside and moved into place, so that of two that start at once one wins and none sees half a cluster. */
async function makeCluster(place: Place, settings: Readonly<Record<string, string>>): Promise<void> {
  const draft = `${place.data}.${process.pid}.${randomBytes(3).toString('hex')}`;
  const password = randomBytes(24).toString('base64url');
  const passwordFile = `${draft}.password`;
  await mkdir(draft, { mode: 0o700 });
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  try {
    if (place.runAs !== null) for (const path of [draft, passwordFile]) await chown(path, place.runAs.uid, place.runAs.gid);
    const args = [
      '-D',
      draft,
      '-U',
      USER,
      '--auth=scram-sha-256',
      `--pwfile=${passwordFile}`,
      '--data-checksums',
      '--encoding=UTF8',
      '--locale=C',
    ];
    const made = await run(place.binaries.initdb, args, place.runAs);
    if (made.code !== 0) throw failed('could not be set up', made.output);
    await appendFile(join(draft, 'postgresql.conf'), configuration(settings));
    await rename(passwordFile, join(draft, PASSWORD));
    if (await exists(place.data)) return;
    await rename(draft, place.data).catch(async (error: unknown) => {
      if (!(await exists(join(place.data, 'PG_VERSION')))) throw error;
    });
  } finally {
    await rm(passwordFile, { force: true });
    await rm(draft, { recursive: true, force: true });
  }
}

function configuration(settings: Readonly<Record<string, string>>): string {
  const all = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    shared_buffers: '64MB',
    max_connections: '100',
    max_wal_size: '256MB',
    jit: 'off',
    log_min_messages: 'warning',
    ...settings,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'`);
  return `\n# set by Sluice\n${lines.join('\n')}\n`;
}

/** @returns the port it answers on */
async function ensureRunning(place: Place): Promise<number> {
  const deadline = Date.now() + START_MS;
  const portFile = join(place.spare, 'port');
  for (;;) {
    const server = await running(place.data);
    if (server?.ready === true) {
      await writeFile(portFile, `${server.port}\n`);
      return server.port;
    }
    if (server === null) {
      // The same port as before where it is free: connection strings of running control planes stay right.
      const before = Number((await readFile(portFile, 'utf8').catch(() => '')).trim());
      const port = before > 0 && (await isFree(before)) ? before : await freePort();
      const started = await start(place, port);
      if (started.code !== 0 && Date.now() > deadline) throw failed('did not start', await lastLines(place, started.output));
    }
    if (Date.now() > deadline) throw failed('did not become ready', await lastLines(place, ''));
    if ((await running(place.data))?.ready !== true) await sleep(100);
  }
}

async function start(place: Place, port: number): Promise<{ code: number; output: string }> {
  const log = join(place.spare, LOG);
  if (!(await exists(log))) {
    await (await open(log, 'a', 0o600)).close();
    await chmod(log, 0o600);
  }
  if (place.runAs !== null) await chown(log, place.runAs.uid, place.runAs.gid);
  return run(place.binaries.pgCtl, ['start', '-D', place.data, '-l', log, '-w', '-t', '60', '-o', `-p ${port}`], place.runAs, undefined, {
    [PART_OF]: place.data,
  });
}

/** What postmaster.pid says, if that process lives. */
async function running(data: string): Promise<{ readonly port: number; readonly ready: boolean } | null> {
  const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => null);
  if (text === null) return null;
  const lines = text.split('\n');
  const pid = Number(lines[0]);
  const port = Number(lines[3]);
  if (!(pid > 0) || !isAlive(pid) || !(await isPostgres(pid))) return null;
  return { port, ready: port > 0 && lines[7]?.trim() === 'ready' };
}

/** After a reboot the number in postmaster.pid may belong to something else. */
async function isPostgres(pid: number): Promise<boolean> {
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => null);
  return command === null ? process.platform !== 'linux' : command.includes('postgres');
}

async function createDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
    if (found.rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
  } catch (error) {
    // Another control plane was quicker.
    const { code } = error as { code?: string };
    if (code !== '42P04' && code !== '23505') throw error;
  } finally {
    await client.end();
  }
}

async function lastLines(place: Place, output: string): Promise<string> {
  const log = await readFile(join(place.spare, LOG), 'utf8').catch(() => '');
  return `${output}\n${log.slice(-1_500)}`.trim();
}

function failed(what: string, output: string): OutsideError {
  return new OutsideError(
    'DATABASE_START_FAILED',
    `The embedded PostgreSQL ${what}: ${output}`,
    'Free disk space or memory if the log asks for it, then try again; or set DATABASE_URL to a PostgreSQL server.',
  );
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}

async function isFree(port: number): Promise<boolean> {
  return (await listenOn(port)) !== null;
}

async function freePort(): Promise<number> {
  const port = await listenOn(0);
  if (port === null) throw failed('found no free port on loopback', '');
  return port;
}

function listenOn(port: number): Promise<number | null> {
  return new Promise((resolvePort) => {
    const server = createServer();
    server.on('error', () => resolvePort(null));
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolvePort(address !== null && typeof address === 'object' ? address.port : null));
    });
  });
}
