import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { ReadReport, TestCase } from '../../core/gates/contents.ts';
import type { GateSettings } from '../../core/gates/settings.ts';
import { judgeTests } from '../../core/gates/run-gates.ts';
import type { ReadAnswer, ReadContext, ReportReader } from '../../ports/reports.ts';
import * as samples from '../../../test/worlds/report-samples.ts';
import { coberturaReader } from './cobertura.ts';
import { junitReader } from './junit.ts';
import { lcovReader } from './lcov.ts';
import { sarifReader } from './sarif.ts';

const context: ReadContext = { server: null, token: null, signal: new AbortController().signal };

async function* inParts(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
const readBytes = (bytes: Uint8Array, reader: ReportReader = junitReader, part = 1 << 16): Promise<ReadAnswer> =>
  reader.read(inParts(bytes, part), context);
const read = (text: string): Promise<ReadAnswer> => readBytes(Buffer.from(text));

async function testsOf(text: string): Promise<readonly TestCase[]> {
  const answer = await read(text);
  if (!('content' in answer) || answer.content.kind !== 'tests') throw new Error(JSON.stringify(answer));
  return answer.content.tests;
}
const problemOf = async (text: string): Promise<string> => {
  const answer = await read(text);
  return 'problem' in answer ? `${answer.problem.kind}: ${answer.problem.message}` : 'none';
};
const gatesOf = (tests: readonly TestCase[], settings: Partial<NonNullable<GateSettings['tests']>> = {}) => {
  const report: ReadReport = { format: 'junit', name: 'r', check: 'x', content: { kind: 'tests', tests } };
  const material = { reports: [report], newLines: new Map(), sources: [], previous: {}, now: 0 };
  return judgeTests({ least: 1, expectedSkips: [], ...settings }, material).gates;
};
const caseFile = (name: string): Promise<string> => readFile(join(import.meta.dirname, '../../../test/fixtures/cases', name), 'utf8');

describe('outcomes', () => {
  it('of GoogleTest: what did not run is skipped and named, and does not count as run', async () => {
    const tests = await testsOf(await caseFile('junit-not-run-counts-as-passed/googletest.xml'));
    expect(tests.map((one) => one.result)).toEqual(['passed', 'skipped', 'skipped']);
    const [ran, skips] = gatesOf(tests, { least: 3 });
    expect(ran).toMatchObject({ result: 'failed', message: '1 test ran; at least 3 must.' });
    expect(skips?.result).toBe('failed');
    expect(skips?.details.join()).toMatch(/DISABLED_Removes.*DISABLED_Pays/);
  });

  test.each([
    ['status="run" result="completed"', 'passed'],
    ['status="PASSED"', 'passed'],
    ['status="run" result="suppressed"', 'skipped'],
    ['status="notrun"', 'skipped'],
    ['result="timed out"', 'failed'],
    ['status="pending"', 'skipped'],
    ['status="run" result="fail"', 'failed'],
    ['status=""', 'passed'],
  ])('%s is %s', async (attributes, result) =>
    expect((await testsOf(`<testsuite><testcase name="a" ${attributes}/></testsuite>`))[0]?.result).toBe(result),
  );

  it('that are on no list are not passed, and are named', async () => {
    const known = /^(run|completed|pass|passed|success|successful|succeeded|ok)?$/;
    await fc.assert(
      fc.asyncProperty(fc.stringMatching(/^[a-z0-9 _-]{1,12}$/), fc.constantFrom('status', 'result'), async (word, attribute) => {
        fc.pre(!known.test(word.replaceAll(/[\s_-]/g, '')));
        const [first] = await testsOf(`<testsuite><testcase name="a" ${attribute}="${word}"/></testsuite>`);
        expect(first?.result).not.toBe('passed');
        expect(first?.message).toContain(word.trim());
      }),
    );
  });

  it('of one test: the worst of all that is said of it counts', async () => {
    const kind = fc.constantFrom(
      '',
      '<failure/>',
      '<error/>',
      '<skipped/>',
      '<flakyFailure/>',
      '<rerunFailure/>',
      '<warning/>',
      '<system-out/>',
    );
    const status = fc.constantFrom('', 'status="run"', 'status="notrun"', 'result="failed"');
    await fc.assert(
      fc.asyncProperty(fc.array(kind, { maxLength: 4 }), status, async (children, attribute) => {
        const [first] = await testsOf(`<testsuite><testcase name="a" ${attribute}>${children.join('')}</testcase></testsuite>`);
        const isFailed = children.some((one) => /failure|error|rerun/.test(one)) || attribute.includes('failed');
        const isSkipped = children.some((one) => /skipped|warning/.test(one)) || attribute.includes('notrun');
        expect(first?.result).toBe(isFailed ? 'failed' : isSkipped ? 'skipped' : 'passed');
      }),
    );
  });
});

describe('what runners write', () => {
  it('Surefire: a try that failed before it passed may count as a failure; the test is named as flaky', async () => {
    const tests = await testsOf(await caseFile('junit-flaky-rerun-counts/surefire.xml'));
    expect(tests.map((one) => [one.result, one.isFlaky])).toEqual([
      ['passed', undefined],
      ['passed', true],
    ]);
    expect(gatesOf(tests)[0]).toMatchObject({ result: 'passed', message: expect.stringContaining('wobbly') });
  });

  it('pytest: a test that broke in its teardown may count twice; it has failed, and is named', async () => {
    const tests = await testsOf(await caseFile('junit-flaky-rerun-counts/pytest-teardown.xml'));
    expect(tests).toHaveLength(2);
    expect(gatesOf(tests)[0]).toMatchObject({ result: 'failed', details: [expect.stringContaining('test_a')] });
  });

  it('PHPUnit: a test with a warning is skipped, with its text', async () => {
    const tests = await testsOf(await caseFile('junit-phpunit-warning/phpunit.xml'));
    expect(tests.map(({ result, message }) => [result, message])).toEqual([
      ['passed', null],
      ['skipped', 'the provider is not there'],
    ]);
  });

  it('one byte a letter, where the file says so', async () => {
    const text = '<?xml version="1.0" encoding="ISO-8859-1"?><testsuite><testcase name="für"/></testsuite>';
    const answer = await readBytes(Buffer.from(text, 'latin1'));
    expect(answer).toMatchObject({ content: { tests: [{ name: 'für', result: 'passed' }] } });
  });
});

describe('counts of a suite that say more than it lists', () => {
  test.each([
    ['failures="2"', 'says that 2 tests failed, and 1 are listed; failed: s › b'],
    ['skipped="1"', 'did not run'],
    ['disabled="1"', 'did not run'],
    ['tests="3"', 'has 3 tests'],
    ['tests="-1"', 'no number of tests'],
  ])('%s is damage, and what failed is named', async (attribute, message) =>
    expect(
      await problemOf(`<testsuite name="s" ${attribute}><testcase name="a"/><testcase name="b"><failure/></testcase></testsuite>`),
    ).toContain(message),
  );

  it('never pass a report from which a failed or skipped test was lost', async () => {
    const one = fc.constantFrom('pass', 'fail', 'error', 'skip', 'flaky', 'notrun');
    const written = {
      pass: '/>',
      fail: '><failure/></testcase>',
      error: '><error/></testcase>',
      skip: '><skipped/></testcase>',
      flaky: '><flakyFailure/></testcase>',
      notrun: ' status="notrun"/>',
    };
    await fc.assert(
      fc.asyncProperty(fc.array(one, { minLength: 1, maxLength: 6 }), fc.nat(5), fc.boolean(), async (outcomes, nth, hasTotal) => {
        const lost = nth % outcomes.length;
        // Without a total only what did not pass is counted.
        fc.pre(hasTotal || !['pass', 'flaky'].includes(outcomes[lost] ?? ''));
        const count = (...names: string[]): number => outcomes.filter((name) => names.includes(name)).length;
        const counts = `${hasTotal ? `tests="${outcomes.length}"` : ''} failures="${count('fail', 'flaky')}" errors="${count('error')}" skipped="${count('skip')}" disabled="${count('notrun')}"`;
        const kept = outcomes.filter((_, i) => i !== lost);
        const suite = (listed: typeof outcomes): string =>
          `<testsuite ${counts}>${listed.map((name, i) => `<testcase name="t${i}"${written[name]}`).join('')}</testsuite>`;
        expect('content' in (await read(suite(outcomes)))).toBe(true);
        const answer = await read(suite(kept));
        const passes =
          'content' in answer && answer.content.kind === 'tests' && gatesOf(answer.content.tests).every((gate) => gate.result === 'passed');
        expect(passes).toBe(false);
      }),
    );
  });
});

describe('UTF-16', () => {
  const utf16 = (text: string, mark: boolean, isBig: boolean): Buffer => {
    const bytes = Buffer.from(`${mark ? '\uFEFF' : ''}${text}`, 'utf16le');
    return isBig ? bytes.swap16() : bytes;
  };
  test.each([
    [junitReader, samples.junitSample(3)],
    [coberturaReader, samples.coberturaSample(8)],
    [lcovReader, samples.lcovSample(8)],
    [sarifReader, samples.sarifSample(2)],
  ] as const)('of $format says the same as UTF-8, and cut off within a letter it is damage', async (reader, text) => {
    const plain = await readBytes(Buffer.from(text), reader);
    expect('content' in plain).toBe(true);
    for (const mark of [true, false]) {
      for (const isBig of [true, false]) {
        const bytes = utf16(text, mark, isBig);
        for (const part of [1, 7, 1 << 16]) expect(await readBytes(bytes, reader, part)).toEqual(plain);
        expect(await readBytes(bytes.subarray(0, -1), reader)).toHaveProperty('problem');
      }
    }
  });
});
