import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import type { Format, ReadReport } from '../../core/gates/contents.ts';
import { countCoverage } from '../../core/gates/coverage.ts';
import { judge } from '../../core/gates/judge.ts';
import { NO_GATES } from '../../../test/worlds/gate-settings.ts';
import { reportReaders } from '../../adapters/reports/index.ts';
import { readReports } from './reports.ts';

const CASES = join(import.meta.dirname, '../../../test/fixtures/cases');
const text = (lines: number): string => 'call();\n'.repeat(lines);

/** What a report says of a tree that holds these files, in an app's folder. */
async function readCase(format: Format, file: string, tree: readonly string[], appPath = 'app'): Promise<ReadReport> {
  const files = new Set(tree);
  const spec = { format, path: 'r', server: null, token: null, maxAgeMs: 0, ignore: [] };
  const [report] = await readReports(
    { spec, check: 'test', files: [{ name: 'r', file: join(CASES, file) }], problem: null, root: '/somewhere', isFromElsewhere: false },
    {
      readers: reportReaders,
      appPath,
      files,
      isKept: false,
      server: null,
      token: null,
      isThere: async (path) => files.has(path),
      signal: new AbortController().signal,
    },
  );
  if (report === undefined) throw new Error('it was not read');
  return report;
}
const coverageOf = (report: ReadReport) => {
  if (!('content' in report) || report.content.kind !== 'coverage') throw new Error(JSON.stringify(report));
  return report.content.files;
};
const settings = { ...NO_GATES, coverage: { new: null, overall: 80, exclude: [], unmeasured: 'ignore' } } as const;

describe('coverage', () => {
  it('of another root is of the one file that it can be, and says how it was read', async () => {
    const report = await readCase('cobertura', 'coverage-from-another-root/cobertura.xml', [
      'app/src/a.ts',
      'other/src/a.ts',
      'app/package.json',
    ]);
    expect(coverageOf(report).map((one) => one.path)).toEqual(['app/src/a.ts']);
    expect(countCoverage(coverageOf(report))).toMatchObject({ lines: 2, linesCovered: 1 });
    const { gates } = judge(settings, { reports: [report], newLines: new Map(), sources: [], previous: {}, now: 0 });
    expect(gates.map((one) => one.message).join()).toContain('/home/runner/work/shop/shop is read as the workspace');
  });

  it('of another root that could be several folders, or none, is about files that are not here', async () => {
    const file = 'coverage-from-another-root/cobertura.xml';
    expect(await readCase('cobertura', file, ['x/src/a.ts', 'y/src/a.ts'])).toMatchObject({
      problem: { kind: 'unresolvable', message: expect.stringContaining('x or y') },
    });
    expect(await readCase('cobertura', file, ['app/lib/a.ts'])).toMatchObject({ problem: { kind: 'unresolvable' } });
  });

  test.each([
    ['cobertura', 'coverage-line-zero/cobertura.xml', 1],
    ['lcov', 'coverage-line-zero/lcov.info', 1],
  ] as const)('of a line 0 in %s: it is left out, the others count', async (format, file, covered) => {
    const files = coverageOf(await readCase(format, file, ['app/src/a.ts', 'app/src/index.ts']));
    const a = files.filter((one) => one.path === 'app/src/a.ts');
    expect(countCoverage(a)).toMatchObject({ linesCovered: covered, branches: 0 });
    expect(files.flatMap((one) => [...one.lines])).not.toContain(0);
    if (format === 'cobertura') expect(countCoverage(files)).toMatchObject({ lines: 2, linesCovered: 1 });
  });
});

describe('coverage of lines that the file does not have', () => {
  const report = (isFromElsewhere: boolean): ReadReport => {
    const lines = Uint32Array.from({ length: 30 }, (_, i) => i + 1);
    // The ten that are there are not covered; the twenty that are not are.
    const file = {
      path: 'a.ts',
      lines,
      hits: lines.map((line) => (line > 10 ? 1 : 0)),
      branchLines: lines,
      branches: lines.map(() => 2),
      branchesTaken: lines.map((line) => (line > 10 ? 2 : 0)),
    };
    return { format: 'lcov', name: 'r', check: 'x', isFromElsewhere, content: { kind: 'coverage', roots: [], files: [file] } };
  };
  const judged = (isFromElsewhere: boolean) =>
    judge(settings, {
      reports: [report(isFromElsewhere)],
      newLines: new Map(),
      sources: [{ path: 'a.ts', text: text(9) }],
      previous: {},
      now: 0,
    });

  it('is left out, and said', () => {
    const { gates, measures } = judged(false);
    expect(measures.coverage).toBe(0);
    expect(gates).toMatchObject([
      { gate: 'report.x', result: 'notApplicable', message: expect.stringContaining('line 30 of a.ts, which has 10') },
      { gate: 'coverage.overall', result: 'failed' },
    ]);
  });
  it('makes a report from elsewhere one of another state of the sources', () => {
    expect(judged(true).gates).toMatchObject([
      { gate: 'report.x', result: 'failed', message: expect.stringContaining('another state of the sources') },
      { gate: 'coverage.overall', result: 'failed' },
    ]);
  });
});

it('a report that cannot be read fails beside one that can', async () => {
  const good = await readCase('junit', 'junit-phpunit-warning/phpunit.xml', []);
  const bad = await readCase('junit', 'junit-phpunit-warning/README.md', []);
  expect(bad).toHaveProperty('problem');
  const { gates } = judge(
    { ...settings, coverage: null, tests: { least: 1, expectedSkips: ['*'] } },
    { reports: [good, bad], newLines: new Map(), sources: [], previous: {}, now: 0 },
  );
  expect(gates.filter((one) => one.result === 'failed').map((one) => one.gate)).toEqual(['report.test']);
});
