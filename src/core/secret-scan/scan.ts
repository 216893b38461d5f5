import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { keywordFinder } from './keywords.ts';
import { textIn } from './content.ts';
import { lettersOf } from './pattern.ts';
import { type Allow, type Looked, type RuleSet, type SecretFinding, type SecretRule, shannonEntropy } from './rule.ts';

/** Bytes looked at around a keyword, as far as they are on its line: minified files are one line. */
const BEFORE = 256;
const AFTER = 2048;
/** Of the line of a match, what is looked at on each side for what allows it, bytes. */
const LINE = 4096;

/** How long one rule may take over one file, ms: a match takes time in proportion to the file, many of them more than that. */
const RULE_MS = 5000;

export interface ScanOptions {
  /** They are new lines, which generic rules are held against too. */
  readonly isNew?: boolean;
  /** Turns a line of the bytes (from 1) into one of the file, where the bytes are lines out of it. */
  readonly lineOf?: (line: number) => number;
}

export interface Scanner {
  /** Secrets in these bytes, or why they were not looked at. */
  scan(path: string, bytes: Uint8Array, length: number, options?: ScanOptions): Looked;
  /** Whether what is found in a file depends on its content alone, and not on its path as well. */
  dependsOnContentAlone(path: string): boolean;
  /** Whether no file of that path is looked at. */
  isLeftOut(path: string): boolean;
}

/** `key` is the workspace's: marks of two workspaces do not compare. `now`: ms that only grow. */
export function createScanner({ rules, allow }: RuleSet, key: string, now: () => number): Scanner {
  const keyBytes = utf8ToBytes(key);
  const sets = { all: prepared(rules), certain: prepared(rules.filter((rule) => !rule.isGeneric)) };
  const ofPaths = rules.filter((rule) => rule.pattern === null);
  const withPaths = rules.filter((rule) => rule.path !== null || rule.allow.some((one) => one.paths.length > 0));
  const isLeftOut = (path: string): boolean => allow.some((one) => allowsPath(one, path));
  const markOf = (secret: Uint8Array): string => bytesToHex(hmac(sha256, keyBytes, secret));
  const concerns = (rule: SecretRule, path: string): boolean =>
    (rule.path === null || rule.path.test(path)) && !rule.allow.some((one) => allowsPath(one, path));
  return {
    isLeftOut,
    dependsOnContentAlone: (path) =>
      !allow.some((one) => one.paths.some((pattern) => pattern.test(path))) &&
      !withPaths.some(
        (rule) => rule.path?.test(path) === true || rule.allow.some((one) => one.paths.some((pattern) => pattern.test(path))),
      ),
    scan(path, bytes, length, { isNew = false, lineOf = (line: number) => line } = {}) {
      if (isLeftOut(path)) return { findings: [], reason: 'leftOut', undecided: [] };
      const itself = ofPaths.flatMap((rule) =>
        concerns(rule, path)
          ? [{ rule: rule.id, description: rule.description, path, line: 1, column: 1, mark: markOf(bytes.subarray(0, length)) }]
          : [],
      );
      const content = textIn(bytes, length);
      if ('reason' in content) return { findings: itself, reason: content.reason, undecided: [] };
      const file: FileText = { path, bytes: content.bytes, length: content.length, lineOf };
      const looked = lookAt(file, isNew ? sets.all : sets.certain, { allow, markOf, now, concerns });
      const findings = itself.length === 0 ? looked.findings : [...itself, ...looked.findings];
      return { findings, undecided: looked.undecided, reason: content.isPointer ? 'lfs' : null };
    },
  };
}

interface FileText {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly lineOf: (line: number) => number;
}

interface Means {
  readonly allow: readonly Allow[];
  readonly markOf: (secret: Uint8Array) => string;
  readonly now: () => number;
  readonly concerns: (rule: SecretRule, path: string) => boolean;
}

function lookAt(
  { path, bytes, length, lineOf }: FileText,
  { finder, byKeyword, always }: ReturnType<typeof prepared>,
  { allow, markOf, now, concerns }: Means,
): Pick<Looked, 'findings' | 'undecided'> {
  /** By place; a rule that says what the secret is counts more than a generic one. */
  const found = new Map<string, { readonly isGeneric: boolean; readonly finding: SecretFinding }>();
  const undecided: string[] = [];
  const tried = new Map<SecretRule, number>();
  const attempt = (rule: SecretRule, from: number, to: number): void => {
    if (rule.pattern === null || !concerns(rule, path)) return;
    const part = bytes.subarray(from, to);
    const until = now() + RULE_MS;
    for (const { index, groups } of rule.pattern.find(part)) {
      if (now() > until) {
        undecided.push(rule.id);
        return;
      }
      const whole = groups[0] ?? '';
      const secret = (rule.group > 0 ? groups[rule.group] : (groups[1] ?? whole)) ?? whole;
      if (secret === '' || (rule.entropy > 0 && shannonEntropy(secret) < rule.entropy)) continue;
      const line = lineAround(part, index);
      if (line.includes('gitleaks:allow')) continue;
      if ([...allow, ...rule.allow].some((one) => allows(one, path, { secret, match: whole, line }))) continue;
      const offset = from + index + Math.max(0, whole.indexOf(secret));
      const place = `${offset} ${secret.length}`;
      const known = found.get(place);
      if (known !== undefined && (rule.isGeneric || !known.isGeneric)) continue;
      const { line: number, column } = placeOf(bytes, offset);
      const mark = markOf(utf8ToBytes(secret));
      const finding = { rule: rule.id, description: rule.description, path, line: lineOf(number), column, mark };
      found.set(place, { isGeneric: rule.isGeneric, finding });
    }
  };
  finder.find(bytes, length, (keyword, end) => {
    for (const rule of byKeyword[keyword] ?? []) {
      if ((tried.get(rule) ?? -1) >= end) continue;
      const [from, to] = rule.reach === 'file' ? [0, length] : windowOf(bytes, length, end, rule.reach);
      // What follows within the window has been looked at; near an end that is cut off, only a part of it.
      tried.set(rule, rule.reach === 'file' || to - end < AFTER ? to : to - AFTER / 2);
      attempt(rule, from, to);
    }
  });
  for (const rule of always) attempt(rule, 0, length);
  const findings = [...found.values()].map((one) => one.finding).toSorted((a, b) => a.line - b.line || a.column - b.column);
  return { findings, undecided };
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

/** Of the line that a keyword is on, what is near it; and so many lines after it, where the next part of a key may stand. */
function windowOf(bytes: Uint8Array, length: number, end: number, more: number): [number, number] {
  let from = end;
  const least = Math.max(0, end - BEFORE);
  while (from > least && bytes[from - 1] !== NEWLINE) from -= 1;
  let to = end;
  const most = Math.min(length, end + AFTER);
  let lines = 0;
  while (to < most) {
    if (bytes[to] === NEWLINE && (lines += 1) > more) break;
    to += 1;
  }
  return [from, to];
}

function lineAround(bytes: Uint8Array, at: number): string {
  const from = at === 0 ? 0 : bytes.lastIndexOf(NEWLINE, at - 1) + 1;
  const end = bytes.indexOf(NEWLINE, at);
  return lettersOf(bytes, Math.max(from, at - LINE), Math.min(end < 0 ? bytes.length : end, at + LINE));
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
