import { expect } from 'vitest';
import { FencedError } from '../../../src/core/errors.ts';
import { type PlatformSuite, until, UNSTOPPED } from '../platform.ts';

export const removal: PlatformSuite = (check) => {
  check('removeAll takes every version of an app, sick ones too, and leaves other apps alone', async (world) => {
    const [ref, other] = [world.app(), world.app()];
    await world.deploy(world.target(ref, 'v1', 'good'));
    await world.platform.ensure(world.target(ref, 'v2', 'sick'), UNSTOPPED);
    await world.deploy(world.target(other, 'v1', 'good'));
    for (const platform of [world.platform, world.control()]) {
      await platform.removeAll(ref, 2_000, 1);
      expect(await platform.observe(ref)).toEqual([]);
    }
    for (const version of ['v1', 'v2'])
      await until(
        () => world.running(ref, version),
        (count) => count === 0,
      );
    expect(await world.platform.health(world.target(other, 'v1', 'good'), UNSTOPPED)).toMatchObject({ state: 'healthy' });
  });

  check('removeAll of an environment leaves other environments alone; of an empty scope it leaves nothing', async (world) => {
    const [ref, other] = [world.app('leaving'), world.app('staying')];
    for (const one of [ref, other]) await world.deploy(world.target(one, 'v1', 'good'));
    await world.platform.removeAll({ environment: 'leaving' }, 2_000, 1);
    expect(await world.platform.observe(ref)).toEqual([]);
    expect(await world.running(other, 'v1')).toBeGreaterThan(0);
    // Of the highest fence: it goes over the apps of earlier tests too, which were cleared with it.
    await world.platform.removeAll({}, 2_000, Number.MAX_SAFE_INTEGER);
    expect(await world.platform.observe(other)).toEqual([]);
  });

  check('removeAll is fenced: what an older control plane may not retire stays', async (world) => {
    const ref = world.app();
    await world.deploy({ ...world.target(ref, 'v1', 'good'), fence: 9 });
    await expect(world.control().removeAll(ref, 0, 8)).rejects.toBeInstanceOf(FencedError);
    expect(await world.running(ref, 'v1')).toBeGreaterThan(0);
  });
};
