import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { gitHistory } from './history.ts';

const COMMITS = 40;
/** Names around the slash in the order of bytes, and others that are easily mistaken. */
const NAMES = ['a', 'a-b', 'a.b', 'a0', 'ab', 'package.json', 'ä', '\u{1f600}', '\uffee', 'x y', '-n', 'go.mod'];
/** Another repository: nothing below it is ours. */
const GITLINK = '160000';

let dir: string;
const commits: string[] = [];
const git = (args: readonly string[], cwd = dir): string => execFileSync('git', args, { cwd, encoding: 'utf8' });

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-differing-'));
  git(['init', '-q']);
  const next = random(7);
  const pick = (): string => NAMES[next(NAMES.length)] ?? 'a';
  for (let commit = 0; commit < COMMITS; commit += 1) {
    git(['config', 'core.symlinks', 'true']);
    for (let edit = next(5); edit >= 0; edit -= 1)
      await change([pick(), ...(next(3) > 0 ? [pick()] : []), ...(next(3) > 1 ? [pick()] : [])].join('/'), next);
    git(['add', '-A']);
    if (next(4) === 0) git(['update-index', '--add', '--cacheinfo', `${GITLINK},${String(next(9) + 1).repeat(40)},vendored`]);
    git(['-c', 'user.name=a', '-c', 'user.email=a@example.com', 'commit', '-q', '--allow-empty', '-m', 'x']);
    commits.push(git(['rev-parse', 'HEAD']).trim());
  }
}, 120_000);
afterAll(() => rm(dir, { recursive: true, force: true }));

/** What an entry is by git's mode; a file is not said. */
const LINKS: Readonly<Record<string, 'link' | 'repository'>> = { '120000': 'link', '160000': 'repository' };

describe('as git tells it', () => {
  const pairs = Array.from({ length: 60 }, (_, i): [number, number] => [(i * 7) % COMMITS, (i * 11 + 3) % COMMITS]);

  test.each(['.', 'a', 'package.json'])('what differs between two commits, seen from %s', async (folder) => {
    await mkdir(join(dir, folder), { recursive: true }).catch(() => undefined);
    const cwd = join(dir, folder);
    if (folder !== '.' && git(['ls-tree', '-d', 'HEAD', folder]) === '') return;
    const history = gitHistory({ dir: cwd });
    let some = 0;
    for (const [from, to] of pairs) {
      const [a, b] = [commits[from] ?? '', commits[to] ?? ''];
      const args = ['diff', '--raw', '-z', '--no-renames', '--no-abbrev', '--ignore-submodules=none', '--relative', a, b];
      const parts = git(args, cwd).split('\0');
      const wanted = parts.flatMap((line, i) => {
        const fields = line.split(' ');
        return i % 2 === 1 || fields.length < 5 ? [] : [{ path: parts[i + 1], id: fields[4] === 'D' ? null : fields[3] }];
      });
      some += wanted.length;
      expect(await history.changed(a, b)).toEqual(wanted);
    }
    expect(some).toBeGreaterThan(20);
  });

  test('which files have a name, in its order', async () => {
    const history = gitHistory({ dir });
    let some = 0;
    for (const at of commits) {
      const lines = git(['ls-tree', '-r', '-z', at]).split('\0').slice(0, -1);
      const files = lines.map((line) => {
        const [mode = '', , id] = line.split(/[ \t]/);
        const link = LINKS[mode];
        return { path: line.slice(line.indexOf('\t') + 1), id, ...(link === undefined ? {} : { link }) };
      });
      const named = (pattern: RegExp) => files.filter(({ path }) => pattern.test(path));
      some += named(/(^|\/)package\.json$/).length;
      expect(await history.list(at, ['package.json', 'go.mod'])).toEqual(named(/(^|\/)(package\.json|go\.mod)$/));
      expect(await history.list(at, ['a*', '*.json'])).toEqual(named(/(^|\/)(a[^/]*|[^/]*\.json)$/));
      expect(await history.list(at, ['a', 'a.?', 'x y'])).toEqual(named(/(^|\/)(a|a\.[^/]|x y)$/));
      expect(await history.list(at, ['*'])).toEqual(files);
    }
    expect(some).toBeGreaterThan(20);
  });

  test('a commit that is not there is no commit without files', async () => {
    const history = gitHistory({ dir });
    const [none, first = ''] = ['1'.repeat(40), ...commits];
    await expect(history.changed(none, first)).rejects.toMatchObject({ code: 'SOURCE_FAILED' });
    await expect(history.changed(first, none)).rejects.toMatchObject({ code: 'SOURCE_FAILED' });
    await expect(history.list(none, ['package.json'])).rejects.toMatchObject({ code: 'SOURCE_FAILED' });
    expect(await history.list(first, ['none'])).toEqual([]);
  });
});

/** Write a file, a program or a link, or remove what is there; what is in the way goes. */
async function change(path: string, next: (below: number) => number): Promise<void> {
  const parts = path.split('/');
  for (const [i] of parts.entries()) {
    const above = join(dir, ...parts.slice(0, i));
    if (i > 0) await mkdir(above, { recursive: true }).catch(() => rm(above, { force: true }));
  }
  const file = join(dir, path);
  const what = next(8);
  await rm(file, { recursive: true, force: true }).catch(() => undefined);
  if (what === 0) return;
  await mkdir(dirname(file), { recursive: true });
  if (what === 1) await symlink(String(next(3)), file);
  else await writeFile(file, String(next(3)));
  if (what === 2) await chmod(file, 0o755);
}

function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
