import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { upperEdgeMs } from '../../core/analysis/histogram.ts';
import { logSource } from './logs.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-log-source-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const { signal } = new AbortController();
const query = (settings: object) => ({
  app: 'web',
  environment: 'production',
  versions: ['new'],
  settings: { kind: 'logs', requests: '^took', errors: 'failed', ...settings },
});

describe('how long something took', () => {
  it('no time, and no time that is no number, is none', async () => {
    const source = logSource({ dir, folder: '.', now: () => 0 });
    const settings = query({ latency: 'took (\\S*) ms' });
    const before = await source.collect(settings, null, signal);
    await writeFile(join(dir, 'a.log'), 'took  ms\ntook long ms\ntook 12.5 ms\ntook 3 ms failed\n');
    const after = await source.collect(settings, before, signal);
    const counted = after.versions['new'];
    expect([counted?.requests, counted?.errors]).toEqual([4, 1]);
    const edges = Object.keys(counted?.latency ?? {}).map((bucket) => Math.round(upperEdgeMs(Number(bucket))));
    expect(edges).toEqual([3, 13]);
  });
});

describe('a pattern', () => {
  it.each(['(', '(a)\\1', 'a(?=b)'])('%s is a mistake of the configuration', (requests) => {
    const source = logSource({ dir, folder: '.', now: () => 0 });
    expect(() => source.check(query({ requests }).settings)).toThrow(/regular expression/);
  });
});
