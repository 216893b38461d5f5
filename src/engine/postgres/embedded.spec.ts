import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findEmbedded, startEmbeddedPostgres } from './embedded.ts';

let dir: string;

beforeAll(async () => {
  // Mode 700 and ours: when we are root, PostgreSQL's own user cannot enter it.
  dir = await mkdtemp(join(tmpdir(), 'sluice-embedded-'));
});

afterAll(async () => {
  const found = await findEmbedded(dir);
  if (found !== null) {
    await (await startEmbeddedPostgres(dir)).stop('immediate');
    await rm(join(found.dataDirectory, '..'), { recursive: true, force: true });
  }
  await rm(dir, { recursive: true, force: true });
});

test('two that start at once share one server, which is adopted, revived at its address and stopped', async () => {
  expect(await findEmbedded(dir)).toBeNull();
  const [one, two] = await Promise.all([startEmbeddedPostgres(dir), startEmbeddedPostgres(dir)]);
  expect(one.url).toBe(two.url);
  expect((await stat(join(one.dataDirectory, 'sluice.password'))).mode & 0o777).toBe(0o600);

  await withClient(one.url, async (client) => {
    const settings = await client.query(
      `SELECT name, setting FROM pg_settings WHERE name IN ('data_checksums', 'listen_addresses', 'password_encryption')`,
    );
    expect(Object.fromEntries(settings.rows.map((row: { name: string; setting: string }) => [row.name, row.setting]))).toEqual({
      data_checksums: 'on',
      listen_addresses: '127.0.0.1',
      password_encryption: 'scram-sha-256',
    });
    await client.query('CREATE TABLE kept (x int); INSERT INTO kept VALUES (7)');
  });

  const pid = await postmaster(one.dataDirectory);
  const adopted = await startEmbeddedPostgres(dir);
  expect(adopted.url).toBe(one.url);
  expect(await postmaster(one.dataDirectory)).toBe(pid);

  process.kill(pid, 'SIGQUIT');
  await expect.poll(async () => (await findEmbedded(dir))?.running, { timeout: 10_000 }).toBe(false);
  await one.revive();
  await withClient(one.url, async (client) => {
    expect((await client.query('SELECT x FROM kept')).rows).toEqual([{ x: 7 }]);
  });
  await one.stop();
  expect(await findEmbedded(dir)).toEqual({ dataDirectory: one.dataDirectory, running: false });
}, 60_000);

test('who removes the folder begins anew, wherever the data lay; the server left over is stopped', async () => {
  const workspace = await mkdtemp(join(tmpdir(), 'sluice-embedded-'));
  const home = join(workspace, '.sluice');
  const before = await startEmbeddedPostgres(home);
  await withClient(before.url, async (client) => void (await client.query('CREATE TABLE kept (x int)')));
  const pid = await postmaster(before.dataDirectory);
  await rm(home, { recursive: true });
  const [one, two] = await Promise.all([startEmbeddedPostgres(home), startEmbeddedPostgres(home)]);
  try {
    expect(one.url).toBe(two.url);
    await withClient(one.url, async (client) => {
      expect((await client.query("SELECT to_regclass('kept') AS kept")).rows).toEqual([{ kept: null }]);
    });
    // Where the data lay below the folder, the server notices within a minute by itself.
    if (before.dataDirectory.startsWith(home)) process.kill(pid, 'SIGQUIT');
    await expect.poll(() => isRunning(pid), { timeout: 10_000 }).toBe(false);
  } finally {
    await one.stop('immediate');
    for (const { dataDirectory } of [before, one]) await rm(join(dataDirectory, '..'), { recursive: true, force: true });
    await rm(workspace, { recursive: true, force: true });
  }
}, 60_000);

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function postmaster(data: string): Promise<number> {
  return Number((await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n')[0]);
}

async function withClient(url: string, use: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await use(client);
  } finally {
    await client.end();
  }
}

test.runIf(process.getuid?.() === 0)('a folder that another user has made beforehand is not used', { timeout: 60_000 }, async () => {
  const temporary = await mkdtemp(join(tmpdir(), 'sluice-embedded-'));
  const before = process.env['TMPDIR'];
  process.env['TMPDIR'] = temporary;
  try {
    await chmod(temporary, 0o1777);
    const squatted = join(temporary, 'sluice-postgres');
    await mkdir(squatted, { mode: 0o777 });
    await chown(squatted, 65_534, 65_534);
    const home = join(temporary, 'workspace', '.sluice');
    await mkdir(home, { recursive: true, mode: 0o700 });
    const one = await startEmbeddedPostgres(home);
    try {
      expect(one.dataDirectory.startsWith(`${squatted}/`)).toBe(false);
      expect(await readdir(squatted)).toEqual([]);
    } finally {
      await one.stop('immediate');
    }
    // The note of where it lies leads nowhere else, either.
    await mkdir(join(squatted, 'data'), { mode: 0o777 });
    await writeFile(join(home, 'postgres', 'location'), `${join(squatted, 'data')}\n`);
    await expect(startEmbeddedPostgres(home)).rejects.toMatchObject({ code: 'FOLDER_FOREIGN' });
  } finally {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
    await rm(temporary, { recursive: true, force: true });
  }
});
