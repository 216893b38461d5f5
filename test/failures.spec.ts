import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { missingTests, testsIn } from './named-tests.ts';

const root = join(import.meta.dirname, '..');

/** Failures of other tools that we have read about: each needs its row in FAILURES.md. */
const ROWS: Readonly<Record<string, readonly string[]>> = {
  A: [
    'AR#4479',
    'AR#4393, AR#521, AR#4602',
    'AR#1329',
    'AR#3850, AR#3873',
    'AR#4604',
    'AR#4535, AR#4770',
    'AR docs bluegreen',
    'FL#1011',
    'AR#1411, AR#943',
  ],
  B: ['AR#180, AR#1466, AR#2101, AR#1905', 'AR#3503', 'FL scheduler_metrics.go', 'Kayenta MannWhitneyClassifier.scala'],
  C: [
    'AR#3331, AR#3354',
    'AR#4128, AR#4750',
    'AR#1774, AR#995, AR#3110, AR#1733, FL#639, FL#379',
    'AR#3988, AR#4072, AR#4201, AR#2522, AR#2855',
    'FL#1588, FL#1591',
    'SP#5952, SP#6443, SP#6224, SP#4426, SP#893',
    'DK#4461, DK#4083, DK#2106, DK#4271, CO#6579, CO#6414, CO#11327, CO#5850, CO#1720',
    'KG#2661',
    'pipe-cd#3468',
  ],
  D: [
    'FL#1898, FL#1931, FL#1932',
    'AR#1292',
    'AR#4841, AR#4867, AR#4900, AR#3078, AR#4973',
    'FLY PR#3359',
    'copilot-cli#4838',
    'AR#3304, AR#2939',
    'FL#1186',
    'KG#3016, KG#6151',
  ],
  E: ['AR#4710, AR#4433, AR#4772, AR#3926, AR#4595, AR#2235, AR#4390', 'AR#4221', 'AR#2507, AR#3602, AR#1731, FL#773', 'nginx -s reload'],
  F: [
    'KM PR#656, KM#1587, KM PR#1844, KM PR#1930',
    'KM boot.rb, KM#1658, KM PR#1677',
    'KP router.go saveStateSnapshot',
    'FLY#2651',
    'FLY#4886',
    'pulumi#5377, sst#6367, METR/hawk#888',
    'DK in-memory-queue.ts',
    'AR#4975',
  ],
};

describe('FAILURES.md', () => {
  it('has every failure we know of, in its section', async () => {
    const sections = await sectionsOf();
    for (const [letter, ids] of Object.entries(ROWS)) expect(sections.get(letter)?.map((row) => row.ids)).toEqual(ids);
  });

  it('names for each a test, or says what it waits for', async () => {
    const rows = [...(await sectionsOf()).values()].flat();
    const unanswered = rows.filter(({ ours }) => testsIn(ours).length === 0 && !ours.startsWith('Later: '));
    expect(unanswered.map((row) => row.ids)).toEqual([]);
  });

  it('names only tests that there are, and so does docs/architecture.md', async () => {
    const pages = await Promise.all(['test/FAILURES.md', 'docs/architecture.md'].map((path) => readFile(join(root, path), 'utf8')));
    const named = pages.flatMap(testsIn);
    expect(named.length).toBeGreaterThan(100);
    expect(await missingTests(named)).toEqual([]);
  });
});

interface Row {
  readonly ids: string;
  readonly ours: string;
}

async function sectionsOf(): Promise<ReadonlyMap<string, readonly Row[]>> {
  const text = await readFile(join(root, 'test/FAILURES.md'), 'utf8');
  const sections = text.split(/^## (?=[A-F]\. )/m).slice(1);
  return new Map(sections.map((section) => [section.slice(0, 1), rowsOf(section.split(/^## /m)[0] ?? '')]));
}

function rowsOf(section: string): readonly Row[] {
  const lines = section.split('\n').filter((line) => line.startsWith('| '));
  return lines.slice(1).map((line) => {
    const [, ids = '', , ours = ''] = line.split(' | ').length === 3 ? ['', ...line.slice(2, -2).split(' | ')] : [];
    return { ids, ours };
  });
}
