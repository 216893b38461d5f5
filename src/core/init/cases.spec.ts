import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lookAt } from '../../../test/worlds/look.ts';
import { configFile } from './config-file.ts';
import { detect } from './detect.ts';
import type { Detected } from './look.ts';

/* Repositories as people have them: what init makes of each, or what it leaves to a person, in words. Nothing is run here. */
const fixtures = join(import.meta.dirname, '../../../test/fixtures/cases');

function caseOf(name: string): Detected {
  const dir = join(fixtures, name);
  const entries = readdirSync(dir, { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile() && entry.name !== 'README.md',
  );
  return detect(
    lookAt(
      Object.fromEntries(
        entries.map((entry) => [
          relative(dir, join(entry.parentPath, entry.name)),
          readFileSync(join(entry.parentPath, entry.name), 'utf8'),
        ]),
      ),
    ),
  );
}

/** `web apps/web / npm start` */
const lines = ({ apps }: Detected): string[] =>
  apps.map(({ name, path, routes, run }) => `${name} ${path} ${routes.join(' ') || '-'} ${run.join(' ')}`);

describe('the cases', () => {
  it('init-bom: a byte order mark is skipped as npm does', () => {
    const found = caseOf('init-bom');
    expect(lines(found)).toEqual(['w . / node s.js']);
    expect(found.apps[0]?.framework).toBe('Express');
    expect(found.decide).toEqual([]);
  });
  it('init-bun: bun installs and runs', () => {
    const [web] = caseOf('init-bun').apps;
    expect([web?.path, web?.isWide, web?.build, web?.run]).toEqual([
      'apps/web',
      true,
      ['bun', 'install', '--frozen-lockfile'],
      ['bun', 'run', '--cwd', 'apps/web', 'start'],
    ]);
  });
  it('init-compose-merge-keys: anchors and merge keys count', () => {
    const found = caseOf('init-compose-merge-keys');
    expect(lines(found)).toEqual(['web web / node s.js', 'worker web - node worker.js']);
    expect(found.apps.map(({ env }) => env)).toEqual([
      { NODE_ENV: 'production', LOG_LEVEL: 'info' },
      { NODE_ENV: 'production', LOG_LEVEL: 'info', QUEUE: 'mail' },
    ]);
    expect(found.leftOut.join()).toContain('db of compose.yaml (postgres:16) is run by others');
  });
  it('init-compose-target: the stage that compose names', () => {
    expect(lines(caseOf('init-compose-target'))).toEqual(['api api / gunicorn app:app']);
  });
  it('init-compose-worker-listens: a service without ports is a worker', () => {
    const found = caseOf('init-compose-worker-listens');
    expect(lines(found)).toEqual(['web web / ./web', 'worker worker - ./worker']);
    expect(configFile(found)).toMatch(/worker: \{[^}]*strategy: 'recreate'/);
  });
  it('init-whole-workspace-affects-all: each member has its own path', () => {
    const found = caseOf('init-whole-workspace-affects-all');
    expect(found.apps.map(({ name, path }) => [name, path])).toEqual([
      ['api', 'apps/api'],
      ['web', 'apps/web'],
    ]);
    expect(configFile(found)).toMatch(/path: 'apps\/web',\n\s+build: \{ command: .*, output: '\/' \}/);
  });
  it('init-yarn-classic-immutable: classic yarn is given --frozen-lockfile', () => {
    expect(caseOf('init-yarn-classic-immutable').apps[0]?.build).toEqual(['yarn', 'install', '--frozen-lockfile']);
  });
});

const EXPRESS = '{"name":"x","scripts":{"start":"node server.js"},"dependencies":{"express":"4"}}';
interface Row {
  readonly files: Readonly<Record<string, string>>;
  readonly apps: readonly string[];
  readonly decide?: RegExp;
  readonly leftOut?: RegExp;
}

const ROWS: Readonly<Record<string, Row>> = {
  'newer yarn is given --immutable': {
    files: { 'package.json': EXPRESS, 'yarn.lock': '__metadata:\n  version: 8\n', 'server.js': '' },
    apps: ['x . / node server.js'],
  },
  'libraries of a workspace, with a watcher, a storybook and a framework to test with': {
    files: {
      'package.json': '{"workspaces":["./packages/*","apps/*"]}',
      'packages/ui/package.json': '{"name":"ui","module":"dist/i.js","scripts":{"start":"tsc -w"},"devDependencies":{"vite":"5"}}',
      'packages/kit/package.json': '{"name":"kit","scripts":{"start":"storybook dev -p 6006"},"devDependencies":{"next":"15"}}',
      'packages/core/package.json': '{"name":"core","main":"index.js","exports":"./index.js","devDependencies":{"express":"4"}}',
      'packages/core/index.js': '',
      'apps/web/package.json': '{"name":"web","scripts":{"start":"next start"},"dependencies":{"next":"15","ui":"*"}}',
    },
    apps: ['web apps/web / npm start --workspace apps/web'],
  },
  'profiles, one-shot services and extends of compose': {
    files: {
      'compose.yaml':
        'services:\n  api: { extends: { file: base/compose.common.yml, service: app }, ports: ["8000:8000"], depends_on: { seed: { condition: service_completed_successfully } } }\n  seed: { build: ./api, command: python seed.py }\n  migrate: { build: ./api, command: ./migrate up, restart: "no" }\n  debug: { build: ./api, profiles: [tools] }\n',
      'base/compose.common.yml': 'services:\n  app: { build: ../api, environment: { MODE: slow } }\n',
      'api/Dockerfile': 'FROM x\nCMD ["./api","--port","8000"]\n',
    },
    apps: ['api api / sh -c exec ./api --port "$PORT"'],
    leftOut: /seed .*runs once[\s\S]*migrate .*runs once[\s\S]*debug .*profile tools/,
    decide: /api\/Dockerfile installs and copies is not done here/,
  },
  'a Dockerfile in a folder of its own': {
    files: {
      'compose.yaml': 'services:\n  api: { build: { context: ., dockerfile: docker/Dockerfile.api }, ports: [80] }\n',
      'docker/Dockerfile.api': 'FROM x AS a\nCMD ["./api"]\nFROM a\n',
    },
    apps: ['api . / ./api'],
    decide: /docker\/Dockerfile\.api installs/,
  },
  'App Platform takes a prefix off': {
    files: { '.do/app.yaml': 'services:\n  - { name: api, source_dir: api, run_command: ./api, routes: [{ path: /api }] }\n', 'api/x': '' },
    apps: ['api api /api ./api'],
    decide: /takes \/api off before a request reaches it/,
  },
  'a port that the sources name': {
    files: { 'package.json': EXPRESS, 'server.js': "require('express')().listen(3000);\n" },
    apps: ['x . / node server.js'],
    decide: /x listens on port 3000 itself/,
  },
  'a manifest that is no JSON': { files: { 'package.json': '{"name":"x",}' }, apps: [], decide: /package\.json could not be read/ },
  'applications of Nx': {
    files: {
      'nx.json': '{}',
      'package.json': '{"name":"r"}',
      'apps/shop/project.json': '{"name":"shop","projectType":"application","targets":{"build":{}}}',
      'apps/shop-e2e/project.json': '{"name":"shop-e2e","projectType":"application"}',
      'libs/ui/project.json': '{"name":"ui","projectType":"library"}',
    },
    apps: [],
    decide: /^shop \(apps\/shop\) is an application of Nx/,
  },
  'programs within one module of Go, and libraries beside them': {
    files: {
      'go.mod': 'module m\n',
      'cmd/api/main.go': 'package main\nimport "net/http"\n',
      'cmd/sync/main.go': 'package main\nimport "fmt"\n',
      'internal/x/x.go': 'package x\n',
    },
    apps: ['api cmd/api / ./.sluice-app', 'sync cmd/sync - ./.sluice-app'],
  },
  'crates of a workspace': {
    files: {
      'Cargo.toml': '[workspace]\nmembers = ["crates/*"]\n',
      'crates/api/Cargo.toml': '[package]\nname = "api"\n[dependencies]\naxum = "0.8"\n',
      'crates/api/src/main.rs': '',
      'crates/core/Cargo.toml': '[package]\nname = "core"\n',
      'crates/core/src/lib.rs': '',
    },
    apps: ['api crates/api / ./.sluice-target/release/api'],
  },
  'members of a workspace of uv': {
    files: {
      'pyproject.toml': '[tool.uv.workspace]\nmembers = ["services/*", "libs/*"]\n',
      'services/api/pyproject.toml': '[project]\nname = "api"\ndependencies = ["fastapi"]\n',
      'services/api/main.py': 'app = FastAPI()\n',
      'libs/common/pyproject.toml': '[project]\nname = "common"\n',
      'libs/common/common/__init__.py': '',
    },
    apps: ['api services/api / sh -c exec python3 -m uvicorn main:app --host 127.0.0.1 --port "$PORT"'],
  },
  'modules of Gradle and Maven': {
    files: {
      'settings.gradle.kts': '',
      'shop/build.gradle.kts': '',
      'shop/src/main/java/A.java': '',
      'old/pom.xml': '',
      'old/src/main/java/B.java': '',
    },
    apps: [],
    decide: /shop is a module of Gradle[\s\S]*old is a module of Maven/,
  },
};

describe('repositories as people have them', () => {
  it.each(Object.entries(ROWS))('%s', (_name, { files, apps, decide, leftOut }) => {
    const found = detect(lookAt(files));
    expect(lines(found)).toEqual(apps);
    if (decide === undefined) expect(found.decide).toEqual([]);
    else expect(found.decide.join('\n')).toMatch(decide);
    if (leftOut !== undefined) expect(found.leftOut.join('\n')).toMatch(leftOut);
    // The whole workspace is an app's folder only where the app lies at its root.
    for (const app of found.apps) expect(app.path).toBe(app.folder);
    for (const what of found.decide) expect(configFile(found)).toContain(what);
  });

  it('without any app, says what was looked for', () => {
    const text = configFile(detect(lookAt({ 'README.md': '' })));
    expect(text).toContain('No app was found');
    expect(text).toContain('main.go in a module');
  });
});
