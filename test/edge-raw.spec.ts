import { describe, expect, test } from 'vitest';
import type { EdgeKind } from '../src/adapters/edge/index.ts';
import type { Endpoint } from '../src/core/app/traffic.ts';
import { edgeKinds, withEdge, withoutHaproxy } from './worlds/edges.ts';
import { rawAnswers, rawRequests, type RawRun } from './worlds/raw-run.ts';

const REQUESTS = Number(process.env['SLUICE_RAW_REQUESTS'] ?? 3_000);
const ANSWERS = Number(process.env['SLUICE_RAW_ANSWERS'] ?? 1_000);
const SEED = Number(process.env['SLUICE_SEED'] ?? Date.now() % 1_000_000);
const LIMIT_MS = 60_000 + (REQUESTS + ANSWERS) * 20;

/** Run against a fresh edge; it must be the same process, and serve, at the end. */
function through(kind: EdgeKind, work: (url: string, route: (to: Endpoint) => Promise<void>) => Promise<RawRun>): Promise<RawRun> {
  return withEdge(kind, {}, async ({ edge, url, app, route }) => {
    const { epoch } = await edge.stats(app);
    const run = await work(url, (to) => route([{ id: 'v1', weight: 100, endpoints: [to] }]));
    expect((await edge.stats(app)).epoch).toBe(epoch);
    return run;
  });
}

describe.each(edgeKinds)(`raw bytes through the edge, seed ${SEED}: %s`, (kind) => {
  test(
    'each generated request is refused, or reaches the version as one request and in one reading',
    async () => {
      const run = await through(kind, (url, route) => rawRequests(url, 'a.test', SEED, REQUESTS, route));
      expect(run.faults).toEqual([]);
      expect(run.passed).toBeGreaterThan(REQUESTS / 20);
      console.info(`${kind}: ${run.sent} requests, ${run.passed} passed on, seed ${SEED}`);
    },
    LIMIT_MS,
  );

  test(
    'no byte of a generated answer reaches another user',
    async () => {
      const run = await through(kind, (url, route) => rawAnswers(url, 'a.test', SEED, ANSWERS, route));
      expect(run.faults).toEqual([]);
      expect(run.passed).toBeGreaterThan(ANSWERS / 2);
      console.info(`${kind}: ${run.sent} answers, seed ${SEED}`);
    },
    LIMIT_MS,
  );
});

test.skipIf(withoutHaproxy !== null)(
  'what both edges pass on of a request is the same',
  async () => {
    const count = Math.min(REQUESTS, 20_000);
    const [one, other] = [
      await through('embedded', (url, route) => rawRequests(url, 'a.test', SEED + 1, count, route)),
      await through('haproxy', (url, route) => rawRequests(url, 'a.test', SEED + 1, count, route)),
    ];
    const both = [...one.seen].filter(([id]) => id >= 0 && other.seen.has(id));
    expect(both.length).toBeGreaterThan(count / 20);
    expect(both.filter(([id, seen]) => seen.join() !== other.seen.get(id)?.join()).slice(0, 3)).toEqual([]);
  },
  LIMIT_MS,
);
