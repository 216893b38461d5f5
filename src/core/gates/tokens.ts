/** Source text as tokens, as far as telling copies from originals needs it. */
export interface Tokens {
  /** Equal tokens have equal numbers, also across files that were read with the same `ids`. */
  readonly ids: Int32Array;
  /** Line from 1 that each token begins on. */
  readonly lines: Int32Array;
  /** Line that each token ends on. */
  readonly ends: Int32Array;
  /** Lines with code: neither blank nor comment alone (SonarQube's `ncloc`). */
  readonly codeLines: number;
  /** All lines. */
  readonly lineCount: number;
}

interface Language {
  readonly line: readonly string[];
  readonly block: readonly (readonly [string, string])[];
  /** Quotes whose string may go on over line ends. */
  readonly longQuotes: readonly string[];
}

const C: Language = { line: ['//'], block: [['/*', '*/']], longQuotes: ['`'] };
const HASH: Language = { line: ['#'], block: [], longQuotes: ['"""', "'''"] };
const LANGUAGES: Readonly<Record<string, Language>> = {
  ...Object.fromEntries(
    'js mjs cjs jsx ts mts cts tsx java kt kts go rs c h cc cpp hpp cs swift scala groovy'.split(' ').map((name) => [name, C]),
  ),
  ...Object.fromEntries('py pyi rb sh bash pl r ex exs'.split(' ').map((name) => [name, HASH])),
  php: { line: ['//', '#'], block: [['/*', '*/']], longQuotes: [] },
  sql: { line: ['--'], block: [['/*', '*/']], longQuotes: [] },
  lua: { line: ['--'], block: [['--[[', ']]']], longQuotes: [] },
};

/** Whether copies are looked for in a file of this name. Style sheets, markup, data and Terraform are left out, as SonarQube does. */
export function isSource(path: string): boolean {
  return languageOf(path) !== null;
}

function languageOf(path: string): Language | null {
  const extension = /\.([a-z0-9]+)$/.exec(path.toLowerCase())?.[1] ?? '';
  return /\.min\.js$|\.d\.ts$/.test(path) ? null : (LANGUAGES[extension] ?? null);
}

/** Numbers for token texts, shared by the files that are compared. */
export type TokenIds = Map<string, number>;

const WORD = /[\p{L}\p{N}_$]/u;

/**
 * Words, numbers, single signs; all strings are one and the same token, white space and comments are none.
 * Reads any text without failing: a string that is never closed ends with its line.
 */
export function tokenize(path: string, text: string, known: TokenIds): Tokens {
  const language = languageOf(path) ?? C;
  const [ids, lines, ends]: [number[], number[], number[]] = [[], [], []];
  const quotes = [...language.longQuotes, '"', "'"];
  const idOf = (token: string): number => {
    const id = known.get(token) ?? known.size + 1;
    known.set(token, id);
    return id;
  };
  let line = 1;
  const advance = (from: number, to: number): number => {
    for (let i = from; i < to; i += 1) if (text.charCodeAt(i) === 10) line += 1;
    return to;
  };
  for (let at = 0; at < text.length;) {
    const code = text.charCodeAt(at);
    if (code === 10) line += 1;
    if (code <= 32 || code === 0xfeff || code === 0xa0) {
      at += 1;
      continue;
    }
    const comment = commentEnd(text, at, language);
    if (comment !== null) {
      at = advance(at, comment);
      continue;
    }
    const begins = line;
    const quote = quotes.find((one) => text.startsWith(one, at));
    const end = quote === undefined ? wordEnd(text, at) : stringEnd(text, at, quote, language.longQuotes.includes(quote));
    ids.push(idOf(quote === undefined ? text.slice(at, end) : '""'));
    at = advance(at, end);
    lines.push(begins);
    ends.push(line);
  }
  return {
    ids: Int32Array.from(ids),
    lines: Int32Array.from(lines),
    ends: Int32Array.from(ends),
    codeLines: countCodeLines(lines, ends),
    lineCount: text === '' ? 0 : text.split('\n').length - (text.endsWith('\n') ? 1 : 0),
  };
}

function countCodeLines(lines: readonly number[], ends: readonly number[]): number {
  let [count, last] = [0, 0];
  for (const [i, from] of lines.entries()) {
    const to = ends[i] ?? from;
    if (to <= last) continue;
    count += to - Math.max(from - 1, last);
    last = to;
  }
  return count;
}

function commentEnd(text: string, at: number, language: Language): number | null {
  for (const [open, close] of language.block) {
    if (!text.startsWith(open, at)) continue;
    const end = text.indexOf(close, at + open.length);
    return end < 0 ? text.length : end + close.length;
  }
  if (!language.line.some((sign) => text.startsWith(sign, at))) return null;
  const end = text.indexOf('\n', at);
  return end < 0 ? text.length : end;
}

function wordEnd(text: string, at: number): number {
  let end = at;
  while (end < text.length && isWord(text, end)) end += 1;
  return Math.max(end, at + 1);
}

function isWord(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  if (code < 128)
    return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57) || code === 95 || code === 36;
  return WORD.test(text.charAt(at)) || (code >= 0xd800 && code <= 0xdfff);
}

function stringEnd(text: string, at: number, quote: string, isLong: boolean): number {
  for (let i = at + quote.length; i < text.length; i += 1) {
    if (text.startsWith(quote, i)) return i + quote.length;
    const code = text.charCodeAt(i);
    if (code === 92) i += 1;
    else if (code === 10 && !isLong) return i;
  }
  return text.length;
}

/** Lines from 1 that hold code. */
export function codeLineNumbers(path: string, text: string): number[] {
  const { lines, ends } = tokenize(path, text, new Map());
  const found = new Set<number>();
  for (const [i, from] of lines.entries()) for (let line = from; line <= (ends[i] ?? from); line += 1) found.add(line);
  return [...found];
}
