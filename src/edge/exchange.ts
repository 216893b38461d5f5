import type { Socket } from 'node:net';
import type { Endpoint } from '../core/app/traffic.ts';
import { bodyMeter, type BodyMeter } from './body.ts';
import { type RequestHead, type ResponseHead, UNTIL_CLOSE } from './http1.ts';
import type { Choice } from './choose.ts';
import type { LiveRules } from './live-rules.ts';
import { ownAnswer } from './messages.ts';
import { countRequest, type LiveVersion, type Table } from './table.ts';
import type { Upstream, UpstreamPool } from './upstream.ts';

export interface DataContext {
  readonly table: Table;
  readonly pool: UpstreamPool<Exchange>;
  /** May change while requests are under way. */
  rules: LiveRules;
  readonly connectMs: number;
  /** Endpoints that refused a connection just now, and until when they are left alone. */
  readonly ejected: Map<string, number>;
  now(): number;
  /** A connection to a version is about to be opened: see that there is a descriptor for it. */
  makeRoom(): void;
}

/** What an exchange needs of the client's connection. */
export interface ExchangeClient {
  readonly socket: Socket;
  readonly address: string;
  /** A trusted proxy: it speaks for many users. */
  readonly isProxy: boolean;
  readonly context: DataContext;
  /** The connection to a version that carried the request before. */
  last: Upstream<Exchange> | null;
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
  /** Its version was chosen by a header: no evidence about it. */
  readonly isPinned: boolean;
  readonly request: BodyMeter;
  readonly startedAt: number;
  /** When the request body last moved on, or the version last said something. */
  movedAt: number;
  /** Since when the speed of the request body is measured, and how much of it had come by then. */
  measuredAt: number;
  measuredBytes: number;
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

export function newExchange(client: ExchangeClient, head: RequestHead, choice: Choice): Exchange {
  const { version, cookie, isPinned } = choice;
  const now = client.context.now();
  version.inFlight += 1;
  return {
    client,
    head,
    version,
    cookie,
    isPinned,
    request: bodyMeter(head.body),
    startedAt: now,
    movedAt: now,
    measuredAt: now,
    measuredBytes: 0,
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
  if (!exchange.isPinned) countRequest(exchange.version, exchange.head.target, outcome, took);
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
    client.context.pool.give(upstream, client.context.now(), isBodiless(head.method, answer.status) ? 'bodiless' : 'whole');
    client.last = upstream;
  } else if (upstream !== null) {
    discard(upstream);
  }
  client.done(isWhole && head.keepAlive && answer.body !== UNTIL_CLOSE);
}

/** An answer that ends with its head, although versions like to send a body after it. */
function isBodiless(method: string, status: number): boolean {
  return method === 'HEAD' || status === 204 || status === 304;
}

/** No (whole) answer from the version: say so while nothing was sent yet, cut the connection otherwise. */
export function fail(exchange: Exchange, status: 502 | 504, message: string): void {
  if (exchange.isOver) return;
  count(exchange, 'failed', tookMs(exchange));
  answerInstead(exchange, status, message);
}

/** The request itself turned out to be no HTTP, or comes too slowly: the client's fault, which is nobody's failure. */
export function reject(exchange: Exchange, status: 400 | 408, message: string): void {
  if (exchange.isOver) return;
  count(exchange, 'aborted', tookMs(exchange));
  exchange.client.isClosing = true;
  answerInstead(exchange, status, message);
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
