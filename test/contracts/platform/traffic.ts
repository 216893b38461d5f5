import { expect } from 'vitest';
import { FencedError } from '../../../src/core/errors.ts';
import { type PlatformSuite, type PlatformWorld, UNSTOPPED } from '../platform.ts';

/** Only where the platform itself splits traffic; where our edge does, the edge's contract holds. */
export const traffic: PlatformSuite = (check) => {
  check('it splits traffic itself exactly when its capabilities say so', async ({ platform }) => {
    expect(platform.traffic !== undefined).toBe(['weighted', 'staged', 'switch'].includes(platform.capabilities.traffic));
  });

  check('shift converges to the weights, and read sees them', async (world) => {
    if (world.platform.traffic === undefined) return;
    const ref = await two(world);
    for (const weights of [
      { v1: 100, v2: 0 },
      { v1: 80, v2: 20 },
      { v1: 80, v2: 20 },
      { v1: 0, v2: 100 },
      { v1: 100, v2: 0 },
    ]) {
      if (world.platform.capabilities.traffic !== 'weighted' && weights.v1 % 100 !== 0) continue;
      expect(await world.platform.traffic.shift(ref, weights, 1)).toEqual(weights);
      expect(await world.control().traffic?.read(ref)).toEqual(weights);
    }
  });

  check('weights that do not sum to 100, or name what is not there, change nothing', async (world) => {
    if (world.platform.traffic === undefined) return;
    const ref = await two(world);
    await world.platform.traffic.shift(ref, { v1: 100, v2: 0 }, 1);
    await expect(world.platform.traffic.shift(ref, { v1: 100, v2: 20 }, 1)).rejects.toThrow();
    await expect(world.platform.traffic.shift(ref, { v1: 120, v2: -20 }, 1)).rejects.toThrow();
    await expect(world.platform.traffic.shift(ref, { v1: 50, 'never-there': 50 }, 1)).rejects.toThrow();
    expect(await world.platform.traffic.read(ref)).toEqual({ v1: 100, v2: 0 });
  });

  check('shift is fenced', async (world) => {
    if (world.platform.traffic === undefined) return;
    const ref = await two(world);
    await world.platform.traffic.shift(ref, { v1: 100, v2: 0 }, 9);
    await expect(world.control().traffic?.shift(ref, { v1: 0, v2: 100 }, 8)).rejects.toBeInstanceOf(FencedError);
    expect(await world.platform.traffic.read(ref)).toEqual({ v1: 100, v2: 0 });
  });

  check('a version deployed beside others gets no traffic yet', async (world) => {
    if (world.platform.traffic === undefined) return;
    const ref = world.app();
    await world.deploy(world.target(ref, 'v1', 'good'));
    await world.platform.traffic.shift(ref, { v1: 100 }, 1);
    await world.deploy(world.target(ref, 'v2', 'good'));
    expect((await world.platform.traffic.read(ref))['v2'] ?? 0).toBe(0);
    await world.platform.ensure(world.target(ref, 'v1', 'good'), UNSTOPPED);
    expect((await world.platform.traffic.read(ref))['v1']).toBe(100);
  });
};

async function two(world: PlatformWorld): Promise<{ environment: string; app: string }> {
  const ref = world.app();
  await world.deploy(world.target(ref, 'v1', 'good'));
  await world.deploy(world.target(ref, 'v2', 'good'));
  return ref;
}
