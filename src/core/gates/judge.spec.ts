import { describe, expect, it, test } from 'vitest';
import type { RawFinding, ReadReport, ReportContent, TestCase } from './contents.ts';
import { judge } from './judge.ts';
import type { Material } from './material.ts';
import type { GateResult } from './report.ts';
import type { GateSettings, Waiver } from './settings.ts';
import { NO_GATES } from '../../../test/worlds/gate-settings.ts';

const NOW = Date.parse('2026-03-01');
const COVERAGE = { new: 80, overall: null, exclude: ['*.test.js'], unmeasured: 'uncovered' } as const;
const report = (content: ReportContent, format: ReadReport['format'] = 'lcov'): ReadReport => ({
  format,
  name: 'report',
  check: 'test',
  content,
});
const material = (parts: Partial<Material> = {}): Material => ({
  reports: [],
  newLines: new Map(),
  sources: [],
  previous: {},
  now: NOW,
  ...parts,
});
const gates = (settings: Partial<GateSettings>, parts: Partial<Material>): Record<string, GateResult> =>
  Object.fromEntries(judge({ ...NO_GATES, ...settings }, material(parts)).gates.map((one) => [one.gate, one]));
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const waiver = (what: string, more: Partial<Waiver> = {}): Waiver => ({
  what,
  path: null,
  author: 'ann',
  reason: 'known',
  expires: NOW + 1000,
  ...more,
});

/** One file whose lines 1 to `all` can be covered, and 1 to `covered` are. */
const coverage = (all: number, covered: number, path = 'src/a.js'): ReadReport =>
  report({
    kind: 'coverage',
    roots: [],
    files: [
      {
        path,
        lines: Uint32Array.from(range(1, all)),
        hits: Uint32Array.from(range(1, all), (line) => (line <= covered ? 1 : 0)),
        branchLines: new Uint32Array(),
        branches: new Uint32Array(),
        branchesTaken: new Uint32Array(),
      },
    ],
  });

describe('coverage of new lines', () => {
  const newLines = new Map([['src/a.js', new Set(range(1, 100))]]);
  test.each([
    [80, 'passed'],
    [79, 'failed'],
    [100, 'passed'],
    [0, 'failed'],
  ] as const)('%d of 100 new lines: %s', (covered, result) => {
    expect(gates({ coverage: COVERAGE }, { reports: [coverage(100, covered)], newLines })['coverage.new']).toMatchObject({
      result,
      value: covered,
    });
  });
  it('says which lines are not covered', () => {
    expect(gates({ coverage: COVERAGE }, { reports: [coverage(100, 70)], newLines })['coverage.new']?.details).toEqual(['src/a.js:71-100']);
  });
  it('counts lines that can be covered alone for a small change: 19 are too few, 20 are judged', () => {
    const change = (lines: number) => new Map([['src/a.js', new Set(range(1, lines))]]);
    const judged = (lines: number) =>
      gates({ coverage: COVERAGE }, { reports: [coverage(lines, 0)], newLines: change(500) })['coverage.new']?.result;
    expect([judged(19), judged(20)]).toEqual(['notApplicable', 'failed']);
    expect(gates({ coverage: COVERAGE, smallChange: 0 }, { reports: [coverage(1, 0)], newLines: change(1) })['coverage.new']?.result).toBe(
      'failed',
    );
  });
  it('takes a new source file that no report mentions as not covered, tests left out', () => {
    const text = 'call();\n'.repeat(30);
    const sources = [
      { path: 'src/b.js', text },
      { path: 'src/b.test.js', text },
    ];
    const fresh = new Map(sources.map(({ path }) => [path, new Set(range(1, 30))]));
    const judged = gates({ coverage: COVERAGE }, { reports: [coverage(100, 100)], newLines: fresh, sources });
    expect(judged['coverage.new']).toMatchObject({ result: 'failed', value: 0, details: ['src/b.js:1-30 (in no report)'] });
    const ignored = gates({ coverage: { ...COVERAGE, unmeasured: 'ignore' } }, { reports: [coverage(100, 100)], newLines: fresh, sources });
    expect(ignored['coverage.new']?.result).toBe('notApplicable');
  });
  it('of all lines', () => {
    const overall = { ...COVERAGE, new: null, overall: 60 };
    expect(gates({ coverage: overall }, { reports: [coverage(10, 6)] })['coverage.overall']).toMatchObject({ result: 'passed', value: 60 });
    expect(gates({ coverage: overall }, { reports: [coverage(10, 5)] })['coverage.overall']?.result).toBe('failed');
  });
});

describe('evidence that is missing fails', () => {
  const all: Partial<GateSettings> = {
    coverage: { ...COVERAGE, overall: 50 },
    tests: { least: 1, expectedSkips: [] },
    findings: { new: 'major', overall: 'blocker', exclude: [] },
    ratings: { reliability: 'A', security: 'A', maintainability: 'A', review: 'A' },
    debtRatio: 5,
    licences: { allow: ['MIT'], except: [] },
    advisories: { least: 'high' },
    budgets: { 'http_req_duration.p(95)': { most: 500, least: null, worse: null } },
    qualityGate: true,
  };
  it('for every gate that is asked for', () => {
    const judged = Object.values(gates(all, {}));
    expect(judged.length).toBeGreaterThanOrEqual(12);
    expect(judged.filter((one) => one.result !== 'failed')).toEqual([]);
  });
  it('and no waiver of a gate changes that', () => {
    const judged = Object.values(gates({ ...all, waivers: [waiver('*')] }, {}));
    expect(judged.filter((one) => one.result !== 'failed')).toEqual([]);
  });
  test.each(['missing', 'empty', 'stale', 'unresolvable', 'damaged', 'unreachable'] as const)('a report that is %s', (kind) => {
    const reports: ReadReport[] = [{ format: 'lcov', name: 'lcov.info', check: 'test', problem: { kind, message: 'so it is.' } }];
    expect(gates({}, { reports })['report.test']?.result).toBe('failed');
  });
});

describe('tests', () => {
  const tests = (...results: TestCase['result'][]): ReadReport =>
    report({ kind: 'tests', tests: results.map((result, i) => ({ name: `suite › t${i}`, result, message: null })) }, 'junit');
  const settings = { tests: { least: 1, expectedSkips: ['suite › t0'] } };
  it('pass when all that ran passed', () => expect(gates(settings, { reports: [tests('passed')] })['tests']?.result).toBe('passed'));
  it('fail with one failure', () =>
    expect(gates(settings, { reports: [tests('passed', 'failed')] })['tests']).toMatchObject({
      result: 'failed',
      details: ['suite › t1'],
    }));
  it('fail when none ran', () => expect(gates(settings, { reports: [tests('skipped')] })['tests']?.result).toBe('failed'));
  it('tell expected skips from others', () => {
    expect(gates(settings, { reports: [tests('skipped', 'passed')] })['tests.skipped']).toMatchObject({
      result: 'passed',
      message: '1 expected skip, 0 unexpected.',
    });
    expect(gates(settings, { reports: [tests('skipped', 'skipped', 'passed')] })['tests.skipped']).toMatchObject({
      result: 'failed',
      details: ['suite › t1'],
    });
  });
});

describe('findings', () => {
  const raw = (more: Partial<RawFinding> = {}): RawFinding => ({
    tool: 'lint',
    rule: 'no-eval',
    kind: 'bug',
    severity: 'major',
    message: 'Do not.',
    path: 'src/a.js',
    line: 3,
    endLine: 3,
    fingerprint: null,
    isNew: null,
    isReviewed: false,
    minutes: null,
    ...more,
  });
  const found = (...findings: RawFinding[]): Partial<Material> => ({
    reports: [report({ kind: 'findings', tool: 'lint', findings }, 'sarif')],
    sources: [{ path: 'src/a.js', text: 'one();\n'.repeat(100) }],
    newLines: new Map([['src/a.js', new Set([3])]]),
  });
  const settings = { findings: { new: 'major', overall: null, exclude: [] } } as const;
  const result = (parts: Partial<Material>, more: Partial<GateSettings> = {}) =>
    gates({ ...settings, ...more }, parts)['findings.new']?.result;
  it('on a new line fail, on an old one do not', () => {
    expect(result(found(raw()))).toBe('failed');
    expect(result(found(raw({ line: 4, endLine: 4 })))).toBe('passed');
    expect(result(found(raw({ line: 1, endLine: 9 })))).toBe('failed');
  });
  it('below the severity do not count', () => expect(result(found(raw({ severity: 'minor' })))).toBe('passed'));
  it('without a place, or in a place nobody knows, count as new', () => {
    expect(result(found(raw({ path: null, line: null, endLine: null })))).toBe('failed');
    expect(result(found(raw({ path: 'usr/lib/libssl.so' })))).toBe('failed');
  });
  it("the tool's own comparison with a baseline counts", () => {
    expect(result(found(raw({ isNew: false })))).toBe('passed');
    expect(result(found(raw({ line: 9, endLine: 9, isNew: true })))).toBe('failed');
  });
  it('are recognised again on another line, and told apart on the same', () => {
    const ids = judge({ ...NO_GATES, ...settings }, material(found(raw(), raw(), raw({ line: 50, endLine: 50 })))).findings.map(
      (one) => one.id,
    );
    expect(new Set(ids).size).toBe(3);
    const before = judge(NO_GATES, material(found(raw()))).findings[0]?.id;
    const after = judge(NO_GATES, material(found(raw({ line: 50, endLine: 50 })))).findings[0]?.id;
    expect(before).toBe(after);
  });
  it('may be waived by rule and file until a day, and no longer', () => {
    expect(result(found(raw()), { waivers: [waiver('no-eval', { path: 'src/**' })] })).toBe('passed');
    expect(result(found(raw()), { waivers: [waiver('no-eval', { path: 'lib/**' })] })).toBe('failed');
    const over = gates({ ...settings, waivers: [waiver('no-eval', { expires: NOW })] }, found(raw()));
    expect(over['findings.new']?.result).toBe('failed');
    expect(over['waivers']?.details).toEqual(['no-eval (ann, until 2026-02-28)']);
  });
  it('and who waived is told', () => {
    expect(judge({ ...NO_GATES, ...settings, waivers: [waiver('no-eval')] }, material(found(raw()))).waivers).toEqual([
      { finding: 'no-eval src/a.js', author: 'ann', reason: 'known', expires: NOW + 1000 },
    ]);
  });
  it('make ratings of new code, or of all', () => {
    const some = found(raw({ kind: 'vulnerability', severity: 'blocker', line: 50, endLine: 50 }), raw({ kind: 'bug', severity: 'minor' }));
    const ratings = { reliability: 'A', security: 'A', maintainability: null, review: null } as const;
    const fresh = gates({ ratings }, some);
    expect([fresh['rating.reliability']?.result, fresh['rating.security']?.result]).toEqual(['failed', 'passed']);
    const all = gates({ ratings, ratingsOf: 'overall' }, some);
    expect([all['rating.reliability']?.result, all['rating.security']?.result]).toEqual(['failed', 'failed']);
  });
  it('make the debt: 150 min of smells on 100 lines are 150 / 3,000 = 5 %', () => {
    const smells = found(...range(1, 15).map((line) => raw({ kind: 'codeSmell', severity: 'major', line, endLine: line })));
    expect(gates({ debtRatio: 5 }, smells)['debtRatio']).toMatchObject({ result: 'passed', value: 5 });
    expect(gates({ debtRatio: 4.9 }, smells)['debtRatio']?.result).toBe('failed');
  });
});

describe('dependencies', () => {
  const components = (...licences: string[][]): ReadReport =>
    report({ kind: 'components', components: licences.map((one, i) => ({ name: `p${i}`, version: '1.0.0', licences: one })) }, 'cyclonedx');
  const allow = { allow: ['MIT', 'Apache-2.0'], except: ['p9*'] };
  test.each([
    [['MIT'], 'passed'],
    [['mit'], 'passed'],
    [['GPL-3.0-only OR MIT'], 'passed'],
    [['GPL-3.0-only AND MIT'], 'failed'],
    [['(MIT OR GPL-2.0-only) AND Apache-2.0'], 'passed'],
    [['Apache-2.0 WITH LLVM-exception'], 'passed'],
    [['MIT', 'GPL-3.0-only'], 'failed'],
    [['MIT OR'], 'failed'],
    [['(MIT'], 'failed'],
    [['SEE LICENSE IN LICENSE'], 'failed'],
    [[], 'failed'],
  ] as const)('licence %j: %s', (licences, result) => {
    expect(gates({ licences: allow }, { reports: [components([...licences])] })['licences']?.result).toBe(result);
  });
  const advisory = (severity: 'low' | 'high' | 'unknown', id = 'GHSA-aaaa-bbbb-cccc') =>
    report(
      { kind: 'advisories', advisories: [{ id, aliases: ['CVE-2026-1'], package: 'p', version: '1.0.0', severity, title: 'Bad' }] },
      'osv',
    );
  it('advisories fail from a severity on, unknown ones too', () => {
    const result = (one: ReadReport, waivers: Waiver[] = []) =>
      gates({ advisories: { least: 'high' }, waivers }, { reports: [one] })['advisories']?.result;
    expect([result(advisory('low')), result(advisory('high')), result(advisory('unknown'))]).toEqual(['passed', 'failed', 'failed']);
    expect(result(advisory('high'), [waiver('CVE-2026-1')])).toBe('passed');
    expect(result(advisory('high'), [waiver('CVE-2026-2')])).toBe('failed');
  });
});

describe('performance', () => {
  const figures = (value: number, broken: string[] = []): ReadReport =>
    report({ kind: 'metrics', metrics: new Map([['p95', value]]), broken }, 'k6');
  const budgets = (budget: Partial<{ most: number; least: number; worse: number }>) => ({
    budgets: { p95: { most: null, least: null, worse: null, ...budget } },
  });
  test.each([
    [{ most: 500 }, 500, {}, 'passed'],
    [{ most: 500 }, 501, {}, 'failed'],
    [{ least: 10 }, 9, {}, 'failed'],
    [{ worse: 10 }, 110, { p95: 100 }, 'passed'],
    [{ worse: 10 }, 111, { p95: 100 }, 'failed'],
    [{ least: 1, worse: 10 }, 89, { p95: 100 }, 'failed'],
    [{ worse: 10 }, 999, {}, 'notApplicable'],
    [{ worse: 10, most: 1000 }, 999, {}, 'passed'],
  ] as const)('%j at %d after %j: %s', (budget, value, previous, result) => {
    expect(gates(budgets(budget), { reports: [figures(value)], previous })['performance.p95']?.result).toBe(result);
  });
  it('a figure that was nothing has become worse as soon as it is something', () => {
    const result = (value: number, before: number) =>
      gates(budgets({ worse: 10 }), { reports: [figures(value)], previous: { p95: before } })['performance.p95']?.result;
    expect([result(1, 0), result(0, 0), result(-1, -2)]).toEqual(['failed', 'passed', 'failed']);
  });
  it('of several reports with the same figure the worst counts', () => {
    for (const reports of [
      [figures(900), figures(1)],
      [figures(1), figures(900)],
    ]) {
      expect(gates(budgets({ most: 500 }), { reports })['performance.p95']?.result).toBe('failed');
      expect(gates(budgets({ least: 10 }), { reports })['performance.p95']?.result).toBe('failed');
      expect(gates(budgets({ most: 1000, least: 10 }), { reports })['performance.p95']?.result).toBe('failed');
    }
  });
  it("the tool's own thresholds count", () =>
    expect(gates({}, { reports: [figures(1, ['p95 < 1'])] })['performance']?.result).toBe('failed'));
});

describe("SonarQube's own gate", () => {
  test.each([
    ['OK', 'OK', 'passed'],
    ['ERROR', 'ERROR', 'failed'],
    ['NONE', 'OK', 'failed'],
    ['OK', 'ERROR', 'failed'],
  ] as const)('%s with a condition that is %s: %s', (status, condition, result) => {
    const content: ReportContent = {
      kind: 'qualityGate',
      status,
      conditions: [{ metric: 'new_coverage', status: condition, actual: '1', threshold: '80' }],
    };
    expect(gates({ qualityGate: true }, { reports: [report(content, 'sonarqube')] })['qualityGate']?.result).toBe(result);
  });
});
