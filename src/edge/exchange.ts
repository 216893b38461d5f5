import type { Socket } from 'node:net';
import type { Endpoint } from '../ports/edge.ts';
import { bodyMeter, type BodyMeter } from './body.ts';
import { type RequestHead, type ResponseHead, UNTIL_CLOSE } from './http1.ts';
import { ownAnswer } from './messages.ts';
import { countRequest, type LiveVersion, type Table } from './table.ts';
import type { Upstream, UpstreamPool } from './upstream.ts';

export interface EdgeLimits {
  /** From the first byte of a request head to its last, ms (slow clients would hold connections for ever). */
  readonly headMs: number;
  /** A keep-alive connection without a request, ms. */
  readonly idleMs: number;
  /** A request body without progress, or a client that does not take its answer, ms. */
  readonly bodyMs: number;
  /** From the end of the request to the first byte of the answer, ms. */
  readonly responseMs: number;
  readonly connectMs: number;
}

export interface DataContext {
  readonly table: Table;
  readonly pool: UpstreamPool<Exchange>;
  readonly limits: EdgeLimits;
  /** Believe `X-Forwarded-Proto` and `-Host` of the client: only with a proxy of one's own in front. */
  readonly trustForwarded: boolean;
  /** Endpoints that refused a connection just now, and until when they are left alone. */
  readonly ejected: Map<string, number>;
  now(): number;
}

/** What an exchange needs of the client's connection. */
export interface ExchangeClient {
  readonly socket: Socket;
  readonly address: string;
  readonly context: DataContext;
  /** Bytes that came and nobody has taken yet. */
  input: Buffer;
  /** No request may follow the present one. */
  isClosing: boolean;
  /** The exchange is over; `isReusable`: the connection can carry another. */
  done(isReusable: boolean): void;
}

/** One request and its answer. */
export interface Exchange {
  readonly client: ExchangeClient;
  readonly head: RequestHead;
  readonly version: LiveVersion;
  /** Set-Cookie line for a user not known yet. */
  readonly cookie: string | null;
  readonly request: BodyMeter;
  readonly startedAt: number;
  /** When the request body last moved on. */
  movedAt: number;
  /** Since when the client does not take what it is sent; 0 when it does. */
  blockedAt: number;
  upstream: Upstream<Exchange> | null;
  connecting: { cancel(): void; readonly endpoint: Endpoint; readonly since: number } | null;
  /** Keys of endpoints that refused this request. */
  refusedBy: readonly string[];
  hasRepeated: boolean;
  /** Beginning of an answer whose head is not complete. */
  held: Buffer | null;
  answer: ResponseHead | null;
  /** Time to the head of the answer, ms: how long a body takes is the client's doing as much as the version's. */
  latencyMs: number;
  response: BodyMeter | null;
  isTunnel: boolean;
  isCounted: boolean;
  isOver: boolean;
}

export function newExchange(client: ExchangeClient, head: RequestHead, version: LiveVersion, cookie: string | null): Exchange {
  const now = client.context.now();
  version.inFlight += 1;
  return {
    client,
    head,
    version,
    cookie,
    request: bodyMeter(head.body),
    startedAt: now,
    movedAt: now,
    blockedAt: 0,
    upstream: null,
    connecting: null,
    refusedBy: [],
    hasRepeated: false,
    held: null,
    answer: null,
    latencyMs: 0,
    response: null,
    isTunnel: false,
    isCounted: false,
    isOver: false,
  };
}

export function tookMs(exchange: Exchange): number {
  return exchange.client.context.now() - exchange.startedAt;
}

export function count(exchange: Exchange, outcome: string, took: number): void {
  if (exchange.isCounted) return;
  exchange.isCounted = true;
  countRequest(exchange.version, outcome, took);
}

export function classOf(status: number): string {
  return `${Math.floor(status / 100)}xx`;
}

/** The answer has been passed on whole. */
export function complete(exchange: Exchange, hasStrayBytes: boolean): void {
  const { client, head, request, answer, upstream } = exchange;
  if (answer === null) return;
  count(exchange, classOf(answer.status), exchange.latencyMs);
  leave(exchange);
  const isWhole = request.done && head.minor === 1;
  if (upstream !== null && isWhole && answer.keepAlive && !hasStrayBytes) {
    if (upstream.socket.isPaused()) upstream.socket.resume();
    client.context.pool.give(upstream, client.context.now());
  } else if (upstream !== null) {
    discard(upstream);
  }
  client.done(isWhole && head.keepAlive && answer.body !== UNTIL_CLOSE);
}

/** No (whole) answer from the version: say so while nothing was sent yet, cut the connection otherwise. */
export function fail(exchange: Exchange, status: 502 | 504, message: string): void {
  if (exchange.isOver) return;
  count(exchange, 'failed', tookMs(exchange));
  answerInstead(exchange, status, message);
}

/** The request itself turned out to be no HTTP: the client's fault, which is nobody's failure. */
export function reject(exchange: Exchange, message: string): void {
  if (exchange.isOver) return;
  count(exchange, 'aborted', tookMs(exchange));
  exchange.client.isClosing = true;
  answerInstead(exchange, 400, message);
}

/** The client left. That says nothing about the version, unless it had begun to answer. */
export function abort(exchange: Exchange): void {
  if (exchange.isOver) return;
  const { answer } = exchange;
  if (answer === null) count(exchange, 'aborted', tookMs(exchange));
  else count(exchange, classOf(answer.status), exchange.latencyMs);
  release(exchange);
  leave(exchange);
}

function answerInstead(exchange: Exchange, status: number, message: string): void {
  const { client, head, request, answer } = exchange;
  release(exchange);
  leave(exchange);
  // A reset, not an orderly end: the end of an answer without a length must not look like its completion.
  if (answer !== null) return void client.socket.resetAndDestroy();
  const close = !request.done || client.isClosing || !head.keepAlive || head.minor === 0;
  client.socket.write(ownAnswer(status, message, { close, withBody: head.method !== 'HEAD' }));
  client.done(!close);
}

function leave(exchange: Exchange): void {
  exchange.isOver = true;
  exchange.upstream = null;
  exchange.version.inFlight -= 1;
}

function release(exchange: Exchange): void {
  exchange.connecting?.cancel();
  exchange.connecting = null;
  if (exchange.upstream !== null) discard(exchange.upstream, exchange.isTunnel);
}

/** @param isTunnel what the client sent last still goes out. */
function discard(upstream: Upstream<Exchange>, isTunnel = false): void {
  upstream.owner = null;
  if (isTunnel) upstream.socket.destroySoon();
  else upstream.socket.destroy();
}
