import { XmlElement } from '@rgrove/parse-xml';
import type { TestCase } from '../../core/gates/contents.ts';
import { damaged } from './damage.ts';

/** Messages are cut here, characters. */
const MESSAGE = 300;

/**
 * Outcomes that runners write into `status` or `result` of a test (GoogleTest, CTest, Ginkgo, Behave, Pester, QTest, Bazel). The list is
 * closed: a word that is not on it has not passed.
 */
const OUTCOMES: Readonly<Record<TestCase['result'], readonly string[]>> = {
  passed: ['run', 'completed', 'passed', 'pass', 'success', 'successful', 'succeeded', 'ok'],
  skipped: [
    'notrun',
    'skip',
    'skipped',
    'disabled',
    'suppressed',
    'filtered',
    'ignored',
    'pending',
    'untested',
    'inconclusive',
    'todo',
    'xfail',
    'incomplete',
    'notexecuted',
  ],
  failed: [
    'fail',
    'failed',
    'failure',
    'error',
    'errored',
    'broken',
    'panicked',
    'crashed',
    'timeout',
    'timedout',
    'interrupted',
    'aborted',
    'cancelled',
    'canceled',
    'undefined',
    'xpass',
  ],
};

/** What may stand in a test and says nothing of its outcome. */
const SILENT: readonly string[] = ['properties', 'system-out', 'system-err'];
const FAILED: readonly string[] = ['failure', 'error'];
/** It did not do what it is for, and its runner does not say that it failed: PHPUnit up to 9 has warnings, risky and incomplete tests. */
const SKIPPED: readonly string[] = ['skipped', 'disabled', 'ignored', 'warning', 'incomplete', 'risky', 'useless'];
/** Tries that failed before one passed (Surefire, nextest). */
const FLAKY: readonly string[] = ['flakyFailure', 'flakyError'];
/** Tries that failed after the first one had. */
const RERUN: readonly string[] = ['rerunFailure', 'rerunError'];
const KNOWN = new Set([...SILENT, ...FAILED, ...SKIPPED, ...FLAKY, ...RERUN]);

/** A test, and how often it was tried in vain. */
export interface ReadCase {
  readonly test: TestCase;
  /** Tries that failed, beyond the one that makes it a failed test. */
  readonly failedTries: number;
  /** It broke outside of its own body, as in its teardown: pytest counts such a test twice. */
  readonly hasError: boolean;
}

/** @throws Unreadable for an element that no runner writes into a test. */
export function readCase(element: XmlElement, suites: readonly string[]): ReadCase {
  const own = element.attributes['name'];
  if (own === undefined) throw damaged('a test has no name.');
  const className = element.attributes['classname'] ?? '';
  const name = [...(suites.length === 0 && className !== '' ? [className] : suites), own].join(' › ');
  const children = element.children.filter((child) => child instanceof XmlElement);
  const odd = children.find((child) => !KNOWN.has(child.name));
  if (odd !== undefined) throw damaged(`<${odd.name}> is nothing a test has.`);
  const text = element.children.find((child) => !(child instanceof XmlElement) && 'text' in child && child.text.trim() !== '');
  if (text !== undefined) throw damaged('there is text within <testcase>.');
  const find = (names: readonly string[]): XmlElement | undefined => children.find((child) => names.includes(child.name));
  const flaky = find(FLAKY);
  const tries = children.filter((child) => FLAKY.includes(child.name) || RERUN.includes(child.name)).length;
  const counted = { failedTries: tries, hasError: find(['error']) !== undefined };
  // A rerun that failed without a first failure contradicts itself: it is no pass.
  const failed = find(FAILED) ?? find(RERUN);
  if (failed !== undefined) return { test: { name, result: 'failed', message: messageOf(failed) }, ...counted };
  const worst = worstOf([element.attributes['status'], element.attributes['result']]);
  if (worst.result === 'failed') return { test: { name, ...worst }, ...counted };
  const skipped = find(SKIPPED);
  if (skipped !== undefined) return { test: { name, result: 'skipped', message: messageOf(skipped) }, ...counted };
  if (worst.result === 'skipped') return { test: { name, ...worst }, ...counted };
  return { test: { name, result: 'passed', message: null, ...(flaky === undefined ? {} : { isFlaky: true }) }, ...counted };
}

/** The first line of what a failure says. */
export function messageOf(element: XmlElement): string | null {
  const said = (element.attributes['message'] ?? element.text).trim().split('\n')[0] ?? '';
  return said === '' ? null : said.slice(0, MESSAGE);
}

type Outcome = Pick<TestCase, 'result' | 'message'>;

/** Of what both attributes say, what is furthest from a pass. */
function worstOf(words: readonly (string | undefined)[]): Outcome {
  const outcomes = words.flatMap((word) => (word === undefined || word.trim() === '' ? [] : [outcomeOf(word)]));
  return (
    outcomes.find((one) => one.result === 'failed') ??
    outcomes.find((one) => one.result === 'skipped') ?? { result: 'passed', message: null }
  );
}

function outcomeOf(word: string): Outcome {
  const plain = word
    .trim()
    .toLowerCase()
    .replaceAll(/[\s_-]/g, '');
  const said = `its outcome is "${word.trim().slice(0, 40)}"`;
  if (OUTCOMES.passed.includes(plain)) return { result: 'passed', message: null };
  if (OUTCOMES.skipped.includes(plain)) return { result: 'skipped', message: said };
  return { result: 'failed', message: OUTCOMES.failed.includes(plain) ? said : `${said}, which is not known to be a pass` };
}
