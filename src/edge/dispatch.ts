import type { Endpoint } from '../core/app/traffic.ts';
import { takeBody } from './body.ts';
import { abort, complete, type DataContext, type Exchange, fail, reject } from './exchange.ts';
import { BadMessage } from './bad-message.ts';
import { UNTIL_CLOSE } from './http1.ts';
import { forwardedHead } from './messages.ts';
import { receive } from './relay.ts';
import type { LiveVersion } from './table.ts';
import { writeTogether } from './write.ts';
import { endpointKey, MAX_IDLE_MS, type Upstream, type UpstreamEvents } from './upstream.ts';

/** A request with such a method and no body may be sent again when a kept-alive connection broke before any answer. */
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);
/** A connection idle for longer is not trusted with a request that must not be sent twice, ms. */
const FRESH_MS = 100;
/** How long an endpoint that refused a connection is left alone while there are others, ms. */
const EJECT_MS = 1_000;
/** Over which time the speed of a request body is measured, ms. */
const RATE_MS = 10_000;
const EMPTY = Buffer.alloc(0);

/** What happens on connections to versions. */
export const upstreamEvents: UpstreamEvents<Exchange> = {
  data: receive,
  drain(exchange) {
    exchange.movedAt = exchange.client.context.now();
    exchange.client.socket.resume();
  },
  end(exchange) {
    if (exchange.isTunnel) exchange.client.socket.end();
    else lost(exchange, true);
  },
  closed: (exchange) => lost(exchange, false),
};

/** Find the exchange a connection to the version and send the request. */
export function dispatch(exchange: Exchange): void {
  const { version, client } = exchange;
  const { context } = client;
  const endpoint = nextEndpoint(version, exchange.refusedBy, context);
  if (endpoint === null) return fail(exchange, 502, 'The app cannot be reached.');
  // A proxy asks for many users on one connection.
  const own = client.isProxy ? null : client.last;
  const idle = exchange.hasRepeated
    ? null
    : context.pool.take(endpoint, context.now(), isRepeatable(exchange) ? MAX_IDLE_MS : FRESH_MS, own);
  if (idle !== null) return attach(exchange, idle);
  context.makeRoom();
  const attempt = context.pool.open(
    endpoint,
    (upstream) => attach(exchange, upstream),
    () => refused(exchange, endpoint),
  );
  exchange.connecting = { cancel: attempt.cancel, endpoint, since: context.now() };
}

function isRepeatable({ head }: Exchange): boolean {
  return head.body === 0 && head.upgrade === null && SAFE.has(head.method);
}

/** Round robin over endpoints that have not refused this request, those ejected lately last. */
function nextEndpoint(version: LiveVersion, refusedBy: readonly string[], context: DataContext): Endpoint | null {
  const { endpoints } = version;
  if (endpoints.length === 1 && refusedBy.length === 0) return endpoints[0] ?? null;
  let fallback: Endpoint | null = null;
  for (let tried = 0; tried < endpoints.length; tried += 1) {
    version.turn = (version.turn + 1) % endpoints.length;
    const endpoint = endpoints[version.turn] as Endpoint;
    const key = endpointKey(endpoint);
    if (refusedBy.includes(key)) continue;
    if ((context.ejected.get(key) ?? 0) <= context.now()) return endpoint;
    fallback ??= endpoint;
  }
  return fallback;
}

/** Nothing was sent to this endpoint: another may be asked, whatever the request. */
function refused(exchange: Exchange, endpoint: Endpoint): void {
  const key = endpointKey(endpoint);
  const { context } = exchange.client;
  exchange.connecting = null;
  exchange.refusedBy = [...exchange.refusedBy, key];
  context.ejected.set(key, context.now() + EJECT_MS);
  dispatch(exchange);
}

function attach(exchange: Exchange, upstream: Upstream<Exchange>): void {
  const { client, head } = exchange;
  exchange.connecting = null;
  exchange.upstream = upstream;
  upstream.owner = exchange;
  const text = forwardedHead(head, client.address, client.isProxy);
  const body = exchange.request.done ? [] : takeInput(exchange);
  if (body === null) return;
  send(exchange, body, text);
  if (client.socket.isPaused()) client.socket.resume();
}

/** Bytes have come from the client: pass on what belongs to this request. */
export function pump(exchange: Exchange): void {
  if (exchange.upstream === null || (exchange.request.done && !exchange.isTunnel)) return;
  const parts = takeInput(exchange);
  if (parts !== null && parts.length > 0) send(exchange, parts);
}

function send(exchange: Exchange, parts: readonly Buffer[], headText = ''): void {
  const { client, upstream } = exchange;
  if (parts.length > 0) exchange.movedAt = client.context.now();
  if (upstream !== null && !writeTogether(upstream.socket, headText, parts)) client.socket.pause();
}

/** What goes on of the client's input that belongs to this request; null when that turned out to be malformed. */
function takeInput(exchange: Exchange): readonly Buffer[] | null {
  const { client } = exchange;
  const { input } = client;
  if (exchange.isTunnel) {
    client.input = EMPTY;
    return [input];
  }
  try {
    const taken = takeBody(exchange.request, input);
    exchange.measuredBytes += taken.bytes;
    client.input = taken.bytes === input.length ? EMPTY : input.subarray(taken.bytes);
    return taken.parts;
  } catch (error) {
    if (!(error instanceof BadMessage)) throw error;
    reject(exchange, 400, `${error.message}.`);
    return null;
  }
}

/** The version has closed the connection; in good order when `isOrderly`. */
function lost(exchange: Exchange, isOrderly: boolean): void {
  if (exchange.isOver) return;
  if (exchange.isTunnel) {
    abort(exchange);
    return exchange.client.socket.destroySoon();
  }
  if (isOrderly && exchange.answer?.body === UNTIL_CLOSE) return complete(exchange, false);
  const { upstream } = exchange;
  if (
    exchange.answer === null &&
    exchange.held === null &&
    upstream?.isReused === true &&
    isRepeatable(exchange) &&
    !exchange.hasRepeated
  ) {
    upstream.owner = null;
    upstream.socket.destroy();
    exchange.upstream = null;
    exchange.hasRepeated = true;
    return dispatch(exchange);
  }
  fail(exchange, 502, 'The app closed the connection before it had answered.');
}

/** The client has sent all it will. In a tunnel the other direction stays open; otherwise it has gone away. */
export function clientEnded(exchange: Exchange): void {
  if (exchange.isTunnel) exchange.upstream?.socket.end();
  else {
    abort(exchange);
    exchange.client.socket.destroy();
  }
}

/** Enforce time limits. */
export function sweep(exchange: Exchange, now: number): void {
  const { client, connecting, request } = exchange;
  const { context } = client;
  const { bodyMs, answerMs } = context.rules.timeouts;
  if (connecting !== null) {
    if (now - connecting.since <= context.connectMs) return;
    connecting.cancel();
    refused(exchange, connecting.endpoint);
  } else if (exchange.isTunnel) {
    // Both ends may be silent in it for as long as they like.
  } else if (exchange.blockedAt !== 0) {
    if (now - exchange.blockedAt > bodyMs) client.socket.resetAndDestroy();
  } else if (!request.done && exchange.answer === null) {
    sweepBody(exchange, now);
  } else if (!request.done && !client.socket.isPaused()) {
    // The version has begun to answer, and may wait for the rest of the request: a client that does not send it has gone away.
    if (now - exchange.movedAt > bodyMs) client.socket.resetAndDestroy();
  } else if (now - exchange.movedAt > answerMs) {
    fail(exchange, 504, 'The app did not answer in time.');
  }
}

function sweepBody(exchange: Exchange, now: number): void {
  const { client } = exchange;
  const { timeouts, limits } = client.context.rules;
  // Waiting for the version to read on, or for the client to send on?
  const isBlocked = client.socket.isPaused();
  if (now - exchange.movedAt > timeouts.bodyMs) {
    if (isBlocked) fail(exchange, 504, 'The app does not read the request.');
    else reject(exchange, 408, 'The request body takes too long.');
  } else if (isBlocked || now - exchange.measuredAt > RATE_MS) {
    const isSlow = !isBlocked && exchange.measuredBytes * 1_000 < limits.bodyRate * (now - exchange.measuredAt);
    if (isSlow) return reject(exchange, 408, 'The request body comes too slowly.');
    exchange.measuredAt = now;
    exchange.measuredBytes = 0;
  }
}
