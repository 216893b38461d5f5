/**
 * Just enough of HTTP/1.1 (RFC 9112) to pass messages on untouched: heads are parsed strictly, bodies only
 * measured. Whatever two parsers could read differently is refused, so that nothing can be smuggled past the edge.
 */
export type Framing = { readonly kind: 'none' } | { readonly kind: 'length'; readonly bytes: number } | { readonly kind: 'chunked' } | { readonly kind: 'untilClose' };

export interface RequestHead {
  readonly method: string;
  readonly target: string;
  readonly minor: 0 | 1;
  /** Header lines as they came, hop-by-hop ones removed. */
  readonly lines: readonly string[];
  readonly host: string;
  readonly cookie: string;
  readonly framing: Framing;
  readonly keepAlive: boolean;
  /** Value of `Upgrade` when the client asks for one. */
  readonly upgrade: string | null;
  readonly expectsContinue: boolean;
  /** First value of a header by lower-case name, null when absent. */
  header(name: string): string | null;
}

export interface ResponseHead {
  readonly status: number;
  readonly statusLine: string;
  readonly lines: readonly string[];
  readonly framing: Framing;
  readonly keepAlive: boolean;
}

/** What the client did wrong; `status` is what to answer. */
export class BadMessage extends Error {
  readonly status: 400 | 431 | 501 | 505;
  constructor(status: 400 | 431 | 501 | 505, message: string) {
    super(message);
    this.status = status;
  }
}

export const MAX_HEAD_BYTES = 64 * 1024;

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// Control characters have no business in a field value (RFC 9110 section 5.5); obs-text above 0x7f is passed on.
// eslint-disable-next-line no-control-regex
const BAD_VALUE = /[\0-\x08\n-\x1f\x7f]/;
const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([^\s]+) HTTP\/1\.([01])$/;
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: .*)?$/;
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'upgrade', 'proxy-authenticate', 'proxy-authorization']);

/** Where the head ends (index after the empty line), or -1 when more is needed. @throws BadMessage 431 */
export function headEnd(buffer: Buffer): number {
  const at = buffer.indexOf('\r\n\r\n');
  if (at === -1 ? buffer.length > MAX_HEAD_BYTES : at > MAX_HEAD_BYTES) throw new BadMessage(431, 'the request head is too large');
  return at === -1 ? -1 : at + 4;
}

/** @throws BadMessage */
export function parseRequest(text: string): RequestHead {
  const lines = text.split('\r\n');
  const [, method, target, minorText] = REQUEST_LINE.exec(lines[0] ?? '') ?? [];
  if (method === undefined || target === undefined) {
    throw /HTTP\/[02-9]/.test(lines[0] ?? '') ? new BadMessage(505, 'only HTTP/1.0 and 1.1 are spoken here') : new BadMessage(400, 'the request line is malformed');
  }
  if (!target.startsWith('/') && target !== '*') throw new BadMessage(400, 'the request target must be a path');
  const minor = minorText === '0' ? 0 : 1;
  const fields = parseFields(lines);
  const host = only(fields, 'host', 'Host') ?? '';
  if (minor === 1 && !fields.has('host')) throw new BadMessage(400, 'the Host header is missing');
  const connection = tokensOf(fields.get('connection'));
  const upgrade = connection.includes('upgrade') ? (fields.get('upgrade')?.[0] ?? null) : null;
  return {
    method,
    target,
    minor,
    lines: passedOn(lines, connection),
    host,
    cookie: fields.get('cookie')?.join('; ') ?? '',
    framing: requestFraming(fields),
    keepAlive: minor === 1 ? !connection.includes('close') : connection.includes('keep-alive'),
    upgrade,
    expectsContinue: fields.get('expect')?.[0]?.toLowerCase() === '100-continue',
    header: (name) => fields.get(name)?.[0] ?? null,
  };
}

/** @throws BadMessage when the version's answer is not HTTP. */
export function parseResponse(text: string, requestMethod: string): ResponseHead {
  const lines = text.split('\r\n');
  const statusLine = lines[0] ?? '';
  const [, minor, code] = STATUS_LINE.exec(statusLine) ?? [];
  if (code === undefined) throw new BadMessage(400, 'the answer is not HTTP/1');
  const status = Number(code);
  const fields = parseFields(lines);
  const connection = tokensOf(fields.get('connection'));
  const framing = responseFraming(fields, status, requestMethod);
  const keepAlive = framing.kind !== 'untilClose' && (minor === '1' ? !connection.includes('close') : connection.includes('keep-alive'));
  return { status, statusLine, lines: passedOn(lines, connection), framing, keepAlive };
}

function parseFields(lines: readonly string[]): Map<string, string[]> {
  const fields = new Map<string, string[]>();
  for (let index = 1; index < lines.length; index += 1) {
    const line = lines[index] as string;
    if (line === '') continue;
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    if (colon < 1 || !TOKEN.test(name)) throw new BadMessage(400, 'a header line is malformed');
    const value = line.slice(colon + 1).trim();
    if (BAD_VALUE.test(value)) throw new BadMessage(400, `the header ${name} has control characters`);
    const key = name.toLowerCase();
    const known = fields.get(key);
    if (known === undefined) fields.set(key, [value]);
    else known.push(value);
  }
  return fields;
}

function passedOn(lines: readonly string[], connection: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 1; index < lines.length; index += 1) {
    const line = lines[index] as string;
    if (line === '') continue;
    const name = line.slice(0, line.indexOf(':')).toLowerCase();
    if (!HOP_BY_HOP.has(name) && !connection.includes(name)) kept.push(line);
  }
  return kept;
}

function requestFraming(fields: ReadonlyMap<string, readonly string[]>): Framing {
  const coding = fields.get('transfer-encoding');
  const length = contentLength(fields);
  if (coding === undefined) return length === null || length === 0 ? { kind: 'none' } : { kind: 'length', bytes: length };
  if (length !== null) throw new BadMessage(400, 'Content-Length and Transfer-Encoding together');
  if (coding.length !== 1 || coding[0]?.toLowerCase() !== 'chunked') throw new BadMessage(501, 'only the chunked transfer coding is understood');
  return { kind: 'chunked' };
}

function responseFraming(fields: ReadonlyMap<string, readonly string[]>, status: number, method: string): Framing {
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return { kind: 'none' };
  const coding = fields.get('transfer-encoding');
  if (coding !== undefined) {
    if (coding.length !== 1 || coding[0]?.toLowerCase() !== 'chunked' || fields.has('content-length')) throw new BadMessage(400, 'the answer has an ambiguous length');
    return { kind: 'chunked' };
  }
  const length = contentLength(fields);
  if (length === null) return { kind: 'untilClose' };
  return length === 0 ? { kind: 'none' } : { kind: 'length', bytes: length };
}

function contentLength(fields: ReadonlyMap<string, readonly string[]>): number | null {
  const value = only(fields, 'content-length', 'Content-Length');
  if (value === null) return null;
  if (!/^\d{1,15}$/.test(value)) throw new BadMessage(400, 'Content-Length is not a number');
  return Number(value);
}

function only(fields: ReadonlyMap<string, readonly string[]>, name: string, label: string): string | null {
  const values = fields.get(name);
  if (values !== undefined && values.length > 1) throw new BadMessage(400, `${label} is given twice`);
  return values?.[0] ?? null;
}

function tokensOf(values: readonly string[] | undefined): string[] {
  return values === undefined ? [] : values.join(',').toLowerCase().split(',').map((token) => token.trim());
}

/** Follows a body through its bytes without changing them. */
export interface BodyMeter {
  /** How many bytes of the chunk, from its start, belong to this body. @throws BadMessage on damaged chunking. */
  take(chunk: Buffer): number;
  readonly done: boolean;
}

export function meterOf(framing: Framing): BodyMeter {
  switch (framing.kind) {
    case 'none':
      return { done: true, take: () => 0 };
    case 'untilClose':
      return { done: false, take: (chunk) => chunk.length };
    case 'length':
      return lengthMeter(framing.bytes);
    case 'chunked':
      return chunkedMeter();
  }
}

function lengthMeter(bytes: number): BodyMeter {
  let left = bytes;
  return {
    get done() {
      return left === 0;
    },
    take(chunk) {
      const mine = Math.min(left, chunk.length);
      left -= mine;
      return mine;
    },
  };
}

const MAX_CHUNK_LINE = 4_096;

/** Chunked coding, RFC 9112 section 7.1: sizes, data, trailers up to the empty line. */
function chunkedMeter(): BodyMeter {
  let state: 'size' | 'data' | 'dataEnd' | 'trailer' | 'done' = 'size';
  let line = '';
  let left = 0;

  function endOfLine(): void {
    const text = line.endsWith('\r') ? line.slice(0, -1) : null;
    line = '';
    if (text === null) throw new BadMessage(400, 'a chunk line ends without CR');
    if (state === 'dataEnd') {
      if (text !== '') throw new BadMessage(400, 'chunk data is longer than its size');
      state = 'size';
    } else if (state === 'size') {
      const size = /^([0-9a-fA-F]{1,12})(?:[ \t]*;.*)?$/.exec(text)?.[1];
      if (size === undefined) throw new BadMessage(400, 'a chunk size is malformed');
      left = Number.parseInt(size, 16);
      state = left === 0 ? 'trailer' : 'data';
    } else if (text === '') {
      state = 'done';
    }
  }

  return {
    get done() {
      return state === 'done';
    },
    take(chunk) {
      let at = 0;
      while (at < chunk.length && state !== 'done') {
        if (state === 'data') {
          const mine = Math.min(left, chunk.length - at);
          left -= mine;
          at += mine;
          if (left === 0) state = 'dataEnd';
          continue;
        }
        const newline = chunk.indexOf(10, at);
        const end = newline === -1 ? chunk.length : newline;
        line += chunk.toString('latin1', at, end);
        if (line.length > MAX_CHUNK_LINE) throw new BadMessage(400, 'a chunk line is too long');
        at = newline === -1 ? chunk.length : newline + 1;
        if (newline !== -1) endOfLine();
      }
      return at;
    },
  };
}
