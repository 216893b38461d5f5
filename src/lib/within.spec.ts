import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { within } from './within.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

it('ends after its time, with garbage collected meanwhile', async () => {
  const never = new AbortController();
  const reasons: unknown[] = [];
  const all = Array.from({ length: 20 }, () => {
    const signal = within(never.signal, 300);
    return new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => {
        reasons.push((signal.reason as Error).name);
        resolve();
      });
    });
  });
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    collect();
  }
  await Promise.all(all);
  expect(new Set(reasons)).toEqual(new Set(['TimeoutError']));
});

it('ends with the signal, and for its reason', () => {
  const stop = new AbortController();
  const signal = within(stop.signal, 60_000);
  expect(signal.aborted).toBe(false);
  stop.abort('enough');
  expect(signal).toMatchObject({ aborted: true, reason: 'enough' });
});

it('nobody joins a time-out to a signal in another way', async () => {
  const sources = (await readdir(join(import.meta.dirname, '..'), { recursive: true })).filter((name) => /(?<!\.spec)\.ts$/.test(name));
  const texts = await Promise.all(sources.map(async (name) => [name, await readFile(join(import.meta.dirname, '..', name), 'utf8')]));
  const found = texts.filter(([, text]) => /AbortSignal\.any\(\[[^\]]*\b(AbortSignal\.timeout|timeout|limit)\b/.test(text ?? ''));
  expect(found.map(([name]) => name)).toEqual(['lib/within.ts']);
});
