import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Project } from '../../core/changes/project.ts';
import type { ManifestState } from './workspace.ts';
import { fileGraphMemory } from './graph-memory.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-memory-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const word = fc.constantFrom('a', 'packages/a', 'packages/b', 'workspace:.', 'toolchain:node', '.nvmrc', 'x "y"\n', '__proto__', 'ä', '');
const project: fc.Arbitrary<Project> = fc.record({
  path: word,
  edges: fc.array(fc.record({ to: word, via: word }), { maxLength: 5 }),
  inputs: fc.array(fc.record({ path: word, via: word }), { maxLength: 3 }),
  lock: fc.constantFrom('', 'abc'),
  settings: fc.constantFrom('', 'def'),
});
const state: fc.Arbitrary<ManifestState> = fc.record({
  at: fc.constant('1'.repeat(40)),
  detail: fc.constantFrom('edges' as const, 'all' as const),
  folders: fc.array(word),
  others: fc.array(word).map((paths) => new Set(paths)),
  projects: fc
    .array(fc.tuple(word, project, fc.boolean()))
    .map((all) => new Map(all.map(([name, one, isPlain]) => [name, isPlain ? { ...one, path: name } : one]))),
  unreadable: fc.array(fc.record({ path: word, reason: word })),
});

test('what was kept is recalled, in the same order', async () => {
  const file = join(dir, 'kept', 'graph.json');
  await fc.assert(
    fc.asyncProperty(state, async (one) => {
      await fileGraphMemory({ file, version: '1' }).keep(one);
      const recalled = await fileGraphMemory({ file, version: '1' }).recall();
      expect(recalled).toEqual(one);
      expect([...(recalled?.projects.keys() ?? [])]).toEqual([...one.projects.keys()]);
    }),
    { numRuns: 200 },
  );
});

test('nothing is recalled of another version, or of a file that is not whole', async () => {
  const file = join(dir, 'torn.json');
  const [one] = fc.sample(state, { numRuns: 1, seed: 3 });
  if (one === undefined) throw new Error('no sample');
  await fileGraphMemory({ file, version: '1' }).keep(one);
  expect(await fileGraphMemory({ file, version: '2' }).recall()).toBeNull();
  const whole = await readFile(file, 'utf8');
  for (const part of [
    '',
    whole.slice(0, -1),
    whole.slice(0, whole.length / 2),
    `${whole.slice(0, -9)}${'\0'.repeat(9)}`,
    whole.replace('[4', '[3'),
  ]) {
    await writeFile(file, part);
    expect(await fileGraphMemory({ file, version: '1' }).recall()).toBeNull();
  }
});

test('a place that may not be written to is no mistake', async () => {
  const file = join(dir, 'taken');
  await writeFile(file, 'x');
  const [one] = fc.sample(state, { numRuns: 1, seed: 3 });
  if (one === undefined) throw new Error('no sample');
  const memory = fileGraphMemory({ file: join(file, 'graph.json'), version: '1' });
  await memory.keep(one);
  expect(await memory.recall()).toBe(one);
  expect((await stat(file)).size).toBe(1);
});
