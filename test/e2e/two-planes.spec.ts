import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { startEmbeddedPostgres } from '../../src/engine/postgres/embedded.ts';
import { startLoad } from '../load.ts';
import { createWorld, type World } from './world.ts';
import { removeTree } from '../../src/lib/unfinished.ts';

/** Time in which the other control plane must go on with what a dead one left (issue: 10 s), ms. */
const TAKEOVER_MS = 10_000;

it('two control planes share a database: one dies, one is stopped and goes on, and nobody notices', { timeout: 300_000 }, async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-shared-db-'));
  const postgres = await startEmbeddedPostgres(dir);
  const world = await createWorld({ databaseUrl: postgres.url, bake: '2s' });
  const planes: number[] = [];
  try {
    const one = await world.start();
    expect(await world.outcome(await world.deploy())).toBe('Succeeded');
    const two = await world.start();
    planes.push(one, two);
    const load = startLoad({ url: await world.edgeUrl(), clients: 48, paths: ['/accounts'], ratePerSecond: 200 });

    await world.commit('web', '2');
    world.use(one);
    const first = await world.deploy();
    await baking(world, first);
    const killedAt = Date.now();
    process.kill(one, 'SIGKILL');
    world.use(two);
    expect(await world.outcome(first)).toBe('Succeeded');
    expect(await silenceAfter(world, first, killedAt), 'ms until the release went on').toBeLessThan(TAKEOVER_MS);

    const three = await world.start();
    planes.push(three);
    await world.commit('web', '3');
    world.use(three);
    const second = await world.deploy();
    await baking(world, second);
    const stoppedAt = Date.now();
    process.kill(three, 'SIGSTOP');
    world.use(two);
    expect(await world.outcome(second)).toBe('Succeeded');
    expect(await silenceAfter(world, second, stoppedAt), 'ms until the release went on').toBeLessThan(TAKEOVER_MS);
    const before = await world.events(second);
    process.kill(three, 'SIGCONT');
    // Long enough for whatever it had in hand to be tried, and refused.
    await sleep(3_000);
    expect(await world.events(second)).toEqual(before);

    world.use(three);
    await world.commit('web', '4');
    expect(await world.outcome(await world.deploy()), 'the one that was stopped works on').toBe('Succeeded');
    const report = await load.stop();
    expect(report.failures).toEqual([]);
    expect(await world.starts('web')).toEqual({ 1: 1, 2: 1, 3: 1, 4: 1 });
    expect((await world.api<{ intact: boolean }>('GET', '/v1/audit/verify')).intact).toBe(true);
  } finally {
    for (const pid of planes.slice(0, -1)) kill(pid);
    expect(await world.end(), 'processes left over').toEqual([]);
    await postgres.stop();
    await removeTree(dir);
  }
});

/** The canary has some of the traffic and is looked at. */
async function baking(world: World, release: string): Promise<void> {
  for (const until = Date.now() + 30_000; !(await world.events(release)).some(({ type }) => type === 'SampleCollected');) {
    if (Date.now() > until) throw new Error(`no sample of ${release} within 30 s`);
    await sleep(50);
  }
}

/** From `at` to the first event after it, ms. */
async function silenceAfter(world: World, release: string, at: number): Promise<number> {
  const next = (await world.events(release)).find((event) => event.at > at);
  return (next?.at ?? Number.POSITIVE_INFINITY) - at;
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Dead already.
  }
}
