import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createWorld } from './world.ts';

it('brings an app back whose supervisor and process were both killed, as a reboot does', { timeout: 180_000 }, async () => {
  const world = await createWorld();
  try {
    await world.start();
    expect(await world.outcome(await world.deploy())).toBe('Succeeded');
    const url = await world.edgeUrl();
    const answers = () =>
      fetch(`${url}/accounts`, { signal: AbortSignal.timeout(2_000) }).then(
        (answer) => answer.ok,
        () => false,
      );
    expect(await answers()).toBe(true);
    // Both at once, so that neither starts the other again.
    const victims = world.processes().filter((pid) => /supervisor\.[jt]s|server\.js|worker\.js/.test(commandLine(pid)));
    expect(victims.length).toBeGreaterThan(1);
    for (const pid of victims) process.kill(pid, 'SIGKILL');
    const until = Date.now() + 60_000;
    while (!(await answers())) {
      expect(Date.now(), 'the app did not come back').toBeLessThan(until);
      await sleep(100);
    }
  } finally {
    expect(await world.end(), 'processes left over').toEqual([]);
  }
});

it('leaves nothing behind when it has just begun to bring apps back as everything is ended', { timeout: 180_000 }, async () => {
  const world = await createWorld();
  try {
    await world.start();
    expect(await world.outcome(await world.deploy())).toBe('Succeeded');
    world.down();
    expect(world.processes(), 'after the first time').toEqual([]);
    // Starts a control plane, which finds that nothing runs.
    world.down();
    expect(world.processes(), 'after the second time').toEqual([]);
  } finally {
    expect(await world.end(), 'processes left over').toEqual([]);
  }
});

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
