import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type CommandLineWorld, commandLineWorld, type Ran, type RunOptions } from '../../test/worlds/command-line.ts';

/* Commands that work on a folder and need no control plane: what they answer, write, and leave alone. */

/** Real processes of git on a busy machine. */
const PATIENCE = { timeout: 60_000 };
let dir = '';
let world: CommandLineWorld;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'sluice-workspace-'));
  await cp(join(import.meta.dirname, '../../test/fixtures/init/npm-workspace'), dir, { recursive: true });
  writeFileSync(join(dir, '.gitignore'), '.sluice/\n.env\n');
  git('init', '-q', '-b', 'main');
  commit();
  world = await commandLineWorld();
});
afterEach(async () => {
  await world.close();
  rmSync(dir, { recursive: true, force: true });
});

function git(...args: string[]): void {
  execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.com', ...args], { cwd: dir, stdio: 'ignore' });
}
function commit(): void {
  git('add', '-A');
  git('commit', '-q', '-m', 'x');
}
const sluice = (argv: readonly string[], options: RunOptions = {}): Promise<Ran> => world.run([...argv, '-C', dir], options);
const json = async <T>(...argv: string[]): Promise<T> => JSON.parse((await sluice([...argv, '--json'])).out) as T;
const read = (path: string): string => readFileSync(join(dir, path), 'utf8');

interface Init {
  readonly files: readonly { readonly path: string; readonly outcome: string }[];
}

it('init writes once, and replaces nothing of a person unseen', PATIENCE, async () => {
  const dry = await json<Init>('init', '--dry-run');
  expect(dry.files.map(({ path }) => path)).toContain('sluice.config.ts');
  expect(existsSync(join(dir, 'sluice.config.ts'))).toBe(false);
  expect((await json<Init>('init')).files.every(({ outcome }) => outcome === 'created')).toBe(true);
  expect((await json<Init>('init')).files.every(({ outcome }) => outcome === 'unchanged')).toBe(true);

  const written = read('Makefile');
  const mine = `${written}\nmine:\n\techo mine\n`;
  writeFileSync(join(dir, 'Makefile'), mine);
  const kept = await sluice(['init']);
  expect(kept.err).toMatch(/^-mine:$/m);
  expect(kept.err).toContain('Makefile is not as sluice init wrote it, and is kept (--overwrite takes the new text)');
  expect(kept.out).toMatch(/kept +Makefile/);
  await sluice(['init'], { answers: ['n'] });
  await sluice(['init', '--dry-run'], { answers: ['y'] });
  await sluice(['init', '--dry-run', '--overwrite']);
  expect(read('Makefile')).toBe(mine);
  expect((await sluice(['init'], { answers: ['y'] })).out).toMatch(/overwritten +Makefile/);
  expect(read('Makefile')).toBe(written);
  writeFileSync(join(dir, 'Makefile'), mine);
  expect((await sluice(['init', '--overwrite'])).err).toMatch(/^-mine:$/m);
  expect(read('Makefile')).toBe(written);
});

interface Apps {
  readonly apps: readonly { readonly app: string }[];
}

it('apps and affected say which apps there are, which differ, and by which way', PATIENCE, async () => {
  await sluice(['init']);
  commit();
  const { apps } = await json<Apps>('apps');
  expect(apps.map(({ app }) => app).toSorted()).toEqual(['api', 'mailer', 'web']);
  expect((await json<Apps>('apps', '--services')).apps.map(({ app }) => app)).not.toContain('mailer');

  expect((await sluice(['affected', '--since', 'HEAD'])).out).toBe('No app is affected: all are as in HEAD.\n');
  writeFileSync(join(dir, 'packages/prices/index.js'), 'export const price = 2;\n');
  expect((await sluice(['affected', '--since', 'HEAD'])).out).toContain('No app is affected');
  expect((await sluice(['affected', '--since', 'HEAD', '--dirty'])).out).toContain('good for development only');
  commit();
  const found = await json<{ apps: { app: string; reason: string }[] }>('affected', '--since', 'HEAD~1');
  expect(found.apps.map(({ app }) => app)).toEqual(['api', 'web']);
  const explained = await sluice(['affected', '--since', 'HEAD~1', '--explain', 'api']);
  expect(explained.out).toBe(
    'api → apps/api (apps/api)\napps/api → packages/prices (apps/api/package.json)\npackages/prices:\n  packages/prices/index.js\n',
  );
  expect(await sluice(['affected', '--since', 'HEAD~1', '--explain', 'wbe'])).toMatchObject({
    exit: 2,
    err: expect.stringMatching(/UNKNOWN_APP|no app "wbe"/),
  });
});

it('scan finds, writes SARIF, takes an answer for a mark, and has git ask it', PATIENCE, async () => {
  const secret = `ghp_${'aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0fR2xLq'.slice(0, 36)}`;
  expect(await sluice(['scan'])).toMatchObject({ exit: 0, out: expect.stringContaining('0 secrets in ') });
  writeFileSync(join(dir, 'apps/api/token.txt'), `${secret}\n`);
  const sarif = `${dir}.sarif`;
  const found = await sluice(['scan', '--sarif', sarif]);
  try {
    expect(found).toMatchObject({
      exit: 3,
      out: expect.stringMatching(/apps\/api\/token\.txt:1:1 +github-token[^]*sluice scan --ignore MARK/),
    });
    const { runs } = JSON.parse(readFileSync(sarif, 'utf8')) as { runs: { results: { ruleId: string }[] }[] };
    expect(runs[0]?.results.map(({ ruleId }) => ruleId)).toEqual(['secret/github-token']);
    expect(found.out + readFileSync(sarif, 'utf8')).not.toContain(secret.slice(4, 14));
  } finally {
    rmSync(sarif, { force: true });
  }
  const { findings } = await json<{ findings: { mark: string }[] }>('scan');
  const mark = findings[0]?.mark.slice(0, 12) ?? '';
  expect(await sluice(['scan', '--ignore', mark])).toMatchObject({ exit: 2, err: expect.stringContaining('--reason') });
  expect(await sluice(['scan', '--ignore', 'ffffffff', '--reason', 'x'])).toMatchObject({ err: expect.stringContaining('MARK_UNKNOWN') });
  expect(await sluice(['scan', '--ignore', mark, '--reason', 'key of a sandbox'])).toMatchObject({ exit: 0 });
  expect(read('.sluice-secrets')).toContain('key of a sandbox');
  expect(await sluice(['scan'])).toMatchObject({ exit: 0, out: expect.stringContaining('1 ignored') });
  expect(await sluice(['scan', '--install-hook'])).toMatchObject({ exit: 0, out: expect.stringContaining('pre-commit') });
  expect(read('.git/hooks/pre-commit')).toContain('scan');
});
