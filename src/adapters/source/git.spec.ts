import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { gitSource } from './git.ts';

// Real processes and folders on a machine that may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let dir: string;
let out: string;

beforeEach(async () => {
  dir = await realpath(await mkdtemp(join(tmpdir(), 'sluice-source-')));
  out = await mkdtemp(join(tmpdir(), 'sluice-out-'));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
  await rm(out, { recursive: true, force: true });
});

function git(cwd: string, ...args: string[]): string {
  const identity = ['-c', 'user.name=t', '-c', 'user.email=t@example.com', '-c', 'init.defaultBranch=main'];
  return execFileSync('git', [...identity, ...args], { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

async function write(files: Record<string, string>, base = dir): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(base, path, '..'), { recursive: true });
    await writeFile(join(base, path), content);
  }
}

async function commit(files: Record<string, string>): Promise<string> {
  await write(files);
  git(dir, 'add', '-A');
  git(dir, 'commit', '-q', '-m', 'change');
  return git(dir, 'rev-parse', 'HEAD');
}

describe('a repository', () => {
  beforeEach(() => git(dir, 'init', '-q'));

  test('says commit, branch and what is uncommitted, without its own data folder', async () => {
    const id = await commit({ 'a/x.txt': '1', '.gitignore': 'ignored\n' });
    const source = gitSource({ dir });
    expect(await source.head()).toEqual({ commit: id, branch: 'main', uncommitted: [] });
    await write({ 'a/x.txt': '2', 'b/new file.txt': '3', ignored: 'x', '.sluice/data': 'x' });
    expect((await source.head()).uncommitted.toSorted()).toEqual(['a/x.txt', 'b']);
  });

  test('has no commit before the first, and no branch when detached', async () => {
    const source = gitSource({ dir });
    expect((await source.head()).commit).toBeNull();
    await commit({ a: '1' });
    git(dir, 'checkout', '-q', '--detach');
    expect((await source.head()).branch).toBeNull();
  });

  test('tree ids change exactly with the content of the path', async () => {
    const first = await commit({ 'a/x': '1', 'b/x': '1' });
    const second = await commit({ 'a/x': '2' });
    const source = gitSource({ dir });
    const before = await source.trees(first, ['a', 'b', 'none', 'a/x', '.']);
    const after = await source.trees(second, ['a', 'b', '.']);
    expect(before.get('a')).toMatch(/^[0-9a-f]{40}$/);
    expect(after.get('a')).not.toBe(before.get('a'));
    expect(after.get('b')).toBe(before.get('b'));
    expect(after.get('.')).not.toBe(before.get('.'));
    expect(before.get('none')).toBeNull();
    expect(before.get('a/x')).toBeNull();
  });

  test('exports what was committed, not what the working tree says now', async () => {
    await write({ 'app/run.sh': '#!/bin/sh\n', 'app/deep/x.txt': 'committed\r\n', 'other/y': '1' });
    await symlink('deep/x.txt', join(dir, 'app/link'));
    git(dir, 'add', '-A');
    git(dir, 'update-index', '--chmod=+x', 'app/run.sh');
    git(dir, 'commit', '-q', '-m', 'x');
    const id = git(dir, 'rev-parse', 'HEAD');
    await write({ 'app/deep/x.txt': 'dirty', 'app/untracked': '1' });
    git(dir, 'config', 'core.autocrlf', 'true');
    await gitSource({ dir }).export(id, 'app', out);
    expect((await readdir(out)).toSorted()).toEqual(['deep', 'link', 'run.sh']);
    expect(await readFile(join(out, 'link'), 'utf8')).toBe('committed\r\n');
    expect((await stat(join(out, 'run.sh'))).mode & 0o100).toBe(0o100);
  });

  test('a snapshot holds tracked and untracked content, leaves index and tree alone, and stays as it was', async () => {
    await commit({ 'app/x': '1', 'app/gone': '1', '.gitignore': 'ignored\n' });
    await write({ 'app/x': '2', 'app/new': '3', 'app/ignored': 'no', '.sluice/db': 'no' });
    await rm(join(dir, 'app/gone'));
    await write({ 'app/staged': 's' });
    git(dir, 'add', 'app/staged');
    const status = git(dir, 'status', '--porcelain');
    const source = gitSource({ dir });
    const id = await source.snapshot();
    expect(git(dir, 'status', '--porcelain')).toBe(status);
    expect(await source.snapshot()).toBe(id);
    await write({ 'app/x': '4' });
    expect(await source.snapshot()).not.toBe(id);
    await source.export(id, 'app', out);
    expect((await readdir(out)).toSorted()).toEqual(['new', 'staged', 'x']);
    expect(await readFile(join(out, 'x'), 'utf8')).toBe('2');
    expect((await source.trees(id, ['.sluice'])).get('.sluice')).toBeNull();
  });

  test.each(['.sluice', '.sluice/', '/.sluice\n!x', '*'])('a snapshot works where .gitignore says %j', async (ignored) => {
    await commit({ 'app/x': '1', 'other/y': '1' });
    await write({ 'app/x': '2', '.sluice/db': 'no', '.gitignore': `${ignored}\n` });
    const source = gitSource({ dir });
    const id = await source.snapshot();
    expect((await source.trees(id, ['.sluice'])).get('.sluice')).toBeNull();
    await source.export(id, 'app', out);
    expect(await readFile(join(out, 'x'), 'utf8')).toBe('2');
  });

  test('a snapshot of a clean tree is the tree of the commit; one before the first commit works', async () => {
    await write({ 'app/x': '1' });
    const source = gitSource({ dir });
    const early = await source.snapshot();
    await commit({});
    expect(await source.snapshot()).toBe(early);
    expect(git(dir, 'rev-parse', 'HEAD^{tree}')).toBe(early);
  });

  test('a workspace may be a folder of the repository', async () => {
    const id = await commit({ 'examples/shop/web/x': '1', 'examples/other/y': '1' });
    const source = gitSource({ dir: join(dir, 'examples/shop') });
    expect((await source.trees(id, ['web'])).get('web')).toMatch(/^[0-9a-f]{40}$/);
    await source.export(id, '.', out);
    expect(await readdir(out)).toEqual(['web']);
    await write({ 'examples/other/y': '2' });
    expect((await source.head()).uncommitted).toEqual([]);
    await write({ 'examples/shop/web/x': '2', 'examples/shop/.sluice/x': '2' });
    expect((await source.head()).uncommitted).toEqual(['web/x']);
    const snapshot = await source.snapshot();
    expect((await source.trees(snapshot, ['web'])).get('web')).not.toBe((await source.trees(id, ['web'])).get('web'));
    expect((await source.trees(snapshot, ['.sluice'])).get('.sluice')).toBeNull();
  });

  test('a file name is never taken for an option or a pattern', async () => {
    const id = await commit({ '--x/[a]*': '1', 'naïve dir/é': '1' });
    const source = gitSource({ dir });
    const trees = await source.trees(id, ['--x', 'naïve dir']);
    expect(trees.get('--x')).not.toBeNull();
    expect(trees.get('naïve dir')).not.toBeNull();
    await source.export(id, '--x', out);
    expect(await readdir(out)).toEqual(['[a]*']);
  });

  test('unknown commits and paths are said so', async () => {
    const id = await commit({ 'a/x': '1' });
    const source = gitSource({ dir });
    await expect(source.trees('f'.repeat(40), ['a'])).rejects.toMatchObject({ code: 'COMMIT_UNKNOWN' });
    await expect(source.trees('--help', ['a'])).rejects.toMatchObject({ code: 'COMMIT_UNKNOWN' });
    await expect(source.export(id, 'b', out)).rejects.toMatchObject({ code: 'PATH_NOT_COMMITTED' });
  });

  test('variables of a surrounding git hook do not lead astray', async () => {
    const id = await commit({ 'a/x': '1' });
    process.env['GIT_DIR'] = '/nowhere';
    process.env['GIT_INDEX_FILE'] = '/nowhere/index';
    try {
      expect((await gitSource({ dir }).head()).commit).toBe(id);
    } finally {
      delete process.env['GIT_DIR'];
      delete process.env['GIT_INDEX_FILE'];
    }
  });

  test('works in a clone of depth 1, and tells how to get an older commit', async () => {
    const first = await commit({ 'a/x': '1' });
    const second = await commit({ 'a/x': '2' });
    const clone = join(out, 'clone');
    git(out, 'clone', '-q', '--depth', '1', `file://${dir}`, clone);
    const source = gitSource({ dir: clone });
    expect((await source.trees(second, ['a'])).get('a')).toMatch(/^[0-9a-f]{40}$/);
    await expect(source.trees(first, ['a'])).rejects.toMatchObject({
      code: 'COMMIT_UNKNOWN',
      hint: expect.stringContaining('git fetch --depth 1'),
    });
  });
});

test('a folder that is no repository is said so', async () => {
  await expect(gitSource({ dir }).head()).rejects.toMatchObject({ code: 'NOT_A_REPOSITORY', blame: 'user' });
});

test('a folder that is not there is said so', async () => {
  await expect(gitSource({ dir: join(dir, 'none') }).head()).rejects.toMatchObject({ code: 'GIT_NOT_FOUND' });
});
