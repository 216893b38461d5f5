import { describe, expect, it, test } from 'vitest';
import type { FileCoverage } from './coverage.ts';
import { countCoverage, coveragePercent } from './coverage.ts';
import { countDuplicated, duplicationPercent, findDuplication } from './duplication.ts';
import { debtRatio, issueRating, maintainabilityRating, reviewRating } from './ratings.ts';

/*
 * Cases computed by hand from what SonarQube publishes ("Metric definitions", sonar.technicalDebt.ratingGrid
 * 0.05,0.1,0.2,0.5 and developmentCost 30). Each says the sum it was computed with.
 */

describe('ratings of issues: the worst one decides', () => {
  const severities = ['info', 'minor', 'major', 'critical', 'blocker'] as const;
  test.each([
    [[], 'A'],
    [['info'], 'A'],
    [['info', 'minor'], 'B'],
    [['minor', 'major', 'minor'], 'C'],
    [['critical', 'major'], 'D'],
    [['minor', 'blocker'], 'E'],
  ] as const)('%j is %s', (found, rating) => {
    expect(issueRating(found.map((severity) => ({ severity })))).toBe(rating);
  });
  it('gets worse with every step, and never better with one more', () => {
    const alone = severities.map((severity) => issueRating([{ severity }]));
    expect(alone).toEqual(['A', 'B', 'C', 'D', 'E']);
  });
});

describe('technical debt', () => {
  it("is 122,563 min / (63,987 lines × 30 min) = 6.4 %, a B: the documentation's own example", () => {
    const ratio = debtRatio(122_563, 63_987);
    expect(ratio).toBeCloseTo(0.063_847, 5);
    expect(maintainabilityRating(ratio)).toBe('B');
  });
  // 1,000 lines cost 30,000 min: 5 % are 1,500, 10 % are 3,000, 20 % are 6,000, 50 % are 15,000.
  test.each([
    [0, 'A'],
    [1500, 'A'],
    [1501, 'B'],
    [2999, 'B'],
    [3000, 'C'],
    [5999, 'C'],
    [6000, 'D'],
    [14_999, 'D'],
    [15_000, 'E'],
    [99_999, 'E'],
  ] as const)('%d min on 1,000 lines is %s', (minutes, rating) => {
    expect(maintainabilityRating(debtRatio(minutes, 1000))).toBe(rating);
  });
  it('is none where there is no code', () => expect(debtRatio(10, 0)).toBe(0));
});

describe('reviews of hotspots', () => {
  test.each([
    [0, 0, 'A'],
    [10, 10, 'A'],
    [8, 10, 'A'],
    [79, 100, 'B'],
    [7, 10, 'B'],
    [69, 100, 'C'],
    [5, 10, 'C'],
    [49, 100, 'D'],
    [3, 10, 'D'],
    [29, 100, 'E'],
    [0, 1, 'E'],
  ] as const)('%d of %d is %s', (reviewed, all, rating) => {
    expect(reviewRating(reviewed, all)).toBe(rating);
  });
});

const file = (path: string, lines: readonly [number, number][], branches: readonly [number, number, number][] = []): FileCoverage => ({
  path,
  lines: Uint32Array.from(lines, ([line]) => line),
  hits: Uint32Array.from(lines, ([, hits]) => hits),
  branchLines: Uint32Array.from(branches, ([line]) => line),
  branches: Uint32Array.from(branches, ([, all]) => all),
  branchesTaken: Uint32Array.from(branches, ([, , taken]) => taken),
});

describe('coverage', () => {
  // 5 lines of which 3 were run; line 2 has 2 branches, both taken, line 4 has 2, one taken: (3 + 3) / (5 + 4) = 66.67 %.
  const one = file(
    'a.ts',
    [
      [1, 1],
      [2, 4],
      [4, 1],
      [5, 0],
      [9, 0],
    ],
    [
      [2, 2, 2],
      [4, 2, 1],
    ],
  );
  it('is (covered branches + covered lines) / (branches + lines)', () => {
    expect(countCoverage([one])).toEqual({ lines: 5, linesCovered: 3, branches: 4, branchesCovered: 3 });
    expect(coveragePercent(countCoverage([one]))).toBeCloseTo((6 / 9) * 100, 10);
  });
  it('of new code is the same on new lines alone', () => {
    // New are 3 (nothing to cover), 4 and 5: 1 of 2 lines, 1 of 2 branches: 2 / 4.
    const isNew = (_path: string, line: number): boolean => line >= 3 && line <= 5;
    expect(coveragePercent(countCoverage([one], isNew))).toBe(50);
  });
  it('is nothing, not 100 %, where nothing can be covered', () => {
    expect(coveragePercent(countCoverage([one], () => false))).toBeNull();
    expect(coveragePercent(countCoverage([]))).toBeNull();
  });
});

/** A line of 11 tokens: v = f ( a , v ) + n ; */
const line = (i: number, name = 'v'): string => `${name}${i} = f(a, ${name}${i}) + ${i};`;

const program = (from: number, count: number, name = 'v'): string =>
  Array.from({ length: count }, (_, i) => `${line(from + i, name)}\n`).join('');

describe('duplication: blocks of at least 100 tokens over at least 10 lines', () => {
  const duplicated = (...texts: string[]): number[] => {
    const found = findDuplication(texts.map((text, i) => ({ path: `f${i}.js`, text })));
    return texts.map((_, i) => found.lines.get(`f${i}.js`)?.size ?? 0);
  };
  it('ten equal lines of 11 tokens are a block in both files', () => {
    // 10 lines × 11 tokens = 110 tokens ≥ 100. 10 of 15 and 10 of 12 lines: 20 / 27.
    const [a, b] = [program(0, 10) + program(100, 5), program(200, 2) + program(0, 10)];
    const found = findDuplication([
      { path: 'a.js', text: a },
      { path: 'b.js', text: b },
    ]);
    expect([...(found.lines.get('a.js') ?? [])]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect([...(found.lines.get('b.js') ?? [])]).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(found.lineCount).toBe(27);
    expect(duplicationPercent(countDuplicated(found), found.lineCount)).toBeCloseTo((20 / 27) * 100, 10);
  });
  it('nine lines are none, however many tokens', () => {
    const wide = Array.from({ length: 9 }, (_, i) => `${line(i)} ${line(i + 50)}\n`).join('');
    expect(duplicated(`${wide}alpha();\n`, `${wide}beta;\n`)).toEqual([0, 0]);
  });
  it('ninety-nine tokens are none, however many lines', () => {
    // 49 lines of `x ;` are 98 tokens, and one more.
    const narrow = Array.from({ length: 49 }, (_, i) => `x${i};\n`).join('');
    expect(duplicated(`begin(\n${narrow}end`, `{{\n${narrow}end`)).toEqual([0, 0]);
    expect(duplicated(`begin(\n${narrow}end;`, `{{\n${narrow}end;`)).toEqual([50, 50]);
  });
  it('indentation, comments, blank lines and what stands in strings do not count', () => {
    const one = program(0, 9) + 'say("one");\n' + program(20, 3);
    const other = program(0, 9)
      .split('\n')
      .map((text) => `\t  ${text} // ${text.length} letters`)
      .join('\n\n')
      .concat("\nsay('another thing');\n", program(20, 3));
    const [first, second] = duplicated(one, other);
    expect(first).toBe(13);
    expect(second).toBe(23);
  });
  it('a renamed variable is no copy', () => expect(duplicated(program(0, 20), program(0, 20, 'w'))).toEqual([0, 0]));
  it('three places of one block are all duplicated', () => {
    expect(duplicated(program(0, 12), program(40, 3) + program(0, 12), program(60, 1) + program(0, 12))).toEqual([12, 12, 12]);
  });
  it('a file may copy from itself', () => expect(duplicated(program(0, 10) + program(50, 4) + program(0, 10))).toEqual([20]));
  it('tables of ten thousand equal rows take no time', () => {
    const table = '[1, 2, 3, 4],\n'.repeat(10_000);
    const began = performance.now();
    expect(duplicated(table)[0]).toBeGreaterThan(9900);
    expect(performance.now() - began).toBeLessThan(10_000);
  });
});
