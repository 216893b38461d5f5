import { BadMessage } from './bad-message.ts';

const FIELD_LINE = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n/y;
const LENGTH = /^(?:0|[1-9]\d{0,14})$/;

/** What one pass over the field lines finds. */
export interface Fields {
  isVia: boolean;
  readonly isRequest: boolean;
  kept: string;
  said: string;
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

/** @param text a head up to and with the CRLF of its last line; `from`: where its first field begins. @throws BadMessage */
export function parseFields(text: string, from: number, isRequest: boolean): Fields {
  const fields: Fields = {
    isRequest,
    isVia: false,
    kept: '',
    said: '',
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
    if (
      (LENGTHS[colon - at] === true || (text.charCodeAt(at) | 32) === X) &&
      note(fields, text.slice(at, colon).toLowerCase(), text, at, next)
    ) {
      if (keptFrom < at) fields.kept += text.slice(keptFrom, at);
      keptFrom = next;
    }
    at = next;
  }
  if (keptFrom < at) fields.kept += text.slice(keptFrom, at);
  return fields;
}

const X = 'x'.charCodeAt(0);

/** Fields that end here, and those that frame the message: written anew where they go on. */
const DROPPED: ReadonlySet<string> = new Set(['keep-alive', 'proxy-connection', 'te', 'trailer', 'http2-settings']);
/** Fields besides `X-Forwarded…` in which proxies tell who asked. */
const SAID: ReadonlySet<string> = new Set([
  'forwarded',
  'x-real-ip',
  'client-ip',
  'x-client-ip',
  'true-client-ip',
  'cf-connecting-ip',
  'fastly-client-ip',
  'x-cluster-client-ip',
  'x-url-scheme',
  'front-end-https',
]);

/** Lengths of the names that `note` looks at, but for those that begin with `x`: most lines need no more than this look. */
const LENGTHS: readonly boolean[] = (() => {
  const names = ['via', 'host', 'cookie', 'upgrade', 'connection', 'content-type', 'content-length', 'sluice-version', 'transfer-encoding'];
  const lengths = [...names, ...DROPPED, ...SAID].map(({ length }) => length);
  return Array.from({ length: 20 }, (_, i) => lengths.includes(i));
})();

/**
 * Take note of a field, whose line is `text` from `at` to `next`; true when its line is not passed on as it is. A name with `_` is
 * the same as one with `-` to CGI, WSGI and PHP: where the one means something here, the other is not passed on.
 */
function note(fields: Fields, given: string, text: string, at: number, next: number): boolean {
  const name = given.includes('_') ? given.replaceAll('_', '-') : given;
  const from = at + given.length + 1;
  const to = next - 2;
  if (name !== given) return fields.isRequest && (isSaid(name) || FRAMING.has(name) || DROPPED.has(name));
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
    case 'via':
      fields.isVia = true;
      return false;
    case 'content-type':
      fields.contentType = valueOf(text, from, to).toLowerCase();
      return false;
    case 'content-length':
      fields.length = contentLength(fields.length, valueOf(text, from, to));
      return true;
    case 'transfer-encoding':
      fields.coding = joined(fields.coding, valueOf(text, from, to).toLowerCase());
      return true;
    case 'connection':
      fields.connection = joined(fields.connection === '' ? null : fields.connection, valueOf(text, from, to).toLowerCase());
      return true;
    case 'upgrade':
      fields.upgrade = joined(fields.upgrade, valueOf(text, from, to));
      return true;
    default:
      return DROPPED.has(name) || noteSaid(fields, name, text.slice(at, next), valueOf(text, from, to));
  }
}

const FRAMING: ReadonlySet<string> = new Set(['host', 'content-length', 'transfer-encoding', 'connection', 'upgrade', 'sluice-version']);

function isSaid(name: string): boolean {
  return name.startsWith('x-forwarded') || SAID.has(name);
}

function noteSaid(fields: Fields, name: string, line: string, value: string): boolean {
  if (!fields.isRequest || !isSaid(name)) return false;
  if (name === 'x-forwarded-for') fields.forwardedFor = joined(fields.forwardedFor, value);
  else if (name === 'x-forwarded-proto') fields.forwardedProto = joined(fields.forwardedProto, value);
  else if (name === 'x-forwarded-host') fields.forwardedHost = joined(fields.forwardedHost, value);
  else fields.said += line;
  return true;
}

/** RFC 9110 section 5.5: around a value stand SP and HTAB. Other bytes that some call blank (0xA0, VT) are part of it. */
function valueOf(text: string, from: number, to: number): string {
  let [start, end] = [from, to];
  while (start < end && isBlank(text.charCodeAt(start))) start += 1;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

export function trimmed(value: string): string {
  return valueOf(value, 0, value.length);
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}

function joined(before: string | null, value: string): string {
  return before === null ? value : `${before}, ${value}`;
}

function contentLength(before: number | null, value: string): number {
  if (before !== null) throw new BadMessage(400, 'Content-Length is given twice');
  if (!LENGTH.test(value)) throw new BadMessage(400, 'Content-Length is not a number');
  return Number(value);
}
