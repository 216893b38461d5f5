import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import { createClient } from './client.ts';
import { parseEvents } from './sse.ts';

const open: Server[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function serve(handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(handler);
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}

const sse = (response: ServerResponse): ServerResponse => response.writeHead(200, { 'content-type': 'text/event-stream' });
const clientOf = (url: string, more: { silentMs?: number; comeBackMs?: number; requestMs?: number } = {}) =>
  createClient({ locate: async () => ({ url, token: 't', isLocal: false }), ...more });

test('events are parsed however the bytes are cut', async () => {
  const text =
    'retry: 1000\n\nid: 1\nevent: one\ndata: {"a":"ü → x"}\n\n: beat\n\nid: 2\r\nevent: two\r\ndata: x\r\ndata: y\r\n\r\nid: 3\nevent: cut';
  const bytes = Buffer.from(text);
  for (let size = 1; size <= bytes.length; size += 1) {
    async function* chunks() {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    }
    const seen = [];
    for await (const event of parseEvents(chunks())) if (event.event !== '') seen.push(event);
    expect(seen).toEqual([
      { id: '1', event: 'one', data: '{"a":"ü → x"}' },
      { id: '2', event: 'two', data: 'x\ny' },
    ]);
  }
});

test('a stream that breaks goes on where it was, each event once', async () => {
  const asked: (string | undefined)[] = [];
  const url = await serve((request, response) => {
    asked.push(request.headers['last-event-id'] as string | undefined);
    const from = Number(request.headers['last-event-id'] ?? 0);
    sse(response).write(`id: ${from + 1}\nevent: e\ndata: ${from + 1}\n\nid: ${from + 2}\nevent: e\ndata: `);
    // In the middle of an event: twice by a broken connection, once by a clean end.
    if (asked.length === 2) response.end();
    else setTimeout(() => response.destroy(), 10);
  });
  const client = await clientOf(url);
  const seen: string[] = [];
  const stop = new AbortController();
  for await (const event of client.events('/x', { signal: stop.signal })) {
    seen.push(event.data);
    if (seen.length === 4) stop.abort();
  }
  expect(seen).toEqual(['1', '2', '3', '4']);
  expect(asked).toEqual([undefined, '1', '2', '3']);
});

test('a stream that says nothing at all is opened again; one with signs of life is not', async () => {
  let connections = 0;
  const url = await serve((_request, response) => {
    connections += 1;
    sse(response).write('retry: 1\n\n');
    if (connections === 1) return;
    let beats = 0;
    const timer = setInterval(() => {
      beats += 1;
      response.write(beats < 6 ? ': still here\n\n' : 'id: 1\nevent: e\ndata: 1\n\n');
    }, 60);
    response.on('close', () => clearInterval(timer));
  });
  const client = await clientOf(url, { silentMs: 250 });
  const stop = new AbortController();
  for await (const _event of client.events('/x', { signal: stop.signal })) stop.abort();
  expect(connections).toBe(2);
});

test('stopping ends a quiet stream at once, also long after it began', async () => {
  const url = await serve((_request, response) => void sse(response).write('retry: 1\n\n'));
  const client = await clientOf(url);
  const stop = new AbortController();
  setTimeout(() => {
    globalThis.gc?.();
    stop.abort();
  }, 50);
  const events = [];
  for await (const event of client.events('/x', { signal: stop.signal })) events.push(event);
  expect(events).toEqual([]);
});

test('what the server says is wrong ends a stream; what is away too long does, too', async () => {
  const denied = await serve((_request, response) =>
    response
      .writeHead(401, { 'content-type': 'application/problem+json' })
      .end('{"code":"UNAUTHORIZED","detail":"no","hint":null,"status":401}'),
  );
  const never = new AbortController().signal;
  await expect((await clientOf(denied)).events('/x', { signal: never }).next()).rejects.toMatchObject({
    code: 'UNAUTHORIZED',
    blame: 'user',
  });
  const gone = await clientOf('http://127.0.0.1:1', { comeBackMs: 300 });
  await expect(gone.events('/x', { signal: never }).next()).rejects.toMatchObject({ code: 'CONTROL_PLANE_UNREACHABLE' });
});

test('an answer that stops in the middle is not waited for for ever', async () => {
  const url = await serve((_request, response) => void response.writeHead(200, { 'content-length': '100' }).write('{'));
  await expect((await clientOf(url, { requestMs: 200 })).get('/x')).rejects.toMatchObject({
    code: 'CONTROL_PLANE_UNREACHABLE',
    message: expect.stringContaining('no answer within'),
  });
});

test('the token goes to no other address', async () => {
  let seen = 0;
  const other = await serve((_request, response) => {
    seen += 1;
    response.end('{}');
  });
  const url = await serve((_request, response) => response.writeHead(302, { location: other }).end());
  await expect((await clientOf(url)).get('/x')).rejects.toMatchObject({ code: 'CONTROL_PLANE_UNREACHABLE' });
  expect(seen).toBe(0);
});
