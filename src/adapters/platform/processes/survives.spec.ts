import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { UNSTOPPED, until, untilHealthy } from '../../../../test/contracts/platform.ts';
import type { MortalControl } from '../../../../test/worlds/mortal-control.ts';
import { pidOf, processesWorld, type ProcessesWorld, supervisorPid } from '../../../../test/worlds/processes.ts';
import type { DeployTarget, Platform } from '../../../ports/platform.ts';
import type { AppRef } from '../../../core/app/run.ts';
import { startTimeOf } from '../../../lib/process-identity.ts';
import type { SupervisorState } from '../../../supervisor/records.ts';

/** What survives the death, at any moment, of every process of ours, and damage to our files. */

let world: ProcessesWorld;
let platform: Platform;
let apps = 0;

beforeAll(async () => {
  world = await processesWorld();
  platform = world.platform({ limits: { backoffMs: 40, backoffMsMax: 500 } });
});
afterAll(() => world?.stop());

function newApp(): AppRef {
  apps += 1;
  return { environment: 'test', app: `survivor-${apps}` };
}

async function deploy(target: DeployTarget): Promise<void> {
  await platform.ensure(target, UNSTOPPED);
  await untilHealthy(platform, target);
}

async function killSupervisor(ref: AppRef): Promise<void> {
  await kill(supervisorPid(world.folder(ref, 'v1')));
}

async function kill(pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL');
  await until(
    () => startTimeOf(pid),
    (startTime) => startTime === null,
  );
}

/** The supervisor that a version's record names, if there is a record yet, has ended. */
async function supervisorGone(folder: string): Promise<void> {
  if (!readdirSync(folder).includes('state.json')) return;
  await until(
    () => startTimeOf(supervisorPid(folder)),
    (startTime) => startTime === null,
  );
}

function readRecord(ref: AppRef): SupervisorState {
  return JSON.parse(readFileSync(join(world.folder(ref, 'v1'), 'state.json'), 'utf8')) as SupervisorState;
}

function writeRecord(ref: AppRef, content: string): void {
  writeFileSync(join(world.folder(ref, 'v1'), 'state.json'), content);
}

/** One start, one process, healthy. */
async function expectOne(ref: AppRef, target: DeployTarget): Promise<void> {
  await untilHealthy(platform, target);
  expect(await world.starts(ref, 'v1')).toBe(1);
  expect(await world.running(ref, 'v1')).toBe(1);
}

describe('the supervisor is killed', () => {
  test('the app goes on; the next one adopts it, and starts it again when it dies', async () => {
    const ref = newApp();
    const target = world.behaving(ref, 'v1', ['good']);
    await deploy(target);
    const before = await platform.observe(ref);
    await killSupervisor(ref);
    expect(await platform.observe(ref)).toEqual(before);
    expect(await platform.health(target, UNSTOPPED)).toMatchObject({ state: 'healthy' });
    await platform.ensure(target, UNSTOPPED);
    expect(await platform.observe(ref)).toEqual(before);
    await expectOne(ref, target);
    process.kill(pidOf(before[0]?.instances[0]), 'SIGKILL');
    await until(
      () => world.starts(ref, 'v1'),
      (starts) => starts === 2,
    );
    await untilHealthy(platform, target);
  });

  test('and the app too: it is seen as down, has no endpoint, and ensure brings it back', async () => {
    const ref = newApp();
    const target = world.behaving(ref, 'v1', ['good']);
    await deploy(target);
    await killSupervisor(ref);
    await kill((await world.pids(ref, 'v1'))[0] ?? 0);
    expect(await platform.observe(ref)).toMatchObject([{ version: 'v1', endpoints: [], instances: [{ state: 'stopped' }] }]);
    expect(await platform.health(target, UNSTOPPED)).toMatchObject({ state: 'failed' });
    await deploy(target);
    expect(await world.running(ref, 'v1')).toBe(1);
  });

  test('retire stops what it left', async () => {
    const ref = newApp();
    await deploy(world.behaving(ref, 'v1', ['good']));
    await killSupervisor(ref);
    await platform.retire(ref, 'v1', 2_000, 1);
    expect(await world.running(ref, 'v1')).toBe(0);
    expect(await platform.observe(ref)).toEqual([]);
  });

  // Lock, port, record, gate and word are the first seven; the eighth is never reached.
  test.each([1, 2, 3, 4, 5, 6, 7])('after its write number %i, and ensure is repeated: one process', async (n) => {
    const ref = newApp();
    const target = world.behaving(ref, 'v1', ['good']);
    const mortal = world.platform({ supervisorEntry: world.mortalSupervisor });
    const folder = world.folder(ref, 'v1');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'die-after'), String(n));
    await mortal
      .ensure(target, UNSTOPPED)
      .catch((error: unknown) => expect(error).toMatchObject({ blame: 'outside', code: 'SUPERVISOR_FAILED' }));
    // It may have said that all is well just before it died; who asks again then, asks too early.
    await supervisorGone(folder);
    await mortal.ensure(target, UNSTOPPED);
    await expectOne(ref, target);
  });
});

describe('a version that has part of the load', () => {
  test('comes back with that part alone when everything of it was killed, and never has the part of another', async () => {
    const ref = newApp();
    const [old, young] = ['v1', 'v2'].map((version) => world.behaving(ref, version, ['good'], { instances: 3, listens: false })) as [
      DeployTarget,
      DeployTarget,
    ];
    // Its start is written down by the app itself, a moment after it was started.
    const runs = async () => {
      await until(
        async () => (await world.starts(ref, 'v1')) + (await world.starts(ref, 'v2')) - started,
        (missing) => missing >= 0,
      );
      return [await world.running(ref, 'v1'), await world.running(ref, 'v2')];
    };
    let started = 4;
    await deploy(old);
    await platform.share?.(old, [1, 2], UNSTOPPED);
    await platform.share?.(young, [0], UNSTOPPED);
    await untilHealthy(platform, young);
    expect(await runs()).toEqual([2, 1]);
    await killSupervisor(ref);
    const alive =
      (await platform.observe(ref))
        .find(({ version }) => version === 'v1')
        ?.instances.flatMap((one) => (one.state === 'running' ? [pidOf(one)] : [])) ?? [];
    expect(alive).toHaveLength(2);
    for (const pid of alive) await kill(pid);
    await deploy(old);
    started += 2;
    expect(await runs()).toEqual([2, 1]);
    await platform.share?.(young, [], UNSTOPPED);
    started += 1;
    await platform.share?.(old, [0, 1, 2], UNSTOPPED);
    await untilHealthy(platform, old);
    expect(await runs()).toEqual([3, 0]);
  });
});

describe('the control plane is killed', () => {
  test.each(['ensure', 'retire'] as const)('after any write of %s, and the call is repeated: the same end', async (call) => {
    const finished = [false];
    for (let n = 1; !finished[0]; n++) {
      const ref = newApp();
      const target = world.behaving(ref, 'v1', ['good']);
      if (call === 'retire') await deploy(target);
      const { dir, artifact, supervisorEntry } = world;
      const order: MortalControl = { call, dir, artifact, supervisorEntry: supervisorEntry.href, target, dieAfter: n };
      finished[0] =
        (await endOf(spawn(process.execPath, [fileURLToPath(world.mortalControl), JSON.stringify(order)], { stdio: 'inherit' }))) === 0;
      if (call === 'ensure') {
        await platform.ensure(target, UNSTOPPED);
        await expectOne(ref, target);
      } else {
        await platform.retire(ref, 'v1', 2_000, 1);
        expect(await platform.observe(ref)).toEqual([]);
        expect(await world.running(ref, 'v1')).toBe(0);
      }
      expect(n).toBeLessThan(30);
    }
  });
});

describe('records', () => {
  test('a recycled pid is neither taken for ours nor killed', async () => {
    const ref = newApp();
    const target = world.behaving(ref, 'v1', ['good']);
    await deploy(target);
    await killSupervisor(ref);
    await kill((await world.pids(ref, 'v1'))[0] ?? 0);
    const stranger = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' });
    try {
      const record = readRecord(ref);
      const forged = { ...record.instances[0], process: { pid: stranger.pid, startTime: record.instances[0]?.process?.startTime } };
      writeRecord(ref, JSON.stringify({ ...record, instances: [forged] }));
      expect(await platform.observe(ref)).toMatchObject([
        { instances: [{ state: 'stopped', detail: expect.not.stringContaining('pid') }] },
      ]);
      await deploy(target);
      expect(await world.starts(ref, 'v1')).toBe(2);
      await killSupervisor(ref);
      await kill((await world.pids(ref, 'v1'))[1] ?? 0);
      writeRecord(ref, JSON.stringify({ ...record, instances: [forged] }));
      await platform.retire(ref, 'v1', 0, 1);
      expect(await startTimeOf(stranger.pid ?? 0)).not.toBeNull();
    } finally {
      stranger.kill('SIGKILL');
    }
  });

  test.each([
    '',
    '{"format":1,"artif',
    '[]',
    '{"format":1,"artifact":"x","supervisor":{},"phase":"running","instances":[{}]}',
    'none at all',
  ])('a record that says %j: what runs is found', async (content) => {
    const ref = newApp();
    const target = world.behaving(ref, 'v1', ['good']);
    await deploy(target);
    const before = await platform.observe(ref);
    await killSupervisor(ref);
    writeRecord(ref, content);
    await platform.ensure(target, UNSTOPPED);
    await expectOne(ref, target);
    expect((await platform.observe(ref))[0]?.endpoints).toEqual(before[0]?.endpoints);
  });

  test('a damaged record is written again by the supervisor that lives', async () => {
    const ref = newApp();
    await deploy(world.behaving(ref, 'v1', ['good']));
    const before = await platform.observe(ref);
    writeRecord(ref, 'rubbish');
    await until(
      () => platform.observe(ref),
      (seen) => JSON.stringify(seen) === JSON.stringify(before),
    );
  });

  test('damaged settings: ensure writes them anew, retire does without', async () => {
    for (const call of ['ensure', 'retire']) {
      const ref = newApp();
      const target = world.behaving(ref, 'v1', ['good']);
      await deploy(target);
      writeFileSync(join(world.folder(ref, 'v1'), 'wanted.json'), '{"format":1,');
      if (call === 'ensure') {
        await platform.ensure(target, UNSTOPPED);
        await expectOne(ref, target);
      } else {
        await killSupervisor(ref);
        await platform.retire(ref, 'v1', 0, 1);
        expect(await world.running(ref, 'v1')).toBe(0);
      }
    }
  });

  test('no file holds a secret, and nobody else may read ours', async () => {
    const ref = newApp();
    const secret = 'once-upon-a-secret';
    const informed = world.platform({ env: { ...process.env, MY_TOKEN: secret } });
    await informed.ensure(world.behaving(ref, 'v1', ['good'], { env: { TOKEN: { fromEnv: 'MY_TOKEN' } } }), UNSTOPPED);
    const files = readdirSync(world.dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    expect(files.length).toBeGreaterThan(5);
    for (const { parentPath, name } of files) {
      const path = join(parentPath, name);
      expect(readFileSync(path, 'utf8'), path).not.toContain(secret);
      if (!path.includes('/files/')) expect(statSync(path).mode & 0o077, path).toBe(0);
    }
    const arguments_ = readFileSync(`/proc/${supervisorPid(world.folder(ref, 'v1'))}/cmdline`, 'utf8');
    expect(arguments_).not.toContain(secret);
  });
});

describe('ports', () => {
  test('one that somebody took while the app was down is left to him', async () => {
    const ref = newApp();
    const target = world.behaving(ref, 'v1', ['good']);
    await deploy(target);
    const port = (await platform.observe(ref))[0]?.endpoints[0]?.port ?? 0;
    await killSupervisor(ref);
    await kill((await world.pids(ref, 'v1'))[0] ?? 0);
    const stranger = await listen(port);
    try {
      await deploy(target);
      expect((await platform.observe(ref))[0]?.endpoints[0]?.port).not.toBe(port);
    } finally {
      stranger.close();
    }
  });

  test('one that somebody took while the app began: the next try has another', async () => {
    const ref = newApp();
    const target = world.behaving(ref, 'v1', ['slow', '600']);
    const ensured = await platform.ensure(target, UNSTOPPED);
    const port = ensured.endpoints[0]?.port ?? 0;
    const stranger = await listen(port);
    try {
      await until(
        () => platform.observe(ref),
        ([seen]) => seen?.endpoints[0]?.port !== port,
      );
      await untilHealthy(platform, target);
    } finally {
      stranger.close();
    }
  });

  test('when there is none, that is said, and it goes on once there is one', async () => {
    const range = { from: 31_990, to: 31_990 };
    const ref = newApp();
    const target = world.behaving(ref, 'v1', ['good']);
    const narrow = world.platform({ limits: { ports: range, backoffMs: 40, backoffMsMax: 200 } });
    const stranger = await listen(range.from);
    try {
      await narrow.ensure(target, UNSTOPPED);
      expect(await narrow.health(target, UNSTOPPED)).toMatchObject({
        reason: expect.stringContaining('no free port between 31990 and 31990'),
      });
    } finally {
      await new Promise((resolve) => stranger.close(resolve));
    }
    await until(
      () => world.starts(ref, 'v1'),
      (starts) => starts === 1,
    );
  });
});

describe('logs', () => {
  test('are rotated by size, and who follows loses nothing and gets nothing twice', async () => {
    const ref = newApp();
    const small = world.platform({ limits: { logBytesMax: 30_000, logFiles: 2 } });
    await small.ensure(world.behaving(ref, 'v1', ['chatty']), UNSTOPPED);
    const numbers: number[] = [];
    const stop = new AbortController();
    const following = (async () => {
      for await (const { line } of small.logs(ref, { lines: 1, follow: true, signal: stop.signal })) {
        const number = /^line (\d+) /.exec(line)?.[1];
        if (number !== undefined) numbers.push(Number(number));
      }
    })();
    const logs = join(world.folder(ref, 'v1'), 'logs');
    const files = (): string[] => readdirSync(logs).filter((name) => name.startsWith('0.log'));
    await until(
      async () => files(),
      (names) => names.includes('0.log.2'),
    );
    await until(
      async () => statSync(join(logs, '0.log.1')).ino,
      (ino) => ino !== statSync(join(logs, '0.log.2')).ino,
    );
    stop.abort();
    await following;
    expect(files().toSorted()).toEqual(['0.log', '0.log.1', '0.log.2']);
    expect(numbers.length).toBeGreaterThan(400);
    const gaps = numbers.slice(1).filter((number, i) => number !== (numbers[i] ?? 0) + 1);
    expect(gaps).toEqual([]);
  });
});

describe('a full disk', () => {
  test('is said so, leaves nothing half-made, and the app starts once there is space', async (context) => {
    const disk = join(world.dir, '..', 'small-disk');
    mkdirSync(disk);
    if (!(await succeeds('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk]))) return context.skip('needs the right to mount');
    try {
      const ref = newApp();
      const small = world.platform({ dir: join(disk, 'platform'), limits: { backoffMs: 40, backoffMsMax: 200 } });
      const target = world.behaving(ref, 'v1', ['good']);
      writeFileSync(join(disk, 'ballast'), Buffer.alloc(1024 * 1024 - 24 * 1024));
      const large = join(world.dir, '..', 'large-artifact');
      mkdirSync(large);
      writeFileSync(join(large, 'blob'), Buffer.alloc(200_000));
      const heavy = world.platform({ dir: join(disk, 'platform'), artifacts: { folder: async () => large } });
      await expect(heavy.ensure(target, UNSTOPPED)).rejects.toMatchObject({ blame: 'outside', code: 'DISK_FULL' });
      expect(readdirSync(join(disk, 'platform'), { recursive: true }).filter((name) => String(name).includes('release'))).toEqual([]);
      writeFileSync(join(disk, 'ballast'), '');
      await small.ensure(target, UNSTOPPED);
      await untilHealthy(small, target);
      await fillUp(disk);
      const [pid = 0] = await world.pids(ref, 'v1');
      await kill(pid);
      await new Promise((resolve) => setTimeout(resolve, 400));
      expect(await world.starts(ref, 'v1')).toBe(1);
      writeFileSync(join(disk, 'ballast'), '');
      writeFileSync(join(disk, 'more-ballast'), '');
      await until(
        () => world.starts(ref, 'v1'),
        (starts) => starts === 2,
      );
      await untilHealthy(small, target);
      await small.retire(ref, 'v1', 0, 1);
    } finally {
      await succeeds('umount', ['-l', disk]);
    }
  });
});

async function fillUp(disk: string): Promise<void> {
  try {
    writeFileSync(join(disk, 'more-ballast'), Buffer.alloc(2 * 1024 * 1024));
  } catch {
    // That is the purpose: what fitted stays.
  }
}

function endOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once('exit', resolve));
}

function succeeds(command: string, args: string[]): Promise<boolean> {
  return new Promise((resolve) => execFile(command, args, (error) => resolve(error === null)));
}

/** Of a killed process the first thread may be gone while others still close its sockets. */
async function listen(port: number): Promise<Server> {
  const seen = await until(
    () => tryListen(port),
    (server) => !(server instanceof Error),
  );
  return seen as Server;
}

function tryListen(port: number): Promise<Server | Error> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', resolve);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}
