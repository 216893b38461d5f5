import { createHash } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { EdgeVersion, Endpoint } from '../../src/core/app/traffic.ts';

/**
 * A running version of an app: a real HTTP server on loopback whose paths behave well or badly on purpose.
 * Every answer names the version in `x-version`.
 */
export interface AppVersion {
  readonly id: string;
  readonly endpoint: Endpoint;
  /** `METHOD path` of each request that arrived, in order. */
  readonly seen: readonly string[];
  /** Requests of paths starting with this that arrived. */
  count(path: string): number;
  /** Requests that lost their connection before they were answered. */
  readonly aborted: number;
  /** Bytes that the version could hand to its connections on `/flood`. */
  readonly flooded: number;
  /** Let everything held on `/hold` answer, now and later. */
  release(): void;
  /** Send an event to all that listen on `/events`. */
  emit(data: string): void;
  /** Close the connections that carry no request right now, as servers do whenever they please. */
  closeIdle(): void;
  at(weight: number, ...more: Endpoint[]): EdgeVersion;
  stop(): Promise<void>;
}

interface Inside {
  readonly id: string;
  readonly seen: string[];
  aborted: number;
  flooded: number;
  held: (() => void)[] | null;
  readonly listeners: Set<ServerResponse>;
}

export async function appVersion(id: string): Promise<AppVersion> {
  const inside: Inside = { id, seen: [], aborted: 0, flooded: 0, held: [], listeners: new Set() };
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => answer(inside, request, response));
  server.keepAliveTimeout = 60_000;
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('upgrade', (request, socket) => echoUpgrade(inside, request, socket));
  await listen(server, 0);
  const endpoint = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  return {
    id,
    endpoint,
    seen: inside.seen,
    count: (path) => inside.seen.filter((line) => line.split(' ')[1]?.startsWith(path)).length,
    get aborted() {
      return inside.aborted;
    },
    get flooded() {
      return inside.flooded;
    },
    release: () => {
      for (const go of inside.held ?? []) go();
      inside.held = null;
    },
    emit: (data) => {
      for (const listener of inside.listeners) listener.write(`data: ${data}\n\n`);
    },
    closeIdle: () => server.closeIdleConnections(),
    at: (weight, ...more) => ({ id, weight, endpoints: [endpoint, ...more] }),
    stop: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** A port on which nobody listens. */
export async function refusingEndpoint(): Promise<Endpoint> {
  const server = createServer();
  await listen(server, 0);
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return { host: '127.0.0.1', port };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // A crowd may come through an edge faster than this process accepts.
    server.listen({ port, host: '127.0.0.1', backlog: 4_096 }, resolve);
  });
}

function answer(inside: Inside, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', 'http://version');
  inside.seen.push(`${request.method} ${request.url}`);
  response.on('close', () => {
    if (!response.writableFinished) inside.aborted += 1;
  });
  response.setHeader('x-version', inside.id);
  const path = url.pathname.split('/').findLast((part) => part in behaviours) ?? 'plain';
  behaviours[path]?.(inside, request, response, url);
}

type Behaviour = (inside: Inside, request: IncomingMessage, response: ServerResponse, url: URL) => void;

/** The last part of a path that is a name here decides, so that routes with a prefix reach them too. */
const behaviours: Record<string, Behaviour> = {
  plain: (inside, request, response) => void request.resume().on('end', () => response.end(inside.id)),
  status: (_, request, response, url) => {
    request.resume();
    response.statusCode = Number(url.searchParams.get('code'));
    response.end(response.statusCode === 204 || response.statusCode === 304 ? undefined : 'status');
  },
  slow: (inside, _, response, url) => void setTimeout(() => response.end(inside.id), Number(url.searchParams.get('ms'))),
  /** Headers and half of the body at once, the rest when released. */
  hold: (inside, _, response) => {
    response.writeHead(200, { 'content-length': 8 });
    response.write('half');
    const finish = (): void => void response.end('HALF');
    if (inside.held === null) finish();
    else inside.held.push(finish);
  },
  /** Nothing at all until released. */
  silent: (inside, _, response) => {
    const finish = (): void => void response.end(inside.id);
    if (inside.held === null) finish();
    else inside.held.push(finish);
  },
  headers: (_, request, response) => void response.end(JSON.stringify(request.rawHeaders)),
  cookies: (_, request, response) => {
    response.setHeader('set-cookie', ['a=1; Path=/', 'b=2; Path=/']);
    response.end();
  },
  echo: (_, request, response) => {
    response.setHeader('content-type', 'application/octet-stream');
    request.pipe(response);
  },
  digest: (_, request, response) => {
    const hash = createHash('sha256');
    request.on('data', (chunk) => hash.update(chunk));
    request.on('end', () => response.end(hash.digest('hex')));
  },
  download: (_, __, response, url) => sendZeros(response, Number(url.searchParams.get('bytes')), () => {}),
  flood: (inside, _, response) => sendZeros(response, Number.POSITIVE_INFINITY, (bytes) => (inside.flooded += bytes)),
  /** Takes the headers and never reads the body. */
  stuck: () => {},
  events: (inside, _, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    response.write(': hello\n\n');
    inside.listeners.add(response);
    response.on('close', () => inside.listeners.delete(response));
  },
  'die-before': (_, __, response) => void response.socket?.destroy(),
  'die-amid': (_, __, response) => {
    response.writeHead(200, { 'content-length': 1000 });
    response.write('part', () => setTimeout(() => response.socket?.destroy(), 20));
  },
  'die-chunked': (_, __, response) => {
    response.write('part', () => setTimeout(() => response.socket?.destroy(), 20));
  },
  close: (inside, _, response) => {
    response.setHeader('connection', 'close');
    response.end(inside.id);
  },
};

function sendZeros(response: ServerResponse, bytes: number, onSent: (bytes: number) => void): void {
  const block = Buffer.alloc(64 * 1024);
  let left = bytes;
  if (Number.isFinite(bytes)) response.setHeader('content-length', bytes);
  const more = (): void => {
    while (left > 0 && !response.destroyed) {
      const part = left < block.length ? block.subarray(0, left) : block;
      left -= part.length;
      onSent(part.length);
      if (!response.write(part)) {
        response.once('drain', more);
        return;
      }
    }
    if (left <= 0) response.end();
  };
  more();
}

/** Upgrade to a protocol that sends back whatever it gets: enough to prove that both directions are open. */
function echoUpgrade(inside: Inside, request: IncomingMessage, socket: Duplex): void {
  inside.seen.push(`UPGRADE ${request.url}`);
  const key = request.headers['sec-websocket-key'] ?? '';
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\nx-version: ${inside.id}\r\n\r\n`,
  );
  socket.on('error', () => {});
  socket.pipe(socket);
}
