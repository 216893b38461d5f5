import { parseXml, XmlElement } from '@rgrove/parse-xml';
import type { ReportContent, TestCase } from '../../core/gates/contents.ts';
import { damaged, Unreadable } from './damage.ts';
import { xmlTextOf } from './encoding.ts';
import { messageOf, readCase, type ReadCase } from './junit-case.ts';
import { wholeReader } from './whole.ts';

/** JUnit's XML as test runners write it: suites in suites, cases in suites. */
export const junitReader = wholeReader('junit', parseJunit);

const DEEPEST = 100;

function parseJunit(bytes: Uint8Array): ReportContent {
  const text = xmlTextOf(bytes);
  if (text.trim() === '') throw new Unreadable('empty', 'the file is empty.');
  if (/<!ENTITY/i.test(text)) throw damaged('it declares entities.');
  const { root } = parse(text);
  if (root === null || !['testsuites', 'testsuite'].includes(root.name))
    throw damaged(`it begins with <${root?.name ?? ''}>, not with <testsuites>.`);
  const tests = suite(root, [], 0).map((one) => one.test);
  if (tests.length === 0) throw new Unreadable('empty', 'it has no test.');
  return { kind: 'tests', tests };
}

function parse(text: string): ReturnType<typeof parseXml> {
  try {
    return parseXml(text);
  } catch (error) {
    throw damaged(error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'it is no XML.');
  }
}

function suite(element: XmlElement, above: readonly string[], depth: number): ReadCase[] {
  if (depth > DEEPEST) throw damaged('suites are nested too deep.');
  const title = element.name === 'testsuite' ? (element.attributes['name'] ?? '') : '';
  const names = title === '' ? above : [...above, title];
  const cases: ReadCase[] = [];
  for (const child of element.children) {
    if (!(child instanceof XmlElement)) {
      if ('text' in child && typeof child.text === 'string' && child.text.trim() !== '')
        throw damaged(`there is text within <${element.name}>.`);
      continue;
    }
    if (child.name === 'testsuite') cases.push(...suite(child, names, depth + 1));
    else if (child.name === 'testcase') cases.push(readCase(child, names));
    // A suite that broke outside of its tests.
    else if (child.name === 'failure' || child.name === 'error') {
      const test: TestCase = { name: names.join(' › '), result: 'failed', message: messageOf(child) };
      cases.push({ test, failedTries: 0, hasError: true });
    } else if (!['properties', 'system-out', 'system-err'].includes(child.name)) throw damaged(`<${child.name}> is nothing a suite has.`);
  }
  agree(element, cases);
  return cases;
}

/**
 * What a suite says of itself may be less than what stands in it (tools count differently), never more: what is missing could be
 * what failed. Two kinds of counting are known: tries that failed before one passed may count as failures, and a test that broke
 * outside of its body may count twice.
 */
function agree({ attributes }: XmlElement, cases: readonly ReadCase[]): void {
  const countOf = (result: TestCase['result']): number => cases.filter((one) => one.test.result === result).length;
  const named = namesOf(cases);
  const [failed, skipped] = [countOf('failed'), countOf('skipped')];
  const said = numberOf(attributes['failures']) + numberOf(attributes['errors']);
  const tries = cases.reduce((sum, one) => sum + one.failedTries, 0);
  if (said > failed + tries) throw damaged(`a suite says that ${said} tests failed, and ${failed} are listed${named}.`);
  const all = numberOf(attributes['tests']);
  const twice = cases.filter((one) => one.hasError).length;
  if (all > cases.length + twice) throw damaged(`a suite says that it has ${all} tests, and ${cases.length} are listed${named}.`);
  const left = numberOf(attributes['skipped']) + numberOf(attributes['disabled']);
  if (left > skipped) throw damaged(`a suite says that ${left} tests did not run, and ${skipped} are listed${named}.`);
}

/** Failed tests of a report that cannot count are named all the same. */
function namesOf(cases: readonly ReadCase[]): string {
  const failed = cases.filter((one) => one.test.result === 'failed').map((one) => one.test.name);
  return failed.length === 0 ? '' : `; failed: ${failed.slice(0, 3).join(', ')}${failed.length > 3 ? ' and others' : ''}`;
}

function numberOf(text: string | undefined): number {
  if (text === undefined || text === '') return 0;
  if (!/^\d{1,9}$/.test(text.trim())) throw damaged(`"${text.slice(0, 20)}" is no number of tests.`);
  return Number(text);
}
