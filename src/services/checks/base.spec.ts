import { execFile } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkWorkspace, type WorkspaceCheckOptions } from '../../compose/checks.ts';
import { removeTree } from '../../lib/unfinished.ts';
import { gitHistory } from './history.ts';

/** Dozens of git processes on a busy machine. */
const PATIENCE = { timeout: 120_000 };
let root = '';
let full = '';

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sluice-base-'));
  full = join(root, 'full');
  await mkdir(full);
  await git('init', '-q', '-b', 'main');
});
afterEach(async () => removeTree(root));

const ENV = {
  PATH: process.env['PATH'],
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'a',
  GIT_AUTHOR_EMAIL: 'a@example.com',
  GIT_COMMITTER_NAME: 'a',
  GIT_COMMITTER_EMAIL: 'a@example.com',
  GIT_ALLOW_PROTOCOL: 'file',
};
const gitIn = async (dir: string, ...args: string[]): Promise<string> =>
  (await promisify(execFile)('git', args, { cwd: dir, env: { ...ENV, HOME: root } })).stdout.trim();
const git = (...args: string[]): Promise<string> => gitIn(full, ...args);
const commit = async (message: string): Promise<string> => {
  await git('commit', '-q', '--allow-empty', '-m', message);
  return git('rev-parse', 'HEAD');
};
const clone = async (...options: string[]): Promise<string> => {
  const dir = await mkdtemp(join(root, 'clone-'));
  await gitIn(root, 'clone', '-q', ...options, `file://${full}`, dir);
  return dir;
};
const baseOf = (dir: string) => gitHistory(dir).usualBase();
const SHALLOW = { kind: 'unknown', fix: expect.stringMatching(/git fetch --unshallow.*fetch-depth: 0/) };

describe('what a change is compared with', () => {
  it('on the default branch is the commit before, and before the first one nothing', PATIENCE, async () => {
    expect(await baseOf(full)).toEqual({ kind: 'none', why: 'Nothing is committed yet.' });
    const first = await commit('a');
    expect(await baseOf(full)).toEqual({ kind: 'none', why: 'This is the first commit.' });
    await commit('b');
    expect(await baseOf(full)).toEqual({ kind: 'commit', commit: first });
  });

  it('on a branch is where it left the default one, also when both moved on and when it has no commit yet', PATIENCE, async () => {
    const first = await commit('a');
    const fork = await commit('b');
    await git('checkout', '-q', '-b', 'topic');
    expect(await baseOf(full)).toEqual({ kind: 'commit', commit: first });
    await commit('c');
    await commit('d');
    await git('checkout', '-q', 'main');
    await commit('e');
    await git('checkout', '-q', 'topic');
    expect(await baseOf(full)).toEqual({ kind: 'commit', commit: fork });
  });

  it('is not known in a clone of depth 1, and what to fetch is said', PATIENCE, async () => {
    await commit('a');
    await commit('b');
    const dir = await clone('--depth', '1');
    expect(await baseOf(dir)).toMatchObject(SHALLOW);
    await gitIn(dir, 'fetch', '-q', '--unshallow');
    expect(await baseOf(dir)).toMatchObject({ kind: 'commit' });
  });

  it('is not the commit before on a branch that was fetched alone', PATIENCE, async () => {
    await commit('a');
    await git('checkout', '-q', '-b', 'topic');
    for (const name of ['b', 'c', 'd']) await commit(name);
    await git('checkout', '-q', 'main');
    const dir = await clone('--depth', '2', '--branch', 'topic');
    expect(await gitIn(dir, 'rev-parse', 'HEAD^')).not.toBe('');
    expect(await baseOf(dir)).toMatchObject(SHALLOW);
    expect(await baseOf(await clone('--single-branch', '--branch', 'topic'))).toMatchObject({
      kind: 'unknown',
      fix: expect.stringContaining('--since COMMIT'),
    });
  });

  it('is not known where the histories have nothing in common', PATIENCE, async () => {
    await commit('a');
    await git('checkout', '-q', '--orphan', 'other');
    await commit('b');
    await commit('c');
    expect(await baseOf(full)).toMatchObject({ kind: 'unknown', why: expect.stringContaining('no commit in common') });
  });

  it('is read from the commit itself, whatever replacements and grafts say', PATIENCE, async () => {
    await commit('a');
    const before = await commit('b');
    await commit('c');
    await git('replace', '--graft', 'HEAD');
    await appendFile(join(full, '.git', 'info', 'grafts'), `${await git('rev-parse', 'HEAD')}\n`);
    expect(await baseOf(full)).toEqual({ kind: 'commit', commit: before });
  });

  it('is the same in a partial clone', PATIENCE, async () => {
    await git('config', 'uploadpack.allowFilter', 'true');
    await commit('a');
    await commit('b');
    expect(await baseOf(await clone('--filter=tree:0'))).toEqual(await baseOf(full));
  });

  it('in a clone of any depth is that of the whole history, or not known', { timeout: 600_000 }, async () => {
    const step = fc.record({ on: fc.constantFrom('main', 'topic'), merge: fc.boolean() });
    let known = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 2, maxLength: 7 }),
        fc.integer({ min: 1, max: 4 }),
        fc.boolean(),
        async (steps, depth, single) => {
          await removeTree(full);
          await mkdir(full);
          await git('init', '-q', '-b', 'main');
          await commit('root');
          await git('branch', 'topic');
          for (const { on, merge } of steps) {
            await git('checkout', '-q', on);
            if (merge) await git('merge', '-q', '--no-ff', '-m', 'm', on === 'main' ? 'topic' : 'main');
            await commit('x');
          }
          await git('checkout', '-q', 'main');
          const dir = await clone('--depth', String(depth), single ? '--single-branch' : '--no-single-branch', '--branch', 'topic');
          const whole = await clone('--branch', 'topic');
          const [here, there] = [await baseOf(dir), await baseOf(whole)];
          if (here.kind === 'unknown') expect(here.fix).toMatch(/git fetch --unshallow|--since COMMIT/);
          else {
            known += 1;
            expect(here).toEqual(there);
          }
        },
      ),
      { numRuns: 12, seed: 7 },
    );
    expect(known).toBeGreaterThan(0);
  });
});

describe('a commit that is named', () => {
  it.each([
    ['', 'a variable may be empty'],
    ['0'.repeat(40), 'Leave --since out'],
    ['f'.repeat(40), 'git fetch origin'],
    ['--help', 'git fetch origin'],
  ])('%j is not taken for another one', PATIENCE, async (name, hint) => {
    await commit('a');
    await expect(gitHistory(full).commit(name)).rejects.toMatchObject({ code: 'COMMIT_UNKNOWN', hint: expect.stringContaining(hint) });
  });

  it('and is older than a shallow clone: how to get it is said', PATIENCE, async () => {
    await commit('a');
    await commit('b');
    const dir = await clone('--depth', '1');
    await expect(gitHistory(dir).commit('HEAD~1')).rejects.toMatchObject({ hint: expect.stringContaining('git fetch --unshallow') });
  });

  it('and is fetched leaves a whole clone whole', PATIENCE, async () => {
    await commit('a');
    const dir = await clone();
    await git('config', 'uploadpack.allowAnySHA1InWant', 'true');
    await commit('b');
    const later = await commit('c');
    await gitHistory(dir).newLines({ kind: 'commit', commit: later }, await gitIn(dir, 'rev-parse', 'HEAD'));
    expect(await gitIn(dir, 'rev-parse', '--is-shallow-repository')).toBe('false');
  });
});

/** What `test/fixtures/cases/gates-shallow-clone/make.sh` makes. */
async function shallowCase(): Promise<string> {
  const made = join(root, 'case');
  await mkdir(made);
  const script = join(import.meta.dirname, '../../../test/fixtures/cases/gates-shallow-clone/make.sh');
  await promisify(execFile)('sh', [script], { cwd: made, env: { ...ENV, HOME: root } });
  return made;
}
const options = (dir: string): WorkspaceCheckOptions => ({
  dir,
  version: '0.0.0',
  apps: [],
  changed: false,
  since: null,
  environment: 'production',
  failFast: false,
  force: true,
  concurrency: 1,
  onCheck: () => {},
});

it('a gate of new lines fails in a clone of depth 1 as in the whole one, and says what to fetch', PATIENCE, async () => {
  const made = await shallowCase();
  const look = async (name: string) => checkWorkspace(options(join(made, name)), new AbortController().signal);
  const [whole, shallow] = [await look('full'), await look('shallow')];
  expect(whole.reports[0]).toMatchObject({ verdict: 'failed', base: { kind: 'commit' } });
  expect(whole.reports[0]?.gates).toMatchObject([{ gate: 'coverage.new', result: 'failed', value: 0 }]);
  expect(shallow.reports[0]).toMatchObject({ verdict: 'failed', base: { kind: 'unknown' }, measures: { newCoverage: null } });
  expect(shallow.reports[0]?.gates).toMatchObject([
    { gate: 'coverage.new', result: 'failed', value: null, message: expect.stringContaining('git fetch --unshallow') },
  ]);
  await writeFile(join(made, 'shallow', 'untracked.txt'), 'a dirty tree is no first commit\n');
  expect(await look('shallow')).toMatchObject({ base: { kind: 'unknown' } });
});
