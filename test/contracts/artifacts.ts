import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ArtifactStore } from '../../src/ports/artifacts.ts';

/** What every artifact store promises. `make` gives an empty store; `dispose` takes it away. */
export function artifactsContract(name: string, make: () => Promise<{ store: ArtifactStore; dispose: () => Promise<void> }>): void {
  describe(`artifact store: ${name}`, () => {
    let store: ArtifactStore;
    let dispose: () => Promise<void>;
    let source: string;

    beforeEach(async () => {
      ({ store, dispose } = await make());
      source = await mkdtemp(join(tmpdir(), 'sluice-artifact-source-'));
    });
    afterEach(async () => {
      await rm(source, { recursive: true, force: true });
      await dispose();
    });

    async function fill(files: Record<string, string>, base = source): Promise<string> {
      for (const [path, text] of Object.entries(files)) {
        await mkdir(join(base, path, '..'), { recursive: true });
        await writeFile(join(base, path), text);
      }
      return base;
    }

    test('gives back what was put, read-only, with links and empty folders', async () => {
      await fill({ 'a.txt': 'one', 'deep/er/b.txt': 'two', 'run.sh': '#!/bin/sh' });
      await chmod(join(source, 'run.sh'), 0o755);
      await mkdir(join(source, 'empty'));
      await symlink('deep/er', join(source, 'link'));
      const digest = await store.put(source);
      expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
      expect(await store.has(digest)).toBe(true);
      const folder = await store.folder(digest);
      expect(await readFile(join(folder, 'link/b.txt'), 'utf8')).toBe('two');
      expect((await stat(join(folder, 'empty'))).isDirectory()).toBe(true);
      expect((await stat(join(folder, 'run.sh'))).mode & 0o777).toBe(0o555);
      expect((await stat(join(folder, 'a.txt'))).mode & 0o777).toBe(0o444);
    });

    test('equal content has one digest, whatever its time stamps and order', async () => {
      const other = await mkdtemp(join(tmpdir(), 'sluice-artifact-other-'));
      try {
        await fill({ b: '2', a: '1' });
        await fill({ a: '1', b: '2' }, other);
        await utimes(join(other, 'a'), 1000, 1000);
        expect(await store.put(other)).toBe(await store.put(source));
      } finally {
        await rm(other, { recursive: true, force: true });
      }
    });

    test('each difference in name, content, mode or link makes another digest', async () => {
      await fill({ a: '1', b: '2' });
      const digests = [await store.put(source)];
      await writeFile(join(source, 'a'), 'changed');
      digests.push(await store.put(source));
      await chmod(join(source, 'a'), 0o755);
      digests.push(await store.put(source));
      await symlink('a', join(source, 'c'));
      digests.push(await store.put(source));
      await rm(join(source, 'c'));
      await symlink('b', join(source, 'c'));
      digests.push(await store.put(source));
      await mkdir(join(source, 'd'));
      digests.push(await store.put(source));
      expect(new Set(digests).size).toBe(digests.length);
    });

    test('putting the same again, also at the same time, changes nothing', async () => {
      await fill({ a: '1' });
      const digests = await Promise.all(Array.from({ length: 4 }, () => store.put(source)));
      expect(new Set(digests).size).toBe(1);
      expect(await readFile(join(await store.folder(digests[0] ?? ''), 'a'), 'utf8')).toBe('1');
    });

    test('nothing at all is refused', async () => {
      await mkdir(join(source, 'empty'));
      await expect(store.put(source)).rejects.toMatchObject({ code: 'ARTIFACT_EMPTY', blame: 'user' });
    });

    test('what is not stored is not there', async () => {
      const digest = `sha256:${'0'.repeat(64)}`;
      expect(await store.has(digest)).toBe(false);
      await expect(store.folder(digest)).rejects.toMatchObject({ code: 'ARTIFACT_MISSING', blame: 'outside' });
    });

    test('keepOnly deletes the others and says which', async () => {
      await fill({ a: '1' });
      const one = await store.put(source);
      await fill({ a: '2' });
      const two = await store.put(source);
      expect(await store.keepOnly(new Set([two]))).toEqual([one]);
      expect(await store.has(one)).toBe(false);
      expect(await store.has(two)).toBe(true);
      expect(await store.keepOnly(new Set([two]))).toEqual([]);
    });
  });
}
