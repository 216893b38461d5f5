import { expect } from 'vitest';
import { visitor } from '../../worlds/visitor.ts';
import type { EdgeSuite } from '../edge.ts';

export const routes: EdgeSuite = (check) => {
  check('the longest prefix wins, and a prefix ends at a path segment', async (world) => {
    const [site, api, deep] = [await world.version('site'), await world.version('api'), await world.version('deep')];
    const [a, b, c] = [world.app(), world.app(), world.app()];
    await a.apply([site.at(100)]);
    await b.apply([api.at(100)], { routes: [{ host: a.host, pathPrefix: '/api' }] });
    await c.apply([deep.at(100)], { routes: [{ host: a.host, pathPrefix: '/api/deep' }] });
    const expected: Record<string, string> = {
      '/': 'site',
      '/x': 'site',
      '/api': 'api',
      '/api?q=1': 'api',
      '/api/': 'api',
      '/api/x': 'api',
      '/apix': 'site',
      '/ap': 'site',
      '/api/deep': 'deep',
      '/api/deep/x?y=/z': 'deep',
      '/api/deeper': 'api',
      '/API': 'site',
    };
    for (const [path, version] of Object.entries(expected))
      expect([path, (await a.visitor().get({ path })).version]).toEqual([path, version]);
    expect(api.seen).toContain('GET /api?q=1');
  });

  check('a host match beats any host', async (world) => {
    const [any, own] = [await world.version('any'), await world.version('own')];
    const [a, b] = [world.app(), world.app()];
    const prefix = `/${a.host}`;
    await a.apply([any.at(100)], { routes: [{ host: null, pathPrefix: `${prefix}/long` }] });
    await b.apply([own.at(100)], { routes: [{ host: b.host, pathPrefix: prefix }] });
    expect((await b.visitor().get({ path: `${prefix}/long` })).version).toBe('own');
    expect((await a.visitor().get({ path: `${prefix}/long` })).version).toBe('any');
    expect((await a.visitor().get({ path: prefix })).status).toBe(404);
  });

  check('hosts are told apart without case and port', async (world) => {
    const one = await world.version('v1');
    const app = world.app();
    await app.apply([one.at(100)]);
    for (const host of [app.host.toUpperCase(), `${app.host}:8080`]) expect((await visitor(world.url, host).get()).version).toBe('v1');
    expect((await visitor(world.url, `x${app.host}`).get()).status).toBe(404);
    expect((await visitor(world.url, `x.${app.host}`).get()).status).toBe(404);
  });

  check('an app may have several routes, and they can change', async (world) => {
    const one = await world.version('v1');
    const app = world.app();
    const at = (pathPrefix: string) => ({ host: app.host, pathPrefix });
    await app.apply([one.at(100)], { routes: [at('/a'), at('/b')] });
    const statuses = async () => Promise.all(['/a', '/b/c', '/d'].map(async (path) => (await app.visitor().get({ path })).status));
    expect(await statuses()).toEqual([200, 200, 404]);
    await app.apply([one.at(100)], { routes: [at('/d')] });
    expect(await statuses()).toEqual([404, 404, 200]);
  });

  check('a route that belongs to another app is refused', async (world) => {
    const [one, two] = [await world.version('v1'), await world.version('v2')];
    const [a, b] = [world.app(), world.app()];
    await a.apply([one.at(100)]);
    await expect(b.apply([two.at(100)], { routes: [{ host: a.host, pathPrefix: '/' }] })).rejects.toMatchObject({
      blame: 'user',
      code: 'EDGE_ROUTE_TAKEN',
    });
    expect((await a.visitor().get()).version).toBe('v1');
    expect(await world.edge.observe(b.name)).toBeNull();
  });

  check('the version is told who asked, and for what', async (world) => {
    const one = await world.version('v1');
    const app = world.app();
    await app.apply([one.at(100)]);
    const raw = JSON.parse(
      (await app.visitor().get({ path: '/headers', headers: { 'X-Forwarded-For': '10.9.8.7', 'X-Custom': 'kept' } })).text,
    ) as string[];
    const all = (name: string): string =>
      raw.flatMap((part, i) => (i % 2 === 0 && part.toLowerCase() === name ? [raw[i + 1]] : [])).join(', ');
    expect(all('host')).toBe(app.host);
    // Anybody can say it: an app that believes the first address would be told what it likes.
    expect(all('x-forwarded-for')).toBe('127.0.0.1');
    expect(all('x-forwarded-proto')).toBe('http');
    expect(all('x-forwarded-host')).toBe(app.host);
    expect(all('x-custom')).toBe('kept');
  });
};
