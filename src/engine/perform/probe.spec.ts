import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NEW, OLD, plannedWeb } from '../../../test/worlds/histories.ts';
import { embeddedEdge, type ManagedEdge } from '../../adapters/edge/embedded.ts';
import { haproxyBinary } from '../../adapters/edge/haproxy/binary.ts';
import { haproxyEdge } from '../../adapters/edge/haproxy/haproxy.ts';
import type { ReleaseEvent } from '../../core/release/state/events.ts';
import type { EdgeRoute, Endpoint } from '../../core/app/traffic.ts';
import type { PerformContext } from '../runbook.ts';
import type { PerformPorts } from './ports.ts';
import { performProbe } from './probe.ts';

/** The edge asked as a user would, with a real edge and real versions behind it. */

const hasHaproxy = await haproxyBinary().then(
  () => true,
  () => false,
);
const KINDS: readonly (readonly [string, (dir: string) => ManagedEdge])[] = [
  ['embedded', (dir) => embeddedEdge({ dir, port: 0 })],
  ...(hasHaproxy ? [['haproxy', (dir: string) => haproxyEdge({ dir, port: 0 })] as const] : []),
];
const ROOT: EdgeRoute = { host: null, pathPrefix: '/' };
const HEALTH = { path: '/up', intervalMs: 100, timeoutMs: 400 };

describe.each(KINDS)('asked through the %s edge', (_kind, make) => {
  let dir: string;
  let edge: ManagedEdge;
  let url: string;
  let fence = 1;
  const servers: Server[] = [];

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sluice-probe-'));
    edge = make(dir);
    url = await edge.ensure();
  }, 60_000);
  afterAll(async () => {
    await edge.stop();
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
    await rm(dir, { recursive: true, force: true });
  });

  /** A server that gives this status; 0: none at all. */
  async function serving(status: number): Promise<Endpoint> {
    const server = createServer((request, response) => {
      if (status === 0) return;
      response.statusCode = request.headers.host === 'wrong.example' ? 503 : status;
      response.end('from the app');
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  }

  async function apply(weights: readonly (readonly [string, number, Endpoint])[], routes: readonly EdgeRoute[] = [ROOT]): Promise<void> {
    const versions = weights.map(([id, weight, endpoint]) => ({ id, weight, endpoints: [endpoint] }));
    await edge.apply({ app: 'production/web', fence: (fence += 1), routes, versions, sticky: { by: 'none' } });
  }

  async function probe(
    given: { readonly routes?: readonly EdgeRoute[]; readonly url?: string; readonly forMs?: number; readonly host?: string } = {},
  ): Promise<readonly ReleaseEvent[]> {
    const app = { ...plannedWeb(), routes: given.routes ?? [ROOT] };
    const health = { ...HEALTH, ...(given.host === undefined ? {} : { host: given.host }) };
    const ports = {
      edge: () => Promise.resolve(edge),
      edgeUrl: () => Promise.resolve(given.url ?? url),
      clock: { now: () => Date.now(), sleep: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)) },
    } as unknown as PerformPorts;
    const context = { environment: 'production', signal: new AbortController().signal } as unknown as PerformContext;
    const until = Date.now() + (given.forMs ?? 0);
    return performProbe(ports, { kind: 'probe', app, version: { ...NEW, health }, until, key: 'k', lane: 'web', deadline: 0 }, context);
  }

  const broken = (said: RegExp) => [{ type: 'RoutesBroken', app: 'web', version: NEW.id, reason: expect.stringMatching(said) }];

  test.each([200, 302, 404, 401, 500])('an app that answers %s reaches its users', async (status) => {
    await apply([[NEW.id, 100, await serving(status)]]);
    expect(await probe()).toEqual([
      {
        type: 'RoutesProven',
        app: 'web',
        version: NEW.id,
        routes: [
          { route: '/', pinned: true, status },
          { route: '/', pinned: false, status },
        ],
      },
    ]);
  });

  test.each([502, 503, 504])('an app that answers %s does not', async (status) => {
    await apply([[NEW.id, 100, await serving(status)]]);
    expect(await probe()).toMatchObject(broken(new RegExp(`^/ is answered with ${status}`)));
  });

  test('nor one behind whose endpoint nothing listens, or nothing answers', async () => {
    const gone = await serving(200);
    const server = servers.pop();
    await new Promise((resolve) => server?.close(resolve));
    await apply([[NEW.id, 100, gone]]);
    expect(await probe()).toMatchObject(broken(/^\/ is (answered with 50[23]|not answered within 0.4 s)/));
    await apply([[NEW.id, 100, await serving(0)]]);
    expect(await probe()).toMatchObject(broken(/^\/ is not answered within 0\.4 s/));
  });

  test('with a part of the traffic only the version itself is asked, so that an old one that is down does not count against it', async () => {
    await apply([
      [OLD.id, 95, await serving(503)],
      [NEW.id, 5, await serving(200)],
    ]);
    expect(await probe()).toMatchObject([{ type: 'RoutesProven', routes: [{ pinned: true, status: 200 }] }]);
    await apply([
      [OLD.id, 95, await serving(200)],
      [NEW.id, 5, await serving(503)],
    ]);
    expect(await probe()).toMatchObject(broken(/is answered with 503.* for this version$/));
  });

  test('every route is asked, by its own host and path', async () => {
    const routes = [
      { host: 'right.example', pathPrefix: '/api' },
      { host: 'wrong.example', pathPrefix: '/' },
    ];
    await apply([[NEW.id, 100, await serving(200)]], routes);
    expect(await probe({ routes })).toMatchObject(broken(/^wrong\.example\/ is answered with 503/));
    expect(await probe({ routes: routes.slice(0, 1) })).toMatchObject([{ type: 'RoutesProven' }]);
    expect(await probe({ routes: [{ host: 'other.example', pathPrefix: '/' }] })).toMatchObject(
      broken(/^other\.example\/ is not routed: the edge has no such route/),
    );
  });

  test('a version that the edge does not have is not reached', async () => {
    await apply([[OLD.id, 100, await serving(200)]]);
    expect(await probe()).toMatchObject(broken(/does not reach the version/));
  });

  test('an app that answers only to its own name is asked by it', async () => {
    await apply([[NEW.id, 100, await serving(200)]]);
    expect(await probe({ host: 'wrong.example' })).toMatchObject(broken(/answered with 503/));
    expect(await probe({ host: 'shop.example' })).toMatchObject([{ type: 'RoutesProven' }]);
  });

  test('an answer of another program at the address of the edge is not believed, nor is none', async () => {
    await apply([[NEW.id, 100, await serving(200)]]);
    const { host, port } = await serving(200);
    expect(await probe({ url: `http://${host}:${port}` })).toMatchObject(broken(/is answered with 200, but not by the edge/));
    const server = servers.pop();
    await new Promise((resolve) => server?.close(resolve));
    expect(await probe({ url: `http://${host}:${port}` })).toMatchObject(broken(/nothing listens at/));
  });

  test('it is asked again until its time is over', async () => {
    let answers = 0;
    const server = createServer((_, response) => {
      answers += 1;
      response.statusCode = answers < 4 ? 503 : 200;
      response.end();
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    await apply([[NEW.id, 100, { host: '127.0.0.1', port: (server.address() as AddressInfo).port }]]);
    expect(await probe({ forMs: 30_000 })).toMatchObject([{ type: 'RoutesProven' }]);
  });
});
