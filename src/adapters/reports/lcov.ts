import type { FileCoverage } from '../../core/gates/coverage.ts';
import type { ReportReader } from '../../ports/reports.ts';
import { damaged, problemOf, Unreadable } from './damage.ts';
import { asUtf8 } from './encoding.ts';
import { fileCoverage, lineTable, MOST } from './line-table.ts';

/**
 * LCOV trace files, read byte by byte as they come: no text is made of the lines that there are most of. A record that
 * does not add up (`LF`, `LH`, `BRF`, `BRH` against what stands there) or is not closed is damaged.
 */
export const lcovReader: ReportReader = {
  format: 'lcov',
  async read(chunks) {
    try {
      const scanner = lcovScanner();
      for await (const chunk of asUtf8(chunks)) scanner.push(chunk);
      return { content: { kind: 'coverage', files: scanner.end(), roots: [] } };
    } catch (error) {
      return problemOf(error);
    }
  },
};

export interface CoverageScanner {
  /** @throws Unreadable */
  push(chunk: Uint8Array): void;
  /** @throws Unreadable when it is cut off, or says nothing. */
  end(): FileCoverage[];
}

const [NEWLINE, RETURN, COMMA, COLON, DASH] = [10, 13, 44, 58, 45];
/** Longest line, bytes: paths and names of functions stand on one. */
const LONGEST_LINE = 1_000_000;
/** Kinds of lines that say nothing about lines and branches. */
const SKIPPED = /^(TN|VER|FN|FNDA|FNF|FNH|FNL|FNA|MCDC|MCF|MCH):|^#|^\s*$/;

function lcovScanner(): CoverageScanner {
  const files: FileCoverage[] = [];
  const lines = lineTable('sum');
  const branches = lineTable('sum');
  let path: string | null = null;
  let stated: Partial<Record<'LF' | 'LH' | 'BRF' | 'BRH', number>> = {};
  let [found, hit, branchesFound, branchesHit] = [0, 0, 0, 0];
  /** What was said of a line 0, which no file has: left out, and yet a part of the sums of the tools that write it. */
  let none = { found: 0, hit: 0, branchesFound: 0, branchesHit: 0 };
  let row = 0;
  let rest: Buffer = Buffer.alloc(0);
  const fail = (what: string): Unreadable => damaged(`line ${row}: ${what}`);

  const begin = (name: string): void => {
    if (path !== null) throw fail(`a new file begins before ${path} has ended.`);
    if (name === '') throw fail('a file without a name.');
    path = name;
    stated = {};
    [found, hit, branchesFound, branchesHit] = [0, 0, 0, 0];
    none = { found: 0, hit: 0, branchesFound: 0, branchesHit: 0 };
  };
  const finish = (): void => {
    if (path === null) throw fail('a file ends that never began.');
    const lineRows = lines.take();
    const sums: readonly [keyof typeof stated, number, number, number][] = [
      ['LF', found, lineRows.lines.length, none.found],
      ['LH', hit, count(lineRows.values), none.hit],
      ['BRF', branchesFound, branchesFound, none.branchesFound],
      ['BRH', branchesHit, branchesHit, none.branchesHit],
    ];
    for (const [name, one, other, more] of sums) {
      const said = stated[name];
      if (said !== undefined && ![one, other, one + more].includes(said)) throw fail(`${path} has ${name} ${said}, but ${one} are listed.`);
    }
    files.push(fileCoverage(path, lineRows, branches.take()));
    path = null;
  };
  /** Lines there are few of. */
  const other = (text: string): void => {
    if (text.startsWith('SF:')) return begin(text.slice(3));
    if (text === 'end_of_record') return finish();
    const sum = /^(LF|LH|BRF|BRH):(\d{1,10})$/.exec(text);
    if (sum !== null) {
      if (path === null) throw fail(`${text} belongs to no file.`);
      stated[sum[1] as keyof typeof stated] = Number(sum[2]);
    } else if (!SKIPPED.test(text)) throw fail(`"${text.slice(0, 60)}" is nothing that LCOV has.`);
  };

  /** Whole lines only, up to `end`, which is just after a newline. */
  const scan = (bytes: Uint8Array, end: number): void => {
    let at = 0;
    while (at < end) {
      row += 1;
      const isData = bytes[at] === 68 && bytes[at + 1] === 65 && bytes[at + 2] === COLON;
      const isBranch =
        !isData && bytes[at] === 66 && bytes[at + 1] === 82 && bytes[at + 2] === 68 && bytes[at + 3] === 65 && bytes[at + 4] === COLON;
      if (!isData && !isBranch) {
        const stop = bytes.indexOf(NEWLINE, at);
        // Functions are told by two letters and left alone.
        if (!(bytes[at] === 70 && bytes[at + 1] === 78))
          other(utf8.decode(bytes.subarray(at, bytes[stop - 1] === RETURN ? stop - 1 : stop)));
        at = stop + 1;
        continue;
      }
      if (path === null) throw fail('a line that belongs to no file.');
      at += isData ? 3 : 5;
      let line = 0;
      const lineAt = at;
      let digit = (bytes[at] ?? 0) - 48;
      while (digit >= 0 && digit <= 9) {
        line = line * 10 + digit;
        at += 1;
        digit = (bytes[at] ?? 0) - 48;
      }
      if (at === lineAt || line >= MOST || bytes[at] !== COMMA) throw fail('a line number is missing.');
      at += 1;
      if (isData) {
        let hits = 0;
        const from = at;
        digit = (bytes[at] ?? 0) - 48;
        while (digit >= 0 && digit <= 9) {
          hits = hits * 10 + digit;
          at += 1;
          digit = (bytes[at] ?? 0) - 48;
        }
        if (at === from) throw fail('how often the line was run is missing.');
        if (bytes[at] === COMMA) {
          // A checksum of the line.
          while (bytes[at] !== NEWLINE && bytes[at] !== RETURN) at += 1;
        }
        if (line === 0) {
          none.found += 1;
          if (hits > 0) none.hit += 1;
        } else {
          lines.add(line, hits > MOST ? MOST : hits, 0);
          found += 1;
          if (hits > 0) hit += 1;
        }
      } else {
        const stop = bytes.indexOf(NEWLINE, at);
        const to = bytes[stop - 1] === RETURN ? stop - 1 : stop;
        const taken = branchTaken(bytes, at, to);
        if (taken === null) throw fail('a branch is not like BRDA:line,block,branch,taken.');
        if (line === 0) {
          none.branchesFound += 1;
          none.branchesHit += taken;
        } else {
          branches.add(line, 1, taken);
          branchesFound += 1;
          branchesHit += taken;
        }
        at = to;
      }
      if (bytes[at] === RETURN) at += 1;
      if (bytes[at] !== NEWLINE) throw fail('there is more on it than belongs there.');
      at += 1;
    }
  };

  return {
    push(chunk) {
      const joined = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const end = joined.lastIndexOf(NEWLINE) + 1;
      scan(joined, end);
      rest = Buffer.from(joined.subarray(end));
      if (rest.length > LONGEST_LINE) throw fail('it never ends.');
    },
    end() {
      if (rest.length > 0) {
        row += 1;
        other(utf8.decode(rest));
      }
      if (path !== null) throw damaged(`it is cut off within ${path}.`);
      if (files.length === 0) throw new Unreadable('empty', 'it has no record of any file.');
      if (!files.some((one) => one.lines.length > 0)) throw new Unreadable('empty', 'it has no line.');
      return files;
    },
  };
}

const utf8 = new TextDecoder('utf-8');

/** After the line's number: block, branch, how often taken. 1, 0, or null when it is not like that. */
function branchTaken(bytes: Uint8Array, from: number, to: number): 0 | 1 | null {
  const first = bytes.indexOf(COMMA, from);
  if (first <= from || first >= to) return null;
  let last = to - 1;
  while (last > first && bytes[last] !== COMMA) last -= 1;
  if (last <= first + 1 || last === to - 1) return null;
  if (bytes[last + 1] === DASH) return last + 2 === to ? 0 : null;
  let taken: 0 | 1 = 0;
  for (let at = last + 1; at < to; at += 1) {
    const digit = (bytes[at] ?? 0) - 48;
    if (digit < 0 || digit > 9) return null;
    if (digit > 0) taken = 1;
  }
  return taken;
}

function count(values: Uint32Array): number {
  let sum = 0;
  for (const value of values) if (value > 0) sum += 1;
  return sum;
}
