import { copyFile, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { EdgeIntent } from '../core/app/traffic.ts';
import { edgeStateFile } from './state-file.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-edge-state-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

function intent(fence: number): EdgeIntent {
  const versions = [{ id: 'v1', weight: 100, endpoints: [{ host: '127.0.0.1', port: 1 }] }];
  return { app: 'a', fence, routes: [{ host: null, pathPrefix: '/' }], sticky: { by: 'cookie' }, versions };
}
const stateOf = (fence: number) => ({ intents: [intent(fence)], fences: { a: fence, gone: 7 } });
const newest = () => join(dir, 'state.json');

test('nothing stored is an empty state', async () => {
  expect(await edgeStateFile(dir).load()).toEqual({ intents: [], fences: {}, problem: null });
});

test('what was stored is there again, readable by its owner alone', async () => {
  await edgeStateFile(dir).save(stateOf(1));
  expect(await edgeStateFile(dir).load()).toEqual({ ...stateOf(1), problem: null });
  expect((await stat(newest())).mode & 0o777).toBe(0o600);
});

const damages: Record<string, () => Promise<void>> = {
  'cut off': () => truncate(newest(), 30),
  empty: () => truncate(newest(), 0),
  'changed by hand': async () => writeFile(newest(), (await readFile(newest(), 'utf8')).replace('"weight":100', '"weight":10')),
  'something else': () => writeFile(newest(), '{"checksum":"","state":{"intents":[],"fences":{}}}'),
  gone: () => rm(newest()),
};
test.each(Object.entries(damages))('a state that is %s: the one before it is served, and it is said', async (_, damage) => {
  const state = edgeStateFile(dir);
  await state.save(stateOf(1));
  await state.save(stateOf(2));
  await damage();
  const loaded = await edgeStateFile(dir).load();
  expect(loaded).toMatchObject(stateOf(1));
  expect(loaded.problem).toMatch(/state.json is (damaged|missing); serving the state before it/);
  await state.save(stateOf(3));
  expect(await edgeStateFile(dir).load()).toEqual({ ...stateOf(3), problem: null });
});

test('with no good copy at all: empty, said so, and the damaged file is kept', async () => {
  await writeFile(newest(), 'garbage');
  const loaded = await edgeStateFile(dir).load();
  expect(loaded).toMatchObject({ intents: [], fences: {} });
  expect(loaded.problem).toContain('no good copy');
  expect(await readFile(`${newest()}.damaged`, 'utf8')).toBe('garbage');
});

test('a crash at any point of storing leaves the old state or the new', async () => {
  const state = edgeStateFile(dir);
  await state.save(stateOf(1));
  await state.save(stateOf(2));
  // What a crash can leave: the second name taken or not, a temporary file cut anywhere.
  await copyFile(newest(), join(dir, 'state.previous.json'));
  await writeFile(join(dir, 'state.json.1.tmp'), '{"checks');
  expect(await edgeStateFile(dir).load()).toEqual({ ...stateOf(2), problem: null });
});

test('nothing is left lying about', async () => {
  const state = edgeStateFile(dir);
  for (let fence = 1; fence < 5; fence += 1) await state.save(stateOf(fence));
  expect((await readdir(dir)).toSorted()).toEqual(['state.json', 'state.previous.json']);
});
