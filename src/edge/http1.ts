import { BadMessage } from './bad-message.ts';
import { type Fields, parseFields, trimmed } from './fields.ts';

/**
 * Just enough of HTTP/1.1 (RFC 9112) to pass messages on untouched: heads are parsed strictly, bodies only
 * measured. Whatever two parsers could read differently is refused, so that nothing can be smuggled past the edge.
 */

/** Body framings besides a number of bytes. */
export const CHUNKED = -1;
export const UNTIL_CLOSE = -2;

export interface RequestHead {
  readonly method: string;
  /** Origin form: starts with `/`, or is `*`. */
  readonly target: string;
  readonly minor: 0 | 1;
  /** Header lines to pass on as they came, each ended by CRLF: without hop-by-hop and framing ones, `Host`, and what proxies say. */
  readonly fields: string;
  /** Lines in which proxies say who asked (`Forwarded`, `X-Forwarded-*`, `X-Real-IP` …), but for the three below. */
  readonly said: string;
  /** All header lines, for looking one up by name. */
  readonly text: string;
  readonly host: string;
  readonly cookie: string;
  /** Value of `Sluice-Version`. */
  readonly version: string | null;
  readonly forwardedFor: string | null;
  readonly forwardedProto: string | null;
  readonly forwardedHost: string | null;
  /** A proxy has passed the request on, or somebody says so. */
  readonly hasProxyMarks: boolean;
  /** Body bytes, or CHUNKED. */
  readonly body: number;
  /** The client said how long the body is, if only 0. */
  readonly hasLength: boolean;
  readonly keepAlive: boolean;
  /** Value of `Upgrade` when the client asks for one. */
  readonly upgrade: string | null;
}

export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly fields: string;
  /** Body bytes, CHUNKED or UNTIL_CLOSE. */
  readonly body: number;
  readonly keepAlive: boolean;
  readonly upgrade: string | null;
  readonly isEventStream: boolean;
}

// Spelled out in one place each, so that no byte outside the grammar gets through: no control characters (a bare
// CR or LF ends a line for some parsers), no space before the colon, no folded lines.
const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21\x22\x24-\x7e]+) HTTP\/1\.([01])\r\n/;
/** A request line but for its version. */
const ANY_VERSION = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+ +[\x21\x22\x24-\x7e]+ +HTTP\/\d\.\d\r\n/;
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n/;
const ABSOLUTE = /^(https?):\/\/([^/?]+)(.*)$/i;
/** A name or an address, and a port. User information (`a@host`) is refused: two readers take two hosts out of it. */
const HOST = /^(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/;
/** Methods that make a proxy a tunnel or a mirror, in any letters: some servers read methods without case. */
const NOT_PASSED_ON = /^(?:connect|trace|track)$/i;
/** HAProxy refuses a body of these in HTTP/1.0 too: many servers do not read one, and take it for the next request. */
const BODILESS_IN_1_0 = /^(?:GET|HEAD|DELETE)$/;
/**
 * What `Connection` of a request may name: options, and fields that never go on. Another name would make us drop a field on
 * which the version may rest, which HAProxy cannot do: both edges refuse it.
 */
const CONNECTION = /^(?:close|keep-alive|upgrade|te|trailer|http2-settings|proxy-connection|)$/;
const WEBSOCKET_KEY = /\r\nsec-websocket-key:/i;
/** Protocols in which other requests would pass by uncounted: an `Upgrade` that offers one is not passed on. */
const OTHER_HTTP = /(?:^|,)[ \t]*(?:h2c?|http|tls)(?:[-/, \t]|$)/i;

/**
 * Where the head ends (index after the empty line), or -1 when more is needed.
 * @throws BadMessage 431 when it is longer than `maxBytes`; 400 when a line of it ends without CR: no end of it would be found.
 */
export function headEnd(buffer: Buffer, maxBytes: number): number {
  const at = buffer.indexOf('\r\n\r\n', 0, 'latin1');
  const length = at === -1 ? buffer.length : at + 4;
  if (length > maxBytes) throw new BadMessage(431, `The head is larger than ${maxBytes} bytes`);
  if (at !== -1) return length;
  const newline = buffer.indexOf(10);
  if (newline !== -1 && buffer[newline - 1] !== 13) throw new BadMessage(400, 'A line does not end with CRLF');
  return -1;
}

/** A head that is not complete yet, and never will be one: its first line is none. @throws BadMessage */
export function checkRequestLine(buffer: Buffer): void {
  const end = buffer.indexOf('\r\n', 0, 'latin1');
  if (end === -1) return;
  const text = buffer.toString('latin1', 0, end + 2);
  if (!REQUEST_LINE.test(text)) throw badRequestLine(text);
}

function badRequestLine(text: string): BadMessage {
  return ANY_VERSION.test(text) && !/^[^\r]* HTTP\/1\.[01]\r/.test(text)
    ? new BadMessage(505, 'Only HTTP/1.0 and 1.1 are spoken here')
    : new BadMessage(400, 'The request line is malformed');
}

/**
 * @param text the head as latin1, up to and with the CRLF of its last line.
 * @throws BadMessage
 */
export function parseRequest(text: string): RequestHead {
  const line = REQUEST_LINE.exec(text);
  if (line === null) throw badRequestLine(text);
  const [start, method = '', wanted = ''] = line;
  const minor = line[3] === '0' ? 0 : 1;
  if (NOT_PASSED_ON.test(method)) throw new BadMessage(405, `${method.toUpperCase()} is not passed on`);
  const fields = parseFields(text, start.length, true);
  const { connection } = fields;
  if (connection !== '') checkConnection(connection);
  const { target, host } = targetOf(method, wanted, hostOf(fields, minor));
  const body = requestBody(fields, method, minor);
  return {
    method,
    target,
    minor,
    fields: fields.kept,
    said: fields.said,
    text: text.slice(start.length),
    host,
    cookie: fields.cookie,
    version: fields.version,
    forwardedFor: fields.forwardedFor,
    forwardedProto: fields.forwardedProto,
    forwardedHost: fields.forwardedHost,
    hasProxyMarks: fields.said !== '' || fields.isVia,
    body,
    hasLength: fields.length !== null,
    keepAlive: connection === '' ? minor === 1 : minor === 1 ? !has(connection, 'close') : has(connection, 'keep-alive'),
    // With a body it could not be told where the other protocol begins.
    upgrade: minor === 1 && body === 0 && has(connection, 'upgrade') ? upgradeOf(fields, text) : null,
  };
}

function hostOf({ host, hosts }: Fields, minor: 0 | 1): string {
  if (hosts > 1 || (minor === 1 && hosts === 0)) throw new BadMessage(400, 'There must be one Host header');
  if (host !== null && !HOST.test(host)) throw new BadMessage(400, 'The Host header is malformed');
  return host ?? '';
}

function checkConnection(connection: string): void {
  for (const name of connection.split(',')) {
    if (!CONNECTION.test(trimmed(name))) throw new BadMessage(400, 'Connection names a header that this proxy does not drop');
  }
}

function upgradeOf({ upgrade }: Fields, text: string): string | null {
  if (upgrade === null) return null;
  if (/websocket/i.test(upgrade) && !WEBSOCKET_KEY.test(text)) throw new BadMessage(400, 'Sec-WebSocket-Key is missing');
  return OTHER_HTTP.test(upgrade) ? null : upgrade;
}

function requestBody({ coding, length }: Fields, method: string, minor: 0 | 1): number {
  if (coding !== null) {
    if (/^(?!chunked|identity)[!#$%&'*+.^_`|~\w-]+[ \t]*,[ \t]*chunked$/.test(coding))
      throw new BadMessage(422, 'Only chunked is a known transfer coding');
    if (minor === 0 || length !== null || coding !== 'chunked') throw new BadMessage(400, 'The length of the request body is ambiguous');
    return CHUNKED;
  }
  if (minor === 0 && length !== null && length > 0 && BODILESS_IN_1_0.test(method))
    throw new BadMessage(413, `${method} has no body in HTTP/1.0`);
  return length ?? 0;
}

/**
 * @param text as for `parseRequest`.
 * @throws BadMessage when the version's answer is not HTTP, or its length could be read in two ways.
 */
export function parseResponse(text: string, requestMethod: string): ResponseHead {
  const line = STATUS_LINE.exec(text);
  if (line === null) throw new BadMessage(400, 'The answer is not HTTP/1');
  const status = Number(line[2]);
  const fields = parseFields(text, line[0].length, false);
  const { connection } = fields;
  if (fields.coding !== null && line[1] === '0') throw new BadMessage(400, 'HTTP/1.0 knows no transfer coding');
  const body = responseBody(fields, status, requestMethod);
  const kept = connection === '' ? fields.kept : withoutNamed(fields.kept, connection);
  return {
    status,
    reason: line[3] ?? '',
    // RFC 9110 section 8.6: only HEAD and 304 may say how long a body would be that does not come.
    fields: fields.length !== null && status >= 200 && status !== 204 ? `${kept}content-length: ${fields.length}\r\n` : kept,
    body,
    keepAlive:
      body !== UNTIL_CLOSE &&
      (connection === '' ? line[1] === '1' : line[1] === '1' ? !has(connection, 'close') : has(connection, 'keep-alive')),
    upgrade: fields.upgrade,
    isEventStream: fields.contentType.startsWith('text/event-stream'),
  };
}

function responseBody(fields: Fields, status: number, method: string): number {
  if (fields.coding !== null && (fields.coding !== 'chunked' || fields.length !== null))
    throw new BadMessage(400, 'The length of the answer is ambiguous');
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return 0;
  if (fields.coding !== null) return CHUNKED;
  return fields.length ?? UNTIL_CLOSE;
}

function targetOf(method: string, target: string, host: string): { target: string; host: string } {
  if (target.charCodeAt(0) === 47 || (target === '*' && method === 'OPTIONS')) return { target, host };
  const [, scheme = '', authority, rest = ''] = ABSOLUTE.exec(target) ?? [];
  if (authority === undefined || !HOST.test(authority)) throw new BadMessage(400, 'The request target must be a path');
  const [named, said] = [authority, host].map((one) => bare(one, scheme.toLowerCase()));
  // RFC 9112 section 3.2.2 lets the target win; a version that reads Host would take another one than we do.
  if (host !== '' && named !== said) throw new BadMessage(400, 'The request target and the Host header name two hosts');
  return { target: rest.startsWith('/') ? rest : `/${rest}`, host: named ?? '' };
}

/** A host without the port that its scheme has anyway, in lower case. */
function bare(host: string, scheme: string): string {
  return host.replace(scheme === 'http' ? /:80$/ : /:443$/, '').toLowerCase();
}

/** Whether a comma-separated list in lower case has this token. */
function has(list: string, token: string): boolean {
  return list === token || list.split(',').some((part) => trimmed(part) === token);
}

/** RFC 9110 section 7.6.1: fields that `Connection` names end here. */
function withoutNamed(kept: string, connection: string): string {
  const named = connection.split(',').map(trimmed);
  const lines = kept.split('\r\n').filter((line) => line !== '' && !named.includes(line.slice(0, line.indexOf(':')).toLowerCase()));
  return lines.map((line) => `${line}\r\n`).join('');
}
