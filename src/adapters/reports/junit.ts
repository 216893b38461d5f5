import { parseXml, XmlElement } from '@rgrove/parse-xml';
import type { ReportContent, TestCase } from '../../core/gates/contents.ts';
import { damaged, textOf, Unreadable } from './damage.ts';
import { wholeReader } from './whole.ts';

/** JUnit's XML as test runners write it: suites in suites, cases in suites. */
export const junitReader = wholeReader('junit', parseJunit);

/** Messages are cut here, characters. */
const MESSAGE = 300;
const DEEPEST = 100;

function parseJunit(bytes: Uint8Array): ReportContent {
  const text = textOf(bytes);
  if (text.trim() === '') throw new Unreadable('empty', 'the file is empty.');
  if (/<!ENTITY/i.test(text)) throw damaged('it declares entities.');
  const { root } = parse(text);
  if (root === null || !['testsuites', 'testsuite'].includes(root.name))
    throw damaged(`it begins with <${root?.name ?? ''}>, not with <testsuites>.`);
  const tests = suite(root, [], 0);
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

function suite(element: XmlElement, above: readonly string[], depth: number): TestCase[] {
  if (depth > DEEPEST) throw damaged('suites are nested too deep.');
  const title = element.name === 'testsuite' ? (element.attributes['name'] ?? '') : '';
  const names = title === '' ? above : [...above, title];
  const tests: TestCase[] = [];
  for (const child of element.children) {
    if (!(child instanceof XmlElement)) {
      if ('text' in child && typeof child.text === 'string' && child.text.trim() !== '')
        throw damaged(`there is text within <${element.name}>.`);
      continue;
    }
    if (child.name === 'testsuite') tests.push(...suite(child, names, depth + 1));
    else if (child.name === 'testcase') tests.push(testCase(child, names));
    // A suite that broke outside of its tests.
    else if (child.name === 'failure' || child.name === 'error')
      tests.push({ name: names.join(' › '), result: 'failed', message: messageOf(child) });
    else if (!['properties', 'system-out', 'system-err'].includes(child.name)) throw damaged(`<${child.name}> is nothing a suite has.`);
  }
  agree(element, tests);
  return tests;
}

/** What a suite says of itself may be less than what stands in it (tools count differently), never more. */
function agree({ attributes }: XmlElement, tests: readonly TestCase[]): void {
  const failed = tests.filter((one) => one.result === 'failed').length;
  const said = numberOf(attributes['failures']) + numberOf(attributes['errors']);
  if (said > failed) throw damaged(`a suite says that ${said} tests failed, and ${failed} are listed.`);
  const all = numberOf(attributes['tests']);
  if (all > tests.length) throw damaged(`a suite says that it has ${all} tests, and ${tests.length} are listed.`);
}

function numberOf(text: string | undefined): number {
  if (text === undefined || text === '') return 0;
  if (!/^\d{1,9}$/.test(text.trim())) throw damaged(`"${text.slice(0, 20)}" is no number of tests.`);
  return Number(text);
}

function testCase(element: XmlElement, names: readonly string[]): TestCase {
  const own = element.attributes['name'];
  if (own === undefined) throw damaged('a test has no name.');
  const className = element.attributes['classname'] ?? '';
  const name = [...(names.length === 0 && className !== '' ? [className] : names), own].join(' › ');
  const children = element.children.filter((child) => child instanceof XmlElement);
  const odd = children.find(
    (child) =>
      ![
        'failure',
        'error',
        'skipped',
        'properties',
        'system-out',
        'system-err',
        'rerunFailure',
        'flakyFailure',
        'rerunError',
        'flakyError',
      ].includes(child.name),
  );
  if (odd !== undefined) throw damaged(`<${odd.name}> is nothing a test has.`);
  const text = element.children.find((child) => !(child instanceof XmlElement) && 'text' in child && child.text.trim() !== '');
  if (text !== undefined) throw damaged('there is text within <testcase>.');
  const failed = children.find((child) => child.name === 'failure' || child.name === 'error');
  if (failed !== undefined) return { name, result: 'failed', message: messageOf(failed) };
  const skipped = children.find((child) => child.name === 'skipped');
  return { name, result: skipped === undefined ? 'passed' : 'skipped', message: skipped === undefined ? null : messageOf(skipped) };
}

function messageOf(element: XmlElement): string | null {
  const said = (element.attributes['message'] ?? element.text).trim().split('\n')[0] ?? '';
  return said === '' ? null : said.slice(0, MESSAGE);
}
