import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { startLoad } from '../load.ts';
import { createWorld } from './world.ts';

/** `SLUICE_SWITCHES=20 SLUICE_REQUESTS=200000` is the long form (`make soak`). */
const switches = Number(process.env['SLUICE_SWITCHES'] ?? 4);
const requests = Number(process.env['SLUICE_REQUESTS'] ?? 10_000);

/** Every fourth version is bad and goes back; every other release loses its control plane on the way. */
describe.each(['embedded', 'haproxy'] as const)('users of the %s edge', (edge) => {
  it.skipIf(edge === 'haproxy' && !hasHaproxy())(
    `notice nothing of ${switches} releases, rollbacks and dead control planes (HAProxy's is skipped where it is not installed)`,
    { timeout: 1_200_000 },
    async () => {
      const world = await createWorld({ edge, bake: '500ms' });
      const tally = { switches: 0, rollbacks: 0, kills: 0 };
      try {
        await world.start();
        expect(await world.outcome(await world.deploy())).toBe('Succeeded');
        const load = startLoad({ url: await world.edgeUrl(), clients: 48, paths: ['/accounts'] });
        for (let round = 1; round <= switches || load.report().requests < requests; round += 1) {
          const isBad = round % 4 === 0;
          await world.commit('web', `${round + 1}`, isBad ? { kind: 'errors', rate: 0.5 } : { kind: 'none' });
          const release = await world.deploy();
          if (round % 2 === 0) {
            await sleep(400);
            await world.kill();
            await world.start();
            tally.kills += 1;
          }
          expect(`${round}: ${await world.outcome(release)}`).toBe(`${round}: ${isBad ? 'RolledBack' : 'Succeeded'}`);
          tally[isBad ? 'rollbacks' : 'switches'] += 1;
        }
        const report = await load.stop();
        const { p50, p99, max } = report.latencyMs;
        console.log(
          `${edge}: ${report.requests} requests, ${report.failed} failed, ${JSON.stringify(tally)}; latency p50 ${p50.toFixed(1)}, p99 ${p99.toFixed(1)}, max ${max.toFixed(0)} ms`,
        );
        expect(report.failures).toEqual([]);
        expect(report.failed).toBe(0);
        expect(report.requests).toBeGreaterThanOrEqual(requests);
      } finally {
        expect(await world.end(), 'processes left over').toEqual([]);
      }
    },
  );
});

function hasHaproxy(): boolean {
  try {
    execFileSync('haproxy', ['-v'], { stdio: 'ignore', env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` } });
    return true;
  } catch {
    return false;
  }
}
