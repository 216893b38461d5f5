import type { Endpoint } from '../ports/edge.ts';
import { takeBody } from './body.ts';
import { abort, complete, type DataContext, type Exchange, fail, reject } from './exchange.ts';
import { BadMessage, UNTIL_CLOSE } from './http1.ts';
import { forwardedHead } from './messages.ts';
import { receive } from './relay.ts';
import type { LiveVersion } from './table.ts';
import { endpointKey, MAX_IDLE_MS, type Upstream, type UpstreamEvents } from './upstream.ts';

/** A request with such a method and no body may be sent again when a kept-alive connection broke before any answer. */
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);
/** A connection idle for longer is not trusted with a request that must not be sent twice, ms. */
const FRESH_MS = 100;
/** How long an endpoint that refused a connection is left alone while there are others, ms. */
const EJECT_MS = 1_000;
const SMALL = 16 * 1024;
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
  const idle = exchange.hasRepeated ? null : context.pool.take(endpoint, context.now(), isRepeatable(exchange) ? MAX_IDLE_MS : FRESH_MS);
  if (idle !== null) return attach(exchange, idle);
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
  const text = forwardedHead(head, client.address, client.context.trustForwarded);
  if (exchange.request.done) {
    upstream.socket.write(text, 'latin1');
  } else {
    const body = takeInput(exchange);
    if (body === null) return;
    if (body.length <= SMALL) {
      upstream.socket.write(body.length === 0 ? text : text + body.toString('latin1'), 'latin1');
    } else {
      upstream.socket.write(text, 'latin1');
      send(exchange, body);
    }
  }
  if (client.socket.isPaused()) client.socket.resume();
}

/** Bytes have come from the client: pass on what belongs to this request. */
export function pump(exchange: Exchange): void {
  if (exchange.upstream === null || (exchange.request.done && !exchange.isTunnel)) return;
  const bytes = takeInput(exchange);
  if (bytes !== null && bytes.length > 0) send(exchange, bytes);
}

function send(exchange: Exchange, bytes: Buffer): void {
  exchange.movedAt = exchange.client.context.now();
  if (exchange.upstream?.socket.write(bytes) === false) exchange.client.socket.pause();
}

/** What of the client's input belongs to this request; null when that turned out to be malformed. */
function takeInput(exchange: Exchange): Buffer | null {
  const { client } = exchange;
  const { input } = client;
  if (exchange.isTunnel) {
    client.input = EMPTY;
    return input;
  }
  try {
    const taken = takeBody(exchange.request, input);
    client.input = taken === input.length ? EMPTY : input.subarray(taken);
    return taken === input.length ? input : input.subarray(0, taken);
  } catch (error) {
    if (!(error instanceof BadMessage)) throw error;
    reject(exchange, `${error.message}.`);
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
  const { limits } = client.context;
  if (connecting !== null) {
    if (now - connecting.since <= limits.connectMs) return;
    connecting.cancel();
    refused(exchange, connecting.endpoint);
  } else if (exchange.blockedAt !== 0 && !exchange.isTunnel) {
    if (now - exchange.blockedAt > limits.bodyMs) client.socket.resetAndDestroy();
  } else if (!request.done) {
    if (now - exchange.movedAt <= limits.bodyMs) return;
    // Waiting for the version to read on, or for the client to send on?
    if (client.socket.isPaused()) fail(exchange, 504, 'The app does not read the request.');
    else reject(exchange, 'The request body takes too long.');
  } else if (exchange.answer === null && now - exchange.movedAt > limits.responseMs) {
    fail(exchange, 504, 'The app did not answer in time.');
  }
}
