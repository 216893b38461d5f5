import { describe, expect, test } from 'vitest';
import { matchesPattern } from '../../core/text/glob.ts';
import { kinds, manifestReaders } from './index.ts';
import { cargoLock } from './locks/cargo.ts';
import type { Lock } from './locks/lock.ts';
import { npmLock } from './locks/npm.ts';
import { pnpmLock } from './locks/pnpm.ts';
import { pythonLock } from './locks/python.ts';
import { yarnLock } from './locks/yarn.ts';

const LOCKS: readonly { readonly name: string; readonly read: (text: string) => Lock; readonly text: string }[] = [
  {
    name: 'npm',
    read: npmLock,
    text: JSON.stringify({
      lockfileVersion: 3,
      packages: {
        '': {},
        'node_modules/near': { version: '1.0.0', dependencies: { far: '*' } },
        'node_modules/far': { version: 'FAR', dependencies: { near: '*' } },
        'node_modules/other': { version: 'OTHER' },
      },
    }),
  },
  {
    name: 'pnpm 9',
    read: pnpmLock,
    text: `lockfileVersion: '9.0'

importers:

  apps/a:
    dependencies:
      near:
        specifier: ^1.0.0
        version: 1.0.0(peer@2.0.0)

packages:

  near@1.0.0:
    resolution: {integrity: sha512-near}

  far@1.0.0:
    resolution: {integrity: FAR}

  other@1.0.0:
    resolution: {integrity: OTHER}

snapshots:

  near@1.0.0(peer@2.0.0):
    dependencies:
      far: 1.0.0

  far@1.0.0: {}

  other@1.0.0: {}
`,
  },
  {
    name: 'pnpm 6',
    read: pnpmLock,
    text: `lockfileVersion: '6.0'

importers:

  apps/a:
    dependencies:
      near:
        specifier: ^1.0.0
        version: 1.0.0

packages:

  /near@1.0.0:
    resolution: {integrity: sha512-near}
    dependencies:
      far: 1.0.0
    dev: false

  /far@1.0.0:
    resolution: {integrity: FAR}
    dev: false

  /other@1.0.0:
    resolution: {integrity: OTHER}
`,
  },
  {
    name: 'classic yarn',
    read: yarnLock,
    text: `# yarn lockfile v1


"near@^1.0.0", near@~1.0.0:
  version "1.0.0"
  resolved "https://registry.yarnpkg.com/near/-/near-1.0.0.tgz#abc"
  dependencies:
    far "^1.0.0"

far@^1.0.0:
  version "1.0.0"
  integrity FAR

other@^1.0.0:
  version "1.0.0"
  integrity OTHER
`,
  },
  {
    name: 'yarn 4',
    read: yarnLock,
    text: `__metadata:
  version: 8

"a@workspace:apps/a":
  version: 0.0.0-use.local
  resolution: "a@workspace:apps/a"
  dependencies:
    near: "npm:^1.0.0"
  languageName: unknown

"near@npm:^1.0.0":
  version: 1.0.0
  resolution: "near@npm:1.0.0"
  dependencies:
    far: "npm:^1.0.0"
  checksum: 10/near

"far@npm:^1.0.0":
  version: 1.0.0
  resolution: "far@npm:1.0.0"
  checksum: FAR

"other@npm:^1.0.0":
  version: 1.0.0
  resolution: "other@npm:1.0.0"
  checksum: OTHER
`,
  },
  {
    name: 'uv',
    read: pythonLock,
    text: `version = 1

[[package]]
name = "a"
version = "0.1.0"
source = { editable = "apps/a" }
dependencies = [{ name = "near" }]

[[package]]
name = "near"
version = "1.0.0"
source = { registry = "https://pypi.org/simple" }
dependencies = [{ name = "far" }]

[[package]]
name = "far"
version = "1.0.0"
source = { registry = "https://pypi.org/simple" }
sdist = { url = "x", hash = "FAR" }

[[package]]
name = "other"
version = "1.0.0"
source = { registry = "https://pypi.org/simple" }
sdist = { url = "x", hash = "OTHER" }
`,
  },
  {
    name: 'poetry',
    read: pythonLock,
    text: `[[package]]
name = "Near"
version = "1.0.0"
files = [{ file = "near.whl", hash = "near" }]

[package.dependencies]
far = ">=1"

[[package]]
name = "far"
version = "1.0.0"
files = [{ file = "far.whl", hash = "FAR" }]

[[package]]
name = "other"
version = "1.0.0"
files = [{ file = "other.whl", hash = "OTHER" }]
`,
  },
  {
    name: 'cargo',
    read: cargoLock,
    text: `version = 4

[[package]]
name = "a"
version = "0.1.0"
dependencies = ["near"]

[[package]]
name = "near"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
dependencies = ["far 1.0.0"]

[[package]]
name = "far"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "FAR"

[[package]]
name = "other"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "OTHER"
`,
  },
];

describe.each(LOCKS)('the lockfile of $name', ({ read, text }) => {
  const closure = (content: string): string => read(content).closure('apps/a', 'a', new Map([['near', '^1.0.0']]));

  test('changes what is resolved when something far away does', () => {
    expect(closure(text)).not.toBe('');
    expect(closure(text.replace('FAR', 'FAR2'))).not.toBe(closure(text));
  });

  test('says nothing new when only what is not reached changes', () => {
    expect(closure(text.replace('OTHER', 'OTHER2'))).toBe(closure(text));
  });
});

describe('projects found in manifests', () => {
  async function edges(files: Record<string, string>, folders: string[] = []): Promise<Record<string, { to: string[]; reads: string[] }>> {
    let all = new Map(Object.entries(files));
    let graph = await manifestReaders.graph(all, folders);
    for (let round = 0; graph.wanted.length > 0 && round < 5; round += 1) {
      all = new Map([...all, ...graph.wanted.map((path): [string, string] => [path, files[path] ?? ''])]);
      graph = await manifestReaders.graph(all, folders);
    }
    expect(graph.unreadable).toEqual([]);
    return Object.fromEntries(
      [...graph.projects]
        .filter(([name]) => !name.includes(':'))
        .map(([name, { edges: to, inputs }]) => [
          name,
          { to: to.map((edge) => edge.to).filter((one) => !one.includes(':')), reads: inputs.map((input) => input.path) },
        ]),
    );
  }

  test('pnpm workspaces, file: and link:', async () => {
    const found = await edges({
      'pnpm-workspace.yaml': "packages:\n  - 'apps/*'\n  - \"libs/**\"\n  - '!libs/old'\ncatalog:\n  a: 1\n",
      'apps/a/package.json': '{"name":"a","dependencies":{"@x/ui":"workspace:*","tool":"file:../../tools/tool"}}',
      'libs/deep/ui/package.json': '{"name":"@x/ui"}',
      'libs/old/package.json': '{"name":"old"}',
      'tools/tool/package.json': '{"name":"tool"}',
    });
    expect(found['apps/a']?.to).toEqual(['libs/deep/ui', 'tools/tool']);
  });

  test('references and extends of TypeScript', async () => {
    const found = await edges({
      'package.json': '{"workspaces":["packages/*"]}',
      'packages/a/package.json': '{"name":"a"}',
      'packages/a/tsconfig.json': '{"extends":"../../config/strict.json", "references":[{"path":"../b"}]}',
      'packages/b/package.json': '{"name":"b"}',
      'config/strict.json': '{"extends":"./looser.json"}',
    });
    expect(found['packages/a']).toEqual({ to: ['packages/b'], reads: ['config/strict.json', 'config/looser.json'] });
  });

  test('Python: paths, workspaces and requirements', async () => {
    const found = await edges({
      'apps/a/pyproject.toml':
        '[project]\nname = "a"\ndependencies = ["my_lib>=1", "requests"]\n[tool.uv.sources]\nmy-lib = { workspace = true }',
      'libs/mylib/pyproject.toml': '[project]\nname = "my.lib"',
      'apps/p/pyproject.toml':
        '[tool.poetry]\nname = "p"\n[tool.poetry.dependencies]\npython = "^3"\nlib = { path = "../../libs/mylib", develop = true }',
      'apps/r/requirements.txt': '-r ../../shared/base.txt\n-e ../../libs/mylib\nflask==3\n',
      'shared/base.txt': '-c limits.txt\n',
    });
    expect(found['apps/a']?.to).toEqual(['libs/mylib']);
    expect(found['apps/p']?.to).toEqual(['libs/mylib']);
    expect(found['apps/r']).toEqual({ to: ['libs/mylib'], reads: ['shared/base.txt', 'shared/limits.txt'] });
  });

  test('Go modules and Cargo crates', async () => {
    const found = await edges({
      'svc/a/go.mod':
        'module example.com/a\n\ngo 1.22\n\nrequire (\n\texample.com/lib v0.0.0\n\tgithub.com/x/y v1.0.0\n)\n\nreplace example.com/lib => ../../lib/go\n',
      'lib/go/go.mod': 'module example.com/lib\n',
      'Cargo.toml': '[workspace]\nmembers = ["crates/*"]\n[workspace.dependencies]\ncore = { path = "crates/core" }\n',
      'crates/core/Cargo.toml': '[package]\nname = "core"\n',
      'crates/cli/Cargo.toml':
        '[package]\nname = "cli"\n[dependencies]\ncore = { workspace = true }\n[build-dependencies]\ngen = { path = "../gen" }\n',
      'crates/gen/Cargo.toml': '[package]\nname = "gen"\n',
    });
    expect(found['svc/a']?.to).toEqual(['lib/go']);
    expect(found['crates/cli']?.to).toEqual(['crates/core', 'crates/gen']);
  });

  test('Dockerfiles and Makefiles', async () => {
    const found = await edges(
      {
        'images/base/Dockerfile': 'FROM node:20\n',
        'apps/a/Dockerfile':
          'FROM base AS build\nCOPY --chown=node apps/a \\\n  ./\nCOPY shared/proto ./proto\nCOPY ["libs/x/", "x/"]\nFROM build\nCOPY --from=build /x /y\n',
        'apps/own/Dockerfile': 'FROM node:20\nCOPY package.json ./\nCOPY . .\n',
        'libs/x/package.json': '{"name":"x"}',
        'apps/a/Makefile': 'include ../../make/common.mk\n-include .env.mk\nbuild:\n\ttrue\n',
        'make/common.mk': 'include ../../make/deep.mk\n',
      },
      ['apps/a', 'apps/own'],
    );
    expect(found['apps/a']).toEqual({ to: ['images/base', 'libs/x'], reads: ['shared/proto', 'make/common.mk', 'make/deep.mk'] });
    expect(found['apps/own']).toEqual({ to: [], reads: [] });
  });

  test('what cannot be read says so, and spoils nothing else', async () => {
    const files = new Map([
      ['a/package.json', '{'],
      ['b/pyproject.toml', '= ='],
      ['c/package.json', '{"name":"c"}'],
    ]);
    const { projects, unreadable } = await manifestReaders.graph(files, []);
    expect(unreadable.map(({ path }) => path)).toEqual(['a/package.json', 'b/pyproject.toml']);
    expect(projects.has('c')).toBe(true);
  });

  test.each(kinds)('every name that the reader of $names asks for is listed', async ({ names, load }) => {
    expect([...names].toSorted()).toEqual([...(await load()).names].toSorted());
  });
});

test.each([
  ['a/b.ts', '**/*.ts', true],
  ['b.ts', '**/*.ts', true],
  ['a/b.ts', '*.ts', false],
  ['requirements-dev.txt', 'requirements*.txt', true],
  ['src/x.yml', 'src/*.{yml,yaml}', true],
  ['src/x.yaml.bak', 'src/*.{yml,yaml}', false],
])('%s fits %s: %s', (path, pattern, fits) => {
  expect(matchesPattern(path, pattern)).toBe(fits);
});
