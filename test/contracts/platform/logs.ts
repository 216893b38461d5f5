import { expect } from 'vitest';
import type { LogLine } from '../../../src/ports/platform.ts';
import { type PlatformSuite, until } from '../platform.ts';

export const logs: PlatformSuite = (check) => {
  check('the newest lines, and no more than were asked for', async (world) => {
    const ref = world.app();
    await world.deploy(world.target(ref, 'v1', 'good'));
    await world.deploy(world.target(ref, 'v2', 'good'));
    const read = (lines: number, only?: string): Promise<LogLine[]> =>
      all(world.platform.logs(ref, { lines, follow: false, ...(only === undefined ? {} : { version: only }) }));
    const lines = await until(
      () => read(100),
      (seen) => ['v1', 'v2'].every((version) => seen.some(({ line }) => line.includes(world.greeting(version)))),
    );
    for (const version of ['v1', 'v2']) {
      expect(lines.filter((line) => line.version === version).some(({ line }) => line.includes(world.greeting(version)))).toBe(true);
    }
    expect((await read(100, 'v2')).every(({ version }) => version === 'v2')).toBe(true);
    expect(await read(1)).toHaveLength(1);
    expect(await read(0)).toEqual([]);
  });

  check('following tells what comes, of new versions too, until it is called off', async (world) => {
    const ref = world.app();
    await world.deploy(world.target(ref, 'v1', 'good'));
    const stop = new AbortController();
    const seen: string[] = [];
    const following = (async () => {
      for await (const { line } of world.platform.logs(ref, { lines: 100, follow: true, signal: stop.signal })) seen.push(line);
    })();
    await world.deploy(world.target(ref, 'v2', 'good'));
    const has = (version: string): boolean => seen.some((line) => line.includes(world.greeting(version)));
    await until(
      async () => seen,
      () => has('v1') && has('v2'),
    );
    stop.abort();
    await following;
  });

  check('an app nobody deployed has no log', async (world) => {
    expect(await all(world.platform.logs(world.app(), { lines: 10, follow: false }))).toEqual([]);
  });
};

async function all(lines: AsyncIterable<LogLine>): Promise<LogLine[]> {
  const read: LogLine[] = [];
  for await (const line of lines) read.push(line);
  return read;
}
