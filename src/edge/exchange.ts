import type { Socket } from 'node:net';
import type { Endpoint } from '../ports/edge.ts';
import type { ClientContext } from './client.ts';
import { BadMessage, type BodyMeter, headEnd, meterOf, parseResponse, type RequestHead, type ResponseHead } from './http1.ts';
import { forwardedHead, ownAnswer, returnedHead } from './messages.ts';
import type { LiveVersion } from './table.ts';
import { endpointKey, MAX_IDLE_MS, type Upstream, type UpstreamOwner } from './upstream.ts';

export interface ExchangeOptions {
  readonly head: RequestHead;
  readonly version: LiveVersion;
  /** Set-Cookie line for a user not known yet. */
  readonly cookie: string | null;
  readonly socket: Socket;
  readonly context: ClientContext;
  keepAlive(): boolean;
  /** The version is connected: body bytes that have come already can go on. */
  onReady(): void;
  /** The exchange is over; `reusable`: the client's connection can carry another. */
  onDone(reusable: boolean): void;
}

/** One request and its answer. */
export interface Exchange {
  start(): void;
  /** Bytes from the client after the head; returns how many were taken. @throws BadMessage */
  onRequestBytes(bytes: Buffer): number;
  onClientDrain(): void;
  onClientGone(): void;
  sweep(now: number): void;
}

/** RFC 9110 section 9.2.2: a request with such a method may be sent again when the connection broke before any answer. */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);
/** A connection idle for longer is not trusted with a request that must not be sent twice, ms. */
const FRESH_MS = 1_000;
/** How long an endpoint that refused a connection is left alone while there are others, ms. */
const EJECT_MS = 1_000;
const SMALL = 16 * 1024;

export function createExchange(options: ExchangeOptions): Exchange {
  const { head, version, socket, context } = options;
  const isRepeatable = IDEMPOTENT.has(head.method) && head.framing.kind === 'none' && head.upgrade === null;
  const requestBody: BodyMeter = meterOf(head.framing);
  const startedAt = context.now();
  const refusedBy = new Set<string>();
  let upstream: Upstream | null = null;
  let connecting: { cancel(): void; since: number } | null = null;
  let responseBody: BodyMeter | null = null;
  let response: ResponseHead | null = null;
  let held: Buffer | null = null;
  let isTunnel = false;
  let isOver = false;
  let repeats = 0;

  const owner: UpstreamOwner = {
    onData(chunk) {
      try {
        receive(chunk);
      } catch (error) {
        if (!(error instanceof BadMessage)) throw error;
        fail(502, 'The app answered something that is not HTTP.');
      }
    },
    onDrain: () => socket.resume(),
    onClose: lost,
  };

  function start(): void {
    version.inFlight += 1;
    connectNext();
  }

  function connectNext(): void {
    const endpoint = nextEndpoint(version, refusedBy, context);
    if (endpoint === null) return fail(502, 'The app cannot be reached.');
    const idle = repeats > 0 ? null : context.pool.take(endpoint, context.now(), isRepeatable ? MAX_IDLE_MS : FRESH_MS);
    if (idle !== null) return attach(idle);
    const attempt = context.pool.open(endpoint, attach, () => {
      connecting = null;
      eject(endpoint);
    });
    connecting = {
      since: context.now(),
      cancel() {
        attempt.cancel();
        connecting = null;
      },
    };
    currentEndpoint = endpoint;
  }
  let currentEndpoint: Endpoint | null = null;

  /** Nothing was sent to it: another endpoint may be asked. */
  function eject(endpoint: Endpoint): void {
    refusedBy.add(endpointKey(endpoint));
    context.ejected.set(endpointKey(endpoint), context.now() + EJECT_MS);
    if (!isOver) connectNext();
  }

  function attach(connected: Upstream): void {
    connecting = null;
    if (isOver) return context.pool.give(connected, context.now());
    upstream = connected;
    connected.owner = owner;
    connected.socket.resume();
    connected.socket.write(forwardedHead(head, socket.remoteAddress ?? 'unknown'), 'latin1');
    // Body bytes that came with the head, or while connecting, are waiting in the client's connection.
    if (!requestBody.done) options.onReady();
    socket.resume();
  }

  function onRequestBytes(bytes: Buffer): number {
    if (upstream === null || (requestBody.done && !isTunnel)) return 0;
    const taken = isTunnel ? bytes.length : requestBody.take(bytes);
    if (taken > 0 && !upstream.socket.write(taken === bytes.length ? bytes : bytes.subarray(0, taken))) socket.pause();
    return taken;
  }

  function receive(chunk: Buffer): void {
    if (isTunnel || responseBody !== null) return forward(chunk);
    const bytes = held === null ? chunk : Buffer.concat([held, chunk]);
    const end = headEnd(bytes);
    if (end === -1) {
      held = bytes;
      return;
    }
    held = null;
    const text = bytes.toString('latin1', 0, end - 4);
    const parsed = parseResponse(text, head.method);
    const rest = bytes.subarray(end);
    if (parsed.status === 101) return openTunnel(text, rest);
    if (parsed.status < 200) {
      // An interim answer (100 Continue, 103 Early Hints) goes through as it is.
      if (head.minor === 1) socket.write(`${text}\r\n\r\n`, 'latin1');
      return rest.length === 0 ? undefined : receive(rest);
    }
    response = parsed;
    responseBody = meterOf(parsed.framing);
    const close = !options.keepAlive() || head.minor === 0 || parsed.framing.kind === 'untilClose' || !requestBody.done;
    forward(rest, returnedHead(parsed, { cookie: options.cookie, close }));
  }

  function forward(chunk: Buffer, headText = ''): void {
    const taken = isTunnel || responseBody === null ? chunk.length : responseBody.take(chunk);
    const body = taken === chunk.length ? chunk : chunk.subarray(0, taken);
    let flowing: boolean;
    if (headText !== '' && body.length <= SMALL) {
      flowing = socket.write(headText + body.toString('latin1'), 'latin1');
    } else {
      if (headText !== '') socket.write(headText, 'latin1');
      flowing = body.length === 0 || socket.write(body);
    }
    if (responseBody?.done === true) return complete(taken < chunk.length);
    if (!flowing) upstream?.socket.pause();
  }

  function openTunnel(headText: string, rest: Buffer): void {
    isTunnel = true;
    socket.write(`${headText}\r\n\r\n`, 'latin1');
    if (rest.length > 0) forward(rest);
    socket.resume();
  }

  /** The answer is whole. */
  function complete(hasStrayBytes: boolean): void {
    const connection = upstream;
    const isReusable = response?.keepAlive === true && requestBody.done && !hasStrayBytes && head.minor === 1;
    over(classOf(response?.status ?? 0));
    upstream = null;
    if (connection !== null && isReusable) context.pool.give(connection, context.now());
    else if (connection !== null) discard(connection);
    const keepsClient = options.keepAlive() && head.minor === 1 && requestBody.done && response?.framing.kind !== 'untilClose';
    options.onDone(keepsClient);
  }

  /** The version closed the connection. */
  function lost(): void {
    const wasReused = upstream?.reused === true;
    upstream?.socket.destroy();
    upstream = null;
    if (isOver) return;
    if (isTunnel) {
      over('1xx');
      return void socket.end();
    }
    if (response !== null && response.framing.kind === 'untilClose') return complete(false);
    if (response === null && held === null && wasReused && isRepeatable && repeats === 0) {
      repeats += 1;
      return connectNext();
    }
    fail(502, 'The app closed the connection before it had answered.');
  }

  /** No (whole) answer from the version: say so while nothing was sent yet, cut the connection otherwise. */
  function fail(status: 502 | 504, message: string): void {
    if (isOver) return;
    over('failed');
    connecting?.cancel();
    if (upstream !== null) discard(upstream);
    upstream = null;
    if (response !== null) return void socket.destroy();
    const close = !requestBody.done || !options.keepAlive() || head.minor === 0;
    socket.write(ownAnswer(status, message, { close, withBody: head.method !== 'HEAD' }));
    options.onDone(!close);
  }

  function over(outcome: string): void {
    isOver = true;
    version.inFlight -= 1;
    context.table.count(version, outcome, context.now() - startedAt);
  }

  return {
    start,
    onRequestBytes,
    onClientDrain: () => upstream?.socket.resume(),
    onClientGone() {
      connecting?.cancel();
      if (upstream !== null) discard(upstream);
      upstream = null;
      if (isOver) return;
      // The client left: that says nothing about the version, so it is not counted.
      isOver = true;
      version.inFlight -= 1;
    },
    sweep(now) {
      if (connecting !== null && now - connecting.since > context.limits.connectMs && currentEndpoint !== null) {
        connecting.cancel();
        eject(currentEndpoint);
      } else if (!isTunnel && response === null && requestBody.done && now - startedAt > context.limits.responseMs) {
        fail(504, 'The app did not answer in time.');
      }
    },
  };
}

function discard(upstream: Upstream): void {
  upstream.owner = null;
  upstream.socket.destroy();
}

/** Round robin over endpoints that have not refused this request, those ejected lately last. */
function nextEndpoint(version: LiveVersion, refused: ReadonlySet<string>, context: ClientContext): Endpoint | null {
  const { endpoints } = version;
  let fallback: Endpoint | null = null;
  for (let tried = 0; tried < endpoints.length; tried += 1) {
    version.turn = (version.turn + 1) % endpoints.length;
    const endpoint = endpoints[version.turn] as Endpoint;
    const key = endpointKey(endpoint);
    if (refused.has(key)) continue;
    if ((context.ejected.get(key) ?? 0) <= context.now()) return endpoint;
    fallback ??= endpoint;
  }
  return fallback;
}

function classOf(status: number): string {
  return `${Math.floor(status / 100)}xx`;
}
