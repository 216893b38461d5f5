import type { TokenIds, Tokens } from './tokens.ts';
import { tokenize } from './tokens.ts';

/** Least tokens and lines that a duplicated block has (SonarQube, languages other than Java). */
const BLOCK_TOKENS = 100;
const BLOCK_LINES = 10;
/** Earlier places of the same tokens that are compared with; data tables would otherwise take time without end. */
const PLACES_COMPARED = 40;
/** Comparisons after which blocks are no longer followed to their end: only tables of thousands of equal rows get there. */
const TOKENS_COMPARED = 30_000_000;

export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

export interface Duplication {
  /** path → lines from 1 that stand in a duplicated block. */
  readonly lines: ReadonlyMap<string, ReadonlySet<number>>;
  readonly blocks: readonly DuplicatedBlock[];
  /** All lines of the files looked at. */
  readonly lineCount: number;
  /** Lines with code. */
  readonly codeLines: number;
}

export interface DuplicatedBlock {
  readonly path: string;
  readonly from: number;
  readonly to: number;
  readonly of: { readonly path: string; readonly from: number; readonly to: number };
}

interface Place {
  readonly file: number;
  readonly at: number;
}

/**
 * Blocks of at least 100 successive equal tokens over at least 10 lines, by SonarQube's definition: indentation, comments
 * and what stands in strings do not count; both places of a block are duplicated, as far as they are whole lines.
 */
export function findDuplication(files: readonly SourceFile[]): Duplication {
  const known: TokenIds = new Map();
  const tokens = files.map((file) => tokenize(file.path, file.text, known));
  const windows = new Map<number, Place[]>();
  const blocks: DuplicatedBlock[] = [];
  const lines = new Map<string, Set<number>>();
  const budget = { left: TOKENS_COMPARED };
  for (const [file, one] of tokens.entries()) {
    for (const [at, hash] of windowHashes(one.ids)) {
      const places = windows.get(hash);
      if (places === undefined) {
        windows.set(hash, [{ file, at }]);
        continue;
      }
      for (const place of places) {
        const length = blockAt(tokens, { file, at }, place, budget);
        if (length < BLOCK_TOKENS) continue;
        const [here, there] = [wholeLines(one, at, length), wholeLines(tokens[place.file], place.at, length)];
        if (here === null || there === null) continue;
        const [path, other] = [files[file]?.path ?? '', files[place.file]?.path ?? ''];
        blocks.push({ path, ...here, of: { path: other, ...there } });
        mark(lines, path, here);
        mark(lines, other, there);
      }
      if (places.length < PLACES_COMPARED) places.push({ file, at });
    }
  }
  return {
    lines,
    blocks,
    lineCount: tokens.reduce((sum, one) => sum + one.lineCount, 0),
    codeLines: tokens.reduce((sum, one) => sum + one.codeLines, 0),
  };
}

/** Duplicated lines / lines, percent; of the lines that `isCounted` says. Null where there are none. */
export function duplicationPercent(duplicated: number, lines: number): number | null {
  return lines === 0 ? null : (duplicated / lines) * 100;
}

export function countDuplicated({ lines }: Duplication, isCounted: (path: string, line: number) => boolean = () => true): number {
  let count = 0;
  for (const [path, numbers] of lines) for (const line of numbers) if (isCounted(path, line)) count += 1;
  return count;
}

/** Rolling hash of every window of `BLOCK_TOKENS` tokens: [where it begins, hash below 2^48]. */
function* windowHashes(ids: Int32Array): Generator<[number, number]> {
  // Two 31-bit-safe polynomials side by side; equal hashes are compared token by token afterwards.
  const [p, q, r, s] = [8_388_593, 257, 8_388_587, 263];
  let [outP, outR] = [1, 1];
  for (let i = 1; i < BLOCK_TOKENS; i += 1) [outP, outR] = [(outP * q) % p, (outR * s) % r];
  let [a, b] = [0, 0];
  for (const [i, id] of ids.entries()) {
    const gone = i >= BLOCK_TOKENS ? (ids[i - BLOCK_TOKENS] ?? 0) : 0;
    a = ((((a - (((gone % p) * outP) % p) + p) % p) * q + id) % p) >>> 0;
    b = ((((b - (((gone % r) * outR) % r) + r) % r) * s + id) % r) >>> 0;
    if (i >= BLOCK_TOKENS - 1) yield [i - BLOCK_TOKENS + 1, a * 16_777_216 + b];
  }
}

/** Length of the block that begins at both places; 0 when it begins earlier (and has been found there). */
function blockAt(tokens: readonly Tokens[], here: Place, there: Place, budget: { left: number }): number {
  const [mine, theirs] = [tokens[here.file]?.ids, tokens[there.file]?.ids];
  if (mine === undefined || theirs === undefined) return 0;
  if (here.at > 0 && there.at > 0 && mine[here.at - 1] === theirs[there.at - 1]) return 0;
  const room = Math.min(mine.length - here.at, theirs.length - there.at);
  // Within one file a block ends where its copy begins.
  const most = Math.min(here.file === there.file ? here.at - there.at : room, room, Math.max(budget.left, BLOCK_TOKENS));
  let length = 0;
  while (length < most && mine[here.at + length] === theirs[there.at + length]) length += 1;
  budget.left -= length;
  return length;
}

/** The lines that stand in a block from their first token to their last; null when they are too few, or too few tokens. */
function wholeLines(tokens: Tokens | undefined, at: number, length: number): { from: number; to: number } | null {
  if (tokens === undefined) return null;
  const { lines, ends } = tokens;
  let [first, last] = [at, at + length - 1];
  while (first <= last && first > 0 && ends[first - 1] === lines[first]) first += 1;
  while (last >= first && last + 1 < lines.length && ends[last] === lines[last + 1]) last -= 1;
  const [from, to] = [lines[first] ?? 0, ends[last] ?? 0];
  return last - first + 1 < BLOCK_TOKENS || to - from + 1 < BLOCK_LINES ? null : { from, to };
}

function mark(lines: Map<string, Set<number>>, path: string, { from, to }: { from: number; to: number }): void {
  const known = lines.get(path) ?? new Set<number>();
  for (let line = from; line <= to; line += 1) known.add(line);
  lines.set(path, known);
}
