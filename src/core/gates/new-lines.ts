import type { UnknownBase } from './base.ts';

/** Lines that are new since the base: path → line numbers from 1. Moved lines are not new. */
export type NewLines = ReadonlyMap<string, ReadonlySet<number>>;

/** Whether it is known which lines are new. */
export function areKnown(lines: NewLines | UnknownBase): lines is NewLines {
  return !('kind' in lines);
}

/** Where it is not known, every line may be new. */
export function isNewLine(lines: NewLines | UnknownBase): (path: string, line: number) => boolean {
  return areKnown(lines) ? (path, line) => lines.get(path)?.has(line) === true : () => true;
}

export function countNewLines(lines: NewLines, isCounted: (path: string) => boolean = () => true): number {
  return [...lines].reduce((sum, [path, numbers]) => sum + (isCounted(path) ? numbers.size : 0), 0);
}

interface Line {
  readonly path: string;
  readonly number: number;
  readonly text: string;
}

/** Lines that follow one another in one file. */
type Run = readonly Line[];

/** Least letters and digits that a moved block has, as in git's `--color-moved`: a lone `}` has not been moved. */
const MOVED_LETTERS = 20;
/** Places of the same line that are tried; more than that is no sign of a move. */
const PLACES_TRIED = 64;

/**
 * New lines of a `git diff --unified=0`. A block of added lines that stands, whatever its indentation, among the removed
 * ones has been moved; each removed line accounts for one added line only, so that a copy is new.
 */
export function newLinesOf(diff: string): NewLines {
  const { added, removed } = parseDiff(diff);
  const moved = movedLines(added, removed);
  const result = new Map<string, Set<number>>();
  for (const line of added.flat()) {
    if (moved.has(line)) continue;
    const known = result.get(line.path);
    if (known === undefined) result.set(line.path, new Set([line.number]));
    else known.add(line.number);
  }
  return result;
}

const HUNK = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/;

/** Added and removed runs of a unified diff without context lines. */
function parseDiff(diff: string): { readonly added: Run[]; readonly removed: Run[] } {
  const added: Run[] = [];
  const removed: Run[] = [];
  const lines = diff.split('\n');
  let path: string | null = null;
  let before: string | null = null;
  for (let i = 0; i < lines.length; i += 1) {
    const line = lines[i] ?? '';
    const hunk = HUNK.exec(line);
    if (hunk === null) {
      if (line.startsWith('diff --git ')) [path, before] = [null, null];
      else if (line.startsWith('--- ')) before = fileName(line.slice(4));
      else if (line.startsWith('+++ ')) path = fileName(line.slice(4));
      continue;
    }
    // The counts say how many lines follow: a line that itself begins with `--- ` or `@@` is content here.
    const [, oldStart, oldCount = '1', newStart, newCount = '1'] = hunk;
    const take = (sign: string, from: string | undefined, count: string, name: string | null): Run => {
      const run: Line[] = [];
      while (run.length < Number(count) && lines[i + 1]?.startsWith(sign) === true) {
        i += 1;
        run.push({ path: name ?? '', number: Number(from) + run.length, text: normal((lines[i] ?? '').slice(1)) });
      }
      if (lines[i + 1]?.startsWith('\\') === true) i += 1; // "\ No newline at end of file"
      return run;
    };
    removed.push(take('-', oldStart, oldCount, before));
    const run = take('+', newStart, newCount, path);
    if (path !== null) added.push(run);
  }
  return { added: added.filter((run) => run.length > 0), removed: removed.filter((run) => run.length > 0) };
}

/** `b/src/a.ts` → `src/a.ts`; git quotes names with odd letters; null for `/dev/null`. */
function fileName(text: string): string | null {
  const name = text.startsWith('"') ? unquote(text) : text.replace(/\t$/, '');
  return name === '/dev/null' ? null : name.replace(/^[ab]\//, '');
}

const ESCAPES: Readonly<Record<string, number>> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13, '"': 34, '\\': 92 };

function unquote(text: string): string {
  const bytes: number[] = [];
  const inner = text.slice(1, text.lastIndexOf('"'));
  for (let i = 0; i < inner.length; i += 1) {
    if (inner[i] !== '\\') {
      bytes.push(...new TextEncoder().encode(String.fromCodePoint(inner.codePointAt(i) ?? 0)));
      if ((inner.codePointAt(i) ?? 0) > 0xffff) i += 1;
      continue;
    }
    const octal = /^[0-7]{3}/.exec(inner.slice(i + 1))?.[0];
    bytes.push(octal === undefined ? (ESCAPES[inner[i + 1] ?? ''] ?? 63) : Number.parseInt(octal, 8));
    i += octal === undefined ? 1 : 3;
  }
  return new TextDecoder().decode(Uint8Array.from(bytes));
}

function normal(text: string): string {
  return text.trim().replaceAll(/\s+/g, ' ');
}

function movedLines(added: readonly Run[], removed: readonly Run[]): Set<Line> {
  const places = new Map<string, { readonly run: Run; readonly at: number }[]>();
  for (const run of removed) {
    for (const [at, { text }] of run.entries()) {
      const known = places.get(text);
      if (known === undefined) places.set(text, [{ run, at }]);
      else if (known.length < PLACES_TRIED) known.push({ run, at });
    }
  }
  const taken = new Set<Line>();
  const moved = new Set<Line>();
  for (const run of added) {
    for (let i = 0; i < run.length;) {
      const block = longest(run, i, places.get(run[i]?.text ?? '') ?? [], taken);
      if (letters(run.slice(i, i + block.length)) < MOVED_LETTERS) {
        i += 1;
        continue;
      }
      for (const line of block) taken.add(line);
      for (const line of run.slice(i, i + block.length)) moved.add(line);
      i += block.length;
    }
  }
  return moved;
}

/** The longest removed block, not yet accounted for, that begins like the run does at `from`. */
function longest(run: Run, from: number, places: readonly { run: Run; at: number }[], taken: ReadonlySet<Line>): Run {
  let best: Run = [];
  for (const { run: other, at } of places) {
    let length = 0;
    for (;;) {
      const [mine, theirs] = [run[from + length], other[at + length]];
      if (mine === undefined || theirs === undefined || mine.text !== theirs.text || taken.has(theirs)) break;
      length += 1;
    }
    if (length > best.length) best = other.slice(at, at + length);
  }
  return best;
}

function letters(run: Run): number {
  return run.reduce((sum, { text }) => sum + text.replaceAll(/[^\p{L}\p{N}]/gu, '').length, 0);
}
