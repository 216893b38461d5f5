import { damaged } from './damage.ts';

/** One attribute of the tag at hand, as places in its bytes. */
export interface Attributes {
  readonly count: number;
  nameAt(index: number): number;
  nameEnd(index: number): number;
  valueAt(index: number): number;
  valueEnd(index: number): number;
}

export interface TagHandlers {
  /** `depth` 0 is the root. */
  open(name: string, bytes: Uint8Array, attributes: Attributes): void;
  close(name: string): void;
  /** Text that is not white space alone. Without it there must be none. */
  text(text: string): void;
}

export interface TagScanner {
  push(chunk: Uint8Array): void;
  end(): void;
}

const [LESS, GREATER, SLASH, BANG, QUESTION, EQUALS, QUOTE, APOSTROPHE] = [60, 62, 47, 33, 63, 61, 34, 39];
/** Longest tag, bytes. */
const LONGEST_TAG = 1_000_000;
const DEEPEST = 100;
/** Attributes of one tag at most. */
const MOST_ATTRIBUTES = 64;

/**
 * A scanner of XML as reports use it, over bytes as they come: tags must be well formed and closed in order, attributes
 * quoted and said once; entities are never expanded here and a document type with declarations of its own is refused.
 * @throws Unreadable from `push` and `end`.
 */
export function tagScanner(handlers: TagHandlers): TagScanner {
  const names = nameTable();
  const stack: string[] = [];
  const places = new Int32Array(MOST_ATTRIBUTES * 4);
  const attributes = { count: 0, nameAt: at(0), nameEnd: at(1), valueAt: at(2), valueEnd: at(3) };
  function at(which: number) {
    return (index: number): number => places[index * 4 + which] ?? 0;
  }
  let rest: Uint8Array = Buffer.alloc(0);
  let isFirst = true;
  let hasRoot = false;

  const said = (bytes: Uint8Array, from: number, to: number): void => {
    for (let i = from; i < to; i += 1) {
      if ((bytes[i] ?? 0) > 32) {
        if (stack.length === 0) throw damaged('there is text outside of its tags.');
        return handlers.text(utf8.decode(bytes.subarray(from, to)).trim());
      }
    }
  };
  /** Reads a tag that ends before `end`; returns whether it closes itself. */
  const readAttributes = (bytes: Uint8Array, from: number, end: number): void => {
    let i = from;
    attributes.count = 0;
    for (;;) {
      const before = i;
      while (i < end && isSpace(bytes[i])) i += 1;
      if (i === end) return;
      if (i === before) throw damaged('attributes are not apart.');
      const name = i;
      while (i < end && isName(bytes[i])) i += 1;
      const nameEnd = i;
      if (nameEnd === name) throw damaged('an attribute has no name.');
      while (i < end && isSpace(bytes[i])) i += 1;
      if (i === end || bytes[i] !== EQUALS) throw damaged('an attribute has no value.');
      i += 1;
      while (i < end && isSpace(bytes[i])) i += 1;
      const quote = bytes[i];
      if (i === end || (quote !== QUOTE && quote !== APOSTROPHE)) throw damaged('a value is not quoted.');
      i += 1;
      const value = i;
      while (i < end && bytes[i] !== quote) {
        if (bytes[i] === LESS) throw damaged('a value holds a <.');
        i += 1;
      }
      if (i === end) throw damaged('a value is not closed.');
      for (let k = 0; k < attributes.count; k += 1) {
        const [a, b] = [attributes.nameAt(k), attributes.nameEnd(k)];
        if (b - a === nameEnd - name && isEqual(bytes, a, name, b - a)) throw damaged('an attribute is said twice.');
      }
      if (attributes.count === MOST_ATTRIBUTES) throw damaged('a tag has too many attributes.');
      const slot = attributes.count * 4;
      places[slot] = name;
      places[slot + 1] = nameEnd;
      places[slot + 2] = value;
      places[slot + 3] = i;
      attributes.count += 1;
      i += 1;
    }
  };
  /** The tag from `<` at `from` to `>` at `to`. */
  const tag = (bytes: Uint8Array, from: number, to: number): void => {
    const isClosing = bytes[from + 1] === SLASH;
    const start = from + (isClosing ? 2 : 1);
    let i = start;
    while (i < to && isName(bytes[i])) i += 1;
    if (i === start) throw damaged('a tag has no name.');
    const name = names(bytes, start, i);
    if (isClosing) {
      while (i < to && isSpace(bytes[i])) i += 1;
      if (i !== to) throw damaged(`</${name}> holds more than its name.`);
      const open = stack.pop();
      if (open !== name) throw damaged(`</${name}> closes ${open === undefined ? 'nothing' : `<${open}>`}.`);
      return handlers.close(name);
    }
    if (stack.length === 0 && hasRoot) throw damaged('there is a second root.');
    hasRoot = true;
    const isEmpty = bytes[to - 1] === SLASH;
    readAttributes(bytes, i, isEmpty ? to - 1 : to);
    if (stack.length === DEEPEST) throw damaged('tags are nested too deep.');
    handlers.open(name, bytes, attributes);
    if (isEmpty) handlers.close(name);
    else stack.push(name);
  };
  /** @returns how many bytes have been dealt with; what begins there is not whole yet. */
  const scan = (bytes: Uint8Array): number => {
    let i = 0;
    for (;;) {
      const less = bytes.indexOf(LESS, i);
      if (less < 0) return i;
      const to = tagEnd(bytes, less);
      if (to < 0) return i;
      said(bytes, i, less);
      if (bytes[less + 1] !== BANG && bytes[less + 1] !== QUESTION) tag(bytes, less, to);
      else if (bytes[less + 2] === 91) {
        if (stack.length === 0) throw damaged('there is text outside of its tags.');
        handlers.text(utf8.decode(bytes.subarray(less + 9, to - 2)));
      } else if (bytes[less + 1] === BANG && bytes[less + 2] !== 45 && hasRoot) throw damaged('a declaration stands where none may.');
      i = to + 1;
    }
  };
  return {
    push(chunk) {
      let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      if (isFirst && bytes.length >= 3) {
        isFirst = false;
        if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) bytes = bytes.subarray(3);
      }
      rest = Uint8Array.prototype.slice.call(bytes, scan(bytes));
      if (rest.length > LONGEST_TAG) throw damaged('a tag never ends.');
    },
    end() {
      said(rest, 0, rest.length);
      if (rest.includes(LESS)) throw damaged('it is cut off within a tag.');
      if (stack.length > 0) throw damaged(`it is cut off: <${stack.at(-1) ?? ''}> is not closed.`);
      if (!hasRoot) throw damaged('it is no XML.');
    },
  };
}

const utf8 = new TextDecoder('utf-8');

/** Where the tag, comment, instruction or CDATA that begins at `from` ends (its `>`); -1: not in these bytes. */
function tagEnd(bytes: Uint8Array, from: number): number {
  const second = bytes[from + 1];
  if (second === undefined) return -1;
  if (second === QUESTION) return endOf(bytes, from + 2, [QUESTION, GREATER]);
  if (second !== BANG) {
    let quote = 0;
    for (let i = from + 1; i < bytes.length; i += 1) {
      const code = bytes[i] ?? 0;
      if (quote !== 0) {
        if (code === quote) quote = 0;
      } else if (code === GREATER) return i;
      else if (code === QUOTE || code === APOSTROPHE) quote = code;
      else if (code === LESS) throw damaged('a tag begins within a tag.');
    }
    return -1;
  }
  if (bytes.length < from + 9) return -1;
  const head = utf8.decode(bytes.subarray(from, from + 9));
  if (head.startsWith('<!--')) return endOf(bytes, from + 4, [45, 45, GREATER]);
  if (head === '<![CDATA[') return endOf(bytes, from + 9, [93, 93, GREATER]);
  if (head !== '<!DOCTYPE') throw damaged('it holds a declaration that XML does not have.');
  const end = bytes.indexOf(GREATER, from);
  const inner = bytes.indexOf(91, from);
  if (inner >= 0 && (end < 0 || inner < end)) throw damaged('its document type declares things of its own.');
  return end;
}

function endOf(bytes: Uint8Array, from: number, end: readonly number[]): number {
  const [first = 0] = end;
  for (let i = bytes.indexOf(first, from); i >= 0; i = bytes.indexOf(first, i + 1)) {
    if (end.every((code, k) => bytes[i + k] === code)) return i + end.length - 1;
  }
  return -1;
}

function isSpace(code: number | undefined): boolean {
  return code === 32 || code === 10 || code === 13 || code === 9;
}

function isName(code: number | undefined): boolean {
  if (code === undefined) return false;
  return (
    (code >= 97 && code <= 122) ||
    (code >= 65 && code <= 90) ||
    (code >= 48 && code <= 58) ||
    code === 45 ||
    code === 95 ||
    code === 46 ||
    code >= 128
  );
}

function isEqual(bytes: Uint8Array, a: number, b: number, length: number): boolean {
  for (let i = 0; i < length; i += 1) if (bytes[a + i] !== bytes[b + i]) return false;
  return true;
}

/** Names as text, each made once. */
function nameTable(): (bytes: Uint8Array, from: number, to: number) => string {
  const byHash = new Map<number, { readonly bytes: Uint8Array; readonly name: string }[]>();
  return (bytes, from, to) => {
    let hash = to - from;
    for (let i = from; i < to; i += 1) hash = (hash * 31 + (bytes[i] ?? 0)) | 0;
    const known = byHash.get(hash);
    const same = known?.find((one) => one.bytes.length === to - from && one.bytes.every((code, i) => code === bytes[from + i]));
    if (same !== undefined) return same.name;
    if (byHash.size > 1000) throw damaged('it has too many kinds of tags.');
    const own = { bytes: Uint8Array.prototype.slice.call(bytes, from, to), name: utf8.decode(bytes.subarray(from, to)) };
    if (known === undefined) byHash.set(hash, [own]);
    else known.push(own);
    return own.name;
  };
}

/** A value as text: the five entities of XML and characters by number; anything else with & is damage. */
export function valueText(bytes: Uint8Array, from: number, to: number): string {
  return unescape(utf8.decode(bytes.subarray(from, to)));
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

export function unescape(text: string): string {
  if (!text.includes('&')) return text;
  return text.replaceAll(/&([^;]*;?)/g, (_whole, inner: string) => {
    const named = ENTITIES[inner.slice(0, -1)];
    if (inner.endsWith(';') && named !== undefined) return named;
    const number = /^#(?:x([0-9a-fA-F]{1,6})|(\d{1,7}));$/.exec(inner);
    const code = number === null ? Number.NaN : number[1] === undefined ? Number(number[2]) : Number.parseInt(number[1], 16);
    if (!(code > 0 && code <= 0x10_ffff)) throw damaged(`it has an entity that is not known: &${inner.slice(0, 20)}`);
    return String.fromCodePoint(code);
  });
}
