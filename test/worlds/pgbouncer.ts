import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from '../free-port.ts';

const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` };

/** Why suites that need a pooler skip themselves; null when it is there. */
export const noPgbouncer = ((): string | null => {
  try {
    execFileSync('pgbouncer', ['--version'], { stdio: 'ignore', env });
    return null;
  } catch {
    return 'pgbouncer is not installed (apt-get install pgbouncer)';
  }
})();

/** A real pgbouncer before one database. */
export interface Pgbouncer {
  /** The same user and database, through the pooler. */
  readonly url: string;
  end(): Promise<void>;
}

export async function pgbouncer(
  direct: string,
  options: { readonly mode?: 'transaction' | 'session'; readonly poolSize?: number; readonly passes?: readonly string[] } = {},
): Promise<Pgbouncer> {
  const { mode = 'transaction', poolSize = 20, passes = [] } = options;
  const target = new URL(direct);
  const database = target.pathname.slice(1);
  const dir = await mkdtemp(join(tmpdir(), 'sluice-pgbouncer-'));
  await chmod(dir, 0o777);
  const port = await freePort();
  const password = target.password === '' ? '' : ` password=${decodeURIComponent(target.password)}`;
  await writeFile(
    join(dir, 'pgbouncer.ini'),
    `[databases]\n${database} = host=${target.hostname} port=${target.port} dbname=${database} user=${decodeURIComponent(target.username)}${password}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${port}\nunix_socket_dir =\nauth_type = any\npool_mode = ${mode}\ndefault_pool_size = ${poolSize}\nignore_startup_parameters = ${['extra_float_digits', ...passes].join(', ')}\n`,
  );
  const as = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const child = spawn('pgbouncer', [...as, join(dir, 'pgbouncer.ini')], { stdio: 'ignore', env });
  const url = Object.assign(new URL(direct), { host: `127.0.0.1:${port}`, password: '' }).href;
  const world = { url, end: () => end(child, dir) };
  for (const until = Date.now() + 30_000; ; await sleep(50)) {
    if (await answers(url)) return world;
    if (Date.now() > until || child.exitCode !== null) {
      await world.end();
      throw new Error('pgbouncer does not answer');
    }
  }
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('SELECT 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

async function end(child: ChildProcess, dir: string): Promise<void> {
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await gone;
  }
  await rm(dir, { recursive: true, force: true });
}
