import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { embeddedEdge } from '../src/adapters/edge/embedded.ts';
import { haproxyBinary } from '../src/adapters/edge/haproxy/binary.ts';
import { haproxyEdge } from '../src/adapters/edge/haproxy/haproxy.ts';
import type { Endpoint } from '../src/ports/edge.ts';
import { rawAnswers, rawRequests, type RawRun } from './worlds/raw-run.ts';

const REQUESTS = Number(process.env['SLUICE_RAW_REQUESTS'] ?? 3_000);
const ANSWERS = Number(process.env['SLUICE_RAW_ANSWERS'] ?? 1_000);
const SEED = Number(process.env['SLUICE_SEED'] ?? Date.now() % 1_000_000);
const LIMIT_MS = 60_000 + (REQUESTS + ANSWERS) * 20;

const hasHaproxy = await haproxyBinary().then(
  () => true,
  () => false,
);
const kinds = { embedded: embeddedEdge, haproxy: haproxyEdge };

/** Run against a fresh edge; it must be the same process, and serve, at the end. */
async function through(
  kind: keyof typeof kinds,
  work: (url: string, route: (to: Endpoint) => Promise<void>) => Promise<RawRun>,
): Promise<RawRun> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-raw-'));
  const edge = kinds[kind]({ dir, port: 0 });
  try {
    const url = await edge.ensure();
    const route = async (to: Endpoint): Promise<void> => {
      const versions = [{ id: 'v1', weight: 100, endpoints: [to] }];
      await edge.apply({ app: 'raw/app', fence: 1, routes: [{ host: null, pathPrefix: '/' }], sticky: { by: 'none' }, versions });
    };
    const { epoch } = await edge.stats('raw/app');
    const run = await work(url, route);
    expect((await edge.stats('raw/app')).epoch).toBe(epoch);
    return run;
  } finally {
    await edge.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

describe.each(['embedded', ...(hasHaproxy ? (['haproxy'] as const) : [])] as const)(
  `raw bytes through the edge, seed ${SEED}: %s`,
  (kind) => {
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
  },
);

test.skipIf(!hasHaproxy)(
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
