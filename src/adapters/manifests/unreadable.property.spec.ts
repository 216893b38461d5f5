import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { affectedBy, indexOf } from '../../core/changes/affected.ts';
import type { ProjectGraph } from '../../core/changes/project.ts';
import { reasonOf, unreadableNotices } from '../../core/changes/reason.ts';
import { withApps } from '../../services/affected/workspace.ts';
import type { ManifestGraph } from '../../ports/manifests.ts';
import { manifestReaders } from './index.ts';

/*
 * What cannot be read affects everything it could concern, and is named. Each layout is good; one of its manifests is spoilt in
 * one of the ways in which files are spoilt. Whatever changes then, all that was affected before is still affected.
 */
type Files = Readonly<Record<string, string>>;

interface Layout {
  readonly files: Files;
  /** App → folder. */
  readonly apps: Readonly<Record<string, string>>;
}

const TSCONFIG = '{"extends":"../../tsconfig.base.json","references":[{"path":"../../libs/ui"}]}';
const LAYOUTS: Readonly<Record<string, Layout>> = {
  npm: {
    files: {
      'package.json': '{"name":"root","workspaces":["apps/*","libs/*"],"overrides":{"left":"file:vendor/left"}}',
      'package-lock.json': '{"lockfileVersion":3,"packages":{"":{},"node_modules/x":{"version":"1.0.0"}}}',
      'apps/web/package.json': '{"name":"web","dependencies":{"@s/ui":"*","x":"1"}}',
      'apps/web/tsconfig.json': TSCONFIG,
      'apps/api/package.json': '{"name":"api","dependencies":{"x":"1"},"scripts":{"build":"node ../../scripts/build.mjs"}}',
      'libs/ui/package.json': '{"name":"@s/ui","dependencies":{"@s/base":"*"}}',
      'libs/base/package.json': '{"name":"@s/base"}',
      'tsconfig.base.json': '{"compilerOptions":{"strict":true}}',
      'scripts/build.mjs': '',
      'vendor/left/index.js': '',
    },
    apps: { web: 'apps/web', api: 'apps/api' },
  },
  pnpm: {
    files: {
      'pnpm-workspace.yaml': 'packages:\n  - "apps/*"\n  - "libs/*"\n  - "!libs/old"\ncatalog:\n  lib: link:tools/lib\n',
      'pnpm-lock.yaml': "lockfileVersion: '9.0'\n\nimporters:\n\n  apps/web: {}\n",
      'apps/web/package.json': '{"name":"web","dependencies":{"ui":"workspace:*","lib":"catalog:"}}',
      'libs/ui/package.json': '{"name":"ui"}',
      'libs/old/package.json': '{"name":"old"}',
      'tools/lib/package.json': '{"name":"lib"}',
    },
    apps: { web: 'apps/web' },
  },
  python: {
    files: {
      'pyproject.toml':
        '[project]\nname = "root"\nversion = "0"\n[tool.uv.workspace]\nmembers = ["apps/*"]\n[tool.uv.sources]\nvend = { path = "vendor/vend" }\n',
      'apps/api/pyproject.toml': '[project]\nname = "api"\ndependencies = ["common>=1", "vend"]\n',
      'apps/job/pyproject.toml':
        '[project]\nname = "job"\ndynamic = ["dependencies"]\n[tool.setuptools.dynamic]\ndependencies = { file = ["needs.txt"] }\n',
      'apps/job/needs.txt': '-e ../../libs/common\n',
      'apps/old/setup.py': 'from setuptools import setup\nsetup(name="old", install_requires=["common"])\n',
      'libs/common/pyproject.toml': '[project]\nname = "common"\n',
      'vendor/vend/vend.py': '',
    },
    apps: { api: 'apps/api', job: 'apps/job', old: 'apps/old' },
  },
  cargo: {
    files: {
      'Cargo.toml': '[workspace]\nmembers = ["crates/*"]\n[patch.crates-io]\nserde = { path = "vendor/serde" }\n',
      'crates/cli/Cargo.toml': '[package]\nname = "cli"\n[dependencies]\ncore = { path = "../core" }\nserde = "1"\n',
      'crates/core/Cargo.toml': '[package]\nname = "core"\n',
      'vendor/serde/Cargo.toml': '[package]\nname = "serde"\n',
    },
    apps: { cli: 'crates/cli' },
  },
  go: {
    files: {
      'go.work': 'go 1.22\n\nuse (\n\t./svc/a\n\t./lib/go\n)\n\nreplace example.com/far => ./forks/far\n',
      'svc/a/go.mod': 'module example.com/a\n\ngo 1.22\n\nrequire (\n\texample.com/lib v0.0.0\n\texample.com/far v1.0.0\n)\n',
      'lib/go/go.mod': 'module example.com/lib\n',
      'forks/far/far.go': 'package far\n',
    },
    apps: { a: 'svc/a' },
  },
  Nx: {
    files: {
      'nx.json': '{}',
      'package.json': '{"name":"root","dependencies":{"x":"1"}}',
      'tsconfig.base.json': '{"compilerOptions":{"paths":{"@s/ui":["libs/ui/src/index.ts"]}}}',
      'apps/web/project.json':
        '{"name":"web","implicitDependencies":["theme"],"targets":{"build":{"options":{"assets":["libs/icons/svg"]}}}}',
      'apps/web/tsconfig.json': '{"extends":"../../tsconfig.base.json"}',
      'libs/ui/project.json': '{"name":"ui"}',
      'libs/theme/project.json': '{"name":"theme"}',
      'libs/icons/project.json': '{"name":"icons"}',
    },
    apps: { web: 'apps/web' },
  },
  images: {
    files: {
      'images/base/Dockerfile': 'FROM node:24\n',
      'apps/web/Dockerfile':
        'FROM base\nARG WHAT=proto\nCOPY shared/$WHAT ./proto\nRUN --mount=type=bind,source=keys/public,target=/k cat /k\n',
      'apps/web/Makefile': 'include ../../make/common.mk\n',
      'make/common.mk': 'X = 1\n',
      'shared/proto/a.proto': '',
      'keys/public': '',
    },
    apps: { web: 'apps/web' },
  },
};

/** Ways in which a file cannot be read as what it is; null where the way does not apply to it. */
const WAYS: Readonly<Record<string, (text: string, at: number, path: string) => string | null>> = {
  'a trailing comma': (text, _at, path) => (path.endsWith('.json') && !path.includes('tsconfig') ? text.replace(/\}$/, ',}') : null),
  'a comment in JSON': (text, _at, path) => (path.endsWith('.json') && !path.includes('tsconfig') ? `// note\n${text}` : null),
  'bytes that are not UTF-8': (text, at) => {
    const bytes = Buffer.from(text);
    return Buffer.concat([bytes.subarray(0, at), Buffer.from([0xff]), bytes.subarray(at)]).toString('utf8');
  },
  'UTF-16': (text) => Buffer.from(`\uFEFF${text}`, 'utf16le').toString('utf8'),
  // A program that is cut off is a program: its text alone is read here, for the names in it.
  'cut off within a value': (text, at, path) => (path.endsWith('.py') ? null : cutWithin(text, at)),
  'markers of a conflict': (text, at) => {
    const line = text.lastIndexOf('\n', at) + 1;
    return `${text.slice(0, line)}<<<<<<< HEAD\n${text.slice(line)}\n=======\n>>>>>>> other\n`;
  },
  'a key said twice': (text, _at, path) =>
    path.endsWith('.json') && !path.includes('tsconfig') ? text.replace('{', '{"name":"a","name":"a",') : null,
  'zero bytes': (text, at) => `${text.slice(0, at)}\0\0${text.slice(at)}`,
  'a pointer to Git LFS': () => 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n',
  'nothing at all': (_text, _at, path) => (/\.toml$|tsconfig|Makefile|\.mk$|setup\.py$|\.txt$/.test(path) ? null : ''),
  'another kind of value': (_text, _at, path) => (/\.json$|\.yaml$/.test(path) ? '[]' : null),
};

/** Within quotes or brackets, where no shorter text can be meant. */
function cutWithin(text: string, at: number): string | null {
  const places = [...text.matchAll(/"[^"\n]+"|\([^)]*\)/g)].map((found) => found.index + 1 + (at % Math.max(1, found[0].length - 2)));
  return places.length === 0 ? null : text.slice(0, places[at % places.length]);
}

const MANIFEST =
  /(?:package\.json|project\.json|nx\.json|tsconfig[\w.]*\.json|pnpm-workspace\.yaml|\.toml|go\.mod|go\.work|Dockerfile|Makefile|\.mk|setup\.py|needs\.txt)$/;

async function graphOf(
  layout: Layout,
  broken: ReadonlyMap<string, string> = new Map(),
): Promise<ManifestGraph & { readonly all: ProjectGraph }> {
  const folders = Object.values(layout.apps);
  const files = new Map(Object.entries(layout.files).filter(([path]) => MANIFEST.test(path) || /lock/.test(path)));
  for (const path of ['make/common.mk', 'apps/job/needs.txt']) files.delete(path);
  for (let round = 0; ; round += 1) {
    const graph = await manifestReaders.graph(files, folders, broken);
    if (graph.wanted.length === 0 || round > 5) {
      const declared = Object.entries(layout.apps).map(([app, path]) => ({ app, path, dependsOn: [], inputs: [], settings: '' }));
      return { ...graph, all: withApps(graph.projects, declared, []) };
    }
    for (const path of graph.wanted) files.set(path, layout.files[path] ?? '');
  }
}

/** Apps that a change of one file affects, the manifests being the same before and after. */
function appsAffected(graph: ProjectGraph, file: string): string[] {
  return [...affectedBy(indexOf(graph), null, [file]).names].filter((name) => name.startsWith('app:'));
}

describe.each(Object.entries(LAYOUTS))('a good layout: %s', (_name, layout) => {
  const manifests = Object.keys(layout.files).filter((path) => MANIFEST.test(path));

  test('is read in full', async () => {
    const { unreadable, all } = await graphOf(layout);
    expect(unreadable).toEqual([]);
    // Of each layout something outside of the apps' folders is known to be part of them.
    const outside = Object.keys(layout.files).filter((path) => !Object.values(layout.apps).some((folder) => path.startsWith(`${folder}/`)));
    expect(outside.filter((path) => appsAffected(all, path).length > 0).length).toBeGreaterThan(0);
  });

  test.each(Object.entries(WAYS))('with %s in any manifest: affects no less, and is named', async (_way, spoil) => {
    const good = await graphOf(layout);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...manifests), fc.nat({ max: 400 }), async (path, place) => {
        const text = layout.files[path] ?? '';
        const bad = spoil(text, place % Math.max(1, text.length), path);
        if (bad === null || bad === text) return;
        const spoilt = await graphOf({ ...layout, files: { ...layout.files, [path]: bad } });
        expect(spoilt.unreadable.map((one) => one.path)).toEqual([path]);
        expect(unreadableNotices(spoilt.unreadable)[0]).toContain(path);
        for (const file of Object.keys(layout.files))
          expect(appsAffected(spoilt.all, file), file).toEqual(expect.arrayContaining(appsAffected(good.all, file)));
        // What becomes unreadable is itself a change of all that it concerned.
        const changed = affectedBy(indexOf(spoilt.all), indexOf(good.all), [path]).names;
        for (const app of appsAffected(good.all, path)) expect([...changed]).toContain(app);
      }),
      { numRuns: 25 },
    );
  });

  test('with a link or a missing content in the place of any manifest: affects no less, and is named', async () => {
    const good = await graphOf(layout);
    for (const path of manifests) {
      const spoilt = await graphOf({ ...layout, files: { ...layout.files, [path]: '' } }, new Map([[path, 'it is a symbolic link']]));
      expect(spoilt.unreadable).toEqual([{ path, reason: 'it is a symbolic link' }]);
      for (const file of Object.keys(layout.files))
        expect(appsAffected(spoilt.all, file), file).toEqual(expect.arrayContaining(appsAffected(good.all, file)));
    }
  });

  test('with a byte order mark in any manifest: is read as its tools read it', async () => {
    const good = await graphOf(layout);
    const files = Object.fromEntries(
      Object.entries(layout.files).map(([path, text]) => [path, MANIFEST.test(path) ? `\uFEFF${text}` : text]),
    );
    const marked = await graphOf({ ...layout, files });
    expect(marked.unreadable).toEqual([]);
    expect(marked.all).toEqual(good.all);
  });
});

test('the reason and the way name the file that cannot be read', async () => {
  const layout = LAYOUTS['npm'] as Layout;
  const { all } = await graphOf({ ...layout, files: { ...layout.files, 'apps/web/package.json': '{"name":"web",}' } });
  const affected = affectedBy(indexOf(all), null, ['README.md']);
  expect(reasonOf(all, affected, 'app:web', '1234567')).toBe(
    'apps/web/package.json cannot be read, so any change may concern it (README.md changed)',
  );
});

test('a manifest that is wrong on purpose, among test data, affects nothing but what it lies in', async () => {
  const layout = LAYOUTS['npm'] as Layout;
  const { all, unreadable } = await graphOf({ ...layout, files: { ...layout.files, 'apps/api/test/fixtures/bad/package.json': '{' } });
  expect(unreadable.map(({ path }) => path)).toEqual(['apps/api/test/fixtures/bad/package.json']);
  expect(appsAffected(all, 'README.md')).toEqual([]);
  expect(appsAffected(all, 'apps/api/test/fixtures/bad/package.json')).toEqual(['app:api']);
});
