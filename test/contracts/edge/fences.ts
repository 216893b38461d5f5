import { expect } from 'vitest';
import { FencedError } from '../../../src/core/errors.ts';
import type { EdgeSuite } from '../edge.ts';
import { visits, weightsOf } from './weights.ts';

export const fences: EdgeSuite = (check) => {
  check('a lower fence is refused and changes nothing; an equal one is taken', async (world) => {
    const [one, two] = [await world.version('v1'), await world.version('v2')];
    const app = world.app();
    await app.apply([one.at(100), two.at(0)]);
    await expect(app.apply([one.at(0), two.at(100)], { fence: 9 })).rejects.toBeInstanceOf(FencedError);
    expect(await world.edge.observe(app.name)).toMatchObject({ fence: 10 });
    expect(weightsOf(await world.edge.observe(app.name))).toEqual({ v1: 100, v2: 0 });
    expect((await app.visitor().get()).version).toBe('v1');
    expect(weightsOf(await app.apply([one.at(0), two.at(100)]))).toEqual({ v1: 0, v2: 100 });
    expect(await app.apply([one.at(50), two.at(50)], { fence: 11 })).toMatchObject({ fence: 11 });
    await expect(app.apply([one.at(0), two.at(100)], { fence: 10 })).rejects.toBeInstanceOf(FencedError);
  });

  check('remove is fenced and may be repeated, and a lower fence does not bring the app back', async (world) => {
    const one = await world.version('v1');
    const app = world.app();
    await app.apply([one.at(100)]);
    await expect(world.edge.remove(app.name, 9)).rejects.toBeInstanceOf(FencedError);
    expect((await app.visitor().get()).version).toBe('v1');
    await world.edge.remove(app.name, 11);
    await world.edge.remove(app.name, 11);
    expect((await app.visitor().get()).status).toBe(404);
    expect(await world.edge.observe(app.name)).toBeNull();
    await expect(app.apply([one.at(100)], { fence: 10 })).rejects.toBeInstanceOf(FencedError);
    expect((await app.visitor().get()).status).toBe(404);
    await app.apply([one.at(100)], { fence: 11 });
    expect((await app.visitor().get()).version).toBe('v1');
  });

  check('fences of different apps are independent', async (world) => {
    const one = await world.version('v1');
    const [a, b] = [world.app(), world.app()];
    await a.apply([one.at(100)], { fence: 50 });
    await b.apply([one.at(100)], { fence: 1 });
    expect(await world.edge.observe(b.name)).toMatchObject({ fence: 1 });
  });

  check('an impossible intent is refused and changes nothing', async (world) => {
    const [one, two] = [await world.version('v1'), await world.version('v2')];
    const app = world.app();
    await app.apply([one.at(100)]);
    await expect(app.apply([one.at(50), two.at(49)])).rejects.toThrow();
    await expect(app.apply([one.at(110), two.at(-10)])).rejects.toThrow();
    await expect(app.apply([one.at(50), one.at(50)])).rejects.toThrow();
    await expect(app.apply([one.at(50), { id: 'v2', weight: 50, endpoints: [] }])).rejects.toThrow();
    await expect(app.apply([])).rejects.toThrow();
    expect(weightsOf(await world.edge.observe(app.name))).toEqual({ v1: 100 });
    expect(new Set(await visits(20, async () => (await app.visitor().get()).version))).toEqual(new Set(['v1']));
  });

  check('applying the same again changes nothing', async (world) => {
    const one = await world.version('v1');
    const app = world.app();
    const first = await app.apply([one.at(100)]);
    expect(await app.apply([one.at(100)])).toEqual(first);
  });

  check('many apps may be applied at once', async (world) => {
    const one = await world.version('v1');
    const all = Array.from({ length: 12 }, () => world.app());
    await Promise.all(all.map((app) => app.apply([one.at(100)])));
    for (const app of all) expect((await app.visitor().get()).version).toBe('v1');
  });

  check('weights, routes and fence outlive the death of the data path', async (world) => {
    const [one, two] = [await world.version('v1'), await world.version('v2')];
    const [app, gone] = [world.app(), world.app()];
    const routes = [{ host: app.host, pathPrefix: '/kept' }];
    const sticky = { by: 'header', header: 'X-User' } as const;
    await app.apply([one.at(70), two.at(30)], { routes, sticky });
    await gone.apply([one.at(100)]);
    await world.edge.remove(gone.name, 10);
    const as = (i: number) => ({ path: '/kept', headers: { 'x-user': `u${i}` } });
    const before = await visits(100, async (i) => (await app.visitor().get(as(i))).version);
    const observed = await world.edge.observe(app.name);
    await world.restart();
    expect(await world.edge.observe(app.name)).toEqual(observed);
    expect(await visits(100, async (i) => (await app.visitor().get(as(i))).version)).toEqual(before);
    expect((await app.visitor().get({ path: '/other' })).status).toBe(404);
    expect((await gone.visitor().get()).status).toBe(404);
    await expect(app.apply([one.at(100)], { fence: 9 })).rejects.toBeInstanceOf(FencedError);
    await expect(gone.apply([one.at(100)], { fence: 9 })).rejects.toBeInstanceOf(FencedError);
    expect(weightsOf(await app.apply([two.at(100)]))).toEqual({ v2: 100 });
  });
};
