/**
 * Plants each mistake of test/mutants in a copy of the sources and demands that the test it names fails there, and passes without it.
 * `tsx scripts/mutants.ts [--track=NAME] [--only=PART_OF_A_NAME]`; exit 1 where a mistake goes unnoticed.
 */
import { spawnSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { allMutants } from '../test/mutants/index.ts';
import type { Mutant } from '../test/mutants/mutant.ts';

const root = join(import.meta.dirname, '..');
const COPIED = ['src', 'test', 'schema', 'docs', 'scripts', 'examples', 'package.json', 'tsconfig.json', 'vitest.config.ts'];
const TIMEOUT_MS = 300_000;

type Outcome = 'passed' | 'failed' | 'absent';

const { values } = parseArgs({ options: { track: { type: 'string' }, only: { type: 'string' } } });
const tracks = [...(await allMutants())].filter(([track]) => values.track === undefined || track === values.track);
const mutants = tracks.flatMap(([, list]) => list).filter(({ name }) => values.only === undefined || name.includes(values.only));
if (mutants.length === 0) throw new Error('no planted mistake of that name');

const copy = await mkdtemp(join(tmpdir(), 'sluice-mutants-'));
try {
  for (const entry of COPIED) await cp(join(root, entry), join(copy, entry), { recursive: true });
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  const unnoticed: string[] = [];
  for (const mutant of mutants) {
    const found = await isNoticed(mutant);
    console.log(`${found === null ? 'noticed  ' : 'UNNOTICED'} ${mutant.name}${found === null ? '' : `: ${found}`}`);
    if (found !== null) unnoticed.push(mutant.name);
  }
  console.log(`${mutants.length - unnoticed.length} of ${mutants.length} planted mistakes are noticed`);
  process.exitCode = unnoticed.length === 0 ? 0 : 1;
} finally {
  await rm(copy, { recursive: true, force: true });
}

/** Null where the test notices the mistake; otherwise what went wrong. */
async function isNoticed(mutant: Mutant): Promise<string | null> {
  const before = await outcomeOf(mutant);
  if (before !== 'passed') return `without the mistake its test is ${before}`;
  const path = join(copy, mutant.file);
  const source = await readFile(path, 'utf8');
  await writeFile(
    path,
    source.replace(mutant.from, () => mutant.to),
  );
  try {
    const after = await outcomeOf(mutant);
    return after === 'failed' ? null : `with the mistake its test is ${after}`;
  } finally {
    await writeFile(path, source);
  }
}

/** What becomes of the named test alone. A file that cannot even be loaded makes it absent, which notices nothing. */
async function outcomeOf({ spec, title }: Mutant): Promise<Outcome> {
  const report = join(copy, 'report.json');
  await rm(report, { force: true });
  // A title of a table stands for all of its rows: `%s` and the like are what the rows say there.
  const pattern = title.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll(/%[sdifjoO]/g, '.*');
  const arguments_ = ['run', spec, '-t', pattern, '--maxWorkers=1', '--reporter=json', `--outputFile=${report}`];
  spawnSync(join(root, 'node_modules/.bin/vitest'), arguments_, { cwd: copy, timeout: TIMEOUT_MS, stdio: 'ignore' });
  const text = await readFile(report, 'utf8').catch(() => null);
  if (text === null) return 'absent';
  const { testResults } = JSON.parse(text) as { testResults: { assertionResults: { status: string }[] }[] };
  const ran = testResults.flatMap((file) => file.assertionResults).filter(({ status }) => status === 'passed' || status === 'failed');
  if (ran.length === 0) return 'absent';
  return ran.every(({ status }) => status === 'passed') ? 'passed' : 'failed';
}
