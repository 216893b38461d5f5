import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { missingTests } from '../named-tests.ts';
import { allMutants } from './index.ts';

const root = join(import.meta.dirname, '../..');

/** That each is noticed is shown by `make mutants`, which takes minutes; here only that each can still be planted. */
describe('planted mistakes', () => {
  it('each stands exactly once in its file, and names a test that exists', async () => {
    const all = [...(await allMutants()).values()].flat();
    const places = await Promise.all(
      all.map(async ({ name, file, from }) => ({ name, times: (await readFile(join(root, file), 'utf8')).split(from).length - 1 })),
    );
    expect(places.filter(({ times }) => times !== 1)).toEqual([]);
    expect(await missingTests(all.map(({ spec, title }) => ({ file: spec, title })))).toEqual([]);
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
  });
});
