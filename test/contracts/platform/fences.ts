import { expect } from 'vitest';
import { FencedError } from '../../../src/core/errors.ts';
import { type PlatformSuite, UNSTOPPED } from '../platform.ts';

export const fences: PlatformSuite = (check) => {
  check('a lower fence is refused by every control plane and changes nothing; an equal one is taken', async (world) => {
    const ref = world.app();
    const good = (version: string, fence: number) => ({ ...world.target(ref, version, 'good'), fence });
    await world.platform.ensure(good('v1', 5), UNSTOPPED);
    const before = (await world.platform.observe(ref)).map(({ version }) => version);
    await expect(world.platform.ensure(good('v2', 4), UNSTOPPED)).rejects.toBeInstanceOf(FencedError);
    await expect(world.control().ensure(good('v2', 4), UNSTOPPED)).rejects.toBeInstanceOf(FencedError);
    await expect(world.control().ensure(good('v1', 4), UNSTOPPED)).rejects.toBeInstanceOf(FencedError);
    await expect(world.control().retire(ref, 'v1', 0, 4)).rejects.toBeInstanceOf(FencedError);
    expect((await world.platform.observe(ref)).map(({ version }) => version)).toEqual(before);
    expect(await world.starts(ref, 'v2')).toBe(0);
    await world.platform.ensure(good('v1', 5), UNSTOPPED);
    await world.platform.retire(ref, 'v1', 0, 5);
    expect(await world.platform.observe(ref)).toEqual([]);
  });

  check('a fence stays after everything was retired', async (world) => {
    const ref = world.app();
    await world.platform.ensure({ ...world.target(ref, 'v1', 'good'), fence: 7 }, UNSTOPPED);
    await world.platform.retire(ref, 'v1', 0, 8);
    await expect(world.control().ensure({ ...world.target(ref, 'v1', 'good'), fence: 7 }, UNSTOPPED)).rejects.toBeInstanceOf(FencedError);
    expect(await world.platform.observe(ref)).toEqual([]);
  });

  check('fences of different apps are independent', async (world) => {
    const [one, two] = [world.app(), world.app()];
    await world.platform.ensure({ ...world.target(one, 'v1', 'good'), fence: 50 }, UNSTOPPED);
    await world.platform.ensure({ ...world.target(two, 'v1', 'good'), fence: 1 }, UNSTOPPED);
    expect(await world.platform.observe(two)).toMatchObject([{ version: 'v1' }]);
  });
};
