import { bodyMeter, takeBody } from './body.ts';
import { writeTogether } from './write.ts';
import { classOf, complete, count, type Exchange, fail, tookMs } from './exchange.ts';
import { BadMessage } from './bad-message.ts';
import { headEnd, parseResponse, type ResponseHead, UNTIL_CLOSE } from './http1.ts';
import { returnedHead, upgradedHead } from './messages.ts';

/** Bytes from the version: pass them on to the client. */
export function receive(exchange: Exchange, chunk: Buffer): void {
  exchange.movedAt = exchange.client.context.now();
  try {
    if (exchange.isTunnel) toClient(exchange, [chunk]);
    else if (exchange.response !== null) passBody(exchange, chunk, '');
    else passHead(exchange, exchange.held === null ? chunk : Buffer.concat([exchange.held, chunk]));
  } catch (error) {
    if (!(error instanceof BadMessage)) throw error;
    const isTooLarge = error.status === 431;
    fail(exchange, 502, isTooLarge ? `The app's answer: ${error.message}.` : 'The app answered something that is not HTTP.');
  }
}

function passHead(exchange: Exchange, bytes: Buffer): void {
  const { client, head } = exchange;
  const end = headEnd(bytes, client.context.rules.limits.headBytes);
  exchange.held = end === -1 ? bytes : null;
  if (end === -1) return;
  const answer = parseResponse(bytes.toString('latin1', 0, end - 2), head.method);
  const rest = bytes.subarray(end);
  if (answer.status === 101) return openTunnel(exchange, answer, rest);
  if (answer.status < 200) {
    // An interim answer (100 Continue, 103 Early Hints) comes before the one that counts; HTTP/1.0 knows none.
    if (head.minor === 1) client.socket.write(`HTTP/1.1 ${answer.status} ${answer.reason}\r\n${answer.fields}\r\n`, 'latin1');
    if (rest.length > 0) passHead(exchange, rest);
    return;
  }
  exchange.answer = answer;
  exchange.latencyMs = tookMs(exchange);
  exchange.response = bodyMeter(answer.body);
  // An event stream may last for hours, and its end, by either side, is no failure: it counts when it begins.
  if (answer.isEventStream) count(exchange, classOf(answer.status), exchange.latencyMs);
  const close = client.isClosing || !head.keepAlive || head.minor === 0 || !exchange.request.done;
  passBody(exchange, rest, returnedHead(answer, exchange.cookie, close));
}

function passBody(exchange: Exchange, bytes: Buffer, headText: string): void {
  const response = exchange.response ?? bodyMeter(UNTIL_CLOSE);
  const taken = takeBody(response, bytes);
  toClient(exchange, taken.parts, headText);
  if (response.done) complete(exchange, taken.bytes < bytes.length);
}

function toClient(exchange: Exchange, parts: readonly Buffer[], headText = ''): void {
  if (writeTogether(exchange.client.socket, headText, parts)) return;
  exchange.upstream?.socket.pause();
  if (exchange.blockedAt === 0) exchange.blockedAt = exchange.client.context.now();
}

/** The client took everything it was sent. */
export function resume(exchange: Exchange): void {
  exchange.blockedAt = 0;
  exchange.upstream?.socket.resume();
}

/** From here on the bytes are nobody's business but the two ends'. */
function openTunnel(exchange: Exchange, answer: ResponseHead, rest: Buffer): void {
  if (exchange.head.upgrade === null) return fail(exchange, 502, 'The app switched protocols without being asked.');
  exchange.isTunnel = true;
  exchange.answer = answer;
  exchange.latencyMs = tookMs(exchange);
  count(exchange, '1xx', exchange.latencyMs);
  exchange.client.isClosing = true;
  exchange.client.socket.write(upgradedHead(answer, exchange.cookie), 'latin1');
  if (rest.length > 0) toClient(exchange, [rest]);
  exchange.client.socket.resume();
}
