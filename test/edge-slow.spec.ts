import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DEFAULT_RULES } from '../src/core/edge/rules.ts';
import type { EdgeRules } from '../src/core/app/traffic.ts';
import { type AppVersion, appVersion } from './worlds/app-version.ts';
import { edgeKinds, type LoneEdge, withEdge } from './worlds/edges.ts';
import { until } from './worlds/visitor.ts';
import { type Wire, wire } from './worlds/wire.ts';

/*
 * Clients who are slow, one at a time: each is given up by itself, and the version is not blamed.
 */

const TIMEOUTS = { headMs: 1_000, idleMs: 1_000, bodyMs: 1_000, answerMs: 20_000 };
/** Until an edge has noticed, at the latest, ms: HAProxy's keeper looks at bodies that wait every five seconds. */
const NOTICED_MS = 15_000;

let version: AppVersion;
beforeEach(async () => {
  version = await appVersion('v1');
});
afterEach(() => version.stop());

const post = (path: string, framing: string, body: string): string => `POST ${path} HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n${body}`;
const LONG = 'Content-Length: 100000';

describe.each(edgeKinds)('slow clients of the edge %s', (kind) => {
  const slow = (rules: Partial<EdgeRules>, work: (lone: LoneEdge) => Promise<void>): Promise<void> =>
    withEdge(kind, { timeouts: TIMEOUTS, ...rules }, async (lone) => {
      await lone.route([version.at(100)]);
      await work(lone);
    });

  /** Counted by status class, once nothing is under way any more. */
  async function counted({ edge, app }: LoneEdge, requests: number): Promise<Readonly<Record<string, number>> | undefined> {
    const stats = await until(
      () => edge.stats(app),
      ({ versions }) => versions['v1']?.requests === requests,
    );
    await until(
      async () => (await edge.observe(app))?.versions[0]?.inFlight,
      (inFlight) => inFlight === 0,
    );
    return stats.versions['v1']?.byClass;
  }

  test.each([
    ['before its first byte', post('/digest', LONG, '')],
    ['in the middle', post('/digest', LONG, 'some')],
    ['within a chunk', post('/digest', 'Transfer-Encoding: chunked', '5\r\nso')],
  ])('a body that stops %s is given up, and is not the failure of the version', async (_, request) => {
    await slow({}, async (lone) => {
      const client = wire(lone.port);
      client.send(request);
      expect(await client.closed(NOTICED_MS)).not.toMatch(/^HTTP\/1\.1 [25]/);
      expect(await counted(lone, 1)).toEqual({ aborted: 1 });
    });
  });

  test('a body that stops once the version has begun to answer is given up, and is not the failure of the version', async () => {
    await slow({}, async (lone) => {
      const client = wire(lone.port);
      client.send(post('/echo', LONG, 'some'));
      expect(await client.closed(NOTICED_MS)).toMatch(/^HTTP\/1\.1 200 .*some/s);
      expect(await counted(lone, 1)).toEqual({ '2xx': 1 });
    });
  });

  test('a body that trickles is given up; one at the least speed, an upgraded connection and a slow answer are not', async () => {
    await slow({ limits: { ...DEFAULT_RULES.limits, bodyRate: 50 } }, async (lone) => {
      const open = (text: string): Wire => {
        const client = wire(lone.port);
        client.send(text);
        return client;
      };
      const [trickling, steady] = [open(post('/digest', LONG, 'x')), open(post('/digest', LONG, 'x'))];
      const upgraded = open(
        'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      );
      const waiting = open('GET /silent HTTP/1.1\r\nHost: a\r\n\r\n');
      const drip = setInterval(() => {
        trickling.send('x');
        steady.send('x'.repeat(100));
      }, 400);
      try {
        expect(await trickling.closed(40_000)).not.toMatch(/^HTTP\/1\.1 [25]/);
        expect([steady.socket.readableEnded, upgraded.socket.readableEnded, waiting.socket.readableEnded]).toEqual([false, false, false]);
        version.release();
        expect(await waiting.until((got) => got.endsWith('v1'))).toMatch(/^HTTP\/1\.1 200/);
      } finally {
        clearInterval(drip);
      }
      for (const client of [steady, upgraded]) client.socket.destroy();
      expect(await counted(lone, 4)).toEqual({ '1xx': 1, '2xx': 1, aborted: 2 });
    });
  }, 60_000);

  test('a version that does not read the body is to blame, not the client', async () => {
    await slow({ timeouts: { ...TIMEOUTS, answerMs: 3_000 } }, async (lone) => {
      const client = wire(lone.port);
      client.send(post('/stuck', 'Content-Length: 50000000', ''));
      client.send(Buffer.alloc(50_000_000));
      // HAProxy says nothing to a client that it cannot read from.
      expect(await client.closed(NOTICED_MS)).toMatch(/^(HTTP\/1\.1 504.*)?$/s);
      expect(await counted(lone, 1)).toEqual({ failed: 1 });
    });
  });
});
