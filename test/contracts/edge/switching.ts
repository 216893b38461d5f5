import { expect } from 'vitest';
import { answered, read, until } from '../../worlds/visitor.ts';
import type { EdgeSuite } from '../edge.ts';
import { visits, weightsOf } from './weights.ts';

const REQUESTS = 5_000;
const SWITCHES = 20;

export const switching: EdgeSuite = (check) => {
  check('once apply has answered, the next request follows it', async (world) => {
    const [one, two] = [await world.version('v1'), await world.version('v2')];
    const app = world.app();
    const client = app.visitor({ connections: 1 });
    for (let i = 0; i < 10; i += 1) {
      await app.apply([one.at(100), two.at(0)]);
      expect((await client.get()).version).toBe('v1');
      await app.apply([one.at(0), two.at(100)]);
      expect((await client.get()).version).toBe('v2');
    }
  });

  check(
    'no request fails over 20 switches under keep-alive load',
    async (world) => {
      const [one, two] = [await world.version('v1'), await world.version('v2')];
      const app = world.app();
      await app.apply([one.at(100), two.at(0)]);
      const client = app.visitor({ connections: 8 });
      let done = 0;
      let switches = 0;
      const failed: unknown[] = [];
      const load = async (post: boolean): Promise<void> => {
        while (done < REQUESTS || switches < SWITCHES) {
          const answer = await client.get(post ? { method: 'POST', path: '/echo', body: 'hello' } : {}).catch(String);
          done += 1;
          if (typeof answer === 'string' || answer.status !== 200 || answer.text !== (post ? 'hello' : answer.version)) failed.push(answer);
        }
      };
      const flip = async (): Promise<void> => {
        for (; switches < SWITCHES; switches += 1) {
          const earlier = done;
          const percent = [0, 10, 50, 100][switches % 4] ?? 0;
          expect(weightsOf(await app.apply([one.at(100 - percent), two.at(percent)]))).toEqual({ v1: 100 - percent, v2: percent });
          await until(
            () => done,
            (now) => now >= earlier + REQUESTS / SWITCHES,
            60_000,
          );
        }
      };
      await Promise.all([flip(), ...Array.from({ length: 8 }, (_, i) => load(i % 4 === 0))]);
      expect(failed.slice(0, 3)).toEqual([]);
      expect(done).toBeGreaterThanOrEqual(REQUESTS);
      expect(one.count('/') > 500 && two.count('/') > 500).toBe(true);
    },
    120_000,
  );

  check('no request fails while versions come and go', async (world) => {
    const app = world.app();
    let current = await world.version('v0');
    await app.apply([current.at(100)], { sticky: { by: 'cookie' } });
    const client = app.visitor({ connections: 4 });
    let over = false;
    const failed: unknown[] = [];
    const load = async (): Promise<void> => {
      while (!over) {
        const answer = await client.get({ path: '/slow?ms=5' }).catch(String);
        if (typeof answer === 'string' || answer.status !== 200) failed.push(answer);
      }
    };
    const replace = async (): Promise<void> => {
      for (let i = 1; i <= 5; i += 1) {
        const next = await world.version(`v${i}`);
        await app.apply([current.at(100), next.at(0)], { sticky: { by: 'cookie' } });
        await app.apply([current.at(0), next.at(100)], { sticky: { by: 'cookie' } });
        await until(
          async () => (await world.edge.observe(app.name))?.versions[0]?.inFlight,
          (inFlight) => inFlight === 0,
        );
        await app.apply([next.at(100)], { sticky: { by: 'cookie' } });
        await current.stop();
        current = next;
      }
      over = true;
    };
    await Promise.all([replace().finally(() => (over = true)), load(), load(), load(), load()]);
    expect(failed.slice(0, 3)).toEqual([]);
  });

  check('requests to a version that lost its weight finish uncut, and inFlight tells when', async (world) => {
    const [one, two] = [await world.version('v1'), await world.version('v2')];
    const app = world.app();
    await app.apply([one.at(100), two.at(0)]);
    const client = app.visitor();
    const held = await Promise.all([1, 2, 3].map(() => answered(client.open({ path: '/hold' }))));
    const silent = [1, 2].map(() => client.get({ path: '/silent' }));
    await until(
      () => one.count('/silent'),
      (count) => count === 2,
    );
    const inFlight = async (): Promise<number | undefined> =>
      (await world.edge.observe(app.name))?.versions.find(({ id }) => id === 'v1')?.inFlight;
    await app.apply([one.at(0), two.at(100)]);
    expect(await inFlight()).toBe(5);
    expect(new Set(await visits(20, async () => (await client.get()).version))).toEqual(new Set(['v2']));
    expect(await inFlight()).toBe(5);
    one.release();
    for (const response of held) expect((await read(response)).text).toBe('halfHALF');
    for (const answer of silent) expect(await answer).toMatchObject({ status: 200, version: 'v1' });
    await until(inFlight, (count) => count === 0);
  });

  check('a version that is taken out while it answers is not cut', async (world) => {
    const [one, two] = [await world.version('v1'), await world.version('v2')];
    const app = world.app();
    await app.apply([one.at(100), two.at(0)]);
    const held = await answered(app.visitor().open({ path: '/hold' }));
    await app.apply([two.at(100)]);
    expect(weightsOf(await world.edge.observe(app.name))).toEqual({ v2: 100 });
    expect((await app.visitor().get()).version).toBe('v2');
    one.release();
    expect((await read(held)).text).toBe('halfHALF');
  });
};
