import { expect } from 'vitest';
import { quantileMs, total } from '../../../src/core/analysis/histogram.ts';
import type { EdgeStats, VersionCounters } from '../../../src/core/app/traffic.ts';
import { refusingEndpoint } from '../../worlds/app-version.ts';
import { until } from '../../worlds/visitor.ts';
import type { EdgeSuite, EdgeWorld, TestApp } from '../edge.ts';
import { visits } from './weights.ts';

/** The counters of a version once they show this many finished requests; how soon they do is the edge's business. */
export async function settled(world: EdgeWorld, app: TestApp, version: string, requests: number): Promise<VersionCounters> {
  const stats = await until(
    () => world.edge.stats(app.name),
    ({ versions }) => finished(versions[version]) >= requests,
    10_000,
  );
  return stats.versions[version] as VersionCounters;
}

function finished(counters: VersionCounters | undefined): number {
  return Object.values(counters?.byClass ?? {}).reduce((sum, count) => sum + count, 0);
}

export const stats: EdgeSuite = (check) => {
  check('requests are counted by class, each with its latency', async (world) => {
    const [one, two] = [await world.version('v1'), await world.version('v2')];
    const app = world.app();
    await app.apply([one.at(100), two.at(0)]);
    const client = app.visitor();
    for (const code of [200, 201, 204, 301, 304, 404, 429, 500, 503]) await client.get({ path: `/status?code=${code}` });
    const counted = await settled(world, app, 'v1', 9);
    expect(counted.requests).toBe(9);
    expect(counted.byClass).toMatchObject({ '2xx': 3, '3xx': 2, '4xx': 2, '5xx': 2 });
    expect(counted.byClass['failed'] ?? 0).toBe(0);
    expect(total(counted.latency)).toBe(9);
    await app.apply([one.at(0), two.at(100)]);
    for (let i = 0; i < 3; i += 1) await client.get();
    const other = await settled(world, app, 'v2', 3);
    expect(other.requests).toBe(3);
    expect(other.byClass['2xx']).toBe(3);
  });

  check('a request whose version a header chose is counted for no version, and is in flight all the same', async (world) => {
    const [one, two] = [await world.version('v1'), await world.version('v2')];
    const app = world.app();
    await app.apply([one.at(100), two.at(0)]);
    const client = app.visitor();
    const pin = { 'sluice-version': 'v2' };
    const silent = client.get({ path: '/silent', headers: pin });
    await until(
      () => two.count('/silent'),
      (count) => count === 1,
    );
    expect((await world.edge.observe(app.name))?.versions[1]?.inFlight).toBe(1);
    two.release();
    expect(await silent).toMatchObject({ status: 200, version: 'v2' });
    for (const path of ['/', '/status?code=500', '/die-before', '/die-amid', '/close'])
      await app
        .visitor()
        .get({ path, headers: { ...pin, connection: 'close' } })
        .catch(() => {});
    await until(
      () => two.count('/close'),
      (count) => count === 1,
    );
    await until(
      async () => (await world.edge.observe(app.name))?.versions[1]?.inFlight,
      (count) => count === 0,
    );
    await client.get();
    await settled(world, app, 'v1', 1);
    const { versions } = await world.edge.stats(app.name);
    expect([versions['v2']?.requests, versions['v1']?.requests]).toEqual([0, 1]);
    expect(total(versions['v2']?.latency ?? {})).toBe(0);
  });

  check('requests are counted by route too, of those that have been answered well', async (world) => {
    const [one, two] = [await world.version('v1'), await world.version('v2')];
    const app = world.app();
    await app.apply([one.at(100)]);
    const client = app.visitor();
    await client.get({ path: '/unknown/status?code=404' });
    for (const code of [200, 404, 500]) await client.get({ path: `/shop/status?code=${code}` });
    for (const id of [17, 18]) await client.get({ path: `/users/${id}?from=/shop/status` });
    expect((await settled(world, app, 'v1', 6)).routes).toEqual({
      '/shop/status': { '2xx': 1, '4xx': 1, '5xx': 1 },
      '/users/*': { '2xx': 2 },
    });
    await app.apply([one.at(0), two.at(100)]);
    await client.get({ path: '/users/19' });
    expect((await settled(world, app, 'v2', 1)).routes).toEqual({ '/users/*': { '2xx': 1 } });
    expect((await world.edge.stats(app.name)).versions['v1']).toMatchObject({ requests: 6, routes: {} });
  });

  check('a version that never answered has counters of zero', async (world) => {
    const [one, two] = [await world.version('v1'), await world.version('v2')];
    const app = world.app();
    await app.apply([one.at(100), two.at(0)]);
    const { versions, at, epoch } = await world.edge.stats(app.name);
    expect(versions['v2']?.requests).toBe(0);
    expect(total(versions['v2']?.latency ?? {})).toBe(0);
    expect(Math.abs(at - Date.now())).toBeLessThan(5_000);
    expect(epoch).not.toBe('');
  });

  check('counters only rise, also over changes of the weights', async (world) => {
    const [one, two] = [await world.version('v1'), await world.version('v2')];
    const app = world.app();
    await app.apply([one.at(100), two.at(0)]);
    const readings: EdgeStats[] = [];
    for (const percent of [0, 10, 50, 100]) {
      await app.apply([one.at(100 - percent), two.at(percent)]);
      await visits(60, () => app.visitor().get());
      readings.push(await world.edge.stats(app.name));
    }
    await until(
      async () => {
        readings.push(await world.edge.stats(app.name));
        return finished(readings.at(-1)?.versions['v1']) + finished(readings.at(-1)?.versions['v2']);
      },
      (count) => count === 240,
    );
    expect(new Set(readings.map(({ epoch }) => epoch)).size).toBe(1);
    for (const id of ['v1', 'v2']) {
      const flat = readings.map(({ versions }) => flatten(versions[id]));
      flat.slice(1).forEach((now, i) => {
        for (const [key, count] of Object.entries(flat[i] ?? {})) expect(now[key] ?? 0).toBeGreaterThanOrEqual(count);
      });
    }
    expect(readings.at(-1)?.versions['v1']?.requests).toBe(one.seen.length);
    expect(readings.at(-1)?.versions['v2']?.requests).toBe(two.seen.length);
  });

  check('latency is what the version took', async (world) => {
    const one = await world.version('v1');
    const app = world.app();
    await app.apply([one.at(100)]);
    await visits(10, () => app.visitor().get({ path: '/slow?ms=80' }));
    const { latency } = await settled(world, app, 'v1', 10);
    expect(quantileMs(latency, 0.01)).toBeGreaterThanOrEqual(78);
    expect(quantileMs(latency, 0.5)).toBeLessThan(2_000);
    await visits(90, () => app.visitor().get());
    const after = await settled(world, app, 'v1', 100);
    expect(quantileMs(after.latency, 0.05)).toBeLessThan(78);
  });

  check('a request that no endpoint takes is failed', async (world) => {
    const app = world.app();
    await app.apply([{ id: 'v1', weight: 100, endpoints: [await refusingEndpoint()] }]);
    const answers = await visits(4, () => app.visitor().get());
    expect(answers.every(({ status }) => status === 502 || status === 503)).toBe(true);
    const counted = await settled(world, app, 'v1', 4);
    expect(counted.requests).toBe(4);
    expect((counted.byClass['failed'] ?? 0) + (counted.byClass['5xx'] ?? 0)).toBe(4);
    expect(counted.byClass['failed']).toBe(4);
    expect(total(counted.latency)).toBe(4);
  });

  check("answers the edge gives by itself are no version's", async (world) => {
    const one = await world.version('v1');
    const app = world.app();
    await app.apply([one.at(100)]);
    await app.visitor().get({ headers: { 'sluice-version': 'nobody' } });
    await app.visitor().get();
    const counted = await settled(world, app, 'v1', 1);
    expect(counted.requests).toBe(1);
  });

  check('another life of the data path has another epoch or keeps its counters', async (world) => {
    const one = await world.version('v1');
    const app = world.app();
    await app.apply([one.at(100)]);
    await visits(5, () => app.visitor().get());
    await settled(world, app, 'v1', 5);
    const before = await world.edge.stats(app.name);
    await world.restart();
    const after = await world.edge.stats(app.name);
    if (after.epoch === before.epoch) expect(after.versions['v1']?.requests).toBeGreaterThanOrEqual(5);
    else expect(after.versions['v1']?.requests ?? 0).toBe(0);
    await app.visitor().get();
    expect((await settled(world, app, 'v1', 1)).requests).toBeGreaterThanOrEqual(1);
  });
};

function flatten(counters: VersionCounters | undefined): Record<string, number> {
  const flat: Record<string, number> = { requests: counters?.requests ?? 0 };
  for (const [key, count] of Object.entries(counters?.byClass ?? {})) flat[`class ${key}`] = count;
  for (const [key, count] of Object.entries(counters?.latency ?? {})) flat[`latency ${key}`] = count;
  return flat;
}
