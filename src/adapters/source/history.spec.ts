import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { gitHistory } from './history.ts';

let dir: string;
const git = (...args: string[]): string => execFileSync('git', args, { cwd: dir, encoding: 'utf8' }).trim();

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-history-'));
  git('init', '-q');
  const files = ['package.json', 'a/package.json', 'a/b/c/package.json', 'a/xpackage.json', 'a/package.json.bak', 'package.json.d/x'];
  const others = [
    'ä/tsconfig.build.json',
    'a/tsconfig',
    'a/b/tsconfig.json',
    'web.Dockerfile',
    'a/Dockerfile',
    'a/Dockerfile.dev',
    'a/x y',
  ];
  for (const path of [...files, ...others, 'below/deep/x']) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), path);
  }
  await symlink('a', join(dir, 'link'));
  git('add', '-A');
  git('update-index', '--add', '--cacheinfo', '160000,1111111111111111111111111111111111111111,vendored');
  git('-c', 'user.name=a', '-c', 'user.email=a@example.com', 'commit', '-q', '-m', 'x');
});
afterAll(() => rm(dir, { recursive: true, force: true }));

test.each([
  [['package.json'], ['a/b/c/package.json', 'a/package.json', 'package.json']],
  [['tsconfig*.json'], ['a/b/tsconfig.json', 'ä/tsconfig.build.json']],
  [
    ['Dockerfile', 'Dockerfile.*', '*.Dockerfile'],
    ['a/Dockerfile', 'a/Dockerfile.dev', 'web.Dockerfile'],
  ],
  [['go.mod'], []],
])('files called %j are listed, in any folder', async (names, paths) => {
  const found = await gitHistory({ dir }).list(git('rev-parse', 'HEAD'), names);
  expect(found.map(({ path }) => path).toSorted()).toEqual(paths);
  for (const { path, id } of found) expect(id).toBe(git('rev-parse', `HEAD:${path}`));
});

describe('identities', () => {
  const paths = ['a', 'a/b/c', 'a/b/c/package.json', 'a/x y', 'link', 'package.json', '.', 'ä', 'below/deep'];

  test('of files and folders, in the order asked for, twice too', async () => {
    const ids = await gitHistory({ dir }).ids('HEAD', [...paths, 'a']);
    const wanted = paths.map((path) => git('rev-parse', path === '.' ? 'HEAD^{tree}' : `HEAD:${path}`));
    expect(ids).toEqual([...wanted, wanted[0]]);
  });

  test('nothing lies below a file, and what is not there has none', async () => {
    expect(await gitHistory({ dir }).ids('HEAD', ['package.json/x', 'none', 'a/none/x'])).toEqual([null, null, null]);
  });

  test('what is read through a link or another repository is as the link or the repository is', async () => {
    const ids = await gitHistory({ dir }).ids('HEAD', ['link/b', 'vendored/x', 'vendored/y/z']);
    expect(ids).toEqual([git('rev-parse', 'HEAD:link'), '1'.repeat(40), '1'.repeat(40)]);
  });

  test('another repository counts by its commit', async () => {
    expect(await gitHistory({ dir }).ids('HEAD', ['vendored'])).toEqual(['1'.repeat(40)]);
  });

  test('of a workspace that is a folder of the repository', async () => {
    const at = git('rev-parse', 'HEAD');
    const history = gitHistory({ dir: join(dir, 'a') });
    expect(await history.ids(at, ['.', 'b'])).toEqual([git('rev-parse', 'HEAD:a'), git('rev-parse', 'HEAD:a/b')]);
    expect((await history.list(at, ['package.json'])).map(({ path }) => path)).toEqual(['b/c/package.json', 'package.json']);
  });
});

describe('the git that is asked', () => {
  test('may be too old to be asked for many at once', async () => {
    const bin = await mkdtemp(join(tmpdir(), 'sluice-old-git-'));
    const real = execFileSync('which', ['git'], { encoding: 'utf8' }).trim();
    await writeFile(
      join(bin, 'git'),
      `#!/bin/sh\ncase "$*" in *batch-command*) echo "error: unknown option" >&2; exit 129;; esac\nexec ${real} "$@"\n`,
    );
    await chmod(join(bin, 'git'), 0o755);
    vi.stubEnv('PATH', `${bin}:${process.env['PATH']}`);
    try {
      const history = gitHistory({ dir });
      const [id, ids] = await Promise.all([history.resolve('HEAD'), history.ids('HEAD', ['a', 'none'])]);
      expect([id, ...ids]).toEqual([git('rev-parse', 'HEAD'), git('rev-parse', 'HEAD:a'), null]);
      expect(await history.texts([git('rev-parse', 'HEAD:a/x y'), '1'.repeat(40)])).toEqual(['a/x y', null]);
    } finally {
      vi.unstubAllEnvs();
      await rm(bin, { recursive: true, force: true });
    }
  });

  test('reads large files whole, and small ones beside them', async () => {
    const large = 'x'.repeat(3_000_001);
    await writeFile(join(dir, 'large'), large);
    const [id, small] = [git('hash-object', '-w', 'large'), git('rev-parse', 'HEAD:a/x y')];
    const [ids, texts] = [
      [small, id, '1'.repeat(40), small, id],
      ['a/x y', large, null, 'a/x y', large],
    ];
    expect(await gitHistory({ dir }).texts(ids)).toEqual(texts);
    const many = Array.from({ length: 50 }, (_, i) => (i < 48 ? [small, git('rev-parse', 'HEAD:a'), small] : ids)).flat();
    const found = await gitHistory({ dir }).texts(many);
    expect(found.slice(0, 3)).toEqual(['a/x y', null, 'a/x y']);
    expect(found.slice(-10)).toEqual([...texts, ...texts]);
    vi.stubEnv('TMPDIR', join(dir, 'none'));
    expect(await gitHistory({ dir }).texts(many)).toEqual(found);
    vi.unstubAllEnvs();
  });

  test('is asked again after it was not needed for a while, and after what is no name', async () => {
    const history = gitHistory({ dir });
    const head = await history.resolve('HEAD');
    await new Promise((resolve) => setTimeout(resolve, 400));
    await expect(history.resolve('HEAD\nHEAD')).rejects.toMatchObject({ code: 'COMMIT_UNKNOWN' });
    expect(await history.resolve('HEAD')).toBe(head);
  });

  test('says what is wrong with a folder that is in no repository, or not there', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'sluice-no-repository-'));
    await expect(gitHistory({ dir: outside }).resolve('HEAD')).rejects.toMatchObject({ code: 'NOT_A_REPOSITORY' });
    await rm(outside, { recursive: true });
    await expect(gitHistory({ dir: outside }).resolve('HEAD')).rejects.toMatchObject({ code: 'GIT_NOT_FOUND' });
  });
});
