import { expect } from 'vitest';
import { type PlatformSuite, UNSTOPPED, untilHealth } from '../platform.ts';

export const health: PlatformSuite = (check) => {
  check('a version that was never deployed is not healthy', async (world) => {
    const ref = world.app();
    expect((await world.platform.health(world.target(ref, 'v1', 'good'), UNSTOPPED)).state).not.toBe('healthy');
    await world.deploy(world.target(ref, 'v1', 'good'));
    expect((await world.platform.health(world.target(ref, 'v2', 'good'), UNSTOPPED)).state).not.toBe('healthy');
  });

  check('a sick version is never healthy, and the reason is a sentence', async (world) => {
    const ref = world.app();
    const target = world.target(ref, 'v1', 'sick');
    await world.platform.ensure(target, UNSTOPPED);
    const seen = await untilHealth(world.platform, target, ({ state }) => state !== 'waiting', 1_500);
    expect(seen.state).not.toBe('healthy');
    expect(seen.state === 'healthy' ? '' : seen.reason).toMatch(/\w+ \w+/);
  });

  check('a retired version is not healthy', async (world) => {
    const ref = world.app();
    const target = world.target(ref, 'v1', 'good');
    await world.deploy(target);
    await world.platform.retire(ref, 'v1', 0, 1);
    expect((await world.platform.health(target, UNSTOPPED)).state).not.toBe('healthy');
  });

  check('a look that is called off rejects', async (world) => {
    const ref = world.app();
    const target = world.target(ref, 'v1', 'good');
    await world.deploy(target);
    await expect(world.platform.health(target, AbortSignal.abort(new Error('called off')))).rejects.toThrow('called off');
  });
};
