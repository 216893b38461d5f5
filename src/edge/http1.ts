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
  /** Header lines to pass on as they came, each ended by CRLF: without hop-by-hop ones, `Host` and `X-Forwarded-*`. */
  readonly fields: string;
  /** All header lines, for looking one up by name. */
  readonly text: string;
  readonly host: string;
  readonly cookie: string;
  /** Value of `Sluice-Version`. */
  readonly version: string | null;
  readonly forwardedFor: string | null;
  readonly forwardedProto: string | null;
  readonly forwardedHost: string | null;
  /** Body bytes, or CHUNKED. */
  readonly body: number;
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

/** What is wrong with a message; `status` is what to answer a client. */
export class BadMessage extends Error {
  readonly status: 400 | 431 | 505;
  constructor(status: 400 | 431 | 505, message: string) {
    super(message);
    this.status = status;
  }
}

const MAX_HEAD_BYTES = 32 * 1024;

// Spelled out in one place each, so that no byte outside the grammar gets through: no control characters (a bare
// CR or LF ends a line for some parsers), no space before the colon, no folded lines.
const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e\x80-\xff]+) HTTP\/1\.([01])\r\n/;
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n/;
const FIELD_LINE = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n/y;
const ABSOLUTE = /^https?:\/\/([^/?#@]+)(.*)$/i;
const HOST = /^[\x21-\x7e]*$/;
/** Fields without which the message would mean something else: `Connection` cannot name them away. */
const ESSENTIAL: ReadonlySet<string> = new Set(['host', 'content-length', 'transfer-encoding', 'close', 'keep-alive', 'upgrade', '']);

/** Where the head ends (index after the empty line), or -1 when more is needed. @throws BadMessage 431 */
export function headEnd(buffer: Buffer): number {
  const at = buffer.indexOf('\r\n\r\n', 0, 'latin1');
  if ((at === -1 ? buffer.length : at) > MAX_HEAD_BYTES) throw new BadMessage(431, 'The request head is too large');
  return at === -1 ? -1 : at + 4;
}

/** What one pass over the field lines finds. */
interface Fields {
  kept: string;
  host: string | null;
  hosts: number;
  cookie: string;
  version: string | null;
  forwardedFor: string | null;
  forwardedProto: string | null;
  forwardedHost: string | null;
  connection: string;
  upgrade: string | null;
  length: number | null;
  coding: string | null;
  contentType: string;
}

/**
 * @param text the head as latin1, up to and with the CRLF of its last line.
 * @throws BadMessage
 */
export function parseRequest(text: string): RequestHead {
  const line = REQUEST_LINE.exec(text);
  if (line === null) {
    throw /^[^\r]* HTTP\/[02-9][.\d]*\r\n/.test(text)
      ? new BadMessage(505, 'Only HTTP/1.0 and 1.1 are spoken here')
      : new BadMessage(400, 'The request line is malformed');
  }
  const minor = line[3] === '0' ? 0 : 1;
  const fields = parseFields(text, line[0].length);
  if (fields.hosts > 1 || (minor === 1 && fields.hosts === 0)) throw new BadMessage(400, 'There must be one Host header');
  const { target, host } = targetOf(line[2] as string, fields.host ?? '');
  if (!HOST.test(host)) throw new BadMessage(400, 'The Host header is malformed');
  if (fields.coding !== null && (minor === 0 || fields.length !== null || fields.coding !== 'chunked')) {
    throw new BadMessage(400, 'The length of the request body is ambiguous');
  }
  const { connection } = fields;
  return {
    method: line[1] as string,
    target,
    minor,
    fields: fields.kept,
    text: text.slice(line[0].length),
    host,
    cookie: fields.cookie,
    version: fields.version,
    forwardedFor: fields.forwardedFor,
    forwardedProto: fields.forwardedProto,
    forwardedHost: fields.forwardedHost,
    body: fields.coding === null ? (fields.length ?? 0) : CHUNKED,
    keepAlive: connection === '' ? minor === 1 : minor === 1 ? !has(connection, 'close') : has(connection, 'keep-alive'),
    upgrade: connection !== '' && fields.upgrade !== null && minor === 1 && has(connection, 'upgrade') ? fields.upgrade : null,
  };
}

/**
 * @param text as for `parseRequest`.
 * @throws BadMessage when the version's answer is not HTTP, or its length could be read in two ways.
 */
export function parseResponse(text: string, requestMethod: string): ResponseHead {
  const line = STATUS_LINE.exec(text);
  if (line === null) throw new BadMessage(400, 'The answer is not HTTP/1');
  const status = Number(line[2]);
  const fields = parseFields(text, line[0].length);
  const { connection } = fields;
  const body = responseBody(fields, status, requestMethod);
  return {
    status,
    reason: line[3] ?? '',
    fields: fields.kept,
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

function targetOf(target: string, host: string): { target: string; host: string } {
  if (target.charCodeAt(0) === 47 || target === '*') return { target, host };
  const [, authority, rest = ''] = ABSOLUTE.exec(target) ?? [];
  if (authority === undefined) throw new BadMessage(400, 'The request target must be a path');
  return { target: rest.startsWith('/') ? rest : `/${rest}`, host: authority };
}

function parseFields(text: string, from: number): Fields {
  const fields: Fields = {
    kept: '',
    host: null,
    hosts: 0,
    cookie: '',
    version: null,
    forwardedFor: null,
    forwardedProto: null,
    forwardedHost: null,
    connection: '',
    upgrade: null,
    length: null,
    coding: null,
    contentType: '',
  };
  let at = from;
  let keptFrom = from;
  while (at < text.length) {
    FIELD_LINE.lastIndex = at;
    if (!FIELD_LINE.test(text)) throw new BadMessage(400, 'A header line is malformed');
    const next = FIELD_LINE.lastIndex;
    const colon = text.indexOf(':', at);
    if (LENGTHS[colon - at] === true && note(fields, text.slice(at, colon).toLowerCase(), text, colon + 1, next - 2)) {
      if (keptFrom < at) fields.kept += text.slice(keptFrom, at);
      keptFrom = next;
    }
    at = next;
  }
  if (keptFrom < at) fields.kept += text.slice(keptFrom, at);
  if (fields.connection !== '') dropNamed(fields);
  return fields;
}

/** Lengths of the names that `note` looks at: most lines need no more than this look. */
const LENGTHS: readonly boolean[] = (() => {
  const names = ['te', 'host', 'cookie', 'upgrade', 'connection', 'keep-alive', 'content-type', 'content-length', 'sluice-version'];
  const lengths = [...names, 'x-forwarded-for', 'proxy-connection', 'x-forwarded-host', 'transfer-encoding', 'x-forwarded-proto'].map(
    ({ length }) => length,
  );
  return Array.from({ length: 20 }, (_, i) => lengths.includes(i));
})();

/** Take note of a field; true when its line is not passed on as it is. */
function note(fields: Fields, name: string, text: string, from: number, to: number): boolean {
  switch (name) {
    case 'host':
      fields.host = valueOf(text, from, to);
      fields.hosts += 1;
      return true;
    case 'cookie':
      fields.cookie += fields.cookie === '' ? valueOf(text, from, to) : `; ${valueOf(text, from, to)}`;
      return false;
    case 'sluice-version':
      fields.version = joined(fields.version, valueOf(text, from, to));
      return false;
    case 'content-type':
      fields.contentType = valueOf(text, from, to).toLowerCase();
      return false;
    case 'content-length':
      fields.length = contentLength(fields.length, valueOf(text, from, to));
      return false;
    case 'transfer-encoding':
      fields.coding = joined(fields.coding, valueOf(text, from, to).toLowerCase());
      return false;
    case 'connection':
      fields.connection = joined(fields.connection === '' ? null : fields.connection, valueOf(text, from, to).toLowerCase());
      return true;
    case 'upgrade':
      fields.upgrade = joined(fields.upgrade, valueOf(text, from, to));
      return true;
    case 'keep-alive':
    case 'proxy-connection':
    case 'te':
      return true;
    default:
      return noteForwarded(fields, name, text, from, to);
  }
}

function noteForwarded(fields: Fields, name: string, text: string, from: number, to: number): boolean {
  switch (name) {
    case 'x-forwarded-for':
      fields.forwardedFor = joined(fields.forwardedFor, valueOf(text, from, to));
      return true;
    case 'x-forwarded-proto':
      fields.forwardedProto = joined(fields.forwardedProto, valueOf(text, from, to));
      return true;
    case 'x-forwarded-host':
      fields.forwardedHost = joined(fields.forwardedHost, valueOf(text, from, to));
      return true;
    default:
      return false;
  }
}

function valueOf(text: string, from: number, to: number): string {
  return text.slice(from, to).trim();
}

function joined(before: string | null, value: string): string {
  return before === null ? value : `${before}, ${value}`;
}

function contentLength(before: number | null, value: string): number {
  if (before !== null) throw new BadMessage(400, 'Content-Length is given twice');
  if (!/^\d{1,15}$/.test(value)) throw new BadMessage(400, 'Content-Length is not a number');
  return Number(value);
}

/** Whether a comma-separated list in lower case has this token. */
function has(list: string, token: string): boolean {
  return list === token || list.split(',').some((part) => part.trim() === token);
}

/** RFC 9110 section 7.6.1: fields that `Connection` names end here. */
function dropNamed(fields: Fields): void {
  const named = fields.connection.split(',').map((token) => token.trim());
  const dropped = named.filter((name) => !ESSENTIAL.has(name));
  if (dropped.length === 0) return;
  const lines = fields.kept
    .split('\r\n')
    .filter((line) => line !== '' && !dropped.includes(line.slice(0, line.indexOf(':')).toLowerCase()));
  fields.kept = lines.map((line) => `${line}\r\n`).join('');
}
