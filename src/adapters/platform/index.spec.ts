import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { platforms } from './index.ts';

test('the registry names what is in this folder', () => {
  const there = readdirSync(import.meta.dirname, { withFileTypes: true }).flatMap((entry) => {
    if (entry.isDirectory()) return [entry.name];
    return /^(index\.|.*\.spec\.ts$)/.test(entry.name) ? [] : [entry.name.replace(/\.ts$/, '')];
  });
  expect(there.length).toBeGreaterThan(0);
  expect(Object.keys(platforms).toSorted()).toEqual(there.toSorted());
});
