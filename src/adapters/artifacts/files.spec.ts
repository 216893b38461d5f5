import { execFileSync, spawn } from 'node:child_process';
import { appendFile, chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { artifactsContract } from '../../../test/contracts/artifacts.ts';
import type { FileArtifacts } from './files.ts';
import { fileArtifacts } from './files.ts';
import type { Entry } from './tree.ts';
import { linkOutside } from './tree.ts';
import { removeTree } from '../../lib/unfinished.ts';

// Real processes and folders on a machine that may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

artifactsContract('files', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-artifacts-'));
  return { store: fileArtifacts({ dir: join(dir, 'store') }), dispose: () => removeTree(dir) };
});

describe('files', () => {
  let dir: string;
  let source: string;
  let store: FileArtifacts;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sluice-artifacts-'));
    source = join(dir, 'source');
    await mkdir(source);
    store = fileArtifacts({ dir: join(dir, 'store') });
  });
  afterEach(() => removeTree(dir));

  async function stored(): Promise<{ digest: string; folder: string }> {
    await mkdir(join(source, 'deep'));
    await writeFile(join(source, 'deep/a'), 'content');
    const digest = await store.put(source);
    return { digest, folder: await store.folder(digest) };
  }

  const damages: Record<string, (folder: string) => Promise<void>> = {
    'a file is missing': (folder) => rm(join(folder, 'deep/a')),
    'a file was cut off': (folder) => writeFile(join(folder, 'deep/a'), 'con'),
    'a file became executable': (folder) => chmod(join(folder, 'deep/a'), 0o755),
    'its list of contents is broken': (folder) => writeFile(join(folder, '../contents.json'), '{"schema":1,"entries":[]}'),
  };
  test.each(Object.entries(damages))('%s: seen, and healed by the next put', async (_name, damage) => {
    const { digest, folder } = await stored();
    await chmod(join(folder, 'deep'), 0o755);
    for (const path of [join(folder, 'deep/a'), join(folder, '../contents.json')]) await chmod(path, 0o644);
    await damage(folder);
    expect(await store.has(digest)).toBe(false);
    await expect(store.folder(digest)).rejects.toMatchObject({ code: 'ARTIFACT_DAMAGED' });
    expect(await store.put(source)).toBe(digest);
    await store.verify(digest);
  });

  test('what some program added beside the files is found by verify, and stands in no way', async () => {
    const { digest, folder } = await stored();
    await chmod(join(folder, 'deep'), 0o755);
    await writeFile(join(folder, 'deep/cache'), '');
    expect(await store.folder(digest)).toBe(folder);
    await expect(store.verify(digest)).rejects.toMatchObject({
      code: 'ARTIFACT_DAMAGED',
      message: expect.stringContaining('deep/cache was added'),
    });
  });

  test('a change of bytes alone is found before anything is started from it, and mended by building again', async () => {
    const { digest, folder } = await stored();
    await store.verify(digest);
    await chmod(join(folder, 'deep/a'), 0o644);
    await writeFile(join(folder, 'deep/a'), 'CONTENT');
    await chmod(join(folder, 'deep/a'), 0o444);
    await expect(store.verify(digest)).rejects.toMatchObject({ code: 'ARTIFACT_DAMAGED', message: expect.stringContaining('deep/a') });
    await expect(store.folder(digest)).rejects.toMatchObject({ code: 'ARTIFACT_DAMAGED', message: expect.stringContaining('deep/a') });
    expect(await store.has(digest)).toBe(false);
    expect(await store.put(source)).toBe(digest);
    expect(await readFile(join(await store.folder(digest), 'deep/a'), 'utf8')).not.toBe('CONTENT');
  });

  test('a named pipe is refused', async () => {
    execFileSync('mkfifo', [join(source, 'pipe')]);
    await expect(store.put(source)).rejects.toMatchObject({ code: 'ARTIFACT_UNSUPPORTED_FILE', message: expect.stringContaining('pipe') });
  });

  test('a link that leads outside is refused, by name, and nothing is kept', async () => {
    await writeFile(join(source, 'a'), '1');
    await symlink('/etc/passwd', join(source, 'absolute'));
    await expect(store.put(source)).rejects.toMatchObject({ code: 'ARTIFACT_LINK_OUTSIDE', message: expect.stringContaining('absolute') });
    expect(await readdir(join(dir, 'store')).catch(() => [])).toEqual([]);
  });

  const link = (path: string, target: string): Entry => ({ path, kind: 'link', target });
  test.each<[string, Entry[], boolean]>([
    ['beside it', [link('a', 'b')], false],
    ['up and down again', [link('x/a', '../y/b')], false],
    ['to the top itself', [link('x/a', '..')], false],
    ['one too far up', [link('x/a', '../..')], true],
    ['out and in again', [link('a', '../store/a')], true],
    ['out by way of another link', [link('top', '.'), link('a', 'top/..')], true],
    ['in by way of a deep link', [link('deep', 'x/y/z'), link('a', 'deep/../..')], false],
    ['in a circle', [link('a', 'b'), link('b', 'a')], false],
    ['to nothing', [link('a', 'none/such')], false],
  ])('a link %s', (_name, entries, outside) => {
    expect(linkOutside(entries) !== null).toBe(outside);
  });

  test('what a killed process left unfinished is neither seen nor kept', async () => {
    for (let i = 0; i < 400; i += 1) await writeFile(join(source, `file-${i}`), String(i).repeat(2000));
    const program = `import { fileArtifacts } from ${JSON.stringify(new URL('./files.ts', import.meta.url).href)};
      process.stdout.write('ready'); await fileArtifacts({ dir: process.argv[1] }).put(process.argv[2]);`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program, join(dir, 'store'), source], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const unfinished = join(dir, 'store/.unfinished');
    const deadline = Date.now() + 10_000;
    while ((await readdir(unfinished).catch(() => [])).length === 0 && Date.now() < deadline) await new Promise(setImmediate);
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    expect((await readdir(join(dir, 'store'))).filter((name) => name !== '.unfinished')).toEqual([]);
    expect(await readdir(unfinished)).toHaveLength(1);
    await store.keepOnly(new Set());
    expect(await readdir(unfinished)).toEqual([]);
    await store.verify(await store.put(source));
  });

  test.runIf(canMount())('a full disk: said so, and nothing half-written is left', async () => {
    const disk = join(dir, 'disk');
    await mkdir(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk]);
    try {
      const small = fileArtifacts({ dir: join(disk, 'store') });
      await writeFile(join(source, 'a'), 'fits');
      const digest = await small.put(source);
      for (let i = 0; i < 20; i += 1) await appendFile(join(source, 'b'), Buffer.alloc(100_000, i));
      await expect(small.put(source)).rejects.toMatchObject({ code: 'DISK_FULL', blame: 'outside' });
      expect((await readdir(join(disk, 'store'))).toSorted()).toEqual(['.unfinished', digest.slice(7)]);
      expect(await readdir(join(disk, 'store/.unfinished'))).toEqual([]);
      await small.verify(digest);
    } finally {
      execFileSync('umount', [disk]);
    }
  });
});

/** Whether this process may mount a small file system (root outside a container). */
function canMount(): boolean {
  try {
    execFileSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', tmpdir()], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
