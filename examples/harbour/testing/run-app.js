// Runs a copy of an app with a fault of the test's choice, as a version would be.
import { spawn } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** `use({ url, dir, child, ended })` once the app has said where it listens; a worker has no url. */
export async function withApp(app, { fault = { kind: 'none' }, env = {}, main = 'server.js', program = process.execPath }, use) {
  const dir = await mkdtemp(join(tmpdir(), 'harbour-'));
  await cp(join(import.meta.dirname, '..', app), join(dir, app), { recursive: true });
  await writeFile(join(dir, app, 'fault.json'), JSON.stringify(fault));
  const child = spawn(program, [main], {
    cwd: join(dir, app),
    env: { ...process.env, HARBOUR_DATA: join(dir, 'data'), SLUICE_VERSION: 'v-test', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.on('close', (code, signal) => resolve(signal ?? code)));
  const first = new Promise((resolve) => createInterface({ input: child.stdout }).once('line', resolve));
  try {
    const line = await Promise.race([first, ended.then((how) => `ended with ${how}`)]);
    const port = /listening on (\d+)/.exec(line)?.[1];
    await use({ url: port === undefined ? null : `http://127.0.0.1:${port}`, dir, child, ended, line });
  } finally {
    child.kill('SIGKILL');
    await ended;
    await rm(dir, { recursive: true, force: true });
  }
}
