import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');

/** CONTRIBUTING, "Comments say why": a comment names its subject, because a reader cannot ask who is meant. */
it('no comment has "whoever" for a subject', async () => {
  const files = (await readdir(join(root, 'src'), { recursive: true })).filter((name) => name.endsWith('.ts'));
  expect(files.length).toBeGreaterThan(500);
  const found = await Promise.all(
    files.map(async (name) => {
      const lines = (await readFile(join(root, 'src', name), 'utf8')).split('\n');
      return lines.flatMap((line, i) => (/^\s*(\/\/|\/?\*).*\bwhoever\b/i.test(line) ? [`src/${name}:${i + 1}: ${line.trim()}`] : []));
    }),
  );
  expect(found.flat()).toEqual([]);
});
