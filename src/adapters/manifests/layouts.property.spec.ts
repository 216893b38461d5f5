import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect, test, vi } from 'vitest';
import { repositoryOf } from '../../../test/worlds/repository.ts';
import { declaredAnywhere, foldersOf, inputsOfAll } from '../../services/planning/declared.ts';
import { sha256Hex } from '../../services/planning/digest.ts';
import type { Config } from '../../config/schema/workspace.ts';
import { affectedBy, indexOf } from '../../core/changes/affected.ts';
import { fingerprintsOf, manifestsAt, type Readers, withApps } from '../../services/affected/workspace.ts';
import { gitHistory } from '../source/history.ts';
import { manifestReaders } from './index.ts';

/*
 * Beside the model of equality.property.spec.ts: workspaces as people lay them out, in six languages, and the history of this very
 * repository. What fingerprints select must be what changed files and the closure of dependencies select, at every commit.
 */
vi.setConfig({ testTimeout: 600_000 });

const COMMITS = 40;
/** Commits of this repository, newest first; fewer where it was cloned without its history. */
const OWN = 60;
const root = join(import.meta.dirname, '../../..');

type Files = Record<string, string>;

/** A folder of test/fixtures/init, as it lies there. */
function fixture(name: string): Files {
  const dir = join(root, 'test/fixtures/init', name);
  const paths = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    paths.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [relative(dir, path), readFileSync(path, 'utf8')];
    }),
  );
}

const GO_AND_RUST: Files = {
  Makefile: 'include make/common.mk\nall:\n\ttrue\n',
  'make/common.mk': 'X = 1\n',
  'go.work': 'go 1.22\nuse (\n\t./svc/a\n\t./svc/b\n\t./lib/go\n)\n',
  'lib/go/go.mod': 'module example.com/lib\n\ngo 1.22\n',
  'lib/go/lib.go': 'package lib\n',
  'svc/a/go.mod':
    'module example.com/a\n\ngo 1.22\n\nrequire (\n\texample.com/lib v0.0.0\n\tgithub.com/x/y v1.0.0\n)\n\nreplace example.com/lib => ../../lib/go\n',
  'svc/a/go.sum': 'github.com/x/y v1.0.0 h1:AAA=\ngithub.com/x/y v1.0.0/go.mod h1:BBB=\n',
  'svc/a/main.go': 'package main\n',
  'svc/a/Makefile': 'include ../../make/common.mk\n',
  'svc/b/go.mod': 'module example.com/b\n\ngo 1.22\n',
  'svc/b/main.go': 'package main\n',
  'Cargo.toml': '[workspace]\nmembers = ["crates/*"]\n',
  'Cargo.lock':
    'version = 3\n\n[[package]]\nname = "cli"\nversion = "0.1.0"\ndependencies = ["core", "serde"]\n\n[[package]]\nname = "core"\nversion = "0.1.0"\n\n[[package]]\nname = "serde"\nversion = "1.0.0"\nsource = "registry+https://github.com/rust-lang/crates.io-index"\nchecksum = "AAA"\n',
  'crates/core/Cargo.toml': '[package]\nname = "core"\nversion = "0.1.0"\n',
  'crates/core/src/lib.rs': '// core\n',
  'crates/cli/Cargo.toml': '[package]\nname = "cli"\nversion = "0.1.0"\n[dependencies]\ncore = { path = "../core" }\nserde = "1"\n',
  'crates/cli/src/main.rs': 'fn main() {}\n',
};

const UV_AND_IMAGES: Files = {
  'pyproject.toml': '[project]\nname = "root"\nversion = "0"\n[tool.uv.workspace]\nmembers = ["services/*", "libs/*"]\n',
  'uv.lock':
    'version = 1\n\n[[package]]\nname = "api"\nversion = "0"\nsource = { editable = "services/api" }\ndependencies = [{ name = "flask" }, { name = "common" }]\n\n[[package]]\nname = "common"\nversion = "0"\nsource = { editable = "libs/common" }\n\n[[package]]\nname = "flask"\nversion = "3.0.0"\nsource = { registry = "https://pypi.org/simple" }\nwheels = [{ url = "https://x/flask.whl", hash = "sha256:AAA" }]\n',
  'services/api/pyproject.toml':
    '[project]\nname = "api"\nversion = "0"\ndependencies = ["common", "flask"]\n[tool.uv.sources]\ncommon = { workspace = true }\n',
  'services/api/app.py': 'x = 1\n',
  'services/api/Dockerfile': 'FROM base\nCOPY services/api ./\nCOPY shared/proto ./proto\n',
  'services/old/requirements.txt': '-r ../../shared/base.txt\n-e ../../libs/common\n',
  'services/old/app.py': 'x = 1\n',
  'libs/common/pyproject.toml': '[project]\nname = "common"\nversion = "0"\n',
  'libs/common/common.py': 'x = 1\n',
  'images/base/Dockerfile': 'FROM python:3.12\n',
  'shared/base.txt': 'requests==2\n',
  'shared/proto/a.proto': 'message A {}\n',
  'README.md': 'hello\n',
};

const LAYOUTS: Readonly<Record<string, { readonly files: () => Files; readonly apps: Readonly<Record<string, string>> }>> = {
  'npm workspace': { files: () => fixture('npm-workspace'), apps: { api: 'apps/api', web: 'apps/web', mailer: 'apps/mailer' } },
  'pnpm and Python': { files: () => fixture('pnpm-python'), apps: { web: 'web', services: 'services' } },
  'images of a compose file': { files: () => fixture('docker-compose'), apps: { api: 'api', web: 'web', cleaner: 'cleaner' } },
  DigitalOcean: { files: () => fixture('digitalocean'), apps: { api: 'api', site: 'site', mailer: 'mailer' } },
  'Go and Rust': { files: () => GO_AND_RUST, apps: { a: 'svc/a', b: 'svc/b', cli: 'crates/cli' } },
  'uv and images': { files: () => UV_AND_IMAGES, apps: { api: 'services/api', old: 'services/old' } },
};

function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** One change to one file: a blank line at its end, another version or digest in it, a new file beside it, gone and back. */
function change(
  files: Files,
  original: Files,
  below: (n: number) => number,
  turn: number,
): { delta: Record<string, string | null>; path: string } {
  const paths = Object.keys(original);
  const path = paths[below(paths.length)] ?? '';
  const content = files[path];
  if (content === undefined) return { delta: { [path]: original[path] ?? '' }, path };
  const isManifest = /\.(json|toml|ya?ml|mod|sum|lock|work|txt|mk)$|Dockerfile$|Makefile$/.test(path);
  const kind = below(isManifest ? 3 : 5);
  if (kind === 1) return { delta: { [path]: content.replace(/\b1\.(\d+)\.(\d+)/, (_all, minor: string) => `1.${minor}.${turn}`) }, path };
  if (kind === 2) return { delta: { [path]: content.replace('AAA', `AA${'A'.repeat(1 + (turn % 3))}`) }, path };
  if (kind === 3) {
    const beside = join(path, '..', `new${turn}.bin`);
    return { delta: { [beside]: `${turn}` }, path: beside };
  }
  if (kind === 4) return { delta: { [path]: null }, path };
  return { delta: { [path]: `${content}\n` }, path };
}

const configOf = (apps: Readonly<Record<string, string>>): Config => ({
  workspace: 'w',
  apps: Object.fromEntries(Object.entries(apps).map(([app, path]) => [app, { path, run: 'x' }])),
});

/** At each commit both ways of selecting; returns what they selected, after seeing that they agree. */
async function compare(dir: string, commits: readonly string[], config: Config): Promise<string[][]> {
  const readers: Readers = { history: gitHistory({ dir }), manifests: manifestReaders };
  const declared = declaredAnywhere(config);
  const isShown = (name: string): boolean => !name.includes(':') || name.startsWith('app:');
  const at = async (commit: string) => {
    const { projects } = await manifestsAt(readers, commit, foldersOf(declared));
    const graph = withApps(projects, declared, inputsOfAll(config, ['production']));
    return { commit, graph, prints: await fingerprintsOf(readers.history, commit, graph, sha256Hex) };
  };
  const all: string[][] = [];
  let before: Awaited<ReturnType<typeof at>> | null = null;
  for (const commit of commits) {
    const now = await at(commit);
    if (before !== null) {
      const changed = (await readers.history.changed(before.commit, commit)).map(({ path }) => path);
      const byDiff = [...affectedBy(indexOf(now.graph), indexOf(before.graph), changed).names].filter(isShown).toSorted();
      const old = before.prints;
      const byPrint = [...now.prints].flatMap(([name, value]) => (isShown(name) && old.get(name) !== value ? [name] : [])).toSorted();
      expect(byPrint, `${before.commit}..${commit}: ${changed.join(' ')}`).toEqual(byDiff);
      all.push(byPrint);
    }
    before = now;
  }
  return all;
}

test.each(Object.entries(LAYOUTS))(`%s: ${COMMITS} random commits`, async (_name, { files, apps }) => {
  const original = files();
  const below = random(Object.keys(original).length);
  let now = { ...original };
  const deltas: Record<string, string | null>[] = [original];
  const touched: string[] = [];
  while (deltas.length <= COMMITS) {
    const { delta, path } = change(now, original, below, deltas.length);
    if (Object.entries(delta).every(([name, content]) => (now[name] ?? null) === content)) continue;
    now = Object.fromEntries(Object.entries({ ...now, ...delta }).filter((entry): entry is [string, string] => entry[1] !== null));
    deltas.push(delta);
    touched.push(path);
  }
  const repository = repositoryOf(deltas, { checkout: false });
  try {
    const selected = await compare(repository.dir, repository.commits, configOf(apps));
    expect(selected).toHaveLength(COMMITS);
    // Known without any graph: a file in the folder of an app is part of the app.
    for (const [i, path] of touched.entries())
      for (const [app, folder] of Object.entries(apps))
        if (path.startsWith(`${folder}/`)) expect(selected[i], `${path} of ${app}`).toContain(`app:${app}`);
    expect(selected.some((names) => names.length === 0) || selected.some((names) => names.length < Object.keys(apps).length)).toBe(true);
  } finally {
    repository.end();
  }
});

const history = existsSync(join(root, '.git'))
  ? execFileSync('git', ['rev-list', '--first-parent', `--max-count=${OWN}`, 'HEAD'], { cwd: root, encoding: 'utf8' })
      .trim()
      .split('\n')
  : [];

test.skipIf(history.length < 2)(`this repository: its last ${history.length} commits`, async () => {
  const folders = ['accounts', 'rates', 'settler', 'storefront'];
  const config = configOf({
    ...Object.fromEntries(folders.map((name) => [name, `examples/harbour/${name}`])),
    sluice: 'src',
    documentation: 'docs',
    everything: '.',
  });
  const selected = await compare(root, history.toReversed(), config);
  expect(selected.every((names) => names.includes('app:everything'))).toBe(true);
  expect(selected.some((names) => !names.includes('app:rates'))).toBe(true);
});
