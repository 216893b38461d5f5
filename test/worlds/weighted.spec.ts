import { afterAll, beforeAll, expect, test } from 'vitest';
import { VERSION_HEADER } from '../../src/core/app/traffic.ts';
import type { DeployTarget } from '../../src/ports/platform.ts';
import { platformContract, type PlatformUnderTest, SECRET_NAME, type TargetKind, UNSTOPPED } from '../contracts/platform.ts';
import { weightedCloud, type WeightedCloud, weightedPlatform } from './weighted.ts';

platformContract('weighted (fake cloud)', async (): Promise<PlatformUnderTest> => {
  const cloud = await weightedCloud();
  return {
    control: ({ env = {}, onWrite } = {}) => weightedPlatform(cloud, { env, ...(onWrite === undefined ? {} : { onWrite }) }),
    target,
    mistaken: { instances: 1, listens: true, drainMs: 0 },
    starts: async (ref, version) => cloud.starts(ref, version),
    running: async (ref, version) => Number(cloud.exists(ref, version)),
    greeting: (version) => `version ${version} serves`,
    stop: () => cloud.stop(),
  };
});

let cloud: WeightedCloud;
beforeAll(async () => {
  cloud = await weightedCloud();
});
afterAll(() => cloud?.stop());

test('it sends users by weight, keeps them where they are while a weight grows, and obeys the header', async () => {
  const ref = { environment: 'test', app: 'split' };
  const platform = weightedPlatform(cloud);
  for (const version of ['v1', 'v2']) await platform.ensure(target(ref, version, 'good'), UNSTOPPED);
  const users = Array.from({ length: 300 }, (_, i) => `user-${i}`);
  let before = new Set<string>();
  for (const weight of [0, 10, 50, 100]) {
    await platform.traffic?.shift(ref, { v1: 100 - weight, v2: weight }, 1);
    const answers = await Promise.all(users.map(async (user) => [user, await visit(cloud.trafficUrl(ref), { 'x-user': user })] as const));
    const onNew = new Set(answers.flatMap(([user, version]) => (version === 'v2' ? [user] : [])));
    expect(Math.abs(onNew.size / users.length - weight / 100)).toBeLessThan(0.1);
    expect([...before].filter((user) => !onNew.has(user))).toEqual([]);
    before = onNew;
  }
  await platform.traffic?.shift(ref, { v1: 100, v2: 0 }, 1);
  expect(await visit(cloud.trafficUrl(ref), { [VERSION_HEADER]: 'v2' })).toBe('v2');
});

test('a third version is refused, and removing one that serves is remembered', async () => {
  const ref = { environment: 'test', app: 'limit' };
  const platform = weightedPlatform(cloud);
  for (const version of ['v1', 'v2']) await platform.ensure(target(ref, version, 'good'), UNSTOPPED);
  await expect(platform.ensure(target(ref, 'v3', 'good'), UNSTOPPED)).rejects.toMatchObject({ code: 'VERSION_LIMIT' });
  await platform.traffic?.shift(ref, { v1: 100, v2: 0 }, 1);
  await platform.retire(ref, 'v2', 0, 1);
  expect(cloud.violations).toEqual([]);
  await platform.ensure(target(ref, 'v3', 'good'), UNSTOPPED);
  await platform.retire(ref, 'v1', 0, 1);
  expect(cloud.violations).toEqual(['test/limit: v1 was removed while it had 100 % of the traffic']);
});

test('a version behaves as it is told', async () => {
  const ref = { environment: 'test', app: 'behaviour' };
  const platform = weightedPlatform(cloud);
  await platform.ensure(target(ref, 'v1', 'good'), UNSTOPPED);
  await platform.traffic?.shift(ref, { v1: 100 }, 1);
  cloud.behave(ref, 'v1', { errorShare: 1 });
  expect((await fetch(cloud.trafficUrl(ref))).status).toBe(500);
  expect(cloud.served(ref)).toEqual({ v1: { requests: 1, failed: 1 } });
});

function target(ref: { environment: string; app: string }, version: string, kind: TargetKind): DeployTarget {
  const env = kind === 'secret' ? { TOKEN: { fromEnv: SECRET_NAME } } : {};
  return {
    ...ref,
    version,
    artifact: { kind: 'bundle', digest: 'sha256:4567' },
    settings: { behaviour: kind, instances: 1, listens: true, drainMs: 0 },
    env,
    health: null,
    fence: 1,
  };
}

async function visit(url: string, headers: Record<string, string>): Promise<string> {
  return (await fetch(url, { headers })).text();
}
