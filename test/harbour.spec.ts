import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { testDatabase } from './postgres.ts';

const run = promisify(execFile);
const harbour = join(import.meta.dirname, '../examples/harbour');

describe('harbour, the example workspace', () => {
  it.each(['accounts', 'storefront', 'settler'])('%s passes its own tests', { timeout: 90_000 }, async (app) => {
    const { stdout } = await run(process.execPath, ['--test', '--test-reporter=tap', `${app}/test/`], { cwd: harbour });
    expect(stdout).toMatch(/# fail 0/);
    expect(stdout).not.toMatch(/# pass 0/);
  });

  it.skipIf(!hasPython())('rates passes its own tests (skipped where python3 is not installed)', { timeout: 90_000 }, async () => {
    const { stderr } = await run('python3', ['-B', '-W', 'ignore', '-m', 'unittest'], { cwd: join(harbour, 'rates') });
    expect(stderr).toMatch(/Ran [1-9]\d* tests[\s\S]*OK/);
  });

  it('accounts keeps its events in PostgreSQL where it is given one: two instances, no deposit lost', { timeout: 90_000 }, async () => {
    const database = await testDatabase();
    const instances = await Promise.all([startAccounts(database.url), startAccounts(database.url)]);
    try {
      const deposit = (url: string): Promise<Response> => fetch(`${url}/accounts/ann/deposit`, { method: 'POST', body: '1' });
      await fetch(`${instances[0].url}/accounts/ann/open`, { method: 'POST' });
      const answers = await Promise.all(instances.flatMap(({ url }) => [deposit(url), deposit(url), deposit(url)]));
      const good = answers.filter(({ status }) => status === 200).length;
      expect(good).toBeGreaterThan(0);
      expect(await (await fetch(`${instances[1].url}/accounts/ann`)).json()).toEqual({ open: true, balance: good });
    } finally {
      await Promise.all(instances.map(({ stop }) => stop()));
      await database.drop();
    }
  });
});

async function startAccounts(database: string): Promise<{ url: string; stop(): Promise<void> }> {
  const child: ChildProcess = spawn(process.execPath, ['server.js'], {
    cwd: join(harbour, 'accounts'),
    env: { ...process.env, HARBOUR_DATABASE_URL: database, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  const { stdout } = child;
  if (stdout === null) throw new Error('no output to read');
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: stdout }).once('line', resolve);
    void ended.then(() => reject(new Error('accounts ended as it started')));
  });
  const port = /listening on (\d+)/.exec(line)?.[1];
  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

function hasPython(): boolean {
  try {
    execFileSync('python3', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
