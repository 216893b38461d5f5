import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Endpoint } from '../../src/core/app/traffic.ts';
import { answerOf, random, requestOf } from './raw-messages.ts';

/** How long a client waits for the first byte, and then for another one, before it takes what came for all, ms. */
const PATIENCE_MS = 400;
const QUIET_MS = 30;
const SAID = ['x-real-ip', 'forwarded', 'x_forwarded_for'] as const;
const AT_ONCE = 128;
/** What llhttp refuses although it was read in one way: a method it does not know, a field in a trailer. */
const REFUSED_BY_VERSION: readonly string[] = ['HPE_INVALID_METHOD', 'HPE_INVALID_EOF_STATE'];
/** HAProxy before 3.2 passes trailers on as they are; a version reads the fields in them or refuses them, and the message ends there either way. */
const LAST_CHUNK = /\r\n\r\n(?:[^]*\r\n)?0+\r\n/;

export interface RawRun {
  readonly sent: number;
  /** Requests that a version got. */
  readonly passed: number;
  /** What must not be, in words; the first few. */
  readonly faults: readonly string[];
  /** By the number of a request, what the version saw of its client: `METHOD target length`. */
  readonly seen: ReadonlyMap<number, readonly string[]>;
}

/** Generated requests through the edge at this URL, to a version that reads with llhttp and, apart from it, leniently. */
export async function rawRequests(
  url: string,
  host: string,
  seed: number,
  count: number,
  route: (to: Endpoint) => Promise<void>,
): Promise<RawRun> {
  const faults: string[] = [];
  const seen = new Map<number, string[]>();
  let passed = 0;
  const note = (fault: string): void => void (faults.length < 10 && faults.push(fault));
  const version = createHttpServer({ maxHeaderSize: 128 * 1024 }, (request, response) => {
    let length = 0;
    request.on('data', (part: Buffer) => (length += part.length));
    request.on('end', () => {
      passed += 1;
      const { 'x-forwarded-for': from, 'x-forwarded-proto': proto, 'x-forwarded-host': named, host: at } = request.headers;
      const text = JSON.stringify([request.method, request.url, request.rawHeaders]);
      // The edge writes these into each request that it has read: one without them was read by the version alone.
      if (
        from !== '127.0.0.1' ||
        proto !== 'http' ||
        named !== (at ?? '') ||
        SAID.some((name) => request.headers[name] === '6.6.6.6' || request.headers[name] === 'for=6.6.6.6')
      )
        note(`not as the edge writes it: ${text}`);
      if (request.method === 'CONNECT' || request.method === 'TRACE') note(`passed on: ${text}`);
      const id = Number(/q(\d+)/.exec(request.url ?? '')?.[1] ?? -1);
      seen.set(id, [...(seen.get(id) ?? []), `${request.method} ${request.url} ${length}`]);
      response.end(`for ${request.url}`);
    });
  });
  version.on('checkExpectation', (request, response) => version.emit('request', request, response));
  version.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const { rawPacket, bytesParsed } = error as { readonly rawPacket?: Buffer; readonly bytesParsed?: number };
    const packet = rawPacket?.toString('latin1') ?? '';
    const isInTrailer = LAST_CHUNK.test(packet.slice(0, bytesParsed));
    const isFault = error.code?.startsWith('HPE_') === true && !REFUSED_BY_VERSION.includes(error.code) && !isInTrailer;
    if (isFault) note(`the version cannot read it: ${error.code} ${JSON.stringify(packet)}`);
    socket.destroy();
  });
  version.on('connection', (socket: Socket) => {
    const raw: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => raw.push(chunk));
    socket.on('close', () => {
      const text = Buffer.concat(raw).toString('latin1');
      const lenient = lenientTargets(text);
      // Each request line that the edge wrote is followed by what it writes into each head.
      const own = text.split(/x-forwarded-host: /i).length - 1;
      if (lenient !== null && lenient !== own)
        note(`a lenient reader sees ${lenient} requests and not ${own} in ${JSON.stringify(text.slice(0, 400))}`);
    });
  });
  version.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => version.listen(0, '127.0.0.1', resolve));
  await route({ host: '127.0.0.1', port: (version.address() as AddressInfo).port });
  const port = Number(new URL(url).port);
  let next = 0;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let id = next++; id < count; id = next++) {
        const request = requestOf(random(seed * 1_000_003 + id), id).replaceAll('a.test', host);
        const back = await talk(port, request);
        for (const [, other = ''] of back.matchAll(/for \S*q(\d+)/g))
          if (!request.includes(`q${other}`)) note(`request ${id} got what belongs to ${other}`);
      }
    }),
  );
  version.closeAllConnections();
  await new Promise((resolve) => version.close(resolve));
  return { sent: count, passed, faults, seen };
}

/**
 * How many requests a careless reader finds: lines end with LF, blanks are all that Unicode calls so, any coding with `chunked` in it is
 * chunked, lengths are read as far as they are digits. Null where the last of them is not whole.
 */
function lenientTargets(text: string): number | null {
  let count = 0;
  let at = 0;
  while (at < text.length) {
    const end = /\r?\n\r?\n/g;
    end.lastIndex = at;
    const found = end.exec(text);
    if (found === null) return null;
    const head = text.slice(at, found.index);
    at = found.index + found[0].length;
    count += 1;
    const field = (name: string): string | undefined => new RegExp(`^${name}\\s*:(.*)$`, 'im').exec(head)?.[1]?.trim().toLowerCase();
    if (field('transfer[-_]encoding')?.includes('chunked') === true) {
      const after = afterChunks(text, at);
      if (after === null) return null;
      at = after;
    } else at += Number.parseInt(field('content[-_]length') ?? '0', 10) || 0;
    if (at > text.length) return null;
  }
  return count;
}

function afterChunks(text: string, from: number): number | null {
  for (let at = from; ;) {
    const line = text.indexOf('\n', at);
    if (line === -1) return null;
    const size = Number.parseInt(text.slice(at, line), 16) || 0;
    if (size === 0) {
      const end = /(?:^|\n)\r?\n/g;
      end.lastIndex = line;
      const found = end.exec(text);
      return found === null ? null : found.index + found[0].length;
    }
    at = line + 1 + size;
    at = text.indexOf('\n', at) + 1;
    if (at === 0) return null;
  }
}

/** Generated answers, whole, wrong, too long and late, to many users at once: each may see its own bytes alone. */
export async function rawAnswers(
  url: string,
  host: string,
  seed: number,
  count: number,
  route: (to: Endpoint) => Promise<void>,
): Promise<RawRun> {
  const draw = random(seed);
  const faults: string[] = [];
  let passed = 0;
  const sockets = new Set<Socket>();
  const version = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      const user = /\/(user\d+)x/.exec(chunk.toString('latin1'))?.[1] ?? 'nobody';
      passed += 1;
      void (async () => {
        for (const { text, afterMs } of answerOf(draw)) {
          if (afterMs > 0) await sleep(afterMs);
          if (!socket.destroyed) socket.write(text.replaceAll('ID', `${user}x`), 'latin1');
        }
      })();
    });
  });
  await new Promise<void>((resolve) => version.listen(0, '127.0.0.1', resolve));
  await route({ host: '127.0.0.1', port: (version.address() as AddressInfo).port });
  const port = Number(new URL(url).port);
  let next = 0;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let id = next++; id < count; id = next++) {
        const method = draw() < 0.25 ? 'HEAD' : 'GET';
        const back = await talk(port, `${method} /user${id}x HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
        const other = [...back.matchAll(/user(\d+)x/g)].find(([, user]) => Number(user) !== id);
        if (other !== undefined && faults.length < 10) faults.push(`user ${id} got bytes of ${other[0]}: ${JSON.stringify(back)}`);
        const [head = ''] = back.split('\r\n\r\n');
        if (/^content-length:/im.test(head) && /^transfer-encoding:/im.test(head))
          faults.push(`framed in two ways: ${JSON.stringify(head)}`);
      }
    }),
  );
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => version.close(resolve));
  return { sent: count, passed, faults, seen: new Map() };
}

function talk(port: number, request: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let back = '';
    let quiet = setTimeout(() => socket.destroy(), PATIENCE_MS);
    const rest = (): void => {
      clearTimeout(quiet);
      quiet = setTimeout(() => socket.destroy(), QUIET_MS);
    };
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      back += chunk.toString('latin1');
      rest();
    });
    socket.on('close', () => {
      clearTimeout(quiet);
      resolve(back);
    });
    socket.write(request, 'latin1');
  });
}
