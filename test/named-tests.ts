import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

/** A test as pages of ours name it: `path › title`, with its title or a part of it. */
export interface NamedTest {
  readonly file: string;
  readonly title: string;
}

/** All tests that a text names. */
export function testsIn(text: string): readonly NamedTest[] {
  return [...text.matchAll(/`([^`]+?) › ([^`]+)`/g)].map((match) => ({ file: match[1] ?? '', title: match[2] ?? '' }));
}

/** The tests among these that do not exist, as `path › title`. */
export async function missingTests(tests: readonly NamedTest[]): Promise<readonly string[]> {
  const found = await Promise.all(tests.map(async (test) => ((await isThere(test)) ? [] : [`${test.file} › ${test.title}`])));
  return found.flat();
}

/** As a title or the part of a table that becomes one: in quotes, so that a comment does not count. */
async function isThere({ file, title }: NamedTest): Promise<boolean> {
  const source = await readFile(join(root, file), 'utf8').catch(() => '');
  const at = source.split('\n').filter((line) => line.includes(title) && /['"`]/.test(line));
  return at.some((line) => !/^\s*(\*|\/\/)/.test(line));
}
