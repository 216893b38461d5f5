import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { answered, read, until } from '../../worlds/visitor.ts';
import type { EdgeSuite, EdgeWorld, TestApp } from '../edge.ts';
import { settled } from './stats.ts';

const MEGABYTE = 1024 * 1024;
/** More than this may not pile up between a fast and a stuck side. */
const PILE_LIMIT = 64 * MEGABYTE;

export const streams: EdgeSuite = (check) => {
  check('a large upload arrives whole, with and without a length', async (world) => {
    const { app } = await single(world);
    const body = randomBytes(24 * MEGABYTE);
    const digest = createHash('sha256').update(body).digest('hex');
    expect((await app.visitor().get({ method: 'POST', path: '/digest', body })).text).toBe(digest);
    const chunked = app.visitor().open({ method: 'PUT', path: '/digest', headers: { 'transfer-encoding': 'chunked' } });
    for (let at = 0; at < body.length; at += MEGABYTE) if (!chunked.write(body.subarray(at, at + MEGABYTE))) await once(chunked, 'drain');
    expect((await read(await answered(chunked))).text).toBe(digest);
  });

  check('a large download arrives whole, also when read slowly', async (world) => {
    const { app } = await single(world);
    const bytes = 24 * MEGABYTE;
    const response = await answered(app.visitor().open({ path: `/download?bytes=${bytes}` }));
    expect(response.headers['content-length']).toBe(String(bytes));
    let got = 0;
    for await (const chunk of response) {
      got += (chunk as Buffer).length;
      if (got % 7 === 0) await sleep(1);
    }
    expect(got).toBe(bytes);
  });

  check('a body goes both ways at once', async (world) => {
    const { app } = await single(world);
    const request = app.visitor().open({ method: 'POST', path: '/echo', headers: { 'transfer-encoding': 'chunked' } });
    request.write('first');
    const response = await new Promise<NodeJS.ReadableStream>((resolve) => request.once('response', resolve));
    expect(String((await once(response, 'data'))[0])).toBe('first');
    request.write('second');
    expect(String((await once(response, 'data'))[0])).toBe('second');
    request.end();
    response.resume();
    await once(response, 'end');
  });

  check("a client that does not read stops the version, not the edge's memory", async (world) => {
    const { app, one } = await single(world);
    const request = app.visitor().open({ path: '/flood' });
    const response = await answered(request);
    response.pause();
    await until(
      async () => {
        const before = one.flooded;
        await sleep(150);
        return one.flooded - before;
      },
      (grown) => grown === 0 || one.flooded > PILE_LIMIT,
    );
    expect(one.flooded).toBeLessThan(PILE_LIMIT);
    expect((await app.visitor().get()).status).toBe(200);
    request.destroy();
  });

  check('a version that does not read stops the client', async (world) => {
    const { app } = await single(world);
    const request = app.visitor().open({ method: 'POST', path: '/stuck', headers: { 'transfer-encoding': 'chunked' } });
    request.on('error', () => {});
    let sent = 0;
    const block = Buffer.alloc(MEGABYTE);
    while (sent < PILE_LIMIT) {
      sent += block.length;
      if (!request.write(block) && (await Promise.race([once(request, 'drain'), sleep(500, 'stuck')])) === 'stuck') break;
    }
    expect(sent).toBeLessThan(PILE_LIMIT);
    request.destroy();
  });

  check('server-sent events arrive as they are sent', async (world) => {
    const { app, one } = await single(world);
    const request = app.visitor().open({ path: '/events' });
    const response = await answered(request);
    expect(response.headers['content-type']).toBe('text/event-stream');
    expect(String((await once(response, 'data'))[0])).toBe(': hello\n\n');
    for (const data of ['one', 'two', 'three']) {
      one.emit(data);
      expect(String((await once(response, 'data'))[0])).toBe(`data: ${data}\n\n`);
    }
    request.destroy();
    await until(
      () => inFlight(world, app),
      (count) => count === 0,
    );
  });

  check('an upgraded connection passes both ways and counts as in flight until it ends', async (world) => {
    const { app } = await single(world);
    const request = app.visitor().open({
      path: '/socket',
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
        'sec-websocket-version': '13',
      },
    });
    request.end();
    const [response, socket, head] = (await once(request, 'upgrade')) as [
      import('node:http').IncomingMessage,
      import('node:net').Socket,
      Buffer,
    ];
    expect(response.statusCode).toBe(101);
    expect(response.headers['sec-websocket-accept']).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
    expect(response.headers['x-version']).toBe('v1');
    expect(head.length).toBe(0);
    for (const size of [1, 1_000, 300_000]) {
      const message = randomBytes(size);
      socket.write(message);
      const back: Buffer[] = [];
      while (back.reduce((sum, part) => sum + part.length, 0) < size) back.push((await once(socket, 'data'))[0] as Buffer);
      expect(Buffer.concat(back).equals(message)).toBe(true);
    }
    expect(await inFlight(world, app)).toBe(1);
    socket.end();
    await until(
      () => inFlight(world, app),
      (count) => count === 0,
    );
    expect((await settled(world, app, 'v1', 1)).byClass['1xx']).toBe(1);
  });

  check('answers without a body keep the connection usable', async (world) => {
    const { app } = await single(world);
    const client = app.visitor({ connections: 1 });
    for (let i = 0; i < 3; i += 1) {
      const head = await client.get({ method: 'HEAD', path: '/download?bytes=5000' });
      expect(head).toMatchObject({ status: 200, text: '' });
      expect(head.headers['content-length']).toBe('5000');
      expect(await client.get({ path: '/status?code=204' })).toMatchObject({ status: 204, text: '' });
      expect(await client.get({ path: '/status?code=304' })).toMatchObject({ status: 304, text: '' });
      expect(await client.get()).toMatchObject({ status: 200, text: 'v1' });
      expect(await client.get({ path: '/close' })).toMatchObject({ status: 200, text: 'v1' });
    }
  });

  check('a client may wait for 100 Continue', async (world) => {
    const { app } = await single(world);
    const request = app.visitor().open({ method: 'POST', path: '/echo', headers: { expect: '100-continue', 'content-length': 5 } });
    request.flushHeaders();
    await once(request, 'continue');
    expect((await read(await answered(request, 'hello'))).text).toBe('hello');
  });

  check('requests on one connection may arrive together or byte by byte', async (world) => {
    const { app } = await single(world);
    const { hostname, port } = new URL(world.url);
    const socket = connect(Number(port), hostname);
    let got = '';
    socket.on('data', (chunk) => (got += chunk.toString('latin1')));
    const post = (body: string): string => `POST /echo HTTP/1.1\r\nHost: ${app.host}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    socket.write(post('together-1') + post('together-2') + `GET /plain HTTP/1.1\r\nHost: ${app.host}\r\n\r\n`);
    await until(
      () => got,
      (text) => text.includes('together-1') && text.includes('together-2') && text.split('x-version').length === 4,
    );
    got = '';
    socket.setNoDelay(true);
    for (const byte of post('slowly')) {
      socket.write(byte);
      await new Promise(setImmediate);
    }
    // The version answers in chunks as the bytes come, however the edge lets them through.
    await until(
      () => got.replace(/\r\n[0-9a-f]+\r\n/g, ''),
      (text) => text.includes('slowly'),
    );
    socket.destroy();
  });

  check("a client that goes away frees the version and is nobody's failure", async (world) => {
    const { app, one } = await single(world);
    const requests = ['/silent', '/hold', '/flood'].map((path) => app.visitor().open({ path }));
    for (const request of requests)
      request
        .on('error', () => {})
        .on('response', (response) => response.on('error', () => {}).resume())
        .end();
    await until(
      () => one.seen.length,
      (count) => count === 3,
    );
    expect(await inFlight(world, app)).toBe(3);
    for (const request of requests) request.destroy();
    await until(
      () => one.aborted,
      (count) => count === 3,
    );
    await until(
      () => inFlight(world, app),
      (count) => count === 0,
    );
    await app.visitor().get();
    const { byClass } = await settled(world, app, 'v1', 1);
    expect([byClass['failed'] ?? 0, byClass['5xx'] ?? 0]).toEqual([0, 0]);
  });
};

async function single(world: EdgeWorld) {
  const one = await world.version('v1');
  const app = world.app();
  await app.apply([one.at(100)]);
  return { app, one };
}

async function inFlight(world: EdgeWorld, app: TestApp): Promise<number | undefined> {
  return (await world.edge.observe(app.name))?.versions[0]?.inFlight;
}
