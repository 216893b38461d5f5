import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lookAt } from '../../../test/worlds/look.ts';
import { configFile } from './config-file.ts';
import { detect } from './detect.ts';

/* Layouts of whole repositories: what becomes an app, and where the rest is named. test/e2e/layouts.spec.ts deploys some of them. */

interface Row {
  readonly files: Readonly<Record<string, string>>;
  /** `name path routes run` */
  readonly apps: readonly string[];
  readonly decide?: RegExp;
  readonly leftOut?: RegExp;
}

const FASTAPI = '[project]\nname = "x"\ndependencies = ["fastapi[standard]>=0.1"]\n[build-system]\nrequires = ["hatchling"]\n';
const ROWS: Readonly<Record<string, Row>> = {
  'an image of the whole, made for a service in a folder of its own': {
    files: {
      'compose.yml': 'services:\n  backend: { build: { context: ., dockerfile: backend/Dockerfile }, ports: ["8000:8000"] }\n',
      'package.json': '{"private":true,"workspaces":["frontend"]}',
      'frontend/package.json': '{"name":"frontend","devDependencies":{"vite":"7"}}',
      'frontend/index.html': '',
      'backend/pyproject.toml': FASTAPI,
      'backend/Dockerfile': 'FROM python\nCOPY ./backend/app /app\nCMD ["fastapi","run"]\n',
      'backend/app/__init__.py': '',
      'backend/app/main.py': 'from fastapi import FastAPI\napp = FastAPI()\n',
    },
    apps: [
      'backend backend /backend sh -c exec python3 -m uvicorn app.main:app --host 127.0.0.1 --port "$PORT"',
      'frontend frontend / sh -c cd \'frontend\' && exec npx --no-install vite preview --host 127.0.0.1 --port "$PORT"',
    ],
  },
  'an image of the whole that copies one of several folders': {
    files: {
      'compose.yaml': 'services:\n  api: { build: { context: ., dockerfile: docker/api.Dockerfile }, ports: [80] }\n',
      'docker/api.Dockerfile':
        'FROM golang AS made\nCOPY go.work ./\nCOPY --chown=1:1 services/api ./services/api\nFROM x\nCOPY --from=made /api /api\nCMD ["/api"]\n',
      'services/api/go.mod': 'module api\n',
      'services/api/main.go': 'package main\nimport "net/http"\nfunc main() {}\n',
      'services/mail/go.mod': 'module mail\n',
      'services/mail/main.go': 'package main\nimport "net/http"\nfunc main() {}\n',
    },
    apps: ['api services/api /api ./app', 'mail services/mail /mail ./app'],
  },
  'an image of the whole that nothing tells apart': {
    files: {
      'compose.yaml': 'services:\n  all: { build: ., ports: [80] }\n',
      Dockerfile: 'FROM x\nCOPY . .\nCMD ["./run"]\n',
      'a/package.json': '{"name":"a","scripts":{"start":"node server.js"}}',
      'a/server.js': '',
      'b/package.json': '{"name":"b","scripts":{"start":"node server.js"}}',
      'b/server.js': '',
    },
    apps: ['a a /a node server.js', 'b b /b node server.js'],
    decide: /^all: Dockerfile is made of the whole of \., in which several apps lie\./,
    leftOut: /^The Dockerfile in \. makes an image of the whole workspace/,
  },
  'a Dockerfile above the programs of a module': {
    files: {
      Dockerfile: 'FROM x\nCMD ["/app/server"]\n',
      'go.mod': 'module m\n',
      'cmd/server/main.go': 'package main\nimport "net/http"\nfunc main() {}\n',
      'web/package.json': '{"name":"web","main":"x.js"}',
    },
    apps: ['server cmd/server / ./.sluice-app'],
    leftOut: /The Dockerfile in \. makes an image of the whole[\s\S]*^web starts nothing that answers/m,
  },
  'a library of Python whose package has an app.py, with examples': {
    files: {
      'pyproject.toml': '[project]\nname = "frame"\n[build-system]\nrequires = ["flit_core"]\n',
      'src/frame/__init__.py': '',
      'src/frame/app.py': 'class Frame(Base):\n    pass\n',
      'src/frame/__main__.py': 'from .cli import main\nmain()\n',
      'src/frame/parts/app.py': 'class Part:\n    pass\n',
      'examples/tutorial/pyproject.toml': '[project]\nname = "t"\ndependencies = ["flask"]\n',
      'examples/tutorial/app.py': 'app = Flask(__name__)\n',
    },
    apps: [],
    leftOut: /^examples\/tutorial shows how something is used/,
  },
  'one package with settings of pnpm, and a root that only hands on': {
    files: {
      'package.json': '{"name":"site","scripts":{"start":"./begin.sh"},"dependencies":{"express":"5"}}',
      'pnpm-workspace.yaml': 'onlyBuiltDependencies: [sharp]\n',
      'app/page.tsx': '',
    },
    apps: ['site . / pnpm start'],
  },
  'a root whose start hands on to a member': {
    files: {
      'package.json': '{"private":true,"workspaces":["apps/*"],"scripts":{"start":"npm start -w apps/web"}}',
      'apps/web/package.json': '{"name":"web","scripts":{"start":"node server.js"}}',
      'apps/web/server.js': '',
    },
    apps: ['web apps/web / node server.js'],
  },
  'a project of Django with a Procfile, and requirements that lead to others': {
    files: {
      'manage.py': "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n",
      'requirements.txt': '-r requirements/production.txt\n',
      'requirements/production.txt': 'Django==5.2\ngunicorn\ncelery\n',
      'shop/settings.py': '',
      Procfile: 'release: python manage.py migrate\nweb: gunicorn shop.wsgi\nworker: celery -A shop worker\n# beat: celery\n',
    },
    apps: ['w . / python3 -m gunicorn shop.wsgi', 'worker . - python3 -m celery -A shop worker'],
    leftOut: /^release of Procfile runs once/,
  },
  'an application of Rails': {
    files: { Gemfile: 'gem "rails", "~> 8.0"\n', 'config.ru': '', 'config/puma.rb': '', 'bin/rails': '' },
    apps: [],
    decide:
      /^\. holds Ruby, which init cannot start by itself: .* path '\.', its build and run 'bin\/rails server -b 127\.0\.0\.1 -p "\$PORT"'\.$/m,
  },
  'Poetry without a build, Pipenv, and a lock of uv': {
    files: {
      'a/pyproject.toml': '[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\nflask = "3"\n',
      'a/app.py': 'app = Flask(__name__)\n',
      'b/Pipfile': '[packages]\nflask = "*"\n',
      'b/app.py': 'app = Flask(__name__)\n',
      'c/pyproject.toml': FASTAPI,
      'c/uv.lock': '',
      'c/main.py': 'app = FastAPI()\n',
    },
    apps: [
      'a a /a sh -c exec python3 -m flask --app app run --host 127.0.0.1 --port "$PORT"',
      'b b /b sh -c exec python3 -m flask --app app run --host 127.0.0.1 --port "$PORT"',
      'c c /c sh -c exec python3 -m uvicorn main:app --host 127.0.0.1 --port "$PORT"',
    ],
    decide: /a keeps its packages in pyproject\.toml as Poetry does[\s\S]*b keeps its packages in a Pipfile[\s\S]*not by c\/uv\.lock/,
  },
  'a program below src, and one whose start nothing tells': {
    files: {
      'one/pyproject.toml': FASTAPI,
      'one/src/shop/__init__.py': '',
      'one/src/shop/main.py': 'app: FastAPI = FastAPI()\n',
      'two/pyproject.toml': FASTAPI,
      'two/service/__init__.py': '',
    },
    apps: ['one one / sh -c exec python3 -m uvicorn --app-dir src shop.main:app --host 127.0.0.1 --port "$PORT"'],
    decide: /^two needs fastapi and does not say how it is started/,
  },
  'a server of Go that does not begin in main.go, in a folder src': {
    files: {
      'services/cart/src/go.mod': 'module cart\n',
      'services/cart/src/server.go': 'package main\nimport "net/http"\nfunc main() {}\n',
    },
    apps: ['cart services/cart/src / ./app'],
  },
  'services that compose starts on demand, and a compose file for an editor': {
    files: {
      'compose.yaml': 'services:\n  web: { build: ./web, ports: [80] }\n  seed: { build: ./seed, profiles: [seed] }\n',
      'web/package.json': '{"name":"web","scripts":{"start":"node server.js"}}',
      'web/server.js': '',
      'seed/Dockerfile': 'FROM x\nCMD ["./seed"]\n',
      '.devcontainer/compose.yaml': 'services:\n  dev: { build: ., ports: [22] }\n',
      '.devcontainer/Dockerfile': 'FROM x\nCMD ["sleep","inf"]\n',
    },
    apps: ['web web / node server.js'],
    leftOut: /^seed of compose\.yaml is started on demand only/,
  },
  'applications of Nx with packages of their own': {
    files: {
      'nx.json': '{}',
      'package.json': '{"private":true,"workspaces":["apps/*","libs/*"]}',
      'apps/cart/package.json': '{"name":"cart"}',
      'apps/cart/project.json': '{"name":"cart","projectType":"application","targets":{"build":{}}}',
      'apps/cart-e2e/package.json': '{"name":"cart-e2e","scripts":{"start":"node server.js"}}',
      'apps/cart-e2e/server.js': '',
      'libs/ui/package.json': '{"name":"ui","main":"i.js"}',
    },
    apps: [],
    decide: /^cart \(apps\/cart\) is an application of Nx/,
    leftOut: /^apps\/cart-e2e lies among tests, docs or tools[\s\S]*^libs\/ui starts nothing/m,
  },
  'the port of another server is not the own one': {
    files: {
      'requirements.txt': '',
      'app.py': "cache = redis.Redis(host='redis', port=6379)\nHTTPServer(('0.0.0.0', 8000), Hello).serve_forever()\n",
      'web/package.json': '{"name":"web","scripts":{"start":"node server.js"}}',
      'web/server.js': "const db = { host: 'db', port: 5432 };\nserver.listen(5000);\n",
    },
    apps: ['w . /w python3 app.py', 'web web / node server.js'],
    decide: /w listens on port 8000 itself[\s\S]*web listens on port 5000 itself/,
  },
};

describe('layouts of repositories', () => {
  it.each(Object.entries(ROWS))('%s', (_name, { files, apps, decide, leftOut }) => {
    const found = detect(lookAt(files));
    expect(found.apps.map(({ name, path, routes, run }) => `${name} ${path} ${routes.join(' ') || '-'} ${run.join(' ')}`)).toEqual(apps);
    if (decide === undefined) expect(found.decide).toEqual([]);
    else expect(found.decide.join('\n')).toMatch(decide);
    if (leftOut !== undefined) expect(found.leftOut.join('\n')).toMatch(leftOut);
    for (const sentence of [...found.decide, ...found.leftOut]) expect(configFile(found)).toContain(sentence);
  });
});

type Kind = (folder: string, name: string) => Readonly<Record<string, string>>;
const APPS: Readonly<Record<string, Kind>> = {
  node: (at, name) => ({
    [`${at}/package.json`]: JSON.stringify({ name, scripts: { start: 'node server.js' } }),
    [`${at}/server.js`]: '',
  }),
  next: (at, name) => ({
    [`${at}/package.json`]: JSON.stringify({ name, scripts: { start: 'next start' }, dependencies: { next: '16' } }),
  }),
  fastapi: (at) => ({ [`${at}/pyproject.toml`]: FASTAPI, [`${at}/app/main.py`]: 'app = FastAPI()\n', [`${at}/app/__init__.py`]: '' }),
  flask: (at) => ({ [`${at}/requirements.txt`]: 'flask\n', [`${at}/app.py`]: 'app = Flask(__name__)\n' }),
  go: (at) => ({ [`${at}/go.mod`]: 'module m\n', [`${at}/main.go`]: 'package main\nimport "net/http"\nfunc main() {}\n' }),
  rust: (at, name) => ({ [`${at}/Cargo.toml`]: `[package]\nname = "${name}"\n[dependencies]\naxum = "0.8"\n`, [`${at}/src/main.rs`]: '' }),
};
const OTHERS: Readonly<Record<string, Kind>> = {
  node: (at, name) => ({ [`${at}/package.json`]: JSON.stringify({ name, main: 'index.js' }), [`${at}/index.js`]: '' }),
  'node with a framework beside it': (at, name) => ({
    [`${at}/package.json`]: JSON.stringify({
      name,
      exports: './index.js',
      peerDependencies: { next: '*' },
      devDependencies: { express: '5' },
    }),
  }),
  'node that watches': (at, name) => ({ [`${at}/package.json`]: JSON.stringify({ name, scripts: { start: 'tsc -w' } }) }),
  python: (at) => ({
    [`${at}/pyproject.toml`]: '[project]\nname = "x"\n[build-system]\nrequires = ["hatchling"]\n',
    [`${at}/kit/__init__.py`]: '',
    [`${at}/kit/app.py`]: 'class App:\n    pass\n',
    [`${at}/kit/__main__.py`]: 'main()\n',
  }),
  go: (at) => ({ [`${at}/go.mod`]: 'module m\n', [`${at}/kit.go`]: 'package kit\n' }),
  rust: (at, name) => ({ [`${at}/Cargo.toml`]: `[package]\nname = "${name}"\n`, [`${at}/src/lib.rs`]: '' }),
};
const ROOTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  nothing: {},
  npm: { 'package.json': '{"name":"root","private":true,"workspaces":["*/*"]}', 'package-lock.json': '{}' },
  pnpm: {
    'package.json': '{"name":"root","scripts":{"start":"turbo run start"}}',
    'pnpm-workspace.yaml': 'packages: ["*/*"]\n',
    'pnpm-lock.yaml': '',
  },
  uv: { 'pyproject.toml': '[tool.uv.workspace]\nmembers = ["*/*"]\n', 'uv.lock': '' },
  docker: { Dockerfile: 'FROM x\nCOPY . .\nCMD ["./run"]\n' },
};

describe('any mixture of them', () => {
  const member = fc.record({
    isApp: fc.boolean(),
    of: fc.nat(),
    below: fc.constantFrom('apps', 'services', 'packages', 'libs'),
    name: fc.constantFrom('red', 'green', 'blue', 'grey', 'pink', 'teal', 'gold', 'mint'),
  });
  const layouts = fc.record({
    root: fc.constantFrom(...Object.keys(ROOTS)),
    members: fc.uniqueArray(member, { selector: ({ name }) => name, minLength: 2, maxLength: 8 }),
  });

  it('has the apps and no library as apps, each with its own folder, and names all the rest', () => {
    fc.assert(
      fc.property(layouts, ({ root, members }) => {
        const made = members.map(({ isApp, of, below, name }) => {
          const kinds = Object.values(isApp ? APPS : OTHERS);
          return { isApp, folder: `${below}/${name}`, files: (kinds[of % kinds.length] as Kind)(`${below}/${name}`, name) };
        });
        const found = detect(lookAt(Object.assign({}, ROOTS[root], ...made.map(({ files }) => files))));
        const folders = made.filter(({ isApp }) => isApp).map(({ folder }) => folder);
        expect(found.apps.map(({ path }) => path).toSorted()).toEqual(
          folders.length === 0 && root === 'docker' ? ['.'] : folders.toSorted(),
        );
        const said = [...found.leftOut, ...found.decide].join('\n');
        for (const { isApp, folder } of made) if (!isApp) expect(said).toContain(folder);
      }),
      { numRuns: 400 },
    );
  });
});
