import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { announce, claim, withdraw } from './claim.ts';
import { controlPlanePath, ensureLocal, findLocal, readControlPlane } from './local.ts';
import { isRunning, startTimeOf } from './process.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-claim-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** A process that claims the workspace and says how it went, until its input ends. */
async function claimant(): Promise<{ won: boolean; end: (signal: NodeJS.Signals) => Promise<void> }> {
  const script = `
    const { claim } = await import(${JSON.stringify(new URL('./claim.ts', import.meta.url).href)});
    await claim(${JSON.stringify(dir)}).then(() => process.stdout.write('won\\n'), (error) => process.stdout.write(error.code + '\\n'));
    process.stdin.on('end', () => process.exit(0)).resume();`;
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const said = await new Promise<string>((resolve) => child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString().trim())));
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  if (said !== 'won' && said !== 'CONTROL_PLANE_RUNNING') throw new Error(said);
  return {
    won: said === 'won',
    async end(signal) {
      child.kill(signal);
      await ended;
    },
  };
}

test('of many that claim at once one wins; after its death another one can', { timeout: 60_000 }, async () => {
  for (let round = 0; round < 2; round += 1) {
    const all = await Promise.all([claimant(), claimant(), claimant()]);
    expect(all.filter((one) => one.won)).toHaveLength(1);
    await Promise.all(all.map((one) => one.end('SIGKILL')));
  }
  expect((await readdir(join(dir, '.sluice'))).filter((file) => file.includes('tmp'))).toEqual([]);
});

test('a process is known by more than its number', async () => {
  const mine = await startTimeOf(process.pid);
  expect(mine).not.toBeNull();
  expect(await isRunning(process.pid, mine ?? '')).toBe(true);
  expect(await isRunning(process.pid, 'another time')).toBe(false);
  expect(await startTimeOf(2 ** 22 + 1)).toBeNull();
});

test('what is announced is for this user only, and withdrawn only by who announced it', async () => {
  await claim(dir);
  await announce(dir, { url: 'http://127.0.0.1:1', token: 'secret', version: '0.1.0' });
  const path = controlPlanePath(dir);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readControlPlane(dir)).toMatchObject({ pid: process.pid, token: 'secret' });
  const text = await readFile(path, 'utf8');
  await writeFile(path, text.replace(String(process.pid), '1'));
  await withdraw(dir);
  expect(await readControlPlane(dir)).not.toBeNull();
  await writeFile(path, text);
  await withdraw(dir);
  expect(await readControlPlane(dir)).toBeNull();
});

test('a record of a control plane that is gone, or of another one, is no control plane', async () => {
  expect(await findLocal(dir, '0.1.0')).toBeNull();
  await claim(dir);
  for (const text of [
    '',
    '{',
    '{"url":1}',
    JSON.stringify({ url: 'http://127.0.0.1:1', pid: process.pid, startTime: 'long ago', token: 't', version: '0.1.0' }),
  ]) {
    await writeFile(controlPlanePath(dir), text);
    expect(await findLocal(dir, '0.1.0')).toBeNull();
  }
});

test('what keeps one from starting is told, with the last lines of its log', async () => {
  const say: string[] = [];
  const script = join(dir, 'fails.mjs');
  await writeFile(
    script,
    `process.send({ kind: 'progress', message: 'Starting this' }); process.send({ kind: 'failed', blame: 'user', code: 'CONFIG_INVALID', message: 'wrong', hint: 'fix it' }, () => process.exit(1));`,
  );
  const options = { workspace: dir, version: '0.1.0', env: process.env, say: (message: string) => say.push(message) };
  await expect(ensureLocal({ ...options, self: [process.execPath, script] })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: 'wrong',
    hint: 'fix it',
  });
  expect(say).toEqual(['Starting the control plane of this workspace', 'Starting this']);
  await writeFile(script, `console.error('it is all too much'); process.exit(3);`);
  await expect(ensureLocal({ ...options, self: [process.execPath, script] })).rejects.toMatchObject({
    code: 'CONTROL_PLANE_DIED',
    message: expect.stringMatching(/exit code 3[^]*it is all too much/),
  });
  await writeFile(script, `setInterval(() => {}, 1000); process.on('disconnect', () => process.exit());`);
  await expect(ensureLocal({ ...options, self: [process.execPath, script], startMs: 300 })).rejects.toMatchObject({
    code: 'CONTROL_PLANE_UNRESPONSIVE',
  });
});
