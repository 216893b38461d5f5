import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../../test/worlds/visitor.ts';
import { type Wire, wire, wireServer, type WireServer } from '../../test/worlds/wire.ts';
import { DEFAULT_RULES } from '../core/edge/rules.ts';
import type { EdgeRules, Endpoint, Sticky } from '../core/app/traffic.ts';
import { createDataPath, type DataPath, type DataPathOptions } from './server.ts';
import { createTable, type Table } from './table.ts';

const TIMEOUTS = { headMs: 200, idleMs: 400, bodyMs: 300, answerMs: 300 };
const KEY = [1, 2, 3, 4] as const;
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

let table: Table;
let path: DataPath;
let port: number;
let version: WireServer;
const started: WireServer[] = [];

beforeEach(async () => {
  version = await server();
  await start();
});
afterEach(async () => {
  path.stop();
  for (const one of started.splice(0)) await one.stop();
});

async function server(onWire?: (wire: Wire) => void): Promise<WireServer> {
  const one = await wireServer(onWire);
  started.push(one);
  return one;
}

async function start(rules: Partial<EdgeRules> = {}, options: DataPathOptions = {}): Promise<void> {
  path?.stop();
  table = createTable('epoch', KEY);
  path = createDataPath(table, { ...options, rules: { ...DEFAULT_RULES, ...rules } });
  await new Promise<void>((resolve) => path.server.listen(0, '127.0.0.1', resolve));
  port = (path.server.address() as AddressInfo).port;
  send([at(version.port)]);
}

function at(versionPort: number, host = '127.0.0.1'): Endpoint {
  return { host, port: versionPort };
}

function send(endpoints: readonly Endpoint[], sticky: Sticky = { by: 'none' }): void {
  table.apply({
    app: 'app',
    fence: 1,
    routes: [{ host: null, pathPrefix: '/' }],
    sticky,
    versions: [{ id: 'v1', weight: 100, endpoints }],
  });
}

function counted(): Readonly<Record<string, number>> {
  return table.stats('app', 0).versions['v1']?.byClass ?? {};
}

const ends = (text: string) => (got: string) => got.endsWith(text);

/** A request on a connection, and the connection on which the version got it. */
async function ask(text = GET, client = wire(port), index = version.wires.length): Promise<{ client: Wire; app: Wire }> {
  client.send(text);
  const app = await version.wire(index);
  await app.until((got) => got.includes('\r\n\r\n'));
  return { client, app };
}

describe('time limits', () => {
  beforeEach(() => start({ timeouts: TIMEOUTS }, { connectMs: 300 }));

  test('a head that never ends is answered 408', async () => {
    const client = wire(port);
    client.send('GET / HTTP/1.1\r\nHost: a\r\n');
    const drip = setInterval(() => client.send('X: y\r\n'), 20);
    const got = await client.until((text) => text.includes('\r\n\r\n'));
    clearInterval(drip);
    expect(got).toMatch(/^HTTP\/1.1 408 /);
    expect(version.wires).toHaveLength(0);
  });

  test('a connection without a request is closed, a busy one is not', async () => {
    const idle = wire(port);
    expect(await idle.closed()).toBe('');
    const { client, app } = await ask('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    app.send('HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n');
    for (const byte of 'slow but ok!') {
      await sleep(TIMEOUTS.idleMs / 4);
      app.send(byte);
    }
    await client.until(ends('slow but ok!'));
  });

  test('a version that does not answer: 504, failed, and its connection is closed', async () => {
    const { client, app } = await ask();
    expect(await client.until(ends('\n'))).toMatch(/^HTTP\/1.1 504 /);
    await app.closed();
    expect(counted()).toEqual({ failed: 1 });
    expect(table.observe('app')?.versions[0]?.inFlight).toBe(0);
  });

  test('a long upload does not use up the time to answer', async () => {
    const { client, app } = await ask('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n');
    for (const byte of '12345678') {
      client.send(byte);
      await sleep(100);
    }
    await app.until(ends('12345678'));
    app.send(OK);
    await client.until(ends('ok'));
  });

  test("a body that stops coming is given up, and is not the version's failure", async () => {
    const { client, app } = await ask('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n1');
    expect(await client.until(ends('\n'))).toMatch(/^HTTP\/1.1 408 /);
    await app.closed();
    expect(counted()).toEqual({ aborted: 1 });
  });

  test('a client that does not take its answer is cut off', async () => {
    const { client, app } = await ask();
    client.socket.pause();
    app.send('HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n');
    app.send(Buffer.alloc(50_000_000));
    await app.closed();
    expect(table.observe('app')?.versions[0]?.inFlight).toBe(0);
  });

  test('an endpoint that does not even accept: the next one is asked', async () => {
    // An address kept for examples (RFC 5737): nobody is there, which some networks tell and some do not.
    send([at(version.port, '192.0.2.1'), at(version.port)]);
    const asked = [await ask(), await ask()];
    for (const { client, app } of asked) {
      app.send(OK);
      await client.until(ends('ok'));
    }
    expect(counted()).toEqual({ '2xx': 2 });
  });
});

describe('messages', () => {
  test('HTTP/1.0 is answered and closed; the version is spoken to in HTTP/1.0', async () => {
    const { client, app } = await ask('GET /x HTTP/1.0\r\nHost: a\r\n\r\n');
    expect(app.got()).toMatch(/^GET \/x HTTP\/1.0\r\nhost: a\r\n/);
    app.send('HTTP/1.0 200 OK\r\n\r\nuntil the end');
    app.socket.end();
    expect(await client.closed()).toMatch(/^HTTP\/1.1 200 OK\r\nconnection: close\r\n\r\nuntil the end$/);
    expect(counted()).toEqual({ '2xx': 1 });
  });

  test('an answer without a length ends with its connection; one cut off does not look whole', async () => {
    const one = await ask();
    one.app.send('HTTP/1.1 200 OK\r\n\r\nwhole');
    one.app.socket.end();
    expect(await one.client.closed()).toMatch(/whole$/);
    const two = await ask();
    const failed = new Promise((resolve) => two.client.socket.once('error', resolve));
    two.app.send('HTTP/1.1 200 OK\r\n\r\ncut');
    await two.client.until(ends('cut'));
    two.app.socket.resetAndDestroy();
    expect(await failed).toMatchObject({ code: 'ECONNRESET' });
    expect(counted()).toEqual({ '2xx': 1, failed: 1 });
  });

  test('interim answers pass, each in its turn', async () => {
    const { client, app } = await ask('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n');
    app.send('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n');
    await client.until(ends('</a>\r\n\r\n'));
    client.send('hi');
    await app.until(ends('hi'));
    app.send(OK);
    await client.until(ends('ok'));
    expect(counted()).toEqual({ '2xx': 1 });
  });

  test('an answer that comes before the request has ended is passed on, then both connections end', async () => {
    const { client, app } = await ask('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nsome');
    app.send('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno');
    client.send('more');
    const got = await client.closed();
    expect(got).toMatch(/^HTTP\/1.1 413 .*connection: close.*no$/s);
    await app.closed();
    expect(counted()).toEqual({ '4xx': 1 });
  });

  test('a thousand requests in one breath are answered in order', async () => {
    const answering = await server((app) => {
      let answered = 0;
      app.socket.on('data', () => {
        const lines = app.got().match(/GET \/\d+/g) ?? [];
        for (; answered < lines.length; answered += 1)
          app.send(`HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n${lines[answered]?.slice(5).padStart(5)}`);
      });
    });
    send([at(answering.port)]);
    const client = wire(port);
    client.send(Array.from({ length: 1_000 }, (_, i) => `GET /${i} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''));
    const got = await client.until((text) => text.endsWith('  999'));
    expect(got.match(/\r\n\r\n {0,4}\d+/g)?.map((text) => Number(text.trim()))).toEqual(Array.from({ length: 1_000 }, (_, i) => i));
    expect(answering.wires).toHaveLength(1);
  });

  test('an answer that is no HTTP is a 502', async () => {
    const { client, app } = await ask();
    app.send('SSH-2.0-OpenSSH\r\n\r\n');
    expect(await client.until(ends('\n'))).toMatch(/^HTTP\/1.1 502 /);
    expect(counted()).toEqual({ failed: 1 });
  });

  test("bytes nobody asked for end the connection to the version, not the client's", async () => {
    const one = await ask();
    one.app.send(`${OK}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`);
    await one.client.until(ends('ok'));
    await one.app.closed();
    const two = await ask(GET, one.client);
    two.app.send(OK);
    expect((await one.client.until((got) => got.split('ok').length === 3)).includes('evil')).toBe(false);
  });

  test('a malformed chunk in a request is answered 400', async () => {
    const { client, app } = await ask('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n');
    client.send('zz\r\n');
    expect(await client.closed()).toMatch(/^HTTP\/1.1 400 /);
    await app.closed();
    expect(counted()).toEqual({ aborted: 1 });
  });

  test('a head that is too large is answered 431', async () => {
    const client = wire(port);
    client.send(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(40_000)}`);
    expect(await client.until(ends('\n'))).toMatch(/^HTTP\/1.1 431 /);
  });

  test('an upgrade that was not asked for is a 502, one that is declined an answer like any', async () => {
    const one = await ask();
    one.app.send('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n');
    expect(await one.client.until(ends('\n'))).toMatch(/^HTTP\/1.1 502 /);
    const two = await ask('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n');
    expect(two.app.got()).toMatch(/connection: upgrade\r\nupgrade: x\r\n\r\n$/);
    two.app.send(OK);
    await two.client.until(ends('ok'));
    expect(counted()).toEqual({ failed: 1, '2xx': 1 });
  });

  test('in an upgraded connection one direction may end before the other', async () => {
    const { client, app } = await ask('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n');
    app.send('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nfirst');
    expect(await client.until(ends('first'))).toMatch(
      /^HTTP\/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nfirst$/,
    );
    client.send('last words');
    client.socket.end();
    await app.until(ends('last words'));
    app.send('answer to them');
    app.socket.end();
    expect(await client.closed()).toMatch(/answer to them$/);
    await until(
      () => table.observe('app')?.versions[0]?.inFlight,
      (count) => count === 0,
    );
    expect(counted()).toEqual({ '1xx': 1 });
  });

  test('an event stream counts when it begins, and its end is no failure', async () => {
    const { client, app } = await ask();
    app.send('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n:a\n\r\n');
    await client.until((got) => got.includes(':a'));
    expect(counted()).toEqual({ '2xx': 1 });
    app.socket.resetAndDestroy();
    await client.closed();
    expect(counted()).toEqual({ '2xx': 1 });
  });
});

describe('connections to versions', () => {
  test('are used again, also by another client', async () => {
    const one = await ask();
    one.app.send(OK);
    await one.client.until(ends('ok'));
    // Once its version has been silent for a while.
    await sleep(150);
    const other = wire(port);
    other.send(GET);
    await one.app.until((got) => got.split('GET /').length === 3);
    one.app.send(OK);
    await other.until(ends('ok'));
    expect(version.wires).toHaveLength(1);
  });

  test('that close just as a request arrives: a safe request is sent again', async () => {
    const one = await ask();
    one.app.send(OK);
    await one.client.until(ends('ok'));
    one.client.send(GET);
    await one.app.until((got) => got.split('GET /').length === 3);
    one.app.socket.resetAndDestroy();
    const again = await version.wire(1);
    await again.until(ends('\r\n\r\n'));
    again.send(OK);
    await one.client.until((got) => got.split('ok').length === 3);
    expect(counted()).toEqual({ '2xx': 2 });
  });

  test('that close just as a request arrives: another request is not sent twice', async () => {
    const one = await ask();
    one.app.send(OK);
    await one.client.until(ends('ok'));
    one.client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx');
    await one.app.until((got) => got.includes('POST'));
    one.app.socket.resetAndDestroy();
    await one.client.until((got) => got.includes('HTTP/1.1 502'));
    expect(version.wires).toHaveLength(1);
  });

  test('that have been idle for a while get no request that may not be sent twice', async () => {
    const one = await ask();
    one.app.send(OK);
    await one.client.until(ends('ok'));
    await sleep(150);
    const two = await ask('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx', one.client, 1);
    two.app.send(OK);
    await one.client.until((got) => got.split('ok').length === 3);
  });

  test('to endpoints that are no longer wanted are closed', async () => {
    const one = await ask();
    one.app.send(OK);
    await one.client.until(ends('ok'));
    const next = await server();
    send([at(next.port)]);
    await one.app.closed();
  });

  test('are not used again while the rest of an answer may still come', async () => {
    const one = await ask('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n');
    one.app.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n');
    await one.client.until(ends('\r\n\r\n'));
    await one.app.closed();
  });

  test.each([
    ['HEAD', 'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'],
    ['204', GET, 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['304', GET, 'HTTP/1.1 304 Not Modified\r\n\r\n'],
  ])('after %s carry no request of anybody until they have been silent for a second', async (_, request, answer) => {
    const one = await ask(request);
    one.app.send(answer);
    await one.client.until(ends('\r\n\r\n'));
    const [own, other] = [await ask(GET, one.client, 1), await ask(GET, wire(port), 2)];
    one.app.send('late!');
    await one.app.closed();
    for (const next of [own, other]) {
      next.app.send(OK);
      expect(await next.client.until(ends('ok'))).not.toContain('late!');
    }
    expect(counted()).not.toHaveProperty('failed');
  });

  test('are used again after 304 once they have been silent', async () => {
    const one = await ask();
    one.app.send('HTTP/1.1 304 Not Modified\r\n\r\n');
    await one.client.until(ends('\r\n\r\n'));
    await sleep(1_100);
    wire(port).send(GET);
    await one.app.until((got) => got.split('GET /').length === 3);
    expect(version.wires).toHaveLength(1);
  });

  test("carry no other user's request just after an answer, however much longer it turns out to be", async () => {
    const one = await ask();
    one.app.send(OK);
    await one.client.until(ends('ok'));
    const other = await ask(GET, wire(port), 1);
    one.app.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil');
    await one.app.closed();
    other.app.send(OK);
    expect(await other.client.until(ends('ok'))).not.toContain('evil');
  });

  test('of a trusted proxy, which asks for many users, are no exception', async () => {
    await start({ trustedProxies: ['127.0.0.1'] });
    const one = await ask();
    one.app.send(OK);
    await one.client.until(ends('ok'));
    await ask(GET, one.client, 1);
  });

  test('an endpoint that refused is left alone for a while', async () => {
    const gone = await server();
    const refusing = at(gone.port);
    await gone.stop();
    started.pop();
    send([refusing, at(version.port)]);
    for (let i = 0; i < 6; i += 1) {
      const { client, app } = await ask('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx');
      app.send(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok`);
      await client.closed();
    }
    expect(counted()).toEqual({ '2xx': 6 });
  });
});

describe('stopping', () => {
  test('lets requests under way finish and closes idle connections', async () => {
    const idle = wire(port);
    await until(
      () => idle.socket.readyState,
      (state) => state === 'open',
    );
    const { client, app } = await ask();
    path.stop();
    await idle.closed();
    app.send(OK);
    expect(await client.closed()).toMatch(/connection: close\r\n\r\nok$/);
    const late = wire(port);
    await late.closed();
    expect(late.got()).toBe('');
  });
});

test('behind a trusted proxy its word on protocol and host is passed on', async () => {
  await start({ trustedProxies: ['127.0.0.1'] });
  const { app } = await ask('GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: public\r\n\r\n');
  expect(app.got()).toMatch(/x-forwarded-proto: https\r\nx-forwarded-host: public\r\n/);
});

describe('users who do nothing', () => {
  const many = (count: number, text = ''): Wire[] =>
    Array.from({ length: count }, () => {
      const one = wire(port);
      if (text !== '') one.send(text);
      return one;
    });

  async function served(): Promise<void> {
    const client = wire(port);
    client.send(GET);
    await client.until(ends('ok'));
    client.socket.destroy();
  }

  test.each([
    ['say nothing', ''],
    ['begin a head', 'GET / HTTP/1.1\r\n'],
    ['begin a body', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1'],
  ])('and %s: make room for others, and the descriptors do not run out', async (_, text) => {
    // 64 are kept for the process, and a quarter of the rest for versions: 72 users.
    await start({}, { descriptors: 160 });
    send([at((await server((app) => app.socket.on('data', () => app.got().startsWith('GET') && app.send(OK)))).port)]);
    const idle = many(400, text);
    await until(
      () => idle.filter(({ socket }) => socket.readableEnded || socket.closed).length,
      (closed) => closed >= 400 - 72,
    );
    for (let i = 0; i < 10; i += 1) await served();
    for (const one of idle) one.socket.destroy();
  });

  test('are closed before those who are served, and the configured limit counts', async () => {
    await start({ limits: { ...DEFAULT_RULES.limits, connections: 20 } });
    const { client, app } = await ask();
    const idle = many(60);
    await until(
      () => idle.filter(({ socket }) => socket.readableEnded || socket.closed).length,
      (closed) => closed >= 41,
    );
    app.send(OK);
    expect(await client.until(ends('ok'))).toMatch(/ok$/);
    for (const one of idle) one.socket.destroy();
  });

  test('when everybody is served, one more is turned away and the others stay', async () => {
    await start({ limits: { ...DEFAULT_RULES.limits, connections: 4 } });
    const busy = [await ask(), await ask(), await ask(), await ask()];
    const late = wire(port);
    late.send(GET);
    expect(await late.closed()).toBe('');
    for (const { client, app } of busy) {
      app.send(OK);
      await client.until(ends('ok'));
    }
  });

  test('a body that trickles is given up, one that keeps the least speed is not', async () => {
    await start({ limits: { ...DEFAULT_RULES.limits, bodyRate: 1 } });
    const slow = await ask('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n1');
    const fast = await ask('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n1');
    const drip = setInterval(() => fast.client.send('x'.repeat(20)), 400);
    expect(await slow.client.until(ends('\n'), 15_000)).toMatch(/^HTTP\/1.1 408 /);
    clearInterval(drip);
    expect(fast.client.got()).toBe('');
    expect(counted()).toEqual({ aborted: 1 });
  });
});

describe('Sluice-Version', () => {
  const PIN = 'Sluice-Version: v1\r\n';
  const get = (fields: string): string => `GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;

  async function status(fields: string): Promise<string> {
    const client = wire(port);
    client.send(get(fields));
    const got = await client.until((text) => text.includes('\r\n\r\n'));
    return got.slice(9, 12);
  }

  test('is taken from the addresses that may use it alone, 403 otherwise', async () => {
    await start({ pinFrom: ['10.0.0.0/8'] });
    expect(await status(PIN)).toBe('403');
    await start({ pinFrom: [] });
    expect(await status(PIN)).toBe('403');
    expect(version.wires).toHaveLength(0);
  });

  test.each([
    'X-Forwarded-For: 10.0.0.1',
    'X-Forwarded-For: 127.0.0.1',
    'Forwarded: for=127.0.0.1',
    'Via: 1.1 proxy',
    'X-Real-IP: 127.0.0.1',
  ])('is not taken through a proxy that nobody trusts: %s', async (mark) => {
    expect(await status(`${PIN}${mark}\r\n`)).toBe('403');
  });

  test.each([
    ['10.0.0.1', '200'],
    ['6.6.6.6', '403'],
    ['10.0.0.1, 6.6.6.6', '403'],
    ['6.6.6.6, 10.0.0.1', '200'],
    ['10.0.0.1, 127.0.0.1', '200'],
    ['', '403'],
  ])('behind a trusted proxy is taken by the address it says last: %s', async (from, expected) => {
    await start({ trustedProxies: ['127.0.0.0/8'], pinFrom: ['10.0.0.0/8'] });
    send([at((await server((app) => app.socket.on('data', () => app.send(OK)))).port)]);
    expect(await status(`${PIN}${from === '' ? '' : `X-Forwarded-For: ${from}\r\n`}`)).toBe(expected);
    expect(counted()).toEqual({});
  });
});

test('rules that change are followed at once, on connections that are there too', async () => {
  const { client, app } = await ask();
  app.send(OK);
  await client.until(ends('ok'));
  path.configure({ ...DEFAULT_RULES, limits: { ...DEFAULT_RULES.limits, bodyBytes: 3 } });
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd');
  await client.until((got) => got.includes('HTTP/1.1 413'));
  const other = wire(port);
  other.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
  await other.until((got) => got.includes('HTTP/1.1 411'));
});
