import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lookAround } from './look.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-look-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

it('sees every file of a folder without git, but not what tools have put there', async () => {
  await mkdir(join(dir, 'api/src'), { recursive: true });
  await mkdir(join(dir, 'api/node_modules/left-pad'), { recursive: true });
  await writeFile(join(dir, 'api/package.json'), '{}');
  await writeFile(join(dir, 'api/src/index.js'), '');
  await writeFile(join(dir, 'api/node_modules/left-pad/package.json'), '{}');
  const { paths, texts } = await lookAround(dir);
  expect([...paths].toSorted()).toEqual(['api/package.json', 'api/src/index.js']);
  expect(texts.get('api/package.json')).toBe('{}');
});

it('does not search through everything that somebody has', async () => {
  for (let i = 0; i < 60; i++) await Promise.all(Array.from({ length: 90 }, (_, j) => mkdir(join(dir, `${i}/${j}`), { recursive: true })));
  await expect(lookAround(dir)).rejects.toMatchObject({ code: 'NOT_A_WORKSPACE', hint: expect.stringContaining('git init') });
});

it('names what is in no encoding that its tools read, and reads what they read', async () => {
  const files = {
    'a/package.json': '\uFEFF{"name":"a"}',
    'b/requirements.txt': Buffer.from('\uFEFFflask\r\n', 'utf16le'),
    'c/package.json': Buffer.from('\uFEFF{"name":"c"}', 'utf16le'),
    'd/package.json': Buffer.from('{"name":"d\xe9"}', 'latin1'),
    'a/index.js': Buffer.from("'\xe9'", 'latin1'),
    'e/pyproject.toml': '[project]\r\nname = "e"\r\n',
  };
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(dir, path, '..'), { recursive: true });
    await writeFile(join(dir, path), content);
  }
  const { texts, unread } = await lookAround(dir);
  expect(Object.fromEntries(unread ?? [])).toEqual({
    'c/package.json': 'it is no UTF-8 text',
    'd/package.json': 'it is no UTF-8 text',
  });
  expect([texts.get('a/package.json'), texts.get('b/requirements.txt'), texts.get('a/index.js')]).toEqual([
    '{"name":"a"}',
    'flask\r\n',
    undefined,
  ]);
  expect(texts.has('e/pyproject.toml')).toBe(true);
});

it.each(['with git', 'without git'])('names links that lead outside of the workspace, %s, and not those within it', async (how) => {
  const outside = await mkdtemp(join(tmpdir(), 'sluice-look-outside-'));
  try {
    await mkdir(join(dir, 'apps/web'), { recursive: true });
    await writeFile(join(dir, 'apps/web/package.json'), '{}');
    await writeFile(join(outside, 'package.json'), '{}');
    await symlink(outside, join(dir, 'apps/other'));
    await symlink('apps/web', join(dir, 'web'));
    await symlink('apps/web/package.json', join(dir, 'one.json'));
    if (how === 'with git') {
      execFileSync('git', ['init', '-q'], { cwd: dir });
      execFileSync('git', ['add', '-A'], { cwd: dir });
    }
    const { unread } = await lookAround(dir);
    expect([...(unread ?? [])]).toEqual([['apps/other', expect.stringMatching(/^it is a link to .*, outside of the workspace$/)]]);
  } finally {
    await rm(outside, { recursive: true, force: true });
  }
});

it('names other repositories within it', async () => {
  const git = (...args: readonly string[]): void =>
    void execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b.example', ...args], { cwd: dir, stdio: 'ignore' });
  await mkdir(join(dir, 'apps/web'), { recursive: true });
  await writeFile(join(dir, 'apps/web/package.json'), '{}');
  git('init', '-q');
  git('init', '-q', 'apps/web');
  git('-C', 'apps/web', 'add', '-A');
  git('-C', 'apps/web', 'commit', '-qm', 'one');
  git('add', '-A');
  const { unread } = await lookAround(dir);
  expect([...(unread ?? [])]).toEqual([['apps/web', 'it is another repository, a submodule']]);
});
