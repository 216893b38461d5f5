import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { edgeContract } from '../../../test/contracts/edge.ts';
import { appVersion, type AppVersion } from '../../../test/worlds/app-version.ts';
import { until, visitor } from '../../../test/worlds/visitor.ts';
import { CONTROL_PROTOCOL } from '../../edge/control.ts';
import type { EdgeIntent } from '../../core/app/traffic.ts';
import { isAlive } from '../../lib/process-identity.ts';
import { embeddedEdge, type EmbeddedEdge, type EmbeddedEdgeOptions, PROTOCOL } from './embedded.ts';
import { freePort } from '../../../test/free-port.ts';

interface Running {
  readonly pid: number;
  readonly startTime: string;
  readonly controlPort: number;
  readonly token: string;
  readonly protocol: number;
}

async function running(dir: string): Promise<Running> {
  return JSON.parse(await readFile(join(dir, 'edge.json'), 'utf8')) as Running;
}

async function kill(dir: string): Promise<void> {
  const { pid, startTime } = await running(dir);
  process.kill(pid, 'SIGKILL');
  await until(
    () => isAlive(pid, startTime),
    (alive) => !alive,
  );
}

edgeContract('embedded', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-edge-'));
  const edge = embeddedEdge({ dir, port: 0 });
  return {
    edge,
    url: await edge.ensure(),
    restart: async () => {
      await kill(dir);
      await edge.ensure();
    },
    stop: async () => {
      await edge.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
});

describe('embedded', () => {
  let dir: string;
  let version: AppVersion;
  const started: EmbeddedEdge[] = [];

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sluice-edge-'));
    version = await appVersion('v1');
  });
  afterEach(async () => {
    for (const edge of started.splice(0)) await edge.stop();
    await version.stop();
    await rm(dir, { recursive: true, force: true });
  });

  function edgeOf(options: Partial<EmbeddedEdgeOptions> = {}): EmbeddedEdge {
    const edge = embeddedEdge({ dir, port: 0, ...options });
    started.push(edge);
    return edge;
  }

  /** Edge processes of this test's folder. */
  async function processesOf(): Promise<string[]> {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const lines = await Promise.all(
      pids.map(async (pid) => [pid, await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')] as const),
    );
    return lines.flatMap(([pid, line]) => (line.includes(`--dir\0${dir}\0`) ? [pid] : []));
  }

  function intent(fence = 1, weights: readonly number[] = [100]): EdgeIntent {
    const versions = weights.map((weight, i) => ({ id: `v${i + 1}`, weight, endpoints: [version.endpoint] }));
    return { app: 'test/a', fence, routes: [{ host: null, pathPrefix: '/' }], sticky: { by: 'none' }, versions };
  }

  test('both sides speak the same protocol', () => expect(PROTOCOL).toBe(CONTROL_PROTOCOL));

  test('a running one is adopted, not started again', async () => {
    const url = await edgeOf().ensure();
    const first = await running(dir);
    const other = edgeOf();
    expect(await other.ensure()).toBe(url);
    await other.apply(intent());
    expect(await running(dir)).toEqual(first);
  });

  test('two that are started at once are one', async () => {
    const port = await freePort();
    const urls = await Promise.all([edgeOf({ port }).ensure(), edgeOf({ port }).ensure()]);
    expect(new Set(urls)).toEqual(new Set([`http://127.0.0.1:${port}`]));
    await Promise.all(started.map((edge) => edge.apply(intent())));
    expect(await started[0]?.observe('test/a')).toEqual(await started[1]?.observe('test/a'));
    if (process.platform === 'linux') await until(processesOf, (pids) => pids.length === 1);
    for (const edge of started.splice(0)) await edge.stop();
    if (process.platform === 'linux') expect(await processesOf()).toEqual([]);
  });

  test('it outlives whoever started it', async () => {
    const program = `import { embeddedEdge } from ${JSON.stringify(new URL('./embedded.ts', import.meta.url).href)};
      const edge = embeddedEdge({ dir: process.argv[1], port: 0 });
      await edge.apply(${JSON.stringify(intent())});
      console.log(await edge.ensure());
      setInterval(() => {}, 1000);`;
    const starter = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program, dir], {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    const url = await new Promise<string>((resolve) => starter.stdout.once('data', (line: Buffer) => resolve(line.toString().trim())));
    const gone = new Promise((resolve) => starter.once('exit', resolve));
    // Its whole process group, as a closing terminal would.
    process.kill(-(starter.pid as number), 'SIGKILL');
    await gone;
    expect(await visitor(url, 'a').get()).toMatchObject({ status: 200, version: 'v1' });
    expect(await edgeOf().ensure()).toBe(url);
  });

  test('a call that meets a dead edge brings it back on its old port, with what it was told', async () => {
    const edge = edgeOf();
    const url = await edge.ensure();
    await edge.apply(intent(3));
    await kill(dir);
    expect(await edge.observe('test/a')).toMatchObject({ fence: 3, versions: [{ id: 'v1', weight: 100 }] });
    expect(await edge.ensure()).toBe(url);
    expect((await visitor(url, 'a').get()).version).toBe('v1');
  });

  test('a port that somebody else has is said, with what to do', async () => {
    const stranger = createServer();
    await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
    const { port } = stranger.address() as AddressInfo;
    await expect(edgeOf({ port }).ensure()).rejects.toMatchObject({
      code: 'EDGE_PORT_TAKEN',
      blame: 'user',
      message: expect.stringContaining(String(port)),
    });
    await new Promise((resolve) => stranger.close(resolve));
  });

  test('a process that only has the pid of our edge is neither used nor touched', async () => {
    const stranger = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore', detached: true });
    const pid = stranger.pid as number;
    const record = {
      protocol: PROTOCOL,
      pid,
      startTime: 'another life',
      host: '127.0.0.1',
      port: await freePort(),
      controlPort: 1,
      token: '',
    };
    await writeFile(join(dir, 'edge.json'), JSON.stringify(record));
    const edge = edgeOf();
    await edge.ensure();
    await edge.stop();
    expect(() => process.kill(pid, 0)).not.toThrow();
    stranger.kill('SIGKILL');
  });

  test('an edge of another release is exchanged; what it was told stays', async () => {
    const edge = edgeOf();
    await edge.apply(intent());
    const old = await running(dir);
    await writeFile(join(dir, 'edge.json'), JSON.stringify({ ...old, protocol: 0 }));
    const url = await edge.ensure();
    expect((await running(dir)).pid).not.toBe(old.pid);
    expect(await isAlive(old.pid, old.startTime)).toBe(false);
    expect((await visitor(url, 'a').get()).version).toBe('v1');
  });

  test('only who can read its folder can command it', async () => {
    await edgeOf().apply(intent());
    const { controlPort, token } = await running(dir);
    for (const file of ['edge.json', 'state.json', 'edge.log']) expect((await stat(join(dir, file))).mode & 0o077).toBe(0);
    const call = (authorization: string) =>
      fetch(`http://127.0.0.1:${controlPort}/apps/test%2Fa?fence=9`, { method: 'DELETE', headers: { authorization } });
    for (const wrong of ['', 'Bearer', `Bearer ${token}x`, `Bearer ${token.slice(1)}`]) expect((await call(wrong)).status).toBe(401);
    expect(await started[0]?.observe('test/a')).not.toBeNull();
  });

  test('a damaged state is said and the one before it served', async () => {
    const edge = edgeOf();
    await edge.apply(intent(1));
    await edge.apply(intent(2));
    await kill(dir);
    await writeFile(join(dir, 'state.json'), 'garbage');
    expect(await edge.observe('test/a')).toMatchObject({ fence: 1 });
    expect(await edge.problem()).toContain('damaged');
    expect(await readFile(join(dir, 'edge.log'), 'utf8')).toContain('damaged');
    await edge.apply(intent(2));
    await kill(dir);
    expect(await edge.problem()).toBeNull();
  });

  test('users get the new version from the command on, forty times over', async () => {
    const edge = edgeOf();
    const url = await edge.ensure();
    const user = visitor(url, 'a');
    const two = await appVersion('v2');
    for (let i = 0; i < 40; i += 1) {
      const [from, to] = i % 2 === 0 ? [version, two] : [two, version];
      await edge.apply({ ...intent(), versions: [from.at(100), to.at(0)] });
      await Promise.all([
        edge.apply({ ...intent(), versions: [from.at(0), to.at(100)] }),
        until(
          () => user.get(),
          (answer) => answer.version === to.id,
        ),
      ]);
      // Once it has answered there is no way back: bench/edge.bench.ts says how long that takes.
      expect((await user.get()).version).toBe(to.id);
    }
    await two.stop();
  });
});
