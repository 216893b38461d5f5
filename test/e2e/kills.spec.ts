import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startLoad } from '../load.ts';
import { seeded } from '../simulation/random.ts';
import { createWorld, type World } from './world.ts';

/** `SLUICE_KILLS=100 SLUICE_SEED=1` makes it longer, or the same again. */
const kills = Number(process.env['SLUICE_KILLS'] ?? 10);
const seed = Number(process.env['SLUICE_SEED'] ?? Date.now() % 1_000_000);

let world: World;
beforeAll(async () => {
  world = await createWorld();
  await world.start();
}, 120_000);
afterAll(async () => {
  const left = await world.end();
  expect(left, 'processes left over').toEqual([]);
}, 180_000);

it(`ends every release as if nobody had killed anything (${kills} kills, seed ${seed})`, { timeout: 3_600_000 }, async () => {
  const random = seeded(seed);
  expect(await world.outcome(await world.deploy())).toBe('Succeeded');
  const load = startLoad({ url: await world.edgeUrl(), clients: 32, paths: ['/accounts'], ratePerSecond: 300 });
  const done: Record<string, number> = {};
  let killed = 0;
  let version = 1;
  let good = '1';
  let expectedFailures = 0;

  async function killSomething(): Promise<void> {
    await sleep(random.int(0, 900));
    killed += 1;
    const what = random.pick(['control plane', 'control plane', 'control plane', 'control plane', 'postgres', 'edge'] as const);
    done[what] = (done[what] ?? 0) + 1;
    if (what === 'postgres') return stopPostgres();
    if (what === 'edge') {
      expectedFailures += await restartEdge(load);
      return;
    }
    await world.kill();
    await world.start();
  }

  while (killed < kills) {
    version += 1;
    const isBad = version % 3 === 0;
    await world.commit('web', String(version), isBad ? { kind: 'errors', rate: 0.5 } : { kind: 'none' });
    if (version % 2 === 0) await world.commit('worker', String(version));
    const release = await world.deploy();
    let left = random.int(1, 3);
    const outcome = await world.outcome(release, async () => {
      if (left-- > 0) await killSomething();
    });
    expect(`${version}: ${outcome}`).toBe(`${version}: ${isBad ? 'RolledBack' : 'Succeeded'}`);
    if (!isBad) good = String(version);
    const answer = await fetch(`${await world.edgeUrl()}/accounts`);
    await answer.arrayBuffer();
    expect(answer.headers.get('x-app-release')).toBe(good);
  }

  const report = await load.stop();
  console.log(
    `seed ${seed}: ${killed} kills (${JSON.stringify(done)}), ${version} releases, ${report.requests} requests, ${report.failed} failed (${expectedFailures} while an edge was down)`,
  );
  expect(report.failed - expectedFailures, report.failures.join('\n')).toBe(0);
  const starts = {
    ...(await world.starts('web')),
    ...Object.fromEntries(Object.entries(await world.starts('worker')).map(([key, count]) => [`worker ${key}`, count])),
  };
  const twice = Object.entries(starts).filter(([key, count]) => count !== 1 && !key.startsWith('worker'));
  expect(twice, 'versions started more than once').toEqual([]);
  const audit = await world.api<{ intact: boolean }>('GET', '/v1/audit/verify');
  expect(audit.intact).toBe(true);
});

async function stopPostgres(): Promise<void> {
  const pidFile = (await findPostmaster(join(world.dir, '.sluice'))) ?? '';
  const pid = Number((await readFile(pidFile, 'utf8')).split('\n')[0]);
  process.kill(pid, 'SIGQUIT');
}

async function findPostmaster(dir: string): Promise<string | null> {
  const { execFileSync } = await import('node:child_process');
  const found = execFileSync('find', [dir, '-name', 'postmaster.pid'], { encoding: 'utf8' }).trim();
  return found === '' ? null : (found.split('\n')[0] ?? null);
}

/** Requests that fail while there is no edge are nobody's fault but ours; count them apart. */
async function restartEdge(load: { report(): { failed: number } }): Promise<number> {
  const before = load.report().failed;
  const { pid } = JSON.parse(await readFile(join(world.dir, '.sluice/edges/production/edge.json'), 'utf8')) as { pid: number };
  process.kill(pid, 'SIGKILL');
  const until = Date.now() + 20_000;
  for (;;) {
    const isBack = await fetch(`${await world.edgeUrl()}/up`).then(
      (answer) => answer.ok,
      () => false,
    );
    if (isBack) break;
    if (Date.now() > until) throw new Error('the edge did not come back');
    await sleep(20);
  }
  await sleep(300);
  return load.report().failed - before;
}
