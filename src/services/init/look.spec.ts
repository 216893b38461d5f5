import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lookAround } from './look.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-look-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

it('sees every file of a folder without git, but not what tools have put there', async () => {
  await mkdir(join(dir, 'api/src'), { recursive: true });
  await mkdir(join(dir, 'api/node_modules/left-pad'), { recursive: true });
  await writeFile(join(dir, 'api/package.json'), '{}');
  await writeFile(join(dir, 'api/src/index.js'), '');
  await writeFile(join(dir, 'api/node_modules/left-pad/package.json'), '{}');
  const { paths, texts } = await lookAround(dir);
  expect([...paths].toSorted()).toEqual(['api/package.json', 'api/src/index.js']);
  expect(texts.get('api/package.json')).toBe('{}');
});

it('does not search through everything that somebody has', async () => {
  for (let i = 0; i < 60; i++) await Promise.all(Array.from({ length: 90 }, (_, j) => mkdir(join(dir, `${i}/${j}`), { recursive: true })));
  await expect(lookAround(dir)).rejects.toMatchObject({ code: 'NOT_A_WORKSPACE', hint: expect.stringContaining('git init') });
});
