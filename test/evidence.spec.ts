import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EVENTS_SAY, GOOD_WORDS, VERDICTS_SAY } from '../src/core/evidence/words.ts';
import { missingTests, testsIn } from './named-tests.ts';

/** What each word has to say on the page, in this order. */
const ROWS = ['Said by', 'Rests on', 'Absent', 'Partial', 'Stale', 'Contradictory', 'Unreadable', "Somebody else's"];
/** Those of them that tell what is said where the evidence is bad. */
const BAD = ROWS.slice(2);

describe('docs/evidence.md', () => {
  it('has every good word, each with what it rests on and what is said where that is bad', async () => {
    const words = await sections();
    expect([...words.keys()]).toEqual([...GOOD_WORDS]);
    const incomplete = [...words].filter(([, rows]) => [...rows.keys()].join() !== ROWS.join());
    expect(incomplete.map(([word, rows]) => `${word}: ${[...rows.keys()].join(', ')}`)).toEqual([]);
  });

  it('names for every bad kind of evidence a test, or says why it cannot be, or that it is open', async () => {
    const silent = [...(await sections())].flatMap(([word, rows]) =>
      BAD.filter((kind) => testsIn(rows.get(kind) ?? '').length === 0 && !/\((cannot be|open): .{15,}\)/.test(rows.get(kind) ?? '')).map(
        (kind) => `${word}: ${kind}`,
      ),
    );
    expect(silent).toEqual([]);
  });

  it('names only tests that exist', async () => {
    const named = testsIn(await page());
    expect(named.length).toBeGreaterThan(GOOD_WORDS.length);
    expect(await missingTests(named)).toEqual([]);
  });

  it('has a good word for every verdict that says one', () => {
    const said = [EVENTS_SAY, ...Object.values(VERDICTS_SAY)].flatMap((table) => Object.values(table)).filter((word) => word !== null);
    expect(said.length).toBeGreaterThan(20);
    expect(said.filter((word) => !GOOD_WORDS.includes(word))).toEqual([]);
  });
});

async function page(): Promise<string> {
  return readFile(join(import.meta.dirname, '../docs/evidence.md'), 'utf8');
}

/** Of each word its rows: `- **Absent:** what is said. \`path › title\``. */
async function sections(): Promise<ReadonlyMap<string, ReadonlyMap<string, string>>> {
  const [, ...parts] = (await page()).split(/^## /m);
  return new Map(
    parts.map((part) => {
      const [word = '', ...lines] = part.split('\n');
      const rows = lines.flatMap((line) => {
        const found = /^- \*\*(.+?):\*\* (.+)$/.exec(line);
        return found === null ? [] : [[found[1] ?? '', found[2] ?? ''] as const];
      });
      return [word, new Map(rows)];
    }),
  );
}
