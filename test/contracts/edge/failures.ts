import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { refusingEndpoint } from '../../worlds/app-version.ts';
import { answered, read } from '../../worlds/visitor.ts';
import type { EdgeSuite } from '../edge.ts';
import { settled } from './stats.ts';
import { visits } from './weights.ts';

export const failures: EdgeSuite = (check) => {
  for (const path of ['/die-amid', '/die-chunked']) {
    check(`a version that dies amid its answer: the client sees it cut, and it is counted (${path})`, async (world) => {
      const one = await world.version('v1');
      const app = world.app();
      await app.apply([one.at(100)]);
      const response = await answered(app.visitor().open({ path }));
      await expect(read(response)).rejects.toThrow();
      const counted = await settled(world, app, 'v1', 1);
      expect(counted.requests).toBe(1);
      expect((counted.byClass['failed'] ?? 0) + (counted.byClass['5xx'] ?? 0)).toBe(1);
      expect((await app.visitor().get()).version).toBe('v1');
      expect(one.count(path)).toBe(1);
    });
  }

  check('a version that dies before it answers: 502, failed, and nothing is sent twice that may not be', async (world) => {
    const one = await world.version('v1');
    const app = world.app();
    await app.apply([one.at(100)]);
    const client = app.visitor();
    for (const method of ['POST', 'PATCH', 'DELETE']) {
      await client.get();
      expect((await client.get({ method, path: `/die-before?${method}`, body: 'once' })).status).toBe(502);
      expect(one.count(`/die-before?${method}`)).toBe(1);
    }
    const counted = await settled(world, app, 'v1', 6);
    expect(counted.byClass).toMatchObject({ failed: 3, '2xx': 3 });
    expect((await client.get()).status).toBe(200);
  });

  check('with one endpoint refusing, another takes the request', async (world) => {
    const one = await world.version('v1');
    const app = world.app();
    const dead = await refusingEndpoint();
    await app.apply([{ id: 'v1', weight: 100, endpoints: [dead, one.endpoint] }]);
    const answers = await visits(40, (i) => app.visitor().get(i % 2 === 0 ? {} : { method: 'POST', path: '/echo', body: 'kept' }));
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    expect(answers.filter(({ text }) => text === 'kept')).toHaveLength(20);
    const counted = await settled(world, app, 'v1', 40);
    expect(counted).toMatchObject({ requests: 40, byClass: { '2xx': 40 } });
  });

  check('several endpoints share the requests', async (world) => {
    const [one, two, three] = [await world.version('v1'), await world.version('v1'), await world.version('v1')];
    const app = world.app();
    await app.apply([one.at(100, two.endpoint, three.endpoint)]);
    await visits(90, () => app.visitor().get());
    for (const copy of [one, two, three]) expect(copy.seen.length).toBeGreaterThanOrEqual(10);
  });

  check('an endpoint that came back is used again', async (world) => {
    const [one, two] = [await world.version('v1'), await world.version('v1')];
    const app = world.app();
    const dead = await refusingEndpoint();
    await app.apply([{ id: 'v1', weight: 100, endpoints: [dead] }]);
    expect([502, 503]).toContain((await app.visitor().get()).status);
    await app.apply([one.at(100)]);
    expect((await app.visitor().get()).status).toBe(200);
    await app.apply([one.at(100, two.endpoint)]);
    await visits(30, () => app.visitor().get());
    expect(two.seen.length).toBeGreaterThanOrEqual(5);
  });

  check(
    'a version may close idle connections whenever it likes: no request fails',
    async (world) => {
      const one = await world.version('v1');
      const app = world.app();
      await app.apply([one.at(100)]);
      const client = app.visitor({ connections: 4 });
      let over = false;
      const closing = (async () => {
        while (!over) {
          one.closeIdle();
          await sleep(Math.random() * 3);
        }
      })();
      const answers = await visits(1_500, async (i) => {
        if (i % 3 === 0) await sleep(Math.random() * 4);
        return client.get({ path: i % 5 === 0 ? '/close' : '/plain' }).catch(String);
      });
      over = true;
      await closing;
      expect(answers.filter((answer) => typeof answer === 'string' || answer.status !== 200)).toEqual([]);
      const counted = await settled(world, app, 'v1', 1_500);
      expect(counted.byClass['failed'] ?? 0).toBe(0);
    },
    60_000,
  );

  check('a request that may not be sent twice takes no connection that has been idle, and may be closing', async (world) => {
    const one = await world.version('v1');
    const app = world.app();
    await app.apply([one.at(100)]);
    const client = app.visitor({ connections: 4 });
    await visits(20, () => client.get());
    await sleep(120);
    one.closeIdle();
    const answer = await client.get({ method: 'POST', path: '/echo', body: 'after a pause' });
    expect(answer).toMatchObject({ status: 200, text: 'after a pause' });
    const counted = await settled(world, app, 'v1', 21);
    expect(counted.byClass['failed'] ?? 0).toBe(0);
  });

  check('a request that is no HTTP is answered 400 and harms nobody', async (world) => {
    const one = await world.version('v1');
    const app = world.app();
    await app.apply([one.at(100)]);
    const bad = [
      'GARBAGE\r\n\r\n',
      `GET / HTTP/1.1\r\nHost: ${app.host}\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`,
      `POST / HTTP/1.1\r\nHost: ${app.host}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n`,
      `POST / HTTP/1.1\r\nHost: ${app.host}\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: ${app.host}\r\nContent-Length: -1\r\n\r\n`,
    ];
    for (const text of bad) expect([text, (await rawExchange(world.url, text)).slice(0, 12)]).toEqual([text, 'HTTP/1.1 400']);
    expect(one.seen).toEqual([]);
    expect((await app.visitor().get()).status).toBe(200);
  });
};

/** Send text, and read until the edge closes. */
async function rawExchange(url: string, text: string): Promise<string> {
  const { connect } = await import('node:net');
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let got = '';
  socket.on('data', (chunk) => (got += chunk.toString('latin1')));
  socket.on('error', () => {});
  socket.write(text);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await Promise.race([closed, sleep(3_000)]);
  socket.destroy();
  return got;
}
