import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, describe, expect, it } from 'vitest';
import { scanSecrets, type ScanRequest, type ScanResult } from './scan.ts';
import { openSession } from '../../cli/session/open.ts';
import { createProgram } from '../../cli/program.ts';
import { processTerminal } from '../../cli/session/terminal.ts';
import { secretsSarif } from '../../core/secret-scan/sarif.ts';

const PATIENCE = { timeout: 60_000 };
/** Random-looking letters, the same in each run: no secret stands in this file. */
function letters(length: number, seed = 7): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
  let state = seed;
  return Array.from({ length }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return alphabet.charAt((state >> 8) % alphabet.length);
  }).join('');
}
const TOKEN = `ghp_${letters(36)}`;

const made: string[] = [];
afterAll(() => Promise.all(made.map((dir) => rm(dir, { recursive: true, force: true }))));

function git(dir: string, ...args: string[]): string {
  const who = { GIT_AUTHOR_NAME: 'A', GIT_AUTHOR_EMAIL: 'a@b.c', GIT_COMMITTER_NAME: 'A', GIT_COMMITTER_EMAIL: 'a@b.c' };
  const env = { PATH: process.env['PATH'], HOME: dir, GIT_CONFIG_NOSYSTEM: '1', ...who };
  return execFileSync('git', args, { cwd: dir, encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'pipe'] });
}
async function repository(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-looked-'));
  made.push(dir);
  git(dir, 'init', '--quiet', '--initial-branch=main');
  await writeFile(join(dir, '.gitignore'), '.env*\n.sluice/\n');
  await put(dir, 'clean.txt', 'nothing here\n');
  return dir;
}
async function put(dir: string, path: string, content: string | Buffer): Promise<void> {
  await writeFile(join(dir, path), content);
}
function commit(dir: string): void {
  git(dir, 'add', '--all');
  git(dir, 'commit', '--quiet', '--allow-empty', '-m', 'x');
}
const scan = (dir: string, what: ScanRequest['what'] = { kind: 'tree' }): Promise<ScanResult> => scanSecrets(dir, { what, force: false });
const STAGED = { kind: 'staged' } as const;
const range = (name: string) => ({ kind: 'range', range: name }) as const;
const placesOf = ({ findings }: ScanResult): string[] => findings.map((one) => `${one.path}:${one.line} ${one.rule}`).toSorted();
const utf16 = (text: string): Buffer => Buffer.from(`\uFEFF${text}`, 'utf16le');

async function sluice(dir: string, ...argv: string[]): Promise<{ exit: number; out: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  let out = '';
  stdout.on('data', (part: Buffer) => (out += part.toString()));
  const terminal = processTerminal({ stdin: new PassThrough(), stdout, stderr, env: {} });
  const surroundings = { terminal, env: {}, cwd: dir, version: '0.0.0', self: [] };
  return {
    exit: await createProgram('0.0.0', terminal, (options) => openSession(surroundings, options)).run([...argv, '--workspace', dir]),
    out,
  };
}

const python = spawnSync('python3', ['--version']).status === 0;
describe.skipIf(!python)('the published inputs', () => {
  const expected: Readonly<Record<string, readonly string[]>> = {
    'scan-utf16': ['utf16be.txt:1 github-token', 'utf16le.ps1:1 github-token', 'utf8.txt:1 github-token'],
    'scan-pgp-key': ['plain.asc:3 private-key', 'version.asc:4 private-key'],
    'scan-url-without-user': ['redis.txt:1 url-password', 'redis.txt:2 url-password'],
  };
  it.each(Object.entries(expected))('%s: found in the tree, staged, and in a range', PATIENCE, async (name, places) => {
    const dir = await repository();
    commit(dir);
    execFileSync('python3', [join(import.meta.dirname, '../../../test/fixtures/cases', name, 'make.py')], { cwd: dir });
    expect(placesOf(await scan(dir))).toEqual(places);
    git(dir, 'add', '--all');
    expect(placesOf(await scan(dir, STAGED))).toEqual(places);
    commit(dir);
    expect(placesOf(await scan(dir, range('HEAD~1')))).toEqual(places);
  });
});

describe('a file that is not looked at', () => {
  it('is named, with the reason, in the output, in JSON and in SARIF', PATIENCE, async () => {
    const dir = await repository();
    await put(dir, 'data.bin', Buffer.from([1, 2, 0, 0, 0, 3]));
    await put(dir, 'package-lock.json', '{}');
    await put(dir, 'large.txt', Buffer.alloc(17 * 1024 * 1024, 'a\n'));
    await put(dir, 'big.psd', `version https://git-lfs.github.com/spec/v1\noid sha256:${'a'.repeat(64)}\nsize 9\n`);
    await put(dir, 'wide.txt', Buffer.from([0xff, 0xfe, 0, 0, 0x61, 0, 0, 0]));
    await symlink('/etc/hostname', join(dir, 'untracked-link'));
    await symlink('clean.txt', join(dir, 'link'));
    git(dir, 'add', 'link');
    const reasons = Object.fromEntries((await scan(dir)).skipped.map(({ path, reason }) => [path, reason]));
    expect(reasons).toEqual({
      'data.bin': 'binary',
      'package-lock.json': 'leftOut',
      'large.txt': 'tooLarge',
      'big.psd': 'lfs',
      'wide.txt': 'encoding',
      'untracked-link': 'symlink',
      link: 'symlink',
    });
    const { exit, out } = await sluice(dir, 'scan');
    expect(exit).toBe(0);
    for (const path of Object.keys(reasons)) expect(out).toMatch(new RegExp(`Not looked at, .*${path.replaceAll('.', '\\.')}`));
    const json = JSON.parse((await sluice(dir, 'scan', '--json')).out) as { skipped: unknown[]; verdict: string };
    expect([json.skipped.length, json.verdict]).toEqual([7, 'clean']);
    expect(JSON.stringify(secretsSarif(await scan(dir), '0'))).toContain('larger than 16 MiB');
  });

  it('because it is a pipe, is not waited for, and the scan is no success', PATIENCE, async () => {
    const dir = await repository();
    commit(dir);
    await rm(join(dir, 'clean.txt'));
    execFileSync('mkfifo', [join(dir, 'clean.txt')]);
    const result = await scan(dir);
    expect([result.verdict, result.skipped]).toEqual(['undecided', [{ path: 'clean.txt', reason: 'unreadable' }]]);
    expect((await sluice(dir, 'scan')).exit).toBe(3);
    expect(JSON.stringify(secretsSarif(result, '0'))).toContain('"executionSuccessful":false');
  });

  it('is a submodule', PATIENCE, async () => {
    const dir = await repository();
    commit(dir);
    git(dir, 'update-index', '--add', '--cacheinfo', `160000,${git(dir, 'rev-parse', 'HEAD').trim()},vendor`);
    expect((await scan(dir)).skipped).toContainEqual({ path: 'vendor', reason: 'submodule' });
  });
});

describe('a scan that looked at nothing', () => {
  it('of a tree is no success', PATIENCE, async () => {
    const dir = await repository();
    await rm(join(dir, 'clean.txt'));
    await put(dir, '.git/info/exclude', '.gitignore\n.env\n.sluice\n');
    const { exit, out } = await sluice(dir, 'scan');
    expect([exit, out]).toEqual([3, expect.stringContaining('Nothing was looked at')]);
    expect(out).not.toContain('0 secrets');
  });
  it('of a range without a commit is an error, and of a commit without new lines says so', PATIENCE, async () => {
    const dir = await repository();
    commit(dir);
    await expect(scan(dir, range('HEAD..HEAD'))).rejects.toMatchObject({ code: 'SCAN_NO_COMMITS' });
    await rm(join(dir, 'clean.txt'));
    commit(dir);
    const { exit, out } = await sluice(dir, 'scan', '--range', 'HEAD~1');
    expect([exit, out]).toEqual([0, expect.stringContaining('these commits add no line')]);
  });
  it('of commits that a shallow clone lacks says what to fetch', PATIENCE, async () => {
    const dir = await repository();
    commit(dir);
    git(dir, 'checkout', '--quiet', '-b', 'topic');
    for (const text of [TOKEN, 'gone', 'later', 'last']) {
      await put(dir, 'a.txt', `${text}\n`);
      commit(dir);
    }
    const shallow = `${dir}-shallow`;
    made.push(shallow);
    git(dir, 'clone', '--quiet', '--depth', '2', '--no-single-branch', `file://${dir}`, shallow);
    await expect(scan(shallow, range('origin/main..HEAD'))).rejects.toMatchObject({
      code: 'SCAN_HISTORY_MISSING',
      hint: expect.stringContaining('git fetch --unshallow'),
    });
    git(shallow, 'fetch', '--quiet', '--unshallow');
    expect(placesOf(await scan(shallow, range('origin/main..HEAD')))).toEqual(['a.txt:1 github-token']);
  });
});

describe('what git shows otherwise than it is', () => {
  it('a secret that is staged, and no longer in the file, or whose file is gone', PATIENCE, async () => {
    const dir = await repository();
    commit(dir);
    await put(dir, 'a.txt', `${TOKEN}\n`);
    await put(dir, 'b.txt', `\n${TOKEN}\n`);
    git(dir, 'add', '--all');
    await put(dir, 'a.txt', 'taken out again\n');
    await rm(join(dir, 'b.txt'));
    expect(placesOf(await scan(dir))).toEqual(['a.txt:1 github-token', 'b.txt:2 github-token']);
  });

  it('a file that git was told not to compare is no clean blob', PATIENCE, async () => {
    const dir = await repository();
    commit(dir);
    expect((await scan(dir)).findings).toEqual([]);
    git(dir, 'update-index', '--skip-worktree', 'clean.txt');
    await put(dir, 'clean.txt', `${TOKEN}\n`);
    expect(placesOf(await scan(dir))).toEqual(['clean.txt:1 github-token']);
  });

  it('content that was left out under one name is looked at under another', PATIENCE, async () => {
    const dir = await repository();
    await put(dir, 'yarn.lock', `${TOKEN}\n`);
    commit(dir);
    expect((await scan(dir)).findings).toEqual([]);
    await rename(join(dir, 'yarn.lock'), join(dir, 'notes.txt'));
    git(dir, 'add', '--all');
    expect(placesOf(await scan(dir))).toEqual(['notes.txt:1 github-token']);
    commit(dir);
    expect(placesOf(await scan(dir, range('HEAD~1')))).toEqual(['notes.txt:1 github-token']);
  });

  it('lines of a file that attributes call binary, and the new ones of a file in UTF-16', PATIENCE, async () => {
    const dir = await repository();
    await put(dir, '.gitattributes', '*.txt -diff\n');
    await put(dir, 'wide.ps1', utf16('one\r\ntwo\r\n'));
    commit(dir);
    await put(dir, 'hidden.txt', `${TOKEN}\n`);
    await put(dir, 'wide.ps1', utf16(`one\r\n$t = "${TOKEN}"\r\ntwo\r\n`));
    git(dir, 'add', '--all');
    const places = ['hidden.txt:1 github-token', 'wide.ps1:2 github-token'];
    expect(placesOf(await scan(dir, STAGED))).toEqual(places);
    commit(dir);
    expect(placesOf(await scan(dir, range('HEAD~1')))).toEqual(places);
  });

  it('a secret that a merged branch added and took away again', PATIENCE, async () => {
    const dir = await repository();
    commit(dir);
    git(dir, 'checkout', '--quiet', '-b', 'topic');
    await put(dir, 'a.txt', `${TOKEN}\n`);
    commit(dir);
    await put(dir, 'a.txt', 'gone\n');
    commit(dir);
    git(dir, 'checkout', '--quiet', 'main');
    git(dir, 'merge', '--quiet', '--no-ff', '-m', 'm', 'topic');
    expect(placesOf(await scan(dir, range('HEAD^1..HEAD')))).toEqual(['a.txt:1 github-token']);
  });

  it('a link that became a file', PATIENCE, async () => {
    const dir = await repository();
    await symlink('clean.txt', join(dir, 'a'));
    commit(dir);
    await rm(join(dir, 'a'));
    await put(dir, 'a', `${TOKEN}\n`);
    commit(dir);
    expect(placesOf(await scan(dir, range('HEAD~1')))).toEqual(['a:1 github-token']);
  });
});

it('a pattern of .gitleaks.toml that would never end elsewhere ends, and finds', PATIENCE, async () => {
  const dir = await repository();
  const rule = (id: string, regex: string): string => `[[rules]]\nid = "${id}"\nregex = '''${regex}'''\n`;
  await put(
    dir,
    '.gitleaks.toml',
    `[extend]\nuseDefault = true\n${rule('evil', '([a-z]+)+[0-9]$')}${rule('worse', '^(([a-z])+.)+[A-Z]([a-z])+$')}`,
  );
  await put(dir, 'long.txt', `${'a'.repeat(100_000)}!`);
  await put(dir, 'found.txt', 'qwertzuiop7');
  expect(placesOf(await scan(dir))).toEqual(['found.txt:1 evil']);
});
