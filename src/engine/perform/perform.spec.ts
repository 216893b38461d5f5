import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ReleaseEvent } from '../../core/release/state/events.ts';
import { type PlannedApp, type SmokeSpec, type VersionRef, versionId } from '../../core/release/plan/plan.ts';
import type { Edge } from '../../ports/edge.ts';
import type { EdgeIntent, Endpoint } from '../../core/app/traffic.ts';
import type { Platform, SettingMistake } from '../../ports/platform.ts';
import type { Weights } from '../../core/app/traffic.ts';
import type { PerformContext } from '../runbook.ts';
import { OutsideError, UserError } from '../../core/errors.ts';
import { performBuild } from './build.ts';
import { performDeploy } from './deploy.ts';
import type { PerformPorts } from './ports.ts';
import { performRetire } from './retire.ts';
import { performShift } from './shift.ts';
import { performSmoke } from './smoke.ts';

const RUN = { command: ['run'], env: {}, instances: 1, listens: true, drainMs: 200 } as const;
const OLD = version('old');
const NEW = version('new');

describe('a smoke test passes only by a clear yes', () => {
  let folder: string;
  let server: Server;
  let endpoint: Endpoint;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-smoke-'));
    server = createServer((request, response) => {
      if (request.url === '/slow') return;
      response.statusCode = Number(request.url?.slice(1) ?? 500);
      response.end(request.url === '/200' ? '' : '{"ok":true}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    endpoint = { host: '127.0.0.1', port: (server.address() as { port: number }).port };
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true, force: true });
  });

  const smoke = (spec: Partial<SmokeSpec>, at: readonly Endpoint[] = [endpoint]): Promise<readonly ReleaseEvent[]> => {
    const app = appOf({ command: null, paths: [], timeoutMs: 2_000, ...spec });
    const world = worldOf({ endpoints: { [NEW.id]: at } });
    const ports = { ...world.ports, artifacts: { folder: () => Promise.resolve(folder) } as unknown as PerformPorts['artifacts'] };
    return performSmoke(ports, { kind: 'smoke', app, version: NEW, key: 'k', lane: 'web', deadline: 0 }, contextOf());
  };
  const node = (script: string): Partial<SmokeSpec> => ({ command: [process.execPath, '-e', script] });

  test.each([
    ['exit 0', node('')],
    ['200', { paths: ['/200'] }],
    ['a redirect', { paths: ['/302'] }],
  ])('%s passes', async (_what, spec) => {
    expect(await smoke(spec)).toMatchObject([{ type: 'SmokePassed' }]);
  });

  test.each([
    ['AR#4393: an exit code', node('process.exit(3)'), /exit code 3/],
    ['AR#521: a signal, as when memory runs out', node('process.kill(process.pid, "SIGKILL")'), /signal SIGKILL/],
    ['AR#4602: a program that cannot be started', { command: ['/nowhere/at-all'] }, /could not be started/],
    ['no end in time', { ...node('setInterval(() => {}, 1000)'), timeoutMs: 300 }, /took longer than 300 ms/],
    ['404', { paths: ['/200', '/404'] }, /answered 404/],
    ['500', { paths: ['/500'] }, /answered 500/],
    ['no answer in time', { paths: ['/slow'], timeoutMs: 200 }, /no answer within 200 ms/],
  ] as const)('%s fails', async (_what, spec, reason) => {
    expect(await smoke(spec)).toMatchObject([{ type: 'SmokeFailed', reason: expect.stringMatching(reason) }]);
  });

  test('an app that answers only to its own name is asked by that name', async () => {
    const strict = createServer((request, response) => {
      response.statusCode = request.headers.host === 'shop.example' ? 200 : 400;
      response.end();
    });
    await new Promise<void>((resolve) => strict.listen(0, '127.0.0.1', resolve));
    const own = { host: '127.0.0.1', port: (strict.address() as { port: number }).port };
    expect(await smoke({ paths: ['/'] }, [own])).toMatchObject([{ type: 'SmokeFailed', reason: expect.stringContaining('answered 400') }]);
    expect(await smoke({ paths: ['/'], host: 'shop.example' }, [own])).toMatchObject([{ type: 'SmokePassed' }]);
    strict.close();
  });

  test('a version without an endpoint, or that refuses connections, fails', async () => {
    expect(await smoke({ paths: ['/200'] }, [])).toMatchObject([{ type: 'SmokeFailed', reason: expect.stringContaining('no endpoint') }]);
    expect(await smoke({ paths: ['/200'] }, [{ host: '127.0.0.1', port: 1 }])).toMatchObject([{ type: 'SmokeFailed' }]);
  });

  test('what it started is gone when its time is up', async () => {
    const child = `require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])`;
    const script = `require('node:fs').writeFileSync('pid', String(${child}.pid)); setInterval(() => {}, 1000)`;
    expect(await smoke({ ...node(script), timeoutMs: 1_500 })).toMatchObject([{ type: 'SmokeFailed' }]);
    const pid = Number(await readFile(join(folder, 'pid'), 'utf8'));
    await expect.poll(() => isThere(pid), { timeout: 10_000 }).toBe(false);
  });
});

describe('what counts is what the data plane does', () => {
  test('AR#701, AR#4841: weights that the data plane does not show are not believed', async () => {
    const world = worldOf({ endpoints: { [OLD.id]: at(1), [NEW.id]: at(2) }, really: () => ({ [OLD.id]: 100, [NEW.id]: 0 }) });
    const weights = { [OLD.id]: 50, [NEW.id]: 50 };
    const shift = performShift(world.ports, { kind: 'shift', app: appOf(), versions: [OLD, NEW], weights, ...NAMED }, contextOf());
    await expect(shift).rejects.toMatchObject({ code: 'WEIGHT_NOT_REACHED' });
  });

  test('AR#4841, AR#4867, AR#4900: a version that still gets traffic is not stopped, whatever was said before', async () => {
    const world = worldOf({ endpoints: { [OLD.id]: at(1), [NEW.id]: at(2) }, really: () => ({ [OLD.id]: 95, [NEW.id]: 5 }) });
    const retire = performRetire(world.ports, { kind: 'retire', app: appOf(), version: NEW, keep: OLD, ...NAMED }, contextOf());
    await expect(retire).rejects.toMatchObject({ code: 'STILL_SERVING' });
    expect(world.retired).toEqual([]);
  });

  test.each([
    ['no edge was ever started', async () => null],
    ["its port is another program's", async () => Promise.reject(new UserError('EDGE_PORT_TAKEN', 'node (pid 1) has the port', null))],
  ])('nothing to un-route is nothing to wait for: %s', async (_what, servingEdge) => {
    const world = worldOf({ endpoints: { [NEW.id]: at(2) } });
    const ports: PerformPorts = { ...world.ports, servingEdge };
    const events = await performRetire(ports, { kind: 'retire', app: appOf(), version: NEW, keep: null, ...NAMED }, contextOf());
    expect(events).toMatchObject([{ type: 'VersionRetired' }]);
    expect(world.retired).toEqual([NEW.id]);
  });

  test('an edge that does not answer may still send users there: then it is tried again', async () => {
    const world = worldOf({ endpoints: { [NEW.id]: at(2) } });
    const ports: PerformPorts = {
      ...world.ports,
      servingEdge: async () => Promise.reject(new OutsideError('EDGE_UNREACHABLE', 'no answer')),
    };
    const retire = performRetire(ports, { kind: 'retire', app: appOf(), version: NEW, keep: null, ...NAMED }, contextOf());
    await expect(retire).rejects.toMatchObject({ code: 'EDGE_UNREACHABLE' });
    expect(world.retired).toEqual([]);
  });

  test('an edge whose port is taken is found before anything is built', async () => {
    const world = worldOf({ endpoints: {} });
    const taken = new UserError('EDGE_PORT_TAKEN', 'node (pid 1) has the port', null);
    const ports: PerformPorts = {
      ...world.ports,
      edge: () => Promise.reject(taken),
      builder: { build: () => expect.unreachable() },
    };
    const build = performBuild(ports, { kind: 'build', app: appOf(), commit: 'c', ...NAMED }, contextOf());
    await expect(build).rejects.toBe(taken);
  });

  test('settings that the platform cannot follow are named before anything is built', async () => {
    const world = worldOf({ endpoints: {}, mistakes: [{ path: ['memory'], message: 'at least 6 MB are needed' }] });
    const ports: PerformPorts = { ...world.ports, builder: { build: () => expect.unreachable() } };
    const build = performBuild(ports, { kind: 'build', app: appOf(), commit: 'c', ...NAMED }, contextOf());
    await expect(build).rejects.toMatchObject({
      code: 'PLATFORM_SETTINGS_INVALID',
      message: expect.stringContaining('run.memory: at least'),
    });
  });

  test('requests under way are waited for, and then the edge is told before the stop', async () => {
    let looks = 0;
    const world = worldOf({
      endpoints: { [OLD.id]: at(1), [NEW.id]: at(2) },
      really: () => ({ [OLD.id]: 0, [NEW.id]: 100 }),
      inFlight: () => (looks++ < 3 ? 1 : 0),
    });
    await performRetire(world.ports, { kind: 'retire', app: appOf(), version: OLD, keep: NEW, ...NAMED }, contextOf());
    expect(looks).toBeGreaterThanOrEqual(4);
    expect(world.retired).toEqual([OLD.id]);
    expect(world.told.at(-1)?.versions.map(({ id }) => id)).toEqual([NEW.id]);
  });

  test('FLY#4886: what an earlier release could not stop is stopped with the old version', async () => {
    const world = worldOf({
      endpoints: { left: at(3), [OLD.id]: at(1), [NEW.id]: at(2) },
      really: () => ({ [OLD.id]: 0, [NEW.id]: 100 }),
    });
    await performRetire(world.ports, { kind: 'retire', app: appOf(), version: OLD, keep: NEW, ...NAMED }, contextOf());
    expect(world.retired).toEqual([OLD.id, 'left']);
  });
});

describe('AR#1774: a stable version that is down does not keep a correction back', () => {
  test('the new version is deployed although there is nothing to put it beside', async () => {
    const world = worldOf({ endpoints: { [NEW.id]: at(2) } });
    const events = await performDeploy(
      world.ports,
      { kind: 'deploy', app: appOf(), version: NEW, weights: { [OLD.id]: 100 }, ...NAMED },
      contextOf(),
    );
    expect(events).toMatchObject([{ type: 'VersionDeployed', version: NEW.id }]);
  });

  test('all traffic can go to it', async () => {
    const world = worldOf({ endpoints: { [NEW.id]: at(2) } });
    const weights = { [OLD.id]: 0, [NEW.id]: 100 };
    await performShift(world.ports, { kind: 'shift', app: appOf(), versions: [OLD, NEW], weights, ...NAMED }, contextOf());
    expect(world.told.at(-1)?.versions).toMatchObject([{ id: NEW.id, weight: 100 }]);
  });

  test('but no share of the traffic is sent to nobody', async () => {
    const world = worldOf({ endpoints: { [NEW.id]: at(2) } });
    const weights = { [OLD.id]: 95, [NEW.id]: 5 };
    const shift = performShift(world.ports, { kind: 'shift', app: appOf(), versions: [OLD, NEW], weights, ...NAMED }, contextOf());
    await expect(shift).rejects.toMatchObject({ code: 'VERSION_GONE' });
    expect(world.told).toEqual([]);
  });

  test('another failure of the edge still counts', async () => {
    const world = worldOf({ endpoints: { [OLD.id]: at(1), [NEW.id]: at(2) }, really: () => ({ [OLD.id]: 0, [NEW.id]: 100 }) });
    const deploy = performDeploy(
      world.ports,
      { kind: 'deploy', app: appOf(), version: NEW, weights: { [OLD.id]: 100 }, ...NAMED },
      contextOf(),
    );
    await expect(deploy).rejects.toMatchObject({ code: 'WEIGHT_NOT_REACHED' });
  });
});

const NAMED = { key: 'k', lane: 'web', deadline: 0 } as const;

interface Given {
  readonly mistakes?: readonly SettingMistake[];
  /** Versions that run, and where. */
  readonly endpoints: Readonly<Record<string, readonly Endpoint[]>>;
  /** What the data plane does, whatever it is told; without it, it does as told. */
  readonly really?: () => Weights;
  readonly inFlight?: () => number;
}

function worldOf({ endpoints, really, inFlight = () => 0, mistakes = [] }: Given) {
  const told: EdgeIntent[] = [];
  const retired: string[] = [];
  const seen = (weights: Weights, intent: EdgeIntent | undefined) => ({
    app: 'production/web',
    fence: 1,
    versions: Object.entries(weights)
      .filter(([id]) => intent === undefined || intent.versions.some((one) => one.id === id))
      .map(([id, weight]) => ({ id, weight, endpoints: endpoints[id] ?? [], inFlight: inFlight() })),
  });
  const edge = {
    apply(intent: EdgeIntent) {
      told.push(intent);
      return Promise.resolve(seen(really?.() ?? Object.fromEntries(intent.versions.map(({ id, weight }) => [id, weight])), intent));
    },
    observe: () => Promise.resolve(seen(really?.() ?? {}, undefined)),
  } as unknown as Edge;
  const platform = {
    name: 'processes',
    capabilities: { traffic: 'edge', artifacts: ['folder'] },
    check: () => mistakes,
    ensure: () => Promise.resolve(),
    observe: () =>
      Promise.resolve(
        Object.entries(endpoints)
          .filter(([id]) => !retired.includes(id))
          .map(([id, at]) => ({ version: id, artifact: '', instances: [], endpoints: at })),
      ),
    retire(_ref: unknown, id: string) {
      retired.push(id);
      return Promise.resolve();
    },
  } as unknown as Platform;
  const ports = {
    platform: () => platform,
    edge: () => Promise.resolve(edge),
    servingEdge: () => Promise.resolve(edge),
    clock: { now: () => Date.now(), sleep: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)) },
    environment: { PATH: process.env['PATH'] },
  } as unknown as PerformPorts;
  return { ports, told, retired };
}

function contextOf(): PerformContext {
  return { release: 'r1', environment: 'production', fence: 1, signal: new AbortController().signal } as unknown as PerformContext;
}

/** A zombie that nobody has reaped yet has ended all the same. */
async function isThere(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  return stat !== null && !/\) [ZX] /.test(stat);
}

function at(port: number): readonly Endpoint[] {
  return [{ host: '127.0.0.1', port }];
}

function version(artifact: string): VersionRef {
  return { id: versionId(artifact, RUN, null), artifact, commit: 'c', run: RUN, health: null };
}

function appOf(smoke: SmokeSpec | null = null): PlannedApp {
  return {
    app: 'web',
    path: 'web',
    platform: 'processes',
    dependsOn: [],
    reason: 'source changed',
    fingerprint: 'f',
    artifact: null,
    stable: OLD,
    build: null,
    run: RUN,
    health: null,
    smoke,
    routes: [{ host: null, pathPrefix: '/' }],
    sticky: { by: 'cookie' },
    strategy: { kind: 'allAtOnce', soakMs: 0 },
    deadlines: { buildMs: 1, healthyMs: 1, smokeMs: 1, progressMs: 1 },
    concurrency: 'queue',
  };
}
