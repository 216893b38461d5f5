import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AppVersion, appVersion } from '../../../../test/worlds/app-version.ts';
import { answered, read, until, type Visitor, visitor } from '../../../../test/worlds/visitor.ts';
import type { EdgeIntent, EdgeVersion } from '../../../core/app/traffic.ts';
import { isAlive } from '../../../lib/process-identity.ts';
import { haproxyBinary } from './binary.ts';
import { type HaproxyEdge, haproxyEdge } from './haproxy.ts';
import { readHolding, say } from './runtime.ts';

const missing = await haproxyBinary().then(
  () => null,
  (error: Error) => error.message,
);

interface Identity {
  readonly pid: number;
  readonly startTime: string;
}

test('without HAProxy it says what to install', async () => {
  const edge = haproxyEdge({ dir: join(tmpdir(), 'sluice-haproxy-none'), port: 0, binary: '/nonexistent/haproxy' });
  await expect(edge.ensure()).rejects.toMatchObject({
    blame: 'user',
    code: 'HAPROXY_MISSING',
    hint: expect.stringContaining('apt-get install haproxy'),
  });
});

describe.skipIf(missing !== null)(`haproxy, its processes${missing === null ? '' : ` (skipped: ${missing})`}`, () => {
  let dir = '';
  let edge: HaproxyEdge;
  let url = '';
  let fence = 0;
  let one: AppVersion;
  let two: AppVersion;

  beforeAll(async () => {
    // A folder with a long name and a blank in it: socket paths have a limit of about a hundred bytes.
    dir = join(await mkdtemp(join(tmpdir(), 'sluice-haproxy-')), `edge of ${'x'.repeat(100)}`);
    edge = haproxyEdge({ dir, port: 0, slots: 2 });
    url = await edge.ensure();
    [one, two] = [await appVersion('v1'), await appVersion('v2')];
  });
  afterAll(async () => {
    await edge?.stop();
    await Promise.all([one?.stop(), two?.stop()]);
    await rm(join(dir, '..'), { recursive: true, force: true });
  });

  const intent = (versions: readonly EdgeVersion[], differences: Partial<EdgeIntent> = {}): EdgeIntent => ({
    app: 'test/web',
    fence: (fence += 1),
    routes: [{ host: 'web.test', pathPrefix: '/' }],
    versions,
    sticky: { by: 'none' },
    ...differences,
  });
  const identity = async (file: string): Promise<Identity> => JSON.parse(await readFile(join(dir, file), 'utf8')) as Identity;
  const death = ({ pid, startTime }: Identity) =>
    until(
      () => isAlive(pid, startTime),
      (alive) => !alive,
    );
  /** The worker that serves users; its relative path keeps the socket's name short. */
  const runtime = (): string => join('/proc', String(keeperPid), 'cwd', 'runtime.sock');
  let keeperPid = 0;
  const worker = async (): Promise<string> => {
    keeperPid = (await identity('keeper.json')).pid;
    return /^Pid: (\d+)$/m.exec(await say(runtime(), 'show info'))?.[1] ?? '';
  };
  const web = (connections?: number): Visitor => visitor(url, 'web.test', connections === undefined ? {} : { connections });

  /** Keep-alive clients at work while something happens. */
  async function underLoad(clients: number, happen: () => Promise<void>): Promise<{ done: number; failed: unknown[] }> {
    let isOver = false;
    let done = 0;
    const failed: unknown[] = [];
    const work = async (index: number): Promise<void> => {
      const client = web(1);
      while (!isOver) {
        const answer = await client.get(index % 4 === 0 ? { method: 'POST', path: '/echo', body: 'hello' } : {}).catch(String);
        done += 1;
        if (typeof answer === 'string' || answer.status !== 200) failed.push(answer);
        // Half of them leave their connection idle now and then: those a reload must not close unseen.
        if (index % 2 === 0) await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
      }
      client.agent.destroy();
    };
    const working = Array.from({ length: clients }, (_, index) => work(index));
    await happen().finally(() => (isOver = true));
    await Promise.all(working);
    return { done, failed };
  }

  test('sockets and state are for their owner alone', async () => {
    expect(((await stat(dir)).mode & 0o777).toString(8)).toBe('700');
    for (const name of await readdir(dir))
      if (/sock$|json$|cfg$/.test(name)) expect([name, ((await stat(join(dir, name))).mode & 0o077).toString(8)]).toEqual([name, '0']);
  });

  test('30 switches under 16 keep-alive clients lose no request and need no reload', async () => {
    await edge.apply(intent([one.at(100), two.at(0)]));
    const before = await worker();
    const { done, failed } = await underLoad(16, async () => {
      for (let i = 1; i <= 30; i += 1) {
        const percent = [0, 10, 50, 100][i % 4] ?? 0;
        await edge.apply(intent([one.at(100 - percent), two.at(percent)]));
      }
    });
    expect(failed.slice(0, 3)).toEqual([]);
    expect(done).toBeGreaterThan(100);
    expect(await worker()).toBe(before);
  });

  test('reloads (a new sticky header, more versions than slots) under 16 keep-alive clients lose no request', async () => {
    await edge.apply(intent([one.at(50), two.at(50)]));
    const before = await worker();
    const workers = new Set([before]);
    const { done, failed } = await underLoad(16, async () => {
      for (let i = 0; i < 3; i += 1) {
        await edge.apply(intent([one.at(50), two.at(50)], { sticky: { by: 'header', header: `X-User-${i}` } }));
        workers.add(await worker());
      }
      await edge.apply(
        intent([one.at(50), two.at(50), { ...one.at(0), id: 'v3' }, { ...one.at(0), id: 'v4' }, { ...one.at(0), id: 'v5' }]),
      );
      workers.add(await worker());
    });
    expect(failed.slice(0, 3)).toEqual([]);
    expect(done).toBeGreaterThan(100);
    expect(workers.size).toBe(5);
    await edge.apply(intent([one.at(100)]));
  }, 30_000);

  test('after a reload an old connection follows the new weights, and what is under way is neither cut nor forgotten', async () => {
    await edge.apply(intent([one.at(100), two.at(0)]));
    const idle = web(1);
    expect((await idle.get()).version).toBe('v1');
    const held = await answered(web().open({ path: '/hold' }));
    const before = await worker();
    await edge.apply(intent([one.at(99), two.at(1)], { sticky: { by: 'header', header: 'X-After' } }));
    expect(await worker()).not.toBe(before);
    await edge.apply(intent([one.at(0), two.at(100)]));
    expect((await edge.observe('test/web'))?.versions.find(({ id }) => id === 'v1')?.inFlight).toBe(1);
    const counted = (await edge.stats('test/web')).versions['v1']?.requests ?? 0;
    expect((await idle.get()).version).toBe('v2');
    one.release();
    expect((await read(held)).text).toBe('halfHALF');
    await until(
      async () => (await edge.observe('test/web'))?.versions.find(({ id }) => id === 'v1')?.inFlight,
      (count) => count === 0,
    );
    await until(
      async () => (await edge.stats('test/web')).versions['v1']?.requests,
      (requests) => requests === counted + 1,
    );
  });

  test('the death of the keeper cuts nothing, and another takes over', async () => {
    await edge.apply(intent([one.at(70), two.at(30)]));
    const [keeper, master, observed, stats] = [
      await identity('keeper.json'),
      await identity('haproxy.json'),
      await edge.observe('test/web'),
      await edge.stats('test/web'),
    ];
    const events = await answered(web().open({ path: '/events' }));
    await once(events, 'data');
    const { failed } = await underLoad(4, async () => {
      process.kill(keeper.pid, 'SIGKILL');
      await death(keeper);
      expect((await web().get()).status).toBe(200);
      expect(await edge.observe('test/web')).toMatchObject({
        fence: observed?.fence,
        versions: observed?.versions.map(({ id, weight, endpoints }) => ({ id, weight, endpoints })),
      });
    });
    expect(failed).toEqual([]);
    expect(await identity('haproxy.json')).toEqual(master);
    one.emit('still here');
    two.emit('still here');
    expect(String((await once(events, 'data'))[0])).toBe('data: still here\n\n');
    events.destroy();
    const after = await edge.stats('test/web');
    expect(after.epoch).not.toBe(stats.epoch);
    await until(
      async () => (await edge.stats('test/web')).epoch,
      (epoch) => epoch === after.epoch,
    );
  });

  test('HAProxy comes back by itself, as it was', async () => {
    await edge.apply(intent([one.at(0), two.at(100)]));
    const master = await identity('haproxy.json');
    process.kill(-master.pid, 'SIGKILL');
    await death(master);
    await until(
      () =>
        web()
          .get()
          .catch(() => null),
      (answer) => answer?.version === 'v2',
    );
  });

  test('the death of the worker alone is survived too', async () => {
    await edge.apply(intent([one.at(100), two.at(0)]));
    const master = await identity('haproxy.json');
    process.kill(Number(await worker()), 'SIGKILL');
    await death(master);
    await until(
      () =>
        web()
          .get()
          .catch(() => null),
      (answer) => answer?.version === 'v1',
    );
    expect(await edge.observe('test/web')).toMatchObject({
      versions: [
        { id: 'v1', weight: 100 },
        { id: 'v2', weight: 0 },
      ],
    });
  });

  test('two adapters share one edge, started only once', async () => {
    await edge.stop();
    const [left, right] = [haproxyEdge({ dir, port: 0, slots: 2 }), haproxyEdge({ dir, port: 0, slots: 2 })];
    const urls = await Promise.all([left.ensure(), right.ensure()]);
    expect(urls).toEqual([url, url]);
    await left.apply(intent([two.at(100)]));
    expect(await right.observe('test/web')).toMatchObject({ fence, versions: [{ id: 'v2', weight: 100 }] });
    await expect(right.apply({ ...intent([one.at(100)]), fence: fence - 2 })).rejects.toMatchObject({ blame: 'fenced' });
    await left.close();
    edge = right;
  });

  test('of many that start it at once none is told that it did not start', async () => {
    for (let round = 0; round < 4; round += 1) {
      await edge.stop();
      const edges = Array.from({ length: 6 }, () => haproxyEdge({ dir, port: 0, slots: 2 }));
      expect(new Set(await Promise.all(edges.map((one) => one.ensure()))).size).toBe(1);
      await Promise.all(edges.slice(1).map((one) => one.close()));
      edge = edges[0] ?? edge;
    }
  });

  test('servers of versions taken out leave HAProxy, those with work under way last', async () => {
    await edge.apply(intent([one.at(100), two.at(0)]));
    const held = await answered(web().open({ path: '/events' }));
    await worker();
    await edge.apply(intent([two.at(100)]));
    const on = async () =>
      [...(await readHolding(runtime())).servers]
        .filter(([name]) => name !== 'relay')
        .flatMap(([, servers]) => [...servers.values()].filter(({ isOn }) => isOn).map(({ port }) => port));
    expect(await on()).toContain(one.endpoint.port);
    held.destroy();
    await until(on, (ports) => ports.length === 1 && ports[0] === two.endpoint.port);
    expect((await web().get()).version).toBe('v2');
  });

  test('a failure that HAProxy does not log is counted, and nothing is sent twice that may not be', async () => {
    const dying = await appVersion('v9');
    await edge.apply(intent([dying.at(100)]));
    const client = web(1);
    expect((await client.get({ method: 'POST', path: '/die-before?first' })).status).toBe(502);
    for (const method of ['POST', 'PATCH', 'DELETE']) {
      await client.get();
      await expect(client.get({ method, path: `/die-before?${method}`, body: 'once' })).rejects.toThrow();
      expect(dying.count(`/die-before?${method}`)).toBe(1);
    }
    const counters = await until(
      async () => (await edge.stats('test/web')).versions['v9'],
      (now) => now?.requests === 7,
    );
    expect(counters?.byClass).toMatchObject({ failed: 4, '2xx': 3 });
    await edge.apply(intent([two.at(100)]));
    await dying.stop();
  });

  test('a taken port is said to be taken', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const other = join(dir, '..', 'taken');
    const late = haproxyEdge({ dir: other, port: (holder.address() as AddressInfo).port });
    await expect(late.ensure()).rejects.toMatchObject({ blame: 'user', code: 'EDGE_PORT_TAKEN' });
    holder.close();
    await late.stop();
  });
});
