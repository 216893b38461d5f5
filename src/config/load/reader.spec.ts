import { describe, expect, test } from 'vitest';
import { createConfigReader } from './reader.ts';
import type { Config } from '../schema/workspace.ts';

const config = (workspace: string): Config => ({ workspace, apps: {} });

describe('a reading of the configuration', () => {
  test('is one at a time; those who ask meanwhile share one that begins after they asked', async () => {
    let [atOnce, most, begun] = [0, 0, 0];
    const ends: (() => void)[] = [];
    const reader = createConfigReader({
      dir: '/shop',
      async load() {
        begun += 1;
        atOnce += 1;
        most = Math.max(most, atOnce);
        const mine = begun;
        await new Promise<void>((done) => ends.push(done));
        atOnce -= 1;
        return config(`reading ${mine}`);
      },
    });
    const first = reader.read();
    const others = Array.from({ length: 40 }, () => reader.read());
    ends[0]?.();
    expect((await first).workspace).toBe('reading 1');
    await expect.poll(() => ends.length).toBe(2);
    ends[1]?.();
    expect(new Set((await Promise.all(others)).map((one) => one.workspace))).toEqual(new Set(['reading 2']));
    expect([begun, most]).toEqual([2, 1]);
  });

  test('that fails leaves the last good one, and the next one begins', async () => {
    const answers: (Config | Error)[] = [config('good'), new Error('broken'), config('better')];
    const seen: string[] = [];
    const reader = createConfigReader({
      dir: '/shop',
      onRead: ({ workspace }) => seen.push(workspace),
      async load() {
        const next = answers.shift();
        if (next === undefined || next instanceof Error) throw next ?? new Error('too often');
        return next;
      },
    });
    expect(reader.last()).toBeNull();
    await reader.read();
    const [failed, after] = [reader.read(), reader.read()];
    const kept = failed.catch(() => reader.last()?.workspace);
    await expect(failed).rejects.toThrow('broken');
    expect(await kept).toBe('good');
    expect((await after).workspace).toBe('better');
    expect(seen).toEqual(['good', 'better']);
  });
});
