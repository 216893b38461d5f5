import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type Delta, type Repository, repositoryOf } from '../../../test/worlds/repository.ts';
import { affectedSince, type AffectedAnswer } from '../../compose/affected.ts';

// Real repositories on a machine that may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const NAMES = ['alpha', 'beta', 'gamma'];
const json = (value: unknown): string => JSON.stringify(value, null, 1);
const installed = (name: string, version: string, dependencies = {}): object => ({
  version,
  integrity: `sha512-${name}${version}`,
  dependencies,
});

function lock(changes: Record<string, object> = {}): string {
  const members = Object.fromEntries(NAMES.map((name) => [`node_modules/${name}`, { resolved: `apps/${name}`, link: true }]));
  return json({
    lockfileVersion: 3,
    packages: {
      '': { name: 'root', workspaces: ['apps/*', 'packages/*'] },
      ...members,
      'node_modules/left': installed('left', '1.0.0', { deep: '^1' }),
      'node_modules/deep': installed('deep', '1.0.0', { circle: '^1' }),
      'node_modules/circle': installed('circle', '1.0.0', { deep: '^1' }),
      'node_modules/unused': installed('unused', '1.0.0'),
      ...changes,
    },
  });
}

function config(apps: Record<string, string>, more: object = {}): string {
  return json({
    workspace: 'shop',
    ...more,
    apps: Object.fromEntries(Object.entries(apps).map(([app, path]) => [app, { path, run: 'node server.js' }])),
  });
}

const FOLDERS = { alpha: 'apps/alpha', beta: 'apps/beta', gamma: 'apps/gamma' };

/** alpha needs the package `left`, beta the library `ui`; gamma extends nothing. */
const BASE: Delta = {
  'package.json': json({ name: 'root', workspaces: ['apps/*', 'packages/*'] }),
  'package-lock.json': lock(),
  'tsconfig.base.json': '{ /* of all */ "compilerOptions": {}, }',
  'turbo.json': '{}',
  'README.md': 'hello',
  '.nvmrc': '20',
  'apps/alpha/package.json': json({ name: 'alpha', dependencies: { left: '^1.0.0' } }),
  'apps/alpha/tsconfig.json': '{"extends":"../../tsconfig.base.json"}',
  'apps/beta/package.json': json({ name: 'beta', dependencies: { ui: '*' } }),
  'apps/beta/tsconfig.json': '{"extends":["../../tsconfig.base"]}',
  'apps/gamma/package.json': json({ name: 'gamma' }),
  'packages/ui/package.json': json({ name: 'ui' }),
  'packages/ui/index.js': '1',
  'sluice.config.json': config(FOLDERS),
};

let repository: Repository;
afterEach(() => repository.end());

async function after(delta: Delta, base: Delta = BASE): Promise<AffectedAnswer> {
  repository = repositoryOf([base, delta]);
  return affectedSince({ dir: repository.dir, version: 'test', since: 'HEAD~1', dirty: false });
}
const names = (found: AffectedAnswer): string[] => found.apps.map(({ app }) => app);

describe('what is affected (table B)', () => {
  test('root .nvmrc: everything that the tool runs', async () => {
    const found = await after({ '.nvmrc': '22' });
    expect(names(found)).toEqual(NAMES);
    expect(found.explain('gamma')).toEqual([
      'gamma → apps/gamma (apps/gamma)',
      'apps/gamma → toolchain:node (.nvmrc)',
      'toolchain:node:',
      '  .nvmrc',
    ]);
  });

  test('root .env.production: every app', async () => {
    expect(names(await after({ '.env.production': 'A=1' }))).toEqual(NAMES);
  });

  test('root README: nothing', async () => {
    expect(names(await after({ 'README.md': 'bye' }))).toEqual([]);
  });

  test('tsconfig.base.json extended by some: those that extend it', async () => {
    const found = await after({ 'tsconfig.base.json': '{ "compilerOptions": { "strict": true } }' });
    expect(names(found)).toEqual(['alpha', 'beta']);
    expect(found.apps[0]?.reason).toBe('tsconfig.base.json changed');
  });

  test('lockfile, package used by nobody: nothing', async () => {
    expect(names(await after({ 'package-lock.json': lock({ 'node_modules/unused': installed('unused', '2.0.0') }) }))).toEqual([]);
  });

  test('lockfile, transitive dependency of one project: that one', async () => {
    const found = await after({ 'package-lock.json': lock({ 'node_modules/circle': installed('circle', '1.0.1', { deep: '^1' }) }) });
    expect(found.apps).toEqual([{ app: 'alpha', path: 'apps/alpha', reason: 'what its lockfile resolves changed' }]);
  });

  test('app deleted: nothing affected, one to tear down', async () => {
    const { gamma: _gone, ...left } = FOLDERS;
    const found = await after({ 'apps/gamma': null, 'sluice.config.json': config(left) });
    expect(names(found)).toEqual([]);
    expect(found.removed).toEqual([{ app: 'gamma', path: 'apps/gamma', renamedTo: null }]);
    expect(found.removedProjects).toEqual(['apps/gamma']);
  });

  test('app renamed: one added and one removed, known to be the same', async () => {
    const { gamma, ...left } = FOLDERS;
    const found = await after({ 'sluice.config.json': config({ ...left, delta: gamma }) });
    expect(names(found)).toEqual(['delta']);
    expect(found.added).toEqual(['delta']);
    expect(found.removed).toEqual([{ app: 'gamma', path: 'apps/gamma', renamedTo: 'delta' }]);
  });

  test('folder renamed: the same app, by its name, elsewhere', async () => {
    const found = await after({
      'apps/gamma': null,
      'apps/delta/package.json': json({ name: 'gamma' }),
      'sluice.config.json': config({ ...FOLDERS, gamma: 'apps/delta' }),
    });
    expect(names(found)).toEqual(['gamma']);
    expect(found).toMatchObject({ added: [], removed: [], moved: [{ app: 'gamma', from: 'apps/gamma', to: 'apps/delta' }] });
  });

  test('turbo.json touched: nothing, unless the configuration says that everything is made from it', async () => {
    expect(names(await after({ 'turbo.json': '{"a":1}' }))).toEqual([]);
    repository.end();
    const declared = { ...BASE, 'sluice.config.json': config(FOLDERS, { inputs: ['turbo.json'] }) };
    expect(names(await after({ 'turbo.json': '{"a":1}' }, declared))).toEqual(NAMES);
  });

  test('depth-1 clone, base missing: the one commit is fetched, and the answer is exact', async () => {
    repository = repositoryOf([BASE, { 'packages/ui/index.js': '2' }, { 'README.md': '3' }]);
    const [first = ''] = repository.commits;
    const into = mkdtempSync(join(tmpdir(), 'sluice-shallow-'));
    try {
      const dir = join(into, 'clone');
      execFileSync('git', ['clone', '-q', '--depth', '1', `file://${repository.dir}`, dir]);
      const found = await affectedSince({ dir, version: 'test', since: first, dirty: false });
      expect(names(found)).toEqual(['beta']);
      expect(execFileSync('git', ['rev-list', '--all', '--count'], { cwd: dir, encoding: 'utf8' }).trim()).toBe('1');
      await expect(affectedSince({ dir, version: 'test', since: 'no-such', dirty: false })).rejects.toMatchObject({
        code: 'COMMIT_UNKNOWN',
      });
    } finally {
      rmSync(into, { recursive: true, force: true });
    }
  });

  test('uncommitted changes count when asked for, and are labelled', async () => {
    repository = repositoryOf([BASE]);
    writeFileSync(join(repository.dir, 'packages/ui/index.js'), 'uncommitted');
    const ask = (dirty: boolean) => affectedSince({ dir: repository.dir, version: 'test', since: 'HEAD', dirty });
    expect(names(await ask(false))).toEqual([]);
    const found = await ask(true);
    expect(found).toMatchObject({ dirty: true, apps: [{ app: 'beta' }] });
    expect(found.explain('beta')).toEqual([
      'beta → apps/beta (apps/beta)',
      'apps/beta → packages/ui (apps/beta/package.json)',
      'packages/ui:',
      '  packages/ui/index.js',
    ]);
  });

  test('strategy and routes are changes too', async () => {
    const changed = JSON.parse(config(FOLDERS)) as { apps: Record<string, object> };
    changed.apps['beta'] = { ...changed.apps['beta'], routes: ['/beta'] };
    const found = await after({ 'sluice.config.json': json(changed) });
    expect(found.apps).toEqual([{ app: 'beta', path: 'apps/beta', reason: 'settings changed' }]);
  });
});
