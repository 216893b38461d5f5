import { readdir } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { edges } from './index.ts';

/** Not an edge itself. */
const SHARED = new Set(['index.ts', 'per-environment.ts']);

test('every edge of this folder is in the registry, and nothing else', async () => {
  const entries = await readdir(import.meta.dirname, { withFileTypes: true });
  const names = entries.flatMap((entry) =>
    entry.isDirectory() ? [entry.name] : entry.name.endsWith('.spec.ts') || SHARED.has(entry.name) ? [] : [entry.name.replace(/\.ts$/, '')],
  );
  expect(names.toSorted()).toEqual(Object.keys(edges).toSorted());
});

test('an edge has the name it is registered by', () => {
  for (const [name, make] of Object.entries(edges)) expect(make({ dir: '/nowhere', port: 0 }).name).toBe(name);
});
