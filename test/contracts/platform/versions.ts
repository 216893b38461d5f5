import { expect } from 'vitest';
import { type PlatformSuite, until, UNSTOPPED, untilHealthy } from '../platform.ts';

export const versions: PlatformSuite = (check) => {
  check('an app nobody deployed has no versions', async (world) => {
    expect(await world.platform.observe(world.app())).toEqual([]);
  });

  check('ensure starts every instance, and returns what observe then sees', async (world) => {
    const ref = world.app();
    const target = world.target(ref, 'v1', 'good');
    const ensured = await world.platform.ensure(target, UNSTOPPED);
    expect(ensured).toMatchObject({ version: 'v1', artifact: target.artifact });
    expect(ensured.instances).toHaveLength(target.settings.instances);
    await untilHealthy(world.platform, target);
    const [seen, ...others] = await world.platform.observe(ref);
    expect(others).toEqual([]);
    expect(seen).toMatchObject({ version: 'v1', artifact: target.artifact });
    expect(seen?.instances.map(({ state }) => state)).toEqual(ensured.instances.map(() => 'running'));
    expect(await world.platform.health(target, UNSTOPPED)).toMatchObject({ state: 'healthy', evidence: { restarts: 0 } });
    expect(await world.starts(ref, 'v1')).toBe(target.settings.instances);
    if (world.platform.capabilities.traffic === 'edge') expect(seen?.endpoints).toHaveLength(target.settings.instances);
  });

  check('asking again starts nothing twice, also from another control plane', async (world) => {
    const ref = world.app();
    const target = world.target(ref, 'v1', 'good');
    await world.deploy(target);
    const before = await world.platform.observe(ref);
    await world.platform.ensure(target, UNSTOPPED);
    await world.control().ensure(target, UNSTOPPED);
    expect(await world.platform.observe(ref)).toEqual(before);
    expect(await world.starts(ref, 'v1')).toBe(target.settings.instances);
  });

  check('control planes that race start nothing twice', async (world) => {
    const ref = world.app();
    const target = world.target(ref, 'v1', 'good');
    await Promise.all(
      [world.platform, world.control(), world.control(), world.platform].map((platform) => platform.ensure(target, UNSTOPPED)),
    );
    await untilHealthy(world.platform, target);
    expect(await world.starts(ref, 'v1')).toBe(target.settings.instances);
    expect(await world.running(ref, 'v1')).toBe(target.settings.instances);
  });

  check('two versions live side by side, and retiring one leaves the other alone', async (world) => {
    const ref = world.app();
    await world.deploy(world.target(ref, 'v1', 'good'));
    await world.deploy(world.target(ref, 'v2', 'good'));
    expect((await world.platform.observe(ref)).map(({ version }) => version).toSorted()).toEqual(['v1', 'v2']);
    const before = (await world.platform.observe(ref)).find(({ version }) => version === 'v2');
    await world.platform.retire(ref, 'v1', 2_000, 1);
    expect(await world.platform.observe(ref)).toEqual([before]);
    expect(await world.running(ref, 'v1')).toBe(0);
    expect(await world.running(ref, 'v2')).toBe(before?.instances.length);
    expect(await world.platform.health(world.target(ref, 'v2', 'good'), UNSTOPPED)).toMatchObject({ state: 'healthy' });
  });

  check('retire may be repeated, and what is not there is already retired', async (world) => {
    const ref = world.app();
    await world.platform.retire(ref, 'never-there', 0, 1);
    await world.deploy(world.target(ref, 'v1', 'good'));
    await Promise.all([world.platform.retire(ref, 'v1', 2_000, 1), world.control().retire(ref, 'v1', 2_000, 1)]);
    await world.platform.retire(ref, 'v1', 2_000, 1);
    expect(await world.platform.observe(ref)).toEqual([]);
    expect(await world.running(ref, 'v1')).toBe(0);
  });

  check('a retired version can be deployed again', async (world) => {
    const ref = world.app();
    const target = world.target(ref, 'v1', 'good');
    await world.deploy(target);
    await world.platform.retire(ref, 'v1', 2_000, 1);
    await world.deploy(target);
    expect(await world.running(ref, 'v1')).toBe(target.settings.instances);
    expect(await world.starts(ref, 'v1')).toBe(2 * target.settings.instances);
  });

  check('a version that does not get well is there all the same, and can be retired', async (world) => {
    const ref = world.app();
    await world.platform.ensure(world.target(ref, 'v1', 'sick'), UNSTOPPED);
    expect(await world.platform.observe(ref)).toMatchObject([{ version: 'v1' }]);
    await world.platform.retire(ref, 'v1', 0, 1);
    expect(await world.platform.observe(ref)).toEqual([]);
    await until(
      () => world.running(ref, 'v1'),
      (count) => count === 0,
    );
  });

  check('apps and environments are apart, also with equal version names', async (world) => {
    const ref = world.app('test');
    const twin = { environment: 'other', app: ref.app };
    const target = world.target(ref, 'v1', 'good');
    await world.deploy(target);
    expect(await world.platform.observe(twin)).toEqual([]);
    await world.platform.ensure(world.target(twin, 'v1', 'good'), UNSTOPPED);
    await world.platform.retire(twin, 'v1', 0, 1);
    expect(await world.platform.health(target, UNSTOPPED)).toMatchObject({ state: 'healthy' });
    expect(await world.platform.observe(twin)).toEqual([]);
  });

  check('a call that was called off before it began does nothing', async (world) => {
    const ref = world.app();
    const called = new Error('called off');
    await expect(world.platform.ensure(world.target(ref, 'v1', 'good'), AbortSignal.abort(called))).rejects.toBe(called);
    expect(await world.platform.observe(ref)).toEqual([]);
    expect(await world.starts(ref, 'v1')).toBe(0);
  });
};
