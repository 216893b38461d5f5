import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createWorld, type World } from './world.ts';

const INSTANCES = 4;

/** A share of a worker's instances runs the new version, and is judged by what it writes into its log. */
it('a worker without routes is shipped by canary: by instances, judged on its own log', { timeout: 300_000 }, async () => {
  const world = await createWorld({ apps: { settler: 'settler' }, config: configOf });
  const said: string[] = [];
  const queue = await startQueue(join(world.dir, '.sluice/data/payments'));
  try {
    await world.start();
    expect(await world.outcome(await world.deploy())).toBe('Succeeded');
    expect(await running(world)).toEqual({ 1: INSTANCES });

    for (const [version, fault, reason] of [
      ['2', { kind: 'slow', ms: 40 }, /slower/],
      ['3', { kind: 'errors', rate: 0.4 }, /fails more often/],
    ] as const) {
      await world.commit('settler', version, fault);
      const bad = await world.deploy();
      let both = false;
      const outcome = await world.outcome(bad, async () => {
        const now = await running(world);
        // Never more than one for each part of the queue.
        expect(Object.values(now).reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(INSTANCES);
        both ||= now[version] === 1 && now['1'] === INSTANCES - 1;
      });
      const why = (await world.events(bad)).find(({ type }) => type === 'RolloutFailed')?.data['cause'] as { message: string } | undefined;
      expect(`${outcome}: ${why?.message}`).toMatch(reason);
      expect(outcome).toBe('RolledBack');
      expect(both).toBe(true);
      expect(await running(world)).toEqual({ 1: INSTANCES });
      said.push(`${outcome}: ${why?.message}`);
    }

    await world.commit('settler', '4');
    const good = await world.deploy();
    expect(await world.outcome(good)).toBe('Succeeded');
    expect(await running(world)).toEqual({ 4: INSTANCES });
    const shifts = (await world.events(good)).flatMap(({ type, data }) =>
      type === 'WeightsShifted' ? [data['weights'] as Record<string, number>] : [],
    );
    const candidate = Object.entries(shifts.at(-1) ?? {}).find(([, weight]) => weight === 100)?.[0] ?? '';
    const steps = shifts.map((weights) => weights[candidate]);
    expect(steps).toEqual([25, 50, 100]);
    said.push('Succeeded: 25 → 50 → 100 %');

    const jobs = await queue.stop();
    const { settled, waiting, twice } = await queue.settled(jobs, world.dir);
    said.push(`${jobs} jobs, ${settled} settled, ${twice} twice`);
    expect({ waiting, settled, twice }).toEqual({ waiting: 0, settled: jobs, twice: 0 });
  } finally {
    await queue.stop();
    console.log(said.join('\n'));
    expect(await world.end(), 'processes left over').toEqual([]);
  }
});

function configOf(dir: string): object {
  const logs = { kind: 'logs', requests: '^settled ', errors: 'after a failure', errorsMayBeAbsent: true };
  const judged = {
    judge: 'sequential',
    interval: 1000,
    initialDelay: '2s',
    minRequests: 20,
    errors: { passMargin: 0.2, limit: 0.2 },
    early: { minBake: '3s' },
  };
  return {
    workspace: 'workers',
    apps: {
      settler: {
        path: 'settler',
        run: { command: ['node', 'worker.js'], instances: INSTANCES, drain: '5s' },
        env: { HARBOUR_DATA: join(dir, '.sluice/data') },
        strategy: {
          kind: 'canary',
          steps: [
            { weight: 25, bake: '2m' },
            { weight: 50, bake: '2m' },
          ],
          soak: '200ms',
        },
        // Processing times of a few ms: what counts is that it is not several times as long.
        analysis: { ...judged, source: { ...logs, latency: ' in (\\d+) ms' }, latency: { margin: 0.95, quantiles: [0.5] } },
        analyses: [{ name: 'lag', dryRun: true, ...judged, source: { ...logs, latency: 'waited (\\d+) ms' } }],
      },
    },
    environments: { production: {} },
  };
}

/** Release → how many processes of it run. */
async function running(world: World): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const pid of world.processes()) {
    try {
      if (!(await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0').includes('worker.js')) continue;
      const release = (await readFile(`/proc/${pid}/cwd/VERSION`, 'utf8')).trim();
      counts[release] = (counts[release] ?? 0) + 1;
    } catch {
      // It has ended meanwhile.
    }
  }
  return counts;
}

/** Payments, some a second, until stopped; each is a file. */
async function startQueue(folder: string) {
  const waiting = join(folder, 'waiting');
  await mkdir(waiting, { recursive: true });
  let [jobs, isOver] = [0, false];
  const feeding = (async () => {
    while (!isOver) {
      const id = `p${String((jobs += 1)).padStart(6, '0')}`;
      await writeFile(join(waiting, `.${id}`), JSON.stringify({ id, amount: 1, at: Date.now() }));
      await rename(join(waiting, `.${id}`), join(waiting, `${id}.json`));
      await sleep(10);
    }
  })();
  return {
    async stop() {
      isOver = true;
      await feeding;
      return jobs;
    },
    /** What became of all of them, once the queue is empty. */
    async settled(all: number, dir: string) {
      const until = Date.now() + 60_000;
      const left = async () => (await readdir(waiting)).length;
      while ((await left()) > 0 && Date.now() < until) await sleep(100);
      const lines = execFileSync('grep', ['-rhoE', '--include=*.log*', '^settled p[0-9]+', join(dir, '.sluice/apps')], {
        encoding: 'utf8',
        maxBuffer: 1e8,
      });
      const seen = lines.trim().split('\n');
      const settled = (await readdir(join(folder, 'settled'))).filter((name) => name.endsWith('.json')).length;
      return { waiting: await left(), settled, twice: seen.length - new Set(seen).size, all };
    },
  };
}
