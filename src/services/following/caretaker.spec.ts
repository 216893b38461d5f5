import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NEW, OLD, requested } from '../../../test/worlds/histories.ts';
import { until } from '../../../test/worlds/visitor.ts';
import { embeddedEdge, type EmbeddedEdge } from '../../adapters/edge/embedded.ts';
import { type Caretaker, startCaretaker } from './caretaker.ts';
import { OutsideError } from '../../core/errors.ts';
import { evolve } from '../../core/release/state/evolve.ts';
import type { Engine, ManifestApp } from '../../engine/face.ts';
import type { Edge } from '../../ports/edge.ts';
import type { Platform } from '../../ports/platform.ts';

/** The caretaker with a real edge and a real app; the record and the platform say what each test wants. */

const KEY = 'production/web';
const ENTRY: ManifestApp = {
  app: 'web',
  platform: 'processes',
  stable: { ...NEW, health: { path: '/up', intervalMs: 100, timeoutMs: 1_000 } },
  fingerprint: 'f',
  weights: { [NEW.id]: 100 },
  release: 'r1',
  since: 0,
  history: [],
  held: [],
};

let dir: string;
let edge: EmbeddedEdge;
let url: string;
let caretaker: Caretaker | null = null;
let fence = 10;
let status = 200;
let warnings: string[] = [];
const servers: Server[] = [];

beforeEach(async () => {
  [status, warnings] = [200, []];
  dir = await mkdtemp(join(tmpdir(), 'sluice-caretaker-'));
  edge = embeddedEdge({ dir, port: 0 });
  url = await edge.ensure();
});
afterEach(async () => {
  await caretaker?.stop();
  await edge.stop();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  await rm(dir, { recursive: true, force: true });
});

async function listening(): Promise<number> {
  const server = createServer((_, response) => {
    response.statusCode = status;
    response.end();
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

interface World {
  port: number;
  entry: ManifestApp;
  busy: boolean;
  runs: boolean;
  rounds: number;
}

/** Starts the caretaker; what it sees of the world may be changed while it looks. */
function care(world: World, seen: Edge = edge): void {
  const release = evolve(null, requested(), 0);
  const engine: Pick<Engine, 'releases' | 'environments' | 'manifest' | 'release' | 'fence'> = {
    async releases() {
      world.rounds += 1;
      return world.busy ? [{ environment: 'production', apps: ['web'] } as never] : [];
    },
    environments: async () => ['production'],
    manifest: async (environment) => ({ environment, apps: { web: world.entry } }),
    release: async (id) => (id === 'r1' ? release : null),
    fence: async () => (fence += 1),
  };
  const version = () => ({
    version: NEW.id,
    artifact: NEW.artifact,
    instances: [{ id: '0', state: 'running' as const, detail: null }],
    endpoints: [{ host: '127.0.0.1', port: world.port }],
  });
  const platform = {
    name: 'processes',
    capabilities: { traffic: 'edge' },
    observe: async () => (world.runs ? [version()] : []),
    async ensure() {
      world.runs = true;
      return version();
    },
  } as unknown as Platform;
  caretaker = startCaretaker({
    engine,
    platform: () => platform,
    servingEdge: async () => seen,
    edge: async () => expect.unreachable(),
    edgeUrl: async () => url,
    warn: (message) => warnings.push(message),
    everyMs: 40,
    askEveryMs: 100,
  });
}

const usersGet = async (): Promise<number> => (await fetch(url, { signal: AbortSignal.timeout(5_000) })).status;
const served = (wanted = 200): Promise<unknown> => until(usersGet, (seen) => seen === wanted);
const world = async (): Promise<World> => ({ port: await listening(), entry: ENTRY, busy: false, runs: true, rounds: 0 });

describe('every round compares record, platform and edge', () => {
  test('an app that the edge does not know is routed as its release said, without any configuration', async () => {
    care(await world());
    await served();
    expect(warnings[0]).toBe('web in production: the edge does not route it; it is routed again');
    expect(caretaker?.troubles().size).toBe(0);
  });

  test('a way that fails once, or many times, is tried again', async () => {
    let failures = 3;
    const flaky: Edge = {
      ...edge,
      apply: async (intent) => {
        failures -= 1;
        if (failures >= 0) throw new OutsideError('EDGE_UNREACHABLE', 'the edge cannot be reached');
        return edge.apply(intent);
      },
    };
    care(await world(), flaky);
    await until(
      async () => [...(caretaker?.troubles().values() ?? [])],
      (troubles) => troubles.includes('could not be mended: the edge cannot be reached'),
    );
    await served();
    await until(
      async () => caretaker?.troubles().size,
      (size) => size === 0,
    );
    expect(warnings.at(-1)).toBe('web in production is as its record says again');
  });

  test('an app that came back at another port is followed', async () => {
    const here = await world();
    care(here);
    await served();
    here.port = await listening();
    const gone = servers.shift();
    gone?.closeAllConnections();
    gone?.close();
    await served();
    expect((await edge.observe(KEY))?.versions).toMatchObject([{ endpoints: [{ port: here.port }] }]);
  });

  test('an app that does not run is started and routed', async () => {
    care({ ...(await world()), runs: false });
    await served();
  });

  test('weights that are not those of the record are put right', async () => {
    const here = await world();
    const versions = [
      { id: OLD.id, weight: 100, endpoints: [{ host: '127.0.0.1', port: 1 }] },
      { id: NEW.id, weight: 0, endpoints: [{ host: '127.0.0.1', port: here.port }] },
    ];
    await edge.apply({ app: KEY, fence: 1, routes: [{ host: null, pathPrefix: '/' }], sticky: { by: 'none' }, versions });
    care(here);
    await served();
  });

  test('a route that the edge has lost while it says that all is well is told to it again', async () => {
    const here = await world();
    const versions = [{ id: NEW.id, weight: 100, endpoints: [{ host: '127.0.0.1', port: here.port }] }];
    await edge.apply({ app: KEY, fence: 1, routes: [{ host: 'other.example', pathPrefix: '/' }], sticky: { by: 'none' }, versions });
    care(here);
    await served();
  });

  test('what it cannot mend is said, once, until it is over', async () => {
    status = 503;
    care(await world());
    const troubles = (): readonly string[] => [...(caretaker?.troubles().values() ?? [])];
    await until(async () => troubles().length, Boolean);
    expect(troubles()).toEqual(['does not serve its users: / is answered with 503']);
    status = 200;
    await until(
      async () => troubles().length,
      (count) => count === 0,
    );
    expect(warnings.filter((line) => line.includes('503'))).toHaveLength(1);
  });

  test('an app without a record of its routes is said to have none', async () => {
    care({ ...(await world()), entry: { ...ENTRY, release: 'r0' } });
    await until(async () => caretaker?.troubles().get(KEY), Boolean);
    expect(caretaker?.troubles().get(KEY)).toBe('has no record of its routes: deploy it again');
  });

  test('an app that a release is at work on is left alone', async () => {
    const here = { ...(await world()), busy: true };
    care(here);
    await until(
      async () => here.rounds,
      (rounds) => rounds > 3,
    );
    expect([await usersGet(), warnings]).toEqual([404, []]);
    here.busy = false;
    await served();
  });
});
