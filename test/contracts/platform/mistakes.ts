import { expect } from 'vitest';
import { ARTIFACT_KINDS } from '../../../src/core/app/artifact.ts';
import { UserError } from '../../../src/core/errors.ts';
import { type PlatformSuite, SECRET_NAME, UNSTOPPED } from '../platform.ts';

export const mistakes: PlatformSuite = (check) => {
  check("what is the user's own fault is said so, and leaves other versions alone", async (world) => {
    const ref = world.app();
    const good = world.target(ref, 'v1', 'good');
    await world.deploy(good);
    const refused = await world.platform.ensure(world.target(ref, 'v2', 'broken'), UNSTOPPED).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(UserError);
    expect((refused as UserError).hint).not.toBeNull();
    expect(await world.starts(ref, 'v2')).toBe(0);
    expect(await world.platform.health(good, UNSTOPPED)).toMatchObject({ state: 'healthy' });
    await world.platform.retire(ref, 'v2', 0, 1);
    expect((await world.platform.observe(ref)).map(({ version }) => version)).toEqual(['v1']);
  });

  check('settings that cannot be followed are named by check, refused by ensure, and start nothing', async (world) => {
    const ref = world.app();
    const good = world.target(ref, 'v1', 'good');
    expect(world.platform.check(good.settings)).toEqual([]);
    const found = world.platform.check(world.mistaken);
    expect(found.length).toBeGreaterThan(0);
    for (const { path, message } of found) {
      expect(path.length).toBeGreaterThan(0);
      expect(message).toMatch(/\w+ \w+/);
    }
    await expect(world.platform.ensure({ ...good, settings: world.mistaken }, UNSTOPPED)).rejects.toMatchObject({
      code: 'PLATFORM_SETTINGS_INVALID',
      message: expect.stringContaining(found[0]?.path.join('.') ?? ''),
    });
    expect(await world.starts(ref, 'v1')).toBe(0);
    expect(await world.platform.observe(ref)).toEqual([]);
  });

  check('an artifact of a kind that it does not take is refused, and starts nothing', async (world) => {
    const ref = world.app();
    const good = world.target(ref, 'v1', 'good');
    const { artifacts } = world.platform.capabilities;
    expect(artifacts).toContain(good.artifact.kind);
    for (const kind of ARTIFACT_KINDS.filter((one) => !artifacts.includes(one))) {
      const refused = world.platform.ensure({ ...good, artifact: { ...good.artifact, kind } }, UNSTOPPED);
      await expect(refused).rejects.toMatchObject({ code: 'PLATFORM_ARTIFACT_UNFIT', message: expect.stringContaining(kind) });
    }
    expect(await world.starts(ref, 'v1')).toBe(0);
  });

  check('asked for access, it says that all is well here, and changes nothing', async (world) => {
    const ref = world.app();
    await world.deploy(world.target(ref, 'v1', 'good'));
    const before = await world.platform.observe(ref);
    expect(await world.platform.access(UNSTOPPED)).toMatchObject({ status: 'ok', message: expect.stringMatching(/\w+ \w+/), hint: null });
    expect(await world.platform.observe(ref)).toEqual(before);
  });

  check('a variable that the control plane does not have is named, and nothing is started', async (world) => {
    const ref = world.app();
    const target = world.target(ref, 'v1', 'secret');
    const refused = await world
      .control()
      .ensure(target, UNSTOPPED)
      .catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(UserError);
    expect(refused).toMatchObject({ code: 'ENV_MISSING', message: expect.stringContaining(SECRET_NAME) });
    expect(await world.starts(ref, 'v1')).toBe(0);
    expect(await world.platform.observe(ref)).toEqual([]);
  });

  check('a secret reaches the app and no answer of the platform', async (world) => {
    const ref = world.app();
    const secret = 'hunter2-c0ntract';
    const platform = world.control({ env: { [SECRET_NAME]: secret } });
    const target = world.target(ref, 'v1', 'secret');
    const answers: unknown[] = [
      await platform.ensure(target, UNSTOPPED),
      await platform.health(target, UNSTOPPED),
      await platform.observe(ref),
    ];
    await expect(platform.ensure({ ...target, fence: 0 }, UNSTOPPED)).rejects.toSatisfy(
      (error) => answers.push(String(error), JSON.stringify(error)) > 0,
    );
    expect(JSON.stringify(answers)).not.toContain(secret);
  });
};
