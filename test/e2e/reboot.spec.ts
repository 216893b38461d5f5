import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { selfCommand } from '../../src/lib/spawn-self.ts';
import { until } from '../worlds/visitor.ts';
import { createWorld, type World } from './world.ts';

const program = selfCommand(new URL('../../src/cli/main.ts', import.meta.url));
const PATIENCE_MS = 90_000;

function sluice(world: World, ...args: readonly string[]): string {
  const [command = process.execPath, ...first] = program;
  return execFileSync(command, [...first, ...args, '-C', world.dir], { encoding: 'utf8', stdio: 'pipe', timeout: 120_000 });
}

async function answers(url: string): Promise<number> {
  return fetch(`${url}/accounts`, { signal: AbortSignal.timeout(2_000) }).then(
    (answer) => answer.status,
    () => 0,
  );
}

/** What a machine that was switched off finds when it is on again: no process of before, and records of another boot. */
async function reboot(world: World): Promise<void> {
  const victims = world.processes();
  expect(victims.length, 'control plane, database, edge, supervisors and apps').toBeGreaterThan(5);
  for (const pid of victims) process.kill(pid, 'SIGKILL');
  await until(
    async () => world.processes().length,
    (left) => left === 0,
    PATIENCE_MS,
  );
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const files = await readdir(join(world.dir, '.sluice'), { recursive: true, withFileTypes: true });
  for (const file of files) {
    if (!file.isFile() || !/\.json$|\.lock|claim/.test(file.name)) continue;
    const path = join(file.parentPath, file.name);
    const text = await readFile(path, 'utf8').catch(() => '');
    if (text.includes(boot)) await writeFile(path, text.replaceAll(boot, '00000000-0000-4000-8000-000000000000'));
  }
}

it(
  'after a reboot the control plane brings back what ran, and routes it, whatever the working tree says',
  { timeout: 400_000 },
  async () => {
    const world = await createWorld();
    try {
      await world.start();
      expect(await world.outcome(await world.deploy())).toBe('Succeeded');
      const url = await world.edgeUrl();
      expect(await answers(url)).toBe(200);
      expect(sluice(world, 'status')).toContain(', serves');

      await reboot(world);
      expect(await answers(url)).toBe(0);
      const config = join(world.dir, 'sluice.config.json');
      const before = await readFile(config, 'utf8');
      await writeFile(config, '{ not readable');
      await world.start();
      await until(
        () => answers(url),
        (status) => status === 200,
        PATIENCE_MS,
      );
      await writeFile(config, before);
      await until(
        async () => sluice(world, 'status'),
        (text) => text.includes(', serves'),
        PATIENCE_MS,
      );
      const { findings } = JSON.parse(sluice(world, 'doctor', '--json')) as {
        findings: { name: string; status: string; message: string }[];
      };
      expect(findings.find(({ name }) => name === 'users of web in production')).toMatchObject({ status: 'ok' });
      const running = await until(
        async () => world.starts('worker'),
        (starts) => Object.values(starts).some((count) => count >= 2),
        PATIENCE_MS,
      );
      expect(Object.keys(running)).toHaveLength(1);
    } finally {
      expect(await world.end(), 'processes left over').toEqual([]);
    }
  },
);

it('a control plane whose folder is deleted ends by itself, and `down --all` ends what it leaves', { timeout: 400_000 }, async () => {
  const world = await createWorld();
  try {
    const pid = await world.start();
    expect(await world.outcome(await world.deploy())).toBe('Succeeded');
    const before = world.processes().length;
    await rm(join(world.dir, '.sluice'), { recursive: true, force: true, maxRetries: 20 });
    await until(
      async () => world.processes().includes(pid),
      (isThere) => !isThere,
      PATIENCE_MS,
    );
    expect(world.processes().length, 'apps and edge go on').toBeGreaterThan(0);
    expect(world.processes().length).toBeLessThan(before);
    expect(sluice(world, 'down', '--all', '--yes')).toMatch(/\d+ processes without a record/);
    expect(world.processes(), 'left over').toEqual([]);
    // And the workspace can be used again.
    expect(sluice(world, 'status')).toContain('Nothing has been released');
  } finally {
    expect(await world.end(), 'processes left over').toEqual([]);
  }
});
