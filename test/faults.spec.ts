import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { missingTests, testsIn } from './named-tests.ts';

const root = join(import.meta.dirname, '..');
/** How many kinds of fault each section has. */
const KINDS = { A: 16, B: 13, C: 10, D: 8 };

describe('FAULTS.md', () => {
  it('has every kind of fault, in its order', async () => {
    const expected = Object.entries(KINDS).flatMap(([letter, count]) => Array.from({ length: count }, (_, at) => `${letter}${at + 1}`));
    expect([...(await kinds()).keys()]).toEqual(expected);
  });

  it('names for each kind a test, or says what is open', async () => {
    const silent = [...(await kinds())].filter(([, text]) => !/^- (test: `|open: .{8})/m.test(text));
    expect(silent.map(([id]) => id)).toEqual([]);
  });

  it('holds every published input to its right value by a test, or says that it is not read yet', async () => {
    const cases = await readdir(join(root, 'test/fixtures/cases'));
    const named = [...(await page()).matchAll(/^- case ([a-z0-9-]+): (`|not read yet)/gm)].map((match) => match[1]);
    expect(cases.length).toBeGreaterThan(20);
    expect(named).toHaveLength(cases.length);
    expect(new Set(named)).toEqual(new Set(cases));
  });

  it('names only tests that exist, and each bullet in one of the known forms', async () => {
    const text = await page();
    expect(await missingTests(testsIn(text))).toEqual([]);
    const bullets = text.split('\n').filter((line) => line.startsWith('- '));
    const odd = bullets.filter(
      (line) => !/^- (test: `.+ › .+`|open: .+|cousin: .+: `.+ › .+`|case [a-z0-9-]+: (`.+ › .+`|not read yet))$/.test(line),
    );
    expect(odd).toEqual([]);
  });
});

async function page(): Promise<string> {
  return readFile(join(root, 'test/FAULTS.md'), 'utf8');
}

/** The text below each heading, by the kind's id. */
async function kinds(): Promise<ReadonlyMap<string, string>> {
  const [, ...parts] = (await page()).split(/^### /m);
  return new Map(parts.map((part) => [part.split(' ')[0] ?? '', part]));
}
