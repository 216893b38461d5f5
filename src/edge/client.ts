import type { Socket } from 'node:net';
import { userAddress } from '../core/edge/rules.ts';
import { VERSION_HEADER } from '../core/app/traffic.ts';
import { plainAddress } from './addresses.ts';
import { choose, pinned } from './choose.ts';
import { clientEnded, dispatch, pump, sweep } from './dispatch.ts';
import { abort, type DataContext, type Exchange, type ExchangeClient, newExchange } from './exchange.ts';
import { BadMessage } from './bad-message.ts';
import { checkRequestLine, CHUNKED, headEnd, parseRequest, type RequestHead } from './http1.ts';
import { ownAnswer } from './messages.ts';
import { resume } from './relay.ts';

/** One client connection: requests one after another, each an exchange with one version. */
export interface Client extends ExchangeClient {
  exchange: Exchange | null;
  /** When the head being read began; 0 when none is. */
  headSince: number;
  idleSince: number;
  /** A request has come on it. */
  hasAsked: boolean;
  /** When the edge ended the connection, still reading what is under way; 0 when it has not. */
  lingerSince: number;
}

/** Unread bytes after which a client that runs ahead is made to wait. */
const READ_AHEAD = 64 * 1024;
/** A connection closed while the client still sends would be reset, and the answer lost with it: read on so long, ms. */
const LINGER_MS = 2_000;
const EMPTY = Buffer.alloc(0);

export function serveClient(socket: Socket, context: DataContext, onClose: (client: Client) => void): Client {
  const address = plainAddress(socket.remoteAddress);
  const client: Client = {
    socket,
    address,
    isProxy: context.rules.isProxy(address),
    context,
    last: null,
    hasAsked: false,
    input: EMPTY,
    isClosing: false,
    exchange: null,
    headSince: 0,
    idleSince: context.now(),
    lingerSince: 0,
    done: (isReusable) => finished(client, isReusable),
  };
  socket.on('data', (chunk: Buffer) => {
    if (client.lingerSince !== 0) return;
    client.input = client.input.length === 0 ? chunk : Buffer.concat([client.input, chunk]);
    advance(client);
    if (client.input.length > READ_AHEAD) socket.pause();
  });
  socket.on('drain', () => {
    if (client.exchange !== null) resume(client.exchange);
  });
  socket.on('end', () => {
    if (client.exchange === null) socket.end();
    else clientEnded(client.exchange);
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    if (client.exchange !== null) abort(client.exchange);
    client.exchange = null;
    onClose(client);
  });
  return client;
}

/** Do with the unread bytes what can be done. */
function advance(client: Client): void {
  while (client.exchange === null && client.input.length > 0 && client.lingerSince === 0 && !client.socket.destroyed) {
    if (!begin(client)) return;
  }
  if (client.exchange !== null && client.input.length > 0) pump(client.exchange);
}

/** Start the next exchange; false when its head is not complete. */
function begin(client: Client): boolean {
  try {
    // RFC 9112 section 2.2: an empty line before a request is skipped.
    while (client.input.length >= 2 && client.input[0] === 13 && client.input[1] === 10) client.input = client.input.subarray(2);
    const end = headEnd(client.input, client.context.rules.limits.headBytes);
    if (end === -1) {
      checkRequestLine(client.input);
      if (client.headSince === 0) client.headSince = client.context.now();
      return false;
    }
    const head = parseRequest(client.input.toString('latin1', 0, end - 2));
    client.input = end === client.input.length ? EMPTY : client.input.subarray(end);
    client.headSince = 0;
    client.hasAsked = true;
    serve(client, head);
  } catch (error) {
    if (!(error instanceof BadMessage)) throw error;
    end(client, ownAnswer(error.status, `${error.message}.`, { close: true, withBody: true }));
  }
  return true;
}

function serve(client: Client, head: RequestHead): void {
  const { context } = client;
  const app = context.table.find(head.host, head.target);
  if (app === null) return answer(client, head, 404, 'No app is routed here.');
  if (head.version !== null && !mayPin(client, head)) return answer(client, head, 403, `${VERSION_HEADER} is not taken from this address.`);
  const choice = head.version === null ? choose(app, head, context.table.key) : pinned(app, head.version);
  if (choice === null) return answer(client, head, 404, `The app has no version ${JSON.stringify(head.version)} here.`);
  const { bodyBytes } = context.rules.limits;
  if (bodyBytes !== null && head.body === CHUNKED) return answer(client, head, 411, 'The request must say how long its body is.');
  if (bodyBytes !== null && head.body > bodyBytes) return answer(client, head, 413, `The request body is larger than ${bodyBytes} bytes.`);
  client.exchange = newExchange(client, head, choice);
  dispatch(client.exchange);
}

/** By the user's address. An unknown proxy in front hides it: what comes through one is not taken. */
function mayPin({ address, context }: Client, head: RequestHead): boolean {
  const { isProxy, mayPin: isAllowed } = context.rules;
  if (!isProxy(address) && (head.forwardedFor !== null || head.hasProxyMarks)) return false;
  const user = userAddress(address, head.forwardedFor, isProxy);
  return user !== null && isAllowed(user);
}

function finished(client: Client, isReusable: boolean): void {
  client.exchange = null;
  client.idleSince = client.context.now();
  if (!isReusable || client.isClosing) return end(client, '');
  if (client.socket.isPaused()) client.socket.resume();
  // Not at once: a long row of requests that came together would go one call deeper each.
  if (client.input.length > 0) setImmediate(advance, client);
}

/** The edge's own answer; a request body that may follow is not read, so the connection ends with it. */
function answer(client: Client, head: RequestHead, status: number, message: string): void {
  const close = !head.keepAlive || head.minor === 0 || head.body !== 0 || client.isClosing;
  const text = ownAnswer(status, message, { close, withBody: head.method !== 'HEAD' });
  client.idleSince = client.context.now();
  if (close) end(client, text);
  else client.socket.write(text);
}

/** Send a last text and close in good order. */
function end(client: Client, text: string): void {
  client.lingerSince = client.context.now();
  client.input = EMPTY;
  client.socket.end(text);
  if (client.socket.isPaused()) client.socket.resume();
}

/** Enforce time limits; called about once a second. */
export function sweepClient(client: Client, now: number): void {
  const { headMs, idleMs, bodyMs } = client.context.rules.timeouts;
  if (client.exchange !== null) sweep(client.exchange, now);
  else if (client.lingerSince !== 0) {
    if (now - client.lingerSince > LINGER_MS && client.socket.writableFinished) client.socket.destroy();
    else if (now - client.lingerSince > bodyMs) client.socket.destroy();
  } else if (client.headSince !== 0) {
    if (now - client.headSince > headMs) end(client, ownAnswer(408, 'The request head takes too long.', { close: true, withBody: true }));
  } else if (now - client.idleSince > (client.hasAsked ? idleMs : headMs)) end(client, '');
}

/** Close as soon as nothing is under way. */
export function retire(client: Client): void {
  client.isClosing = true;
  if (client.exchange === null && client.headSince === 0 && client.lingerSince === 0) end(client, '');
}
