import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { UNSTOPPED, until, untilHealth, untilHealthy } from '../../test/contracts/platform.ts';
import { pidOf, processesWorld, type ProcessesWorld } from '../../test/worlds/processes.ts';
import type { DeployTarget, Platform } from '../ports/platform.ts';
import type { AppRef } from '../core/app/run.ts';
import { startTimeOf } from '../lib/process-identity.ts';

/** How apps begin, run and end, with real processes. */

let world: ProcessesWorld;
let platform: Platform;
let apps = 0;

beforeAll(async () => {
  world = await processesWorld();
  platform = world.platform({ limits: { backoffMs: 40, backoffMsMax: 500, stableMs: 1_000, settleMs: 300 } });
});
afterAll(() => world?.stop());

function newApp(): AppRef {
  apps += 1;
  return { environment: 'test', app: `life-${apps}` };
}

async function deploy(target: DeployTarget): Promise<void> {
  await platform.ensure(target, UNSTOPPED);
  await untilHealthy(platform, target);
}

async function portOf(ref: AppRef): Promise<number> {
  return (await platform.observe(ref))[0]?.endpoints[0]?.port ?? 0;
}

async function get(ref: AppRef, path: string): Promise<string> {
  return (await fetch(`http://127.0.0.1:${await portOf(ref)}${path}`)).text();
}

async function gone(pid: number): Promise<boolean> {
  return (await startTimeOf(pid)) === null;
}

describe('starting', () => {
  test('a slow app is waited for', async () => {
    const target = world.behaving(newApp(), 'v1', ['slow', '700']);
    await platform.ensure(target, UNSTOPPED);
    expect(await platform.health(target, UNSTOPPED)).toMatchObject({
      state: 'waiting',
      reason: expect.stringContaining('does not listen yet'),
    });
    await untilHealthy(platform, target);
  });

  test('an app runs in its own copy of the artifact, with what it is told and nothing else of our environment', async () => {
    const ref = newApp();
    const target = world.behaving(ref, 'v1', ['good'], { env: { COLOUR: 'blue', TOKEN: { fromEnv: 'MY_TOKEN' }, SLUICE_APP: 'mine' } });
    const strict = world.platform({
      env: { PATH: process.env['PATH'], HOME: '/home/x', LANG: 'C.UTF-8', TZ: 'UTC', MY_TOKEN: 't0ken', LEAK: 'leaked' },
    });
    await strict.ensure(target, UNSTOPPED);
    await untilHealthy(platform, target);
    const env = JSON.parse(await get(ref, '/env')) as Record<string, string>;
    expect(env).toMatchObject({
      COLOUR: 'blue',
      TOKEN: 't0ken',
      HOME: '/home/x',
      LANG: 'C.UTF-8',
      TZ: 'UTC',
      PORT: String(await portOf(ref)),
    });
    expect(env).toMatchObject({ SLUICE_VERSION: 'v1', SLUICE_APP: ref.app, SLUICE_ENVIRONMENT: 'test', SLUICE_INSTANCE: '0' });
    expect(Object.keys(env).filter((name) => !/^(PATH|HOME|LANG|TZ|PORT|PWD|STARTS|COLOUR|TOKEN|SLUICE_.*)$/.test(name))).toEqual([]);
    expect(await get(ref, '/up')).toContain(world.folder(ref, 'v1'));
  });

  test('three instances have a port and a number each; one that dies comes back alone, at its port', async () => {
    const ref = newApp();
    const target = world.behaving(ref, 'v1', ['good'], { instances: 3 });
    await deploy(target);
    const [before] = await platform.observe(ref);
    expect(new Set(before?.endpoints.map(({ port }) => port)).size).toBe(3);
    const [first, second, third] = before?.instances ?? [];
    process.kill(pidOf(second), 'SIGKILL');
    const after = await until(
      () => platform.observe(ref),
      ([seen]) => seen?.instances[1]?.detail?.includes('started again once') === true && seen.instances[1].state === 'running',
    );
    expect(after[0]?.instances).toEqual([
      first,
      expect.objectContaining({ id: '1', detail: expect.stringMatching(/^pid \d+, started again once, last end: signal SIGKILL$/) }),
      third,
    ]);
    expect(after[0]?.endpoints).toEqual(before?.endpoints);
    await untilHealthy(platform, target);
    expect(await world.starts(ref, 'v1')).toBe(4);
  });

  test('a worker has no port, and is healthy once it has stayed up for a while', async () => {
    const ref = newApp();
    const target = { ...world.behaving(ref, 'v1', ['good'], { listens: false }), health: null };
    await platform.ensure(target, UNSTOPPED);
    expect(await platform.health(target, UNSTOPPED)).toMatchObject({ state: 'waiting' });
    await untilHealthy(platform, target);
    expect(await platform.observe(ref)).toMatchObject([{ endpoints: [], instances: [{ state: 'running' }] }]);
  });

  test('it runs from source as well as built', async () => {
    const { SUPERVISOR_ENTRY } = await import('../adapters/platform/processes/start-supervisor.ts');
    const target = world.behaving(newApp(), 'v1', ['good']);
    await world.platform({ supervisorEntry: SUPERVISOR_ENTRY }).ensure(target, UNSTOPPED);
    await untilHealthy(platform, target);
  });
});

describe('crashing', () => {
  test('an app that crashes at once is called failed, with how and its last words, without secrets', async () => {
    const target = world.behaving(newApp(), 'v1', ['crash'], { env: { TOKEN: { fromEnv: 'MY_TOKEN' } } });
    const informed = world.platform({ env: { ...process.env, MY_TOKEN: 'postgres://u:pa55word@db' }, limits: { backoffMs: 40 } });
    await informed.ensure(target, UNSTOPPED);
    const seen = await untilHealth(informed, target, ({ state }) => state !== 'waiting');
    expect(seen).toEqual({
      state: 'failed',
      reason: expect.stringMatching(
        /instance 0 ended \d times in a row: exit code 3, last log line: cannot go on: \*\*\* \(`sluice logs life-\d+ -e test` shows more\)/,
      ),
    });
  });

  test('an app that crashes now and then is started again, ever more slowly', async () => {
    const ref = newApp();
    const target = world.behaving(ref, 'v1', ['crash-later', '150']);
    await platform.ensure(target, UNSTOPPED);
    const [seen] = await until(
      () => platform.observe(ref),
      ([version]) => /started again \d/.test(version?.instances[0]?.detail ?? ''),
    );
    expect(seen?.instances[0]?.detail).toMatch(/last end: exit code 4$/);
    expect(seen?.endpoints).toHaveLength(1);
    await untilHealth(platform, target, ({ state }) => state === 'failed');
  });

  test('a program whose interpreter is missing fails without more tries', async () => {
    const { writeFile } = await import('node:fs/promises');
    await writeFile(`${world.artifact}/odd.sh`, '#!/no/such/interpreter\n', { mode: 0o755 });
    const target = world.behaving(newApp(), 'v1', [], { command: ['./odd.sh'] });
    await platform.ensure(target, UNSTOPPED);
    const seen = await untilHealth(platform, target, ({ state }) => state !== 'waiting');
    expect(seen).toMatchObject({ state: 'failed', reason: expect.stringMatching(/exit code 12[67]/) });
  });

  test.each([[['./nothing-here']], [['no-such-program-anywhere']], [['app.mjs/x']]])('%j is not found, and said so', async (command) => {
    const ref = newApp();
    const refused = platform.ensure(world.behaving(ref, 'v1', [], { command }), UNSTOPPED);
    await expect(refused).rejects.toMatchObject({
      blame: 'user',
      code: 'COMMAND_NOT_FOUND',
      message: expect.stringContaining(command[0] ?? ''),
    });
    expect(await platform.observe(ref)).toEqual([]);
  });

  test('what a crashed leader leaves behind is gone before it is started again', async () => {
    const ref = newApp();
    await deploy(world.behaving(ref, 'v1', ['family', '0']));
    const child = await childOf(ref);
    process.kill((await world.pids(ref, 'v1'))[0] ?? 0, 'SIGKILL');
    await until(
      () => world.starts(ref, 'v1'),
      (starts) => starts === 2,
    );
    expect(await gone(child)).toBe(true);
  });
});

describe('health', () => {
  test('a redirect is not followed and not healthy; silence is no answer', async () => {
    const target = world.behaving(newApp(), 'v1', ['good']);
    await deploy(target);
    const asking = (path: string) => platform.health({ ...target, health: { path, intervalMs: 100, timeoutMs: 300 } }, UNSTOPPED);
    expect(await asking('/redirect')).toMatchObject({ state: 'waiting', reason: expect.stringContaining('status 302') });
    expect(await asking('/nowhere')).toMatchObject({ state: 'waiting', reason: expect.stringContaining('status 404') });
    expect(await asking('/never')).toMatchObject({ state: 'waiting', reason: expect.stringContaining('within 0.3 s') });
  });

  test('one sick instance of several is enough to not be healthy', async () => {
    const ref = newApp();
    const target = world.behaving(ref, 'v1', ['good'], { instances: 2 });
    await deploy(target);
    const [seen] = await platform.observe(ref);
    process.kill(pidOf(seen?.instances[1]), 'SIGSTOP');
    const look = await platform.health({ ...target, health: { path: '/up', intervalMs: 100, timeoutMs: 300 } }, UNSTOPPED);
    expect(look).toMatchObject({ state: 'waiting', reason: expect.stringContaining('instance 1') });
  });
});

describe('ending', () => {
  test('an app that ignores SIGTERM gets its time, and then SIGKILL', async () => {
    const ref = newApp();
    await deploy(world.behaving(ref, 'v1', ['stubborn']));
    const [pid = 0] = await world.pids(ref, 'v1');
    const since = Date.now();
    await platform.retire(ref, 'v1', 400, 1);
    expect(Date.now() - since).toBeGreaterThanOrEqual(400);
    expect(await gone(pid)).toBe(true);
  });

  test('a child that outlives its leader keeps its time to drain, and nothing is left', async () => {
    const ref = newApp();
    await deploy(world.behaving(ref, 'v1', ['family', '500']));
    const child = await childOf(ref);
    const [leader = 0] = await world.pids(ref, 'v1');
    const retiring = platform.retire(ref, 'v1', 10_000, 1);
    await until(() => gone(leader), Boolean);
    expect(await gone(child)).toBe(false);
    const since = Date.now();
    await retiring;
    expect(Date.now() - since).toBeLessThan(8_000);
    expect(await gone(child)).toBe(true);
  });

  test('logs outlive the version, those of the ten newest', async () => {
    const ref = newApp();
    for (let n = 1; n <= 12; n++) {
      const target = { ...world.behaving(ref, `v${n}`, ['crash']), health: null };
      await platform.ensure(target, UNSTOPPED);
      await until(
        () => linesOf(ref, `v${n}`),
        (lines) => lines.length > 0,
      );
      await platform.retire(ref, `v${n}`, 0, 1);
    }
    expect(await platform.observe(ref)).toEqual([]);
    expect(await linesOf(ref, 'v12')).toContain('cannot go on: no token');
    expect(await linesOf(ref, 'v1')).toEqual([]);
    expect(await linesOf(ref, 'v3')).not.toEqual([]);
  });
});

async function childOf(ref: AppRef): Promise<number> {
  const lines = await until(
    () => linesOf(ref, 'v1'),
    (seen) => seen.some((line) => line.startsWith('child ')),
  );
  return Number(lines.find((line) => line.startsWith('child '))?.slice('child '.length));
}

async function linesOf(ref: AppRef, version: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const { line } of platform.logs(ref, { lines: 1_000, follow: false, version })) lines.push(line);
  return lines;
}
