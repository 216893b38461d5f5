import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { OutsideError } from '../../core/errors.ts';
import type { ManagedEdge } from './embedded.ts';
import { createEdges, type EdgeSettings } from './per-environment.ts';

let dir: string;
let made: EdgeSettings[];
let settings: () => Promise<EdgeSettings>;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-edges-'));
  made = [];
  settings = async () => ({ kind: 'plain', port: 81 });
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** A control plane's edges at this place, as a new one finds them. */
function edges(warned: string[] = []) {
  const make = (kind: string) => (options: { port: number }) => {
    made.push({ kind, port: options.port });
    return { name: kind, ensure: async () => `http://127.0.0.1:${options.port}` } as unknown as ManagedEdge;
  };
  return createEdges({
    dir,
    kinds: { plain: make('plain'), other: make('other') },
    settings: () => settings(),
    warn: (line) => warned.push(line),
  });
}

test('none serves before one was started, and none is started to find out', async () => {
  const all = edges();
  expect([await all.serving('production'), await all.url('production')]).toEqual([null, null]);
  expect(made).toEqual([]);
});

test.each([
  ['cannot be read', () => Promise.reject(new OutsideError('CONFIG_SLOW', 'no answer within 30 s'))],
  ['never comes', () => new Promise<never>(() => {})],
  ['says something else', async () => ({ kind: 'other', port: 82 })],
])('what serves already is brought back as it was started, also when its configuration %s', async (_what, now) => {
  const before = edges();
  await before.of('production');
  before.leave();
  settings = now;
  made = [];
  const warned: string[] = [];
  const after = edges(warned);
  await after.adopt();
  expect(await after.url('production')).toBe('http://127.0.0.1:81');
  expect(made).toEqual([{ kind: 'plain', port: 81 }]);
  expect(warned).toEqual([]);
  after.leave();
});

test('a release is refused while the configuration says something else than what serves', async () => {
  const before = edges();
  await before.of('production');
  before.leave();
  const after = edges();
  await after.adopt();
  settings = async () => ({ kind: 'plain', port: 82 });
  await expect(after.of('production')).rejects.toMatchObject({ code: 'EDGE_CHANGED' });
  settings = async () => ({ kind: 'plain', port: 81 });
  expect((await after.of('production')).name).toBe('plain');
  after.leave();
});
