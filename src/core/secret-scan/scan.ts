import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { keywordFinder } from './keywords.ts';
import { type Allow, type RuleSet, type SecretFinding, type SecretRule, shannonEntropy } from './rule.ts';

/** Bytes looked at around a keyword, as far as they are on its line: minified files are one line. */
const BEFORE = 256;
const AFTER = 2048;

export interface Scanner {
  /**
   * Secrets in these bytes. `isNew`: they are new lines, which generic rules are held against too.
   * `lineOf` turns a line of the bytes (from 1) into one of the file, where the bytes are lines out of it.
   */
  scan(
    path: string,
    bytes: Uint8Array,
    length: number,
    options?: { readonly isNew?: boolean; readonly lineOf?: (line: number) => number },
  ): SecretFinding[];
}

/** `key` is the workspace's: marks of two workspaces do not compare. */
export function createScanner({ rules, allow }: RuleSet, key: string): Scanner {
  const keyBytes = utf8ToBytes(key);
  const sets = { all: prepared(rules), certain: prepared(rules.filter((rule) => !rule.isGeneric)) };
  return {
    scan(path, bytes, length, { isNew = false, lineOf = (line: number) => line } = {}) {
      if (allow.some((one) => allowsPath(one, path)) || isBinary(bytes, length)) return [];
      const { finder, byKeyword, always } = isNew ? sets.all : sets.certain;
      const findings: SecretFinding[] = [];
      const seen = new Set<string>();
      const tried = new Map<SecretRule, number>();
      const attempt = (rule: SecretRule, from: number, to: number): void => {
        if ((rule.path !== null && !rule.path.test(path)) || rule.allow.some((one) => allowsPath(one, path))) return;
        const text = textOf(bytes, from, to);
        for (const match of text.matchAll(rule.pattern)) {
          const secret = (rule.group > 0 ? match[rule.group] : (match[1] ?? match[0])) ?? match[0];
          if (secret === '' || (rule.entropy > 0 && shannonEntropy(secret) < rule.entropy)) continue;
          const line = lineAround(text, match.index);
          if (line.includes('gitleaks:allow')) continue;
          if ([...allow, ...rule.allow].some((one) => allows(one, path, { secret, match: match[0], line }))) continue;
          const offset = from + match.index + Math.max(0, match[0].indexOf(secret));
          const place = `${offset} ${secret.length}`;
          if (seen.has(place)) continue;
          seen.add(place);
          const { line: number, column } = placeOf(bytes, offset);
          findings.push({
            rule: rule.id,
            description: rule.description,
            path,
            line: lineOf(number),
            column,
            mark: bytesToHex(hmac(sha256, keyBytes, utf8ToBytes(secret))),
          });
        }
      };
      finder.find(bytes, length, (keyword, end) => {
        let [from, to] = [-1, -1];
        for (const rule of byKeyword[keyword] ?? []) {
          if ((tried.get(rule) ?? -1) >= end) continue;
          if (from < 0) [from, to] = windowOf(bytes, length, end);
          // What follows within the window has been looked at; what is cut off at its end has not.
          tried.set(rule, to - end < AFTER ? to : end + 1);
          attempt(rule, from, to);
        }
      });
      for (const rule of always) attempt(rule, 0, length);
      return findings.toSorted((a, b) => a.line - b.line || a.column - b.column);
    },
  };
}

function prepared(rules: readonly SecretRule[]) {
  const keywords = [...new Set(rules.flatMap((rule) => rule.keywords))];
  return {
    finder: keywordFinder(keywords),
    byKeyword: keywords.map((keyword) => rules.filter((rule) => rule.keywords.includes(keyword))),
    always: rules.filter((rule) => rule.keywords.length === 0),
  };
}

const NEWLINE = 10;

/** Of the line that a keyword is on, what is near it; the line after as well, where the next part of a key may stand. */
function windowOf(bytes: Uint8Array, length: number, end: number): [number, number] {
  let from = end;
  const least = Math.max(0, end - BEFORE);
  while (from > least && bytes[from - 1] !== NEWLINE) from -= 1;
  let to = end;
  const most = Math.min(length, end + AFTER);
  let lines = 0;
  while (to < most) {
    if (bytes[to] === NEWLINE && (lines += 1) === 2) break;
    to += 1;
  }
  return [from, to];
}

function isBinary(bytes: Uint8Array, length: number): boolean {
  const end = bytes.subarray(0, Math.min(length, 8000));
  return end.includes(0);
}

/** Bytes as letters, one each: offsets stay true. */
function textOf(bytes: Uint8Array, from: number, to: number): string {
  let text = '';
  for (let at = from; at < to; at += 4096) text += String.fromCharCode(...bytes.subarray(at, Math.min(to, at + 4096)));
  return text;
}

function lineAround(text: string, at: number): string {
  const from = text.lastIndexOf('\n', at) + 1;
  const end = text.indexOf('\n', at);
  return text.slice(from, end < 0 ? text.length : end);
}

function placeOf(bytes: Uint8Array, offset: number): { line: number; column: number } {
  let line = 1;
  let start = 0;
  for (let i = 0; i < offset; i += 1)
    if (bytes[i] === NEWLINE) {
      line += 1;
      start = i + 1;
    }
  return { line, column: offset - start + 1 };
}

function allowsPath(one: Allow, path: string): boolean {
  const isOnlyPaths = one.patterns.length === 0 && one.stopwords.length === 0;
  return one.paths.length > 0 && (isOnlyPaths || !one.needsAll) && one.paths.some((pattern) => pattern.test(path));
}

function allows(one: Allow, path: string, texts: { readonly secret: string; readonly match: string; readonly line: string }): boolean {
  const conditions = [
    ...(one.paths.length === 0 ? [] : [one.paths.some((pattern) => pattern.test(path))]),
    ...(one.patterns.length === 0 ? [] : [one.patterns.some((pattern) => pattern.test(texts[one.target]))]),
    ...(one.stopwords.length === 0 ? [] : [one.stopwords.some((word) => texts.secret.toLowerCase().includes(word))]),
  ];
  return conditions.length > 0 && (one.needsAll ? conditions.every(Boolean) : conditions.some(Boolean));
}
