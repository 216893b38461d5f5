import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { descriptorLimit } from '../src/lib/descriptor-limit.ts';
import { DEFAULT_RULES } from '../src/core/edge/rules.ts';
import { type AppVersion, appVersion } from './worlds/app-version.ts';
import { CLIENTS_A_PROCESS, type Crowd, startCrowd } from './worlds/crowd.ts';
import { edgeKinds, type LoneEdge, withEdge } from './worlds/edges.ts';
import { type Answer, until, visitor } from './worlds/visitor.ts';

/*
 * Many clients who do nothing, or do it slowly: users are served all the same, the control port answers, and a rollback works. By itself a few
 * hundred against a limit of fewer connections; `SLUICE_CROWD=20000` against all the descriptors that an edge may have.
 */

const CLIENTS = Number(process.env['SLUICE_CROWD'] ?? 500);
const WATCHED_MS = Number(process.env['SLUICE_CROWD_MS'] ?? 10_000);
const isWhole = CLIENTS >= CLIENTS_A_PROCESS;
/** A few hundred are more than this, and 20,000 more than an edge may have descriptors for, or a part of them that is worth a try. */
const CONNECTIONS = isWhole ? null : Math.floor(CLIENTS * 0.6);
/** Within which time the control port has to answer, ms. */
const CONTROL_MS = 1_000;
/** How long a user waits for an answer, ms. */
const PATIENCE_MS = 20_000;

const needed = Math.min(CLIENTS, CLIENTS_A_PROCESS) + 200;
const why =
  descriptorLimit() < needed ? ` (skipped: a process may have ${descriptorLimit()} descriptors open, and ${needed} are needed)` : '';

let versions: readonly [AppVersion, AppVersion];
let crowd: Crowd | null = null;
beforeEach(async () => {
  versions = [await appVersion('v1'), await appVersion('v2')];
});
afterEach(async () => {
  await crowd?.stop();
  crowd = null;
  await Promise.all(versions.map((version) => version.stop()));
});

interface Times {
  readonly users: number[];
  readonly control: number[];
  readonly failures: string[];
}

const at = (times: readonly number[], quantile: number): number =>
  Math.round(times.toSorted((a, b) => a - b)[Math.min(times.length - 1, Math.floor(times.length * quantile))] ?? Number.NaN);

/** Users who come with a new connection each, and calls of the control plane, until `isOver`. */
async function watch({ edge, url, app }: LoneEdge, isOver: () => boolean): Promise<Times> {
  const times: Times = { users: [], control: [], failures: [] };
  async function timed(list: number[], what: string, work: () => Promise<void>): Promise<void> {
    while (!isOver()) {
      const since = performance.now();
      await work().catch((error: unknown) => times.failures.push(`${what}: ${String(error)}`));
      list.push(performance.now() - since);
      await sleep(20);
    }
  }
  await Promise.all([
    timed(times.users, 'a user', async () => {
      const { status } = await come(url);
      if (status !== 200) throw new Error(`answered ${status}`);
    }),
    timed(times.control, 'a call', async () => {
      await edge.observe(app);
      await edge.stats(app);
    }),
  ]);
  return times;
}

async function come(url: string): Promise<Answer> {
  const one = visitor(url, 'crowd.test');
  const patience = setTimeout(() => one.agent.destroy(), PATIENCE_MS);
  try {
    return await one.get({ headers: { connection: 'close' } });
  } finally {
    clearTimeout(patience);
    one.agent.destroy();
  }
}

describe.each(edgeKinds)(`${CLIENTS} idle and slow clients of the edge %s${why}`, (kind) => {
  test.skipIf(why !== '')(
    'users are served, the control port answers in time, and a rollback works meanwhile',
    async () => {
      await withEdge(kind, { limits: { ...DEFAULT_RULES.limits, connections: CONNECTIONS } }, async (lone) => {
        const [one, two] = versions;
        await lone.route([one.at(100), two.at(0)]);
        // What a call takes on this machine with nothing to do: another program may have the processor.
        const quietUntil = performance.now() + 2_000;
        const quiet = await watch(lone, () => performance.now() > quietUntil);
        const allowedMs = CONTROL_MS + 10 * at(quiet.control, 0.95);

        crowd = startCrowd(lone.port, CLIENTS);
        let isOver = false;
        const watching = watch(lone, () => isOver);
        // All have come, and the edge has sent some away.
        await until(
          () => crowd?.count() ?? { open: 0, sentAway: 0 },
          ({ open, sentAway }) => open + sentAway >= CLIENTS * 0.95 && sentAway >= CLIENTS / 20,
          300_000,
        );
        await sleep(WATCHED_MS);

        const since = performance.now();
        await lone.route([one.at(50), two.at(50)]);
        await until(
          async () => (await come(lone.url)).version,
          (version) => version === 'v2',
          60_000,
        );
        const rollbackSince = performance.now();
        await lone.route([one.at(100), two.at(0)]);
        const rollbackMs = performance.now() - rollbackSince;
        for (let asked = 0; asked < 10; asked += 1) expect((await come(lone.url)).version).toBe('v1');
        expect((await lone.edge.observe(lone.app))?.versions.map(({ weight }) => weight)).toEqual([100, 0]);

        isOver = true;
        const { users, control, failures } = await watching;
        const figures = (times: readonly number[]): string =>
          `${times.length}, p50 ${at(times, 0.5)} ms, p99 ${at(times, 0.99)} ms, max ${at(times, 1)} ms`;
        console.info(
          `${kind}, ${CLIENTS} clients (${JSON.stringify(crowd?.count())}): users ${figures(users)}; control ${figures(control)} (without a crowd p95 ${at(quiet.control, 0.95)} ms); rollback ${Math.round(rollbackMs)} ms, step and rollback with their proof ${Math.round(performance.now() - since)} ms`,
        );
        expect(failures).toEqual([]);
        expect(users.length).toBeGreaterThan(10);
        expect(at(control, 0.95)).toBeLessThan(allowedMs);
        expect(rollbackMs).toBeLessThan(5 * allowedMs);
      });
    },
    600_000,
  );
});
