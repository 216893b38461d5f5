import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { STICKY_COOKIE, VERSION_HEADER } from '../ports/edge.ts';
import { createExchange, type Exchange } from './exchange.ts';
import { BadMessage, headEnd, parseRequest, type RequestHead } from './http1.ts';
import { ownAnswer } from './messages.ts';
import { bucketOfUser, stickyCookieIn } from './routing.ts';
import { type LiveApp, type LiveVersion, pickVersion, type Table } from './table.ts';
import type { UpstreamPool } from './upstream.ts';

export interface EdgeLimits {
  /** From the first byte of a request head to its last, ms (slow clients would hold connections for ever). */
  readonly headMs: number;
  /** A keep-alive connection without a request, ms. */
  readonly idleMs: number;
  /** From the request to the first byte of the answer, ms. */
  readonly responseMs: number;
  readonly connectMs: number;
}

export interface ClientContext {
  readonly table: Table;
  readonly pool: UpstreamPool;
  readonly limits: EdgeLimits;
  /** Endpoints that refused a connection just now, and until when they are left alone. */
  readonly ejected: Map<string, number>;
  now(): number;
}

/** One client connection: requests one after another, each an exchange with one version. */
export interface ClientConnection {
  /** Enforce time limits; called about once a second. */
  sweep(now: number): void;
  /** Close as soon as nothing is under way. */
  retire(): void;
}

/** Unread bytes after which a client that runs ahead is made to wait. */
const READ_AHEAD = 64 * 1024;
const EMPTY = Buffer.alloc(0);

export function serveClient(socket: Socket, context: ClientContext, onClose: () => void): ClientConnection {
  let unread: Buffer = EMPTY;
  let exchange: Exchange | null = null;
  let headSince: number | null = null;
  let idleSince = context.now();
  let closing = false;

  socket.setNoDelay(true);
  socket.on('data', (chunk: Buffer) => {
    unread = unread.length === 0 ? chunk : Buffer.concat([unread, chunk]);
    advance();
    if (unread.length > READ_AHEAD) socket.pause();
  });
  socket.on('drain', () => exchange?.onClientDrain());
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    exchange?.onClientGone();
    exchange = null;
    onClose();
  });

  function advance(): void {
    try {
      while (unread.length > 0 && !socket.destroyed) {
        if (exchange !== null) {
          const taken = exchange.onRequestBytes(unread);
          if (taken > 0) unread = unread.subarray(taken);
          return;
        }
        if (!begin()) return;
      }
    } catch (error) {
      refuse(error);
    }
  }

  /** Start the next exchange if its head is complete. */
  function begin(): boolean {
    // RFC 9112 section 2.2: an empty line before a request is skipped.
    while (unread.length >= 2 && unread[0] === 13 && unread[1] === 10) unread = unread.subarray(2);
    const end = headEnd(unread);
    if (end === -1) {
      headSince ??= unread.length === 0 ? null : context.now();
      return false;
    }
    const head = parseRequest(unread.toString('latin1', 0, end - 4));
    unread = unread.subarray(end);
    headSince = null;
    dispatch(head);
    return true;
  }

  function dispatch(head: RequestHead): void {
    const app = context.table.find(head.host, head.target);
    if (app === null) return answer(head, 404, 'No app is routed here.');
    const wanted = head.header(VERSION_HEADER);
    const { version, cookie } = wanted === null ? assign(app, head) : { version: app.versions.find(({ id }) => id === wanted) ?? null, cookie: null };
    if (version === null) {
      return wanted === null ? answer(head, 503, 'The app has no version with traffic.') : answer(head, 404, `The app has no version ${JSON.stringify(wanted)} here.`);
    }
    exchange = createExchange({ head, version, cookie, socket, context, keepAlive: () => head.keepAlive && !closing, onReady: () => setImmediate(advance), onDone: finished });
    exchange.start();
  }

  function finished(reusable: boolean): void {
    exchange = null;
    idleSince = context.now();
    if (!reusable || closing) return void socket.end();
    socket.resume();
    if (unread.length > 0) setImmediate(advance);
  }

  /** The edge's own answer; a request body that may follow is not read, so the connection ends with it. */
  function answer(head: RequestHead, status: number, message: string): void {
    const close = !head.keepAlive || head.framing.kind !== 'none' || closing;
    socket.write(ownAnswer(status, message, { close, withBody: head.method !== 'HEAD' }));
    idleSince = context.now();
    if (close) socket.end();
  }

  function refuse(error: unknown): void {
    if (!(error instanceof BadMessage)) throw error;
    unread = EMPTY;
    if (exchange !== null) return void socket.destroy();
    socket.end(ownAnswer(error.status, `${error.message}.`, { close: true, withBody: true }));
  }

  return {
    sweep(now) {
      if (exchange !== null) return exchange.sweep(now);
      if (headSince !== null && now - headSince > context.limits.headMs) {
        socket.end(ownAnswer(408, 'The request head took too long.', { close: true, withBody: true }));
        headSince = null;
      } else if (headSince === null && now - idleSince > context.limits.idleMs) {
        socket.end();
      }
    },
    retire() {
      closing = true;
      if (exchange === null && unread.length === 0) socket.end();
    },
  };
}

/** Which version this user gets, and the cookie line that makes them known if they are not yet. */
function assign(app: LiveApp, head: RequestHead): { version: LiveVersion | null; cookie: string | null } {
  if (!app.isSplit) return { version: pickVersion(app, 0), cookie: null };
  if (app.sticky.by === 'none') return { version: pickVersion(app, Math.random() * 100), cookie: null };
  if (app.sticky.by === 'header') {
    const user = head.header(app.sticky.header.toLowerCase());
    return { version: pickVersion(app, user === null ? Math.random() * 100 : bucketOfUser(app.name, user)), cookie: null };
  }
  const known = stickyCookieIn(head.cookie);
  const user = known ?? randomBytes(12).toString('hex');
  const cookie = known === null ? `set-cookie: ${STICKY_COOKIE}=${user}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax` : null;
  return { version: pickVersion(app, bucketOfUser(app.name, user)), cookie };
}
