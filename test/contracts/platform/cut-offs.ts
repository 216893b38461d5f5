import { expect } from 'vitest';
import type { Platform } from '../../../src/ports/platform.ts';
import type { AppRef } from '../../../src/core/app/run.ts';
import { type PlatformSuite, type PlatformWorld, until, UNSTOPPED, untilHealthy } from '../platform.ts';

const CUT = new Error('cut off');

/** For each n: let the call end after its n-th write to the outside, repeat it, and compare with a call that was not cut. */
export const cutOffs: PlatformSuite = (check) => {
  check(
    'ensure, cut off after any write and repeated, ends as if it was not, with nothing started twice',
    async (world) => {
      const writes = await countWrites(world, (platform, ref) => platform.ensure(world.target(ref, 'v1', 'good'), UNSTOPPED));
      expect(writes).toBeGreaterThan(0);
      for (let n = 1; n <= writes; n++) {
        const ref = world.app();
        const target = world.target(ref, 'v1', 'good');
        await expect(cutAfter(world, n).ensure(target, UNSTOPPED), `cut after write ${n}`).rejects.toBe(CUT);
        const ensured = await world.control().ensure(target, UNSTOPPED);
        await untilHealthy(world.platform, target);
        expect(ensured.instances, `cut after write ${n}`).toHaveLength(target.settings.instances);
        expect(await world.platform.observe(ref)).toMatchObject([{ version: 'v1', artifact: target.artifact }]);
        expect(await world.starts(ref, 'v1'), `starts when cut after write ${n}`).toBe(target.settings.instances);
        expect(await world.running(ref, 'v1')).toBe(target.settings.instances);
        await world.platform.retire(ref, 'v1', 0, 1);
      }
    },
    90_000,
  );

  check(
    'retire, cut off after any write and repeated, leaves nothing',
    async (world) => {
      const prepared = (ref: AppRef): Promise<void> => world.deploy(world.target(ref, 'v1', 'good'));
      const retire = (platform: Platform, ref: AppRef): Promise<void> => platform.retire(ref, 'v1', 2_000, 2);
      const writes = await countWrites(world, retire, prepared);
      expect(writes).toBeGreaterThan(0);
      for (let n = 1; n <= writes; n++) {
        const ref = world.app();
        await prepared(ref);
        await expect(retire(cutAfter(world, n), ref), `cut after write ${n}`).rejects.toBe(CUT);
        await retire(world.control(), ref);
        expect(await world.platform.observe(ref), `cut after write ${n}`).toEqual([]);
        await until(
          () => world.running(ref, 'v1'),
          (running) => running === 0,
        );
        // What a cut retire leaves half-cleared must not stand in the way of the next deploy.
        if (n % 3 === 0) await world.deploy({ ...world.target(ref, 'v1', 'good'), fence: 2 });
      }
    },
    90_000,
  );

  check(
    'shift, cut off after any write and repeated, ends at the weights asked for',
    async (world) => {
      if (world.platform.traffic === undefined) return;
      const prepared = async (ref: AppRef): Promise<void> => {
        await world.deploy(world.target(ref, 'v1', 'good'));
        await world.platform.traffic?.shift(ref, { v1: 100 }, 1);
        await world.deploy(world.target(ref, 'v2', 'good'));
      };
      const weights = { v1: 0, v2: 100 };
      const writes = await countWrites(world, (platform, ref) => platform.traffic?.shift(ref, weights, 1), prepared);
      expect(writes).toBeGreaterThan(0);
      for (let n = 1; n <= writes; n++) {
        const ref = world.app();
        await prepared(ref);
        await expect(cutAfter(world, n).traffic?.shift(ref, weights, 1)).rejects.toBe(CUT);
        expect(await world.control().traffic?.shift(ref, weights, 1)).toEqual(weights);
        expect(await world.platform.traffic.read(ref)).toEqual(weights);
      }
    },
    90_000,
  );
};

function cutAfter(world: PlatformWorld, n: number): Platform {
  let writes = 0;
  return world.control({
    onWrite: () => {
      writes += 1;
      if (writes >= n) throw CUT;
    },
  });
}

/** How many writes the call makes when nobody cuts it off. */
async function countWrites(
  world: PlatformWorld,
  call: (platform: Platform, ref: AppRef) => unknown,
  prepared: (ref: AppRef) => Promise<void> = async () => {},
): Promise<number> {
  const ref = world.app();
  await prepared(ref);
  let writes = 0;
  await call(world.control({ onWrite: () => void (writes += 1) }), ref);
  await world.platform.retire(ref, 'v1', 0, 2);
  return writes;
}
