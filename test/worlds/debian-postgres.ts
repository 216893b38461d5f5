import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { appendFile, chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { whoRunsPostgres } from '../../src/engine/postgres/identity.ts';
import { freePort } from '../free-port.ts';

const run = promisify(execFile);

const MAJOR = [17, 16, 15, 14].find((major) => existsSync(`/usr/lib/postgresql/${major}/bin/postgres`)) ?? null;

/** Why suites that need Debian's PostgreSQL skip themselves; null when it is there. */
export const noDebianPostgres = MAJOR === null ? 'postgresql is not installed (apt-get install postgresql)' : null;
export const noPgbackrest =
  noDebianPostgres ?? (existsSync('/usr/bin/pgbackrest') ? null : 'pgbackrest is not installed (apt-get install pgbackrest)');

/** A PostgreSQL as users run it: Debian's, with a superuser of its own that we are not. */
export interface DebianPostgres {
  readonly dir: string;
  readonly data: string;
  readonly port: number;
  /** As the superuser. */
  readonly adminUrl: string;
  urlOf(role: string, database: string): string;
  admin(text: string, database?: string): Promise<pg.QueryResult>;
  program(name: string, args: readonly string[]): Promise<string>;
  end(): Promise<void>;
}

export async function debianPostgres(settings: Readonly<Record<string, string>> = {}): Promise<DebianPostgres> {
  const bin = `/usr/lib/postgresql/${MAJOR}/bin`;
  const owner = await whoRunsPostgres();
  const as = owner === null ? {} : { uid: owner.uid, gid: owner.gid };
  const dir = await mkdtemp(join(tmpdir(), 'sluice-debian-'));
  await chmod(dir, 0o755);
  const home = join(dir, 'pg');
  await mkdir(home);
  if (owner !== null) await chown(home, owner.uid, owner.gid);
  const data = join(home, 'data');
  const program = async (name: string, args: readonly string[]) => {
    const path = existsSync(join(bin, name)) ? join(bin, name) : `/usr/bin/${name}`;
    return (await run(path, [...args], { cwd: '/tmp', maxBuffer: 1 << 26, env: { ...process.env, TZ: 'UTC' }, ...as })).stdout;
  };
  await program('initdb', [
    '-D',
    data,
    '-U',
    'root_of_all',
    '--auth=trust',
    '--data-checksums',
    '--no-sync',
    '--locale=C',
    '--encoding=UTF8',
  ]);
  const port = await freePort();
  const lines = { port, listen_addresses: '127.0.0.1', unix_socket_directories: home, fsync: 'off', shared_buffers: '16MB', ...settings };
  await appendFile(
    join(data, 'postgresql.conf'),
    Object.entries(lines)
      .map(([name, value]) => `${name} = '${String(value).replaceAll("'", "''")}'\n`)
      .join(''),
  );
  await program('pg_ctl', ['start', '-D', data, '-w', '-t', '120', '-l', join(home, 'log')]);
  const urlOf = (role: string, database: string) => `postgres://${role}@127.0.0.1:${port}/${database}`;
  const adminUrl = urlOf('root_of_all', 'postgres');
  return {
    dir,
    data,
    port,
    adminUrl,
    urlOf,
    program,
    async admin(text, database = 'postgres') {
      const client = new pg.Client({ connectionString: urlOf('root_of_all', database) });
      await client.connect();
      try {
        return await client.query(text);
      } finally {
        await client.end();
      }
    },
    async end() {
      await program('pg_ctl', ['stop', '-D', data, '-m', 'immediate', '-w']).catch(() => '');
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** A small shop that belongs to the role `shop_owner`, who is nobody special. */
export async function shopOn(server: DebianPostgres, rights = ''): Promise<string> {
  await server.admin(`CREATE ROLE shop_owner LOGIN ${rights}`);
  await server.admin('CREATE DATABASE shop OWNER shop_owner');
  const client = new pg.Client({ connectionString: server.urlOf('shop_owner', 'shop') });
  await client.connect();
  await client.query(`CREATE TABLE event (position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, data jsonb NOT NULL, txid xid8 NOT NULL DEFAULT pg_current_xact_id());
    INSERT INTO event (data) SELECT jsonb_build_object('item', i) FROM generate_series(1, 3000) i`);
  await client.end();
  return server.urlOf('shop_owner', 'shop');
}

/** A configuration for pgBackRest with one repository in a folder; returns its path. */
export async function pgbackrestConfig(server: DebianPostgres, stanza: string): Promise<string> {
  const owner = await whoRunsPostgres();
  const base = join(server.dir, 'backrest');
  const file = join(base, 'pgbackrest.conf');
  for (const path of [base, join(base, 'repo'), join(base, 'lock'), join(base, 'log'), join(base, 'spool')]) {
    await mkdir(path);
    if (owner !== null) await chown(path, owner.uid, owner.gid);
  }
  const text = `[global]\nrepo1-path=${base}/repo\nrepo1-retention-full=30\nrepo1-retention-full-type=time\nlock-path=${base}/lock\nlog-path=${base}/log\nspool-path=${base}/spool\nstart-fast=y\ncompress-type=gz\ncompress-level=1\nprocess-max=2\n\n[${stanza}]\npg1-path=${server.data}\npg1-port=${server.port}\npg1-socket-path=${join(server.dir, 'pg')}\npg1-user=root_of_all\n`;
  await writeFile(file, text, { mode: 0o644 });
  return file;
}
