import { afterAll, beforeAll, expect, test } from 'vitest';
import { UNSTOPPED } from '../../test/contracts/platform.ts';
import { weightedCloud, type WeightedCloud, weightedPlatform } from '../../test/worlds/weighted.ts';
import { deployTarget } from '../ports/deploy-target.ts';
import type { LogLine, Platform } from '../ports/platform.ts';
import { createPlatforms, type PlatformRegistry } from './registry.ts';

/** Two platforms beside each other: one counts as part of this machine, the other does not. */

let [here, away]: WeightedCloud[] = [];
let registry: PlatformRegistry;
const folders: string[] = [];

beforeAll(async () => {
  const clouds = [await weightedCloud(), await weightedCloud()] as const;
  [here, away] = clouds;
  const kind =
    (name: string, cloud: WeightedCloud, isLocal: boolean) =>
    (parts: { readonly dir: string }): Platform => {
      folders.push(parts.dir);
      const platform = weightedPlatform(cloud);
      return { ...platform, name, capabilities: { ...platform.capabilities, isLocal } };
    };
  registry = createPlatforms(
    { dir: '/ws/.sluice', artifacts: { folder: async () => '/nowhere' }, values: () => ({}) },
    { processes: kind('processes', clouds[0], true), cloud: kind('cloud', clouds[1], false) },
  );
});
afterAll(() => Promise.all([here?.stop(), away?.stop()]));

const run = { behaviour: 'good', instances: 1, listens: true, drainMs: 0, env: {} };

async function deploy(platform: string, app: string): Promise<{ environment: string; app: string }> {
  const ref = { environment: 'test', app };
  const version = { id: 'v1', artifact: 'bundle:sha256:01', commit: null, run, health: null };
  await registry.of(platform).ensure(deployTarget(ref, version, { fence: 1 }), UNSTOPPED);
  return ref;
}

async function logsOf(ref: { environment: string; app: string }, recorded: string | null): Promise<LogLine[]> {
  const lines: LogLine[] = [];
  for await (const line of registry.logs(ref, { lines: 5, follow: false }, async () => recorded)) lines.push(line);
  return lines;
}

test('a platform is found by its name, and an unknown name is told which there are', () => {
  expect(registry.of('cloud').name).toBe('cloud');
  expect(() => registry.of('clod')).toThrow(expect.objectContaining({ code: 'PLATFORM_UNKNOWN', hint: 'Known: processes, cloud.' }));
});

test('each platform has a folder of its own, and that of processes is where earlier versions have it', () => {
  expect(folders).toEqual(['/ws/.sluice/apps', '/ws/.sluice/platforms/cloud']);
});

test('log lines come from the platform of the record, and without a record from the one that has versions of the app', async () => {
  const ref = await deploy('cloud', 'talker');
  expect((await logsOf(ref, 'cloud')).length).toBeGreaterThan(0);
  expect((await logsOf(ref, null)).length).toBeGreaterThan(0);
  expect(await logsOf(ref, 'processes')).toEqual([]);
});

test('stopping what is on this machine leaves what runs elsewhere alone', async () => {
  const [local, remote] = [await deploy('processes', 'local'), await deploy('cloud', 'remote')];
  await registry.stopLocal(0, 2);
  expect(await registry.of('processes').observe(local)).toEqual([]);
  expect(await registry.of('cloud').observe(remote)).toMatchObject([{ version: 'v1' }]);
});
