import { expect } from 'vitest';
import type { EdgeObservation, Sticky } from '../../../src/core/app/traffic.ts';
import { STICKY_COOKIE } from '../../../src/core/app/traffic.ts';
import type { Visitor } from '../../worlds/visitor.ts';
import type { EdgeSuite } from '../edge.ts';

export function weightsOf(observation: EdgeObservation | null): Record<string, number> {
  return Object.fromEntries((observation?.versions ?? []).map(({ id, weight }) => [id, weight]));
}

/** Far enough from the mean (5 standard deviations) that a correct edge fails once in millions of runs. */
function expectShare(hits: number, of: number, percent: number): void {
  const p = percent / 100;
  const slack = 5 * Math.sqrt(of * p * (1 - p)) + 1;
  expect(hits, `${hits} of ${of} at ${percent} %`).toBeGreaterThanOrEqual(of * p - slack);
  expect(hits, `${hits} of ${of} at ${percent} %`).toBeLessThanOrEqual(of * p + slack);
}

/** `count` visits, eight at a time. */
export async function visits<T>(count: number, visit: (index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++) results[i] = await visit(i);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return results;
}

const by: Record<string, { sticky: Sticky; as: (user: string) => Record<string, string> }> = {
  cookie: { sticky: { by: 'cookie' }, as: (user) => ({ cookie: `theme=dark; ${STICKY_COOKIE}=${user}; lang=en` }) },
  header: { sticky: { by: 'header', header: 'X-User' }, as: (user) => ({ 'x-user': user }) },
};

/** Version each of many users gets. */
async function assigned(client: Visitor, users: number, as: (user: string) => Record<string, string>): Promise<(string | null)[]> {
  return visits(users, async (i) => (await client.get({ headers: as(`user-${i}`) })).version);
}

export const weights: EdgeSuite = (check) => {
  check('weights and endpoints are read back', async (world) => {
    const [one, two] = [await world.version('v1'), await world.version('v2')];
    const app = world.app();
    const applied = await app.apply([one.at(92.5), two.at(7.5)]);
    expect(weightsOf(applied)).toEqual({ v1: 92.5, v2: 7.5 });
    expect(applied).toMatchObject({ app: app.name, fence: 10 });
    const observed = await world.edge.observe(app.name);
    expect(observed?.versions.map(({ id, weight, endpoints, inFlight }) => ({ id, weight, endpoints, inFlight }))).toEqual([
      { id: 'v1', weight: 92.5, endpoints: [one.endpoint], inFlight: 0 },
      { id: 'v2', weight: 7.5, endpoints: [two.endpoint], inFlight: 0 },
    ]);
    expect(weightsOf(await app.apply([one.at(0), two.at(100)]))).toEqual({ v1: 0, v2: 100 });
    expect(weightsOf(await app.apply([two.at(100)]))).toEqual({ v2: 100 });
  });

  check('an app nobody applied is unknown', async (world) => {
    const { name } = world.app();
    expect(await world.edge.observe(name)).toBeNull();
    expect((await world.edge.stats(name)).versions).toEqual({});
  });

  check('weights hold for new users', async (world) => {
    const [one, two] = [await world.version('v1'), await world.version('v2')];
    const app = world.app();
    await app.apply([one.at(90), two.at(10)], { sticky: { by: 'cookie' } });
    const client = app.visitor();
    const got = await visits(1_000, async () => (await client.get()).version);
    expect(got.every((version) => version === 'v1' || version === 'v2')).toBe(true);
    expectShare(got.filter((version) => version === 'v2').length, got.length, 10);
  });

  check('weights hold per request without stickiness, and no cookie is set', async (world) => {
    const [one, two, three] = [await world.version('v1'), await world.version('v2'), await world.version('v3')];
    const app = world.app();
    await app.apply([one.at(60), two.at(25), three.at(15)]);
    const client = app.visitor();
    const got = await visits(1_000, () => client.get());
    expectShare(got.filter(({ version }) => version === 'v1').length, got.length, 60);
    expectShare(got.filter(({ version }) => version === 'v2').length, got.length, 25);
    expectShare(got.filter(({ version }) => version === 'v3').length, got.length, 15);
    expect(got.filter(({ headers }) => headers['set-cookie'] !== undefined)).toEqual([]);
  });

  check('a tenth of a percent is a weight', async (world) => {
    const [one, two] = [await world.version('v1'), await world.version('v2')];
    const app = world.app();
    await app.apply([one.at(98.5), two.at(1.5)], { sticky: { by: 'header', header: 'X-User' } });
    const client = app.visitor();
    const got = await visits(2_500, async (i) => (await client.get({ headers: { 'x-user': `u${i}` } })).version);
    expectShare(got.filter((version) => version === 'v2').length, got.length, 1.5);
  });

  check('a version at weight 0 gets nobody', async (world) => {
    const [one, two] = [await world.version('v1'), await world.version('v2')];
    const app = world.app();
    await app.apply([one.at(100), two.at(0)], { sticky: { by: 'cookie' } });
    const client = app.visitor();
    expect(new Set(await visits(300, async () => (await client.get()).version))).toEqual(new Set(['v1']));
    await app.apply([one.at(0), two.at(100)], { sticky: { by: 'cookie' } });
    expect(new Set(await visits(300, async () => (await client.get()).version))).toEqual(new Set(['v2']));
  });

  check('a new user gets a cookie of their own, which keeps them on their version', async (world) => {
    const [one, two] = [await world.version('v1'), await world.version('v2')];
    const app = world.app();
    await app.apply([one.at(50), two.at(50)], { sticky: { by: 'cookie' } });
    const client = app.visitor();
    const users = await visits(60, async () => {
      const first = await client.get({ path: '/cookies' });
      const set = (first.headers['set-cookie'] ?? []).filter((line) => line.startsWith(`${STICKY_COOKIE}=`));
      expect(set).toHaveLength(1);
      expect(first.headers['set-cookie']).toEqual(expect.arrayContaining(['a=1; Path=/', 'b=2; Path=/']));
      const [pair = '', ...attributes] = (set[0] ?? '').split(/; */);
      expect(attributes.map((attribute) => attribute.toLowerCase())).toEqual(
        expect.arrayContaining(['httponly', 'samesite=lax', 'path=/']),
      );
      const again = await Promise.all([1, 2, 3].map(() => client.get({ headers: { cookie: pair } })));
      expect(again.map(({ version }) => version)).toEqual([first.version, first.version, first.version]);
      expect(again.flatMap(({ headers }) => headers['set-cookie'] ?? [])).toEqual([]);
      return { pair, version: first.version };
    });
    expect(new Set(users.map(({ pair }) => pair)).size).toBe(users.length);
    expect(new Set(users.map(({ version }) => version))).toEqual(new Set(['v1', 'v2']));
  });

  for (const [how, { sticky, as }] of Object.entries(by)) {
    check(`a user stays with a version by ${how}`, async (world) => {
      const [one, two] = [await world.version('v1'), await world.version('v2')];
      const app = world.app();
      await app.apply([one.at(50), two.at(50)], { sticky });
      const first = await assigned(app.visitor(), 200, as);
      expect(new Set(first)).toEqual(new Set(['v1', 'v2']));
      expect(await assigned(app.visitor(), 200, as)).toEqual(first);
    });

    check(`raising the weight never moves a user back, by ${how}`, async (world) => {
      const [one, two] = [await world.version('v1'), await world.version('v2')];
      const app = world.app();
      const client = app.visitor();
      let before: (string | null)[] = [];
      for (const percent of [0, 1, 5, 25, 50, 99.9, 100]) {
        await app.apply([one.at(Math.round((100 - percent) * 10) / 10), two.at(percent)], { sticky });
        const now = await assigned(client, 400, as);
        expect(now.filter((version, i) => before[i] === 'v2' && version !== 'v2')).toEqual([]);
        expectShare(now.filter((version) => version === 'v2').length, now.length, percent);
        before = now;
      }
    });
  }

  check('users without the header share by weight', async (world) => {
    const [one, two] = [await world.version('v1'), await world.version('v2')];
    const app = world.app();
    await app.apply([one.at(50), two.at(50)], { sticky: { by: 'header', header: 'X-User' } });
    const client = app.visitor();
    const got = await visits(400, async () => (await client.get()).version);
    expectShare(got.filter((version) => version === 'v2').length, got.length, 50);
  });

  check('any cookie value is a user, and none breaks the edge', async (world) => {
    const one = await world.version('v1');
    const app = world.app();
    await app.apply([one.at(100)], { sticky: { by: 'cookie' } });
    for (const value of ['', '%', '%00%ff', '"quoted"', 'ü', 'x'.repeat(3_000), '__proto__']) {
      const cookie = Buffer.from(`${STICKY_COOKIE}=${value}`).toString('latin1');
      expect(await app.visitor().get({ headers: { cookie } })).toMatchObject({ status: 200, version: 'v1' });
    }
  });

  check('the version header reaches a version whatever its weight', async (world) => {
    const [one, two] = [await world.version('v1'), await world.version('v2')];
    const app = world.app();
    await app.apply([one.at(100), two.at(0)], { sticky: { by: 'cookie' } });
    const client = app.visitor();
    for (let i = 0; i < 10; i += 1) {
      expect((await client.get({ headers: { 'Sluice-Version': 'v2' } })).version).toBe('v2');
      expect((await client.get({ headers: { 'sluice-version': 'v1' } })).version).toBe('v1');
    }
  });

  check('the version header with an unknown version is refused, not ignored', async (world) => {
    const one = await world.version('v1');
    const app = world.app();
    await app.apply([one.at(100)]);
    for (const unknown of ['v0', 'v11', '', '__proto__']) {
      const answer = await app.visitor().get({ headers: { 'sluice-version': unknown } });
      expect(answer.status).toBe(404);
      expect(answer.version).toBeNull();
    }
    expect(one.seen).toEqual([]);
  });
};
