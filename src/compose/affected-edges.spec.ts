import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type Delta, type Repository, repositoryOf } from '../../test/worlds/repository.ts';
import { gitSource } from '../adapters/source/git.ts';
import { affectedSince, type AffectedAnswer } from './affected.ts';
import { changeReaders } from './change-readers.ts';
import { createPlanner } from '../services/planning/planner.ts';

/* From a commit in a real repository to the apps that it affects: what manifests say in ways that are easily overlooked. */
vi.setConfig({ testTimeout: 60_000 });

const made: Repository[] = [];
afterEach(() => {
  for (const one of made.splice(0)) one.end();
});

const config = (apps: Readonly<Record<string, string>>): string =>
  JSON.stringify({ workspace: 'w', apps: Object.fromEntries(Object.entries(apps).map(([app, path]) => [app, { path, run: 'x' }])) });

function repository(files: Delta): Repository {
  const one = repositoryOf([files]);
  made.push(one);
  return one;
}

async function since(one: Repository): Promise<AffectedAnswer> {
  return affectedSince({ dir: one.dir, version: 'test', since: 'HEAD~1', dirty: false });
}

async function appsAfter(files: Delta, change: Delta): Promise<string[]> {
  const one = repository(files);
  one.commit(change);
  return (await since(one)).apps.map(({ app }) => app);
}

interface Row {
  readonly files: Delta;
  readonly apps: Readonly<Record<string, string>>;
  readonly change: Delta;
  readonly affected: readonly string[];
}

const NPM = { 'package.json': '{"workspaces":["./apps/*","./libs/*"]}', 'apps/other/package.json': '{"name":"other"}' };
const TWO = { web: 'apps/web', other: 'apps/other' };
const UV = '[project]\nname = "root"\nversion = "0"\n[tool.uv.workspace]\nmembers = ["apps/*"]\n';

const ROWS: Readonly<Record<string, Row>> = {
  'a crate that [patch] puts in the place of a published one': {
    files: {
      'Cargo.toml': '[workspace]\nmembers = ["apps/*"]\n[patch.crates-io]\nserde = { path = "vendor/serde" }\n',
      'apps/web/Cargo.toml': '[package]\nname = "web"\n[dependencies]\nserde = "1"\n',
      'vendor/serde/Cargo.toml': '[package]\nname = "serde"\n',
      'apps/other/main.py': '',
    },
    apps: TWO,
    change: { 'vendor/serde/src/lib.rs': '//' },
    affected: ['web'],
  },
  'dynamic dependencies in a file of their own': {
    files: {
      'apps/web/pyproject.toml':
        '[project]\nname = "web"\ndynamic = ["dependencies"]\n[tool.setuptools.dynamic]\ndependencies = { file = ["in.txt"] }\n',
      'apps/web/in.txt': '../../libs/common\n',
      'apps/other/pyproject.toml': '[project]\nname = "other"\n',
      'libs/common/pyproject.toml': '[project]\nname = "common"\n',
    },
    apps: TWO,
    change: { 'libs/common/a.py': '1' },
    affected: ['web'],
  },
  'dynamic dependencies of which nothing says where they are': {
    files: {
      'apps/web/pyproject.toml': '[project]\nname = "web"\ndynamic = ["dependencies"]\n',
      'apps/other/pyproject.toml': '[project]\nname = "other"\n',
      'libs/common/pyproject.toml': '[project]\nname = "common"\n',
    },
    apps: TWO,
    change: { 'libs/common/a.py': '1' },
    affected: ['web'],
  },
  'an extra and a dependency group by the path that Hatch writes': {
    files: {
      'apps/web/pyproject.toml': '[project]\nname = "web"\n[project.optional-dependencies]\nall = ["x @ {root:uri}/../../libs/x"]\n',
      'apps/other/pyproject.toml': '[project]\nname = "other"\n[dependency-groups]\ndev = ["common"]\n',
      'libs/x/x.py': '',
      'libs/common/pyproject.toml': '[project]\nname = "common"\n',
    },
    apps: TWO,
    change: { 'libs/x/x.py': '1', 'libs/common/a.py': '1' },
    affected: ['other', 'web'],
  },
  'a path among several sources of poetry': {
    files: {
      'apps/web/pyproject.toml':
        '[tool.poetry]\nname = "web"\n[tool.poetry.dependencies]\nx = [{ version = "1", python = "<3" }, { path = "../../libs/x" }]\n',
      'apps/other/main.py': '',
      'libs/x/x.py': '',
    },
    apps: TWO,
    change: { 'libs/x/x.py': '1' },
    affected: ['web'],
  },
  'a module that go.work replaces': {
    files: {
      'go.work': 'go 1.22\nuse ./apps/web\nreplace example.com/far => ./forks/far\n',
      'apps/web/go.mod': 'module example.com/web\ngo 1.22\nrequire example.com/far v1.0.0\n',
      'apps/other/main.py': '',
      'forks/far/far.go': 'package far\n',
    },
    apps: TWO,
    change: { 'forks/far/far.go': 'package far // 1\n' },
    affected: ['web'],
  },
  'a module within the folder of another one': {
    files: {
      'go.mod': 'module example.com/root\ngo 1.22\n',
      'root.go': 'package root\n',
      'apps/web/go.mod': 'module example.com/web\ngo 1.22\nrequire example.com/root v0.0.0\nreplace example.com/root => ../..\n',
      'apps/other/go.mod': 'module example.com/other\ngo 1.22\nrequire example.com/sdk v0.0.0\nreplace example.com/sdk => ../../sdk\n',
      'sdk/go.mod': 'module example.com/sdk\ngo 1.22\n',
      'sdk/deep/go.mod': 'module example.com/sdk/deep\ngo 1.22\n',
    },
    apps: TWO,
    change: { 'CHANGELOG.md': '1', 'sdk/deep/deep.go': 'package deep\n' },
    affected: [],
  },
  'the module around another one': {
    files: {
      'go.mod': 'module example.com/root\ngo 1.22\n',
      'apps/web/go.mod': 'module example.com/web\ngo 1.22\nrequire example.com/root v0.0.0\nreplace example.com/root => ../..\n',
      'apps/other/go.mod': 'module example.com/other\ngo 1.22\n',
    },
    apps: TWO,
    change: { 'schema/one.sql': '1' },
    affected: ['web'],
  },
  'an override of pnpm that links to a folder': {
    files: {
      'pnpm-workspace.yaml': 'packages: [apps/*]\noverrides:\n  "x@1": link:vendor/x\n',
      'apps/web/package.json': '{"name":"web"}',
      'apps/other/main.py': '',
      'vendor/x/index.js': '',
    },
    apps: TWO,
    change: { 'vendor/x/index.js': '1' },
    affected: ['web'],
  },
  'a patch of a package, outside of `patches`': {
    files: {
      'package.json': '{"workspaces":["apps/web"],"pnpm":{"patchedDependencies":{"x@1":"fixes/x.patch"}}}',
      'apps/web/package.json': '{"name":"web"}',
      'apps/other/package.json': '{"name":"other"}',
      'fixes/x.patch': '',
    },
    apps: TWO,
    change: { 'fixes/x.patch': '1' },
    affected: ['web'],
  },
  'a resolution of yarn by portal:': {
    files: {
      'package.json': '{"workspaces":["apps/web"],"resolutions":{"x":"portal:./vendor/x"}}',
      'apps/web/package.json': '{"name":"web"}',
      'apps/other/main.py': '',
      'vendor/x/package.json': '{"name":"x"}',
    },
    apps: TWO,
    change: { 'vendor/x/index.js': '1' },
    affected: ['web'],
  },
  'a folder without any protocol, patterns that begin with ./, and an alias of a member': {
    files: {
      ...NPM,
      'apps/web/package.json': '{"name":"web","dependencies":{"x":"../../vendor/x","@s/kit":"workspace:ui@*"}}',
      'libs/ui/package.json': '{"name":"ui"}',
      'vendor/x/package.json': '{"name":"x"}',
    },
    apps: TWO,
    change: { 'libs/ui/a.js': '1' },
    affected: ['web'],
  },
  'a script that runs what lies elsewhere': {
    files: { ...NPM, 'apps/web/package.json': '{"name":"web","scripts":{"build":"node ../../tools/build.mjs"}}', 'tools/build.mjs': '' },
    apps: TWO,
    change: { 'tools/build.mjs': '1' },
    affected: ['web'],
  },
  'another name by `paths` of TypeScript, through what is extended': {
    files: {
      ...NPM,
      'apps/web/package.json': '{"name":"web"}',
      'apps/web/tsconfig.json': '{"extends":"../../tsconfig.base.json"}',
      'tsconfig.base.json': '{"compilerOptions":{"baseUrl":".","paths":{"@s/ui":["shared/ui/src/index.ts"]}}}',
      'shared/ui/src/index.ts': '',
    },
    apps: TWO,
    change: { 'shared/ui/src/button.ts': '1' },
    affected: ['web'],
  },
  'a source of COPY that a variable names': {
    files: { 'apps/web/Dockerfile': 'FROM x\nARG WHAT\nCOPY shared/$WHAT ./\n', 'apps/other/Dockerfile': 'FROM x\n', 'shared/a/b.txt': '' },
    apps: TWO,
    change: { 'shared/a/b.txt': '1' },
    affected: ['web'],
  },
  'what a project of Nx depends on by its name': {
    files: {
      'nx.json': '{}',
      'apps/web/project.json': '{"name":"web","implicitDependencies":["theme"]}',
      'apps/other/project.json': '{"name":"other"}',
      'libs/theme/project.json': '{"name":"theme"}',
    },
    apps: TWO,
    change: { 'libs/theme/a.css': '1' },
    affected: ['web'],
  },
  'the one manifest that all projects of Nx share': {
    files: {
      'nx.json': '{}',
      'package.json': '{"dependencies":{"x":"1"}}',
      'apps/web/project.json': '{"name":"web"}',
      'apps/other/main.py': '',
    },
    apps: TWO,
    change: { 'package.json': '{"dependencies":{"x":"2"}}' },
    affected: ['web'],
  },
  'a project of Python that only setup.py describes': {
    files: {
      'apps/web/setup.py': 'setup(install_requires=["my_lib"])\n',
      'apps/other/main.py': '',
      'libs/my/pyproject.toml': '[project]\nname = "my-lib"\n',
    },
    apps: TWO,
    change: { 'libs/my/a.py': '1' },
    affected: ['web'],
  },
};

test.each(Object.entries(ROWS))('%s', async (_name, { files, apps, change, affected }) => {
  expect((await appsAfter({ ...files, 'sluice.config.json': config(apps) }, change)).toSorted()).toEqual(affected);
});

test('uv.lock: a direct dependency alone', async () => {
  const folder = join(import.meta.dirname, '../../test/fixtures/cases/uv-lock-direct-dependency');
  const text = (path: string): string => readFileSync(join(folder, path), 'utf8');
  const one = repository({
    ...Object.fromEntries(['sluice.config.json', 'pyproject.toml', 'apps/api/pyproject.toml', 'uv.lock'].map((path) => [path, text(path)])),
    'apps/web/i.js': '',
  });
  one.commit({ 'uv.lock': text('uv.lock.next') });
  expect((await since(one)).apps).toEqual([{ app: 'api', path: 'apps/api', reason: 'what its lockfile resolves changed' }]);
});

describe('a lockfile whose format is not known, or that does not speak of what is asked for', () => {
  const packages = {
    ...NPM,
    'apps/web/package.json': '{"name":"web","dependencies":{"x":"1"}}',
    'apps/other/package.json': '{"name":"other","dependencies":{"y":"1"}}',
  };
  test.each([
    ['package-lock.json', packages, '{"lockfileVersion":9,"packages":{}}'],
    ['pnpm-lock.yaml', packages, "lockfileVersion: '99.0'\n"],
    ['yarn.lock', packages, '__metadata:\n  version: 99\n'],
    [
      'uv.lock',
      {
        'pyproject.toml': UV,
        'apps/web/pyproject.toml': '[project]\nname = "web"\n',
        'apps/other/pyproject.toml': '[project]\nname = "other"\n',
      },
      'version = 9\n',
    ],
    [
      'Cargo.lock',
      {
        'Cargo.toml': '[workspace]\n',
        'apps/web/Cargo.toml': '[package]\nname = "web"\n',
        'apps/other/Cargo.toml': '[package]\nname = "other"\n',
      },
      'version = 9\n',
    ],
  ] as const)('%s: all members are affected by any change of it, and it is named', async (lock, files, text) => {
    const one = repository({ ...files, [lock]: text, 'sluice.config.json': config(TWO) });
    one.commit({ [lock]: `${text}\n` });
    const { apps, unreadable, notices } = await since(one);
    expect(apps.map(({ app }) => app)).toEqual(['other', 'web']);
    expect(unreadable).toEqual([{ path: lock, reason: expect.stringMatching(/not known/) }]);
    expect(notices.join()).toContain(`${lock} cannot be read`);
  });

  test('what it does not resolve makes it count whole', async () => {
    const lock = (version: string): string => JSON.stringify({ lockfileVersion: 3, packages: { '': {}, 'node_modules/y': { version } } });
    const one = repository({ ...packages, 'package-lock.json': lock('1'), 'sluice.config.json': config(TWO) });
    one.commit({ 'package-lock.json': lock('2') });
    expect((await since(one)).apps.map(({ app }) => app)).toEqual(['other', 'web']);
  });
});

test('another repository within the workspace: its new commit affects those that read something of it', async () => {
  const one = repository({
    ...NPM,
    'apps/web/package.json': '{"name":"web","dependencies":{"x":"file:../../vendor/sub/x"}}',
    'sluice.config.json': config(TWO),
  });
  const point = (commit: string): void => {
    one.git('update-index', '--add', '--cacheinfo', `160000,${commit},vendor/sub`);
    one.git('commit', '-qm', 'sub');
  };
  point('1'.repeat(40));
  point('2'.repeat(40));
  expect((await since(one)).apps).toEqual([{ app: 'web', path: 'apps/web', reason: expect.stringContaining('vendor/sub') }]);
});

test('a manifest that is a symbolic link is named, and affects', async () => {
  const one = repository({ ...NPM, 'apps/web/index.js': '', 'shared/package.json': '{"name":"web"}', 'sluice.config.json': config(TWO) });
  execFileSync('ln', ['-s', '../../shared/package.json', join(one.dir, 'apps/web/package.json')]);
  one.git('add', '-A');
  one.git('commit', '-qm', 'link');
  one.commit({ 'shared/package.json': '{"name":"web","version":"2"}' });
  const { apps, unreadable } = await since(one);
  expect(unreadable).toEqual([{ path: 'apps/web/package.json', reason: 'it is a symbolic link, which is not followed' }]);
  expect(apps.map(({ app }) => app)).toContain('web');
});

describe('the configuration', () => {
  const files = { 'a/x': '', 'b/x': '' };
  const program = "import { apps } from './deploy/apps.ts';\nexport default { workspace: 'w', apps };\n";
  test('that was wrong at the base: every app counts as affected', async () => {
    const one = repository({ ...files, 'sluice.config.json': '{"workspace":"w",}' });
    one.commit({ 'sluice.config.json': config({ a: 'a', b: 'b' }) });
    const { apps, notices } = await since(one);
    expect(apps.map(({ app }) => app)).toEqual(['a', 'b']);
    expect(notices.join()).toContain('so every app counts as affected');
  });

  test('that was not there at the base: every app counts as affected', async () => {
    const one = repository(files);
    one.commit({ 'sluice.config.json': config({ a: 'a', b: 'b' }) });
    expect((await since(one)).apps.map(({ app }) => app)).toEqual(['a', 'b']);
  });

  test('that takes in another file, which changed: every app counts as affected', async () => {
    const apps = (run: string): string => `export const apps = { a: { path: 'a', run: '${run}' }, b: { path: 'b', run: 'x' } };\n`;
    const one = repository({ ...files, 'sluice.config.mts': program, 'deploy/apps.ts': apps('x') });
    one.commit({ 'deploy/apps.ts': apps('y') });
    expect((await since(one)).apps.map(({ app }) => app)).toEqual(['a', 'b']);
  });
});

test('a plan names what cannot be read, and gives it as the reason', async () => {
  const one = repository({ ...NPM, 'apps/web/package.json': '{"name":"web",}', 'sluice.config.json': config(TWO) });
  const planner = createPlanner({ dir: one.dir, source: gitSource({ dir: one.dir }), readers: changeReaders(one.dir, 'test') });
  const manifest = { environment: 'development', apps: {} };
  const plan = await planner.plan({ environment: 'development', manifest });
  expect((await planner.notices('development', plan)).join()).toContain('apps/web/package.json cannot be read');
  const first = (await planner.plan({ environment: 'production', manifest })).apps.map(({ app, fingerprint }) => [app, fingerprint]);
  one.commit({ 'README.md': 'hello' });
  const again = (await planner.plan({ environment: 'production', manifest })).apps.map(({ app, fingerprint }) => [app, fingerprint]);
  for (const [i, [app, fingerprint]] of first.entries()) expect([app, fingerprint]).not.toEqual(again[i]);
});
