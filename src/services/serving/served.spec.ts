import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { memoryEngine } from '../../../test/worlds/memory-engine.ts';
import { OLD } from '../../../test/worlds/histories.ts';
import type { Manifest, ManifestApp } from '../../engine/face.ts';
import { examine } from '../doctor/doctor.ts';
import type { Routing } from './routing-record.ts';
import { servedApps, type ServedParts } from './served.ts';

/** Stands where the edge of the environment listens: answers by path. */
let edge: Server;
let url: string;
beforeEach(async () => {
  edge = createServer((request, response) => {
    const [, status = '', text = 'hello'] = (request.url ?? '').split('/');
    response.writeHead(Number(status || '200')).end(decodeURIComponent(text));
  });
  await new Promise<void>((resolve) => edge.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(edge.address() as AddressInfo).port}`;
});
afterEach(async () => {
  edge.closeAllConnections();
  if (edge.listening) await new Promise((resolve) => edge.close(resolve));
});

const appOf = (app: string, stable: ManifestApp['stable'] = OLD): ManifestApp => ({
  app,
  platform: 'processes',
  stable,
  fingerprint: 'f',
  weights: { [OLD.id]: 100 },
  release: 'r-0001',
  since: 0,
  history: [],
  held: [],
});
const routed = (...paths: readonly string[]): Routing => ({
  routes: paths.map((pathPrefix) => ({ host: null, pathPrefix })),
  sticky: { by: 'none' },
});

function partsOf(apps: Readonly<Record<string, Routing | null>>, differences: Partial<ServedParts> = {}): ServedParts {
  const manifest: Manifest = { environment: 'production', apps: Object.fromEntries(Object.keys(apps).map((app) => [app, appOf(app)])) };
  return {
    engine: { manifest: async () => manifest },
    edges: { url: async () => url },
    routing: async ({ app }) => apps[app] ?? null,
    troubles: () => new Map(),
    ...differences,
  };
}

test('an app is served when every route of it is answered by an app, whatever that says', async () => {
  expect(await servedApps(partsOf({ web: routed('/200/hi', '/404/none', '/500/oops') }), 'production')).toEqual([
    {
      app: 'web',
      routes: [
        { route: '/200/hi', status: 200, trouble: null },
        { route: '/404/none', status: 404, trouble: null },
        { route: '/500/oops', status: 500, trouble: null },
      ],
      trouble: null,
    },
  ]);
});

test.each([
  ['the edge cannot reach it', '/502/x', '/502/x is answered with 502'],
  ['the edge waits for it in vain', '/504/x', '/504/x is answered with 504'],
  ['the edge knows no such route', `/404/${encodeURIComponent('No app is routed here.\n')}`, 'no such route'],
])('an app of which one route is not served is not served: %s', async (_, path, trouble) => {
  const [app] = await servedApps(partsOf({ web: routed('/200/hi', path) }), 'production');
  expect(app?.trouble).toContain(trouble);
});

test('an edge that is gone, none at all, and routes that are not known are said, and never taken for well', async () => {
  const troubleWith = async (
    differences: Partial<ServedParts>,
    routing: Routing | null = routed('/'),
  ): Promise<string | null | undefined> => (await servedApps(partsOf({ web: routing }, differences), 'production'))[0]?.trouble;
  expect(await troubleWith({}, null)).toBe('it is not known how it is routed');
  expect(await troubleWith({ edges: { url: async () => null } })).toBe('not routed: no edge has been started here');
  expect(await troubleWith({ troubles: () => new Map([['production/web', 'it cannot be started: no disk']]) })).toBe(
    'it cannot be started: no disk',
  );
  await new Promise((resolve) => edge.close(resolve));
  expect(await troubleWith({})).toMatch(/^\/ is not served: nothing listens at 127\.0\.0\.1:\d+ \(ECONNREFUSED\)$/);
});

test('an app without routes, and one that has never been released, are no matter of users', async () => {
  const manifest: Manifest = { environment: 'production', apps: { worker: appOf('worker'), next: appOf('next', null) } };
  const parts = partsOf({ worker: routed(), next: routed('/502/x') }, { engine: { manifest: async () => manifest } });
  expect(await servedApps(parts, 'production')).toEqual([]);
});

test('doctor fails for users who are not served, and when nobody could be asked', async () => {
  const engine = Object.assign(memoryEngine(), { environments: async () => ['production', 'staging'] });
  const findings = await examine({
    workspace: import.meta.dirname,
    engine,
    edges: { url: async () => null } as unknown as Parameters<typeof examine>[0]['edges'],
    isEmbedded: false,
    platforms: [],
    served: async (environment) => {
      if (environment === 'staging') throw new Error('the manifest cannot be read');
      return servedApps(partsOf({ web: routed('/200/hi'), api: routed('/502/x') }), environment);
    },
  });
  await engine.close();
  expect(findings.filter(({ name }) => name.startsWith('users of'))).toMatchObject([
    { name: 'users of web in production', status: 'ok', message: '/200/hi answers 200' },
    {
      name: 'users of api in production',
      status: 'fail',
      message: expect.stringContaining('502'),
      hint: expect.stringContaining('sluice logs api'),
    },
    { name: 'users of staging', status: 'fail', message: 'what they get could not be asked: the manifest cannot be read' },
  ]);
});
