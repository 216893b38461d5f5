import { processSettings } from '../adapters/platform/processes/settings.ts';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { freePort } from '../../test/free-port.ts';
import { type Repository, repositoryOf } from '../../test/worlds/repository.ts';
import { fileArtifacts } from '../adapters/artifacts/files.ts';
import { localBuilder } from '../adapters/builder/local.ts';
import { gitSource } from '../adapters/source/git.ts';
import { affectedSince } from './affected.ts';
import { changeReaders } from './change-readers.ts';
import { planTrouble, proposeFiles, writeProposal } from './init.ts';
import { createPlanner } from '../services/planning/planner.ts';

/* What init writes is planned, built as the plan says, and started: each layout answers as its users would ask. */
vi.setConfig({ testTimeout: 240_000 });

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0).toReversed()) end();
});

const SERVER = "require('node:http').createServer((_, to) => to.end(require('@s/words').hello)).listen(process.env.PORT, '127.0.0.1');\n";
const LAYOUTS = {
  'a workspace of npm with a library': {
    'package.json': '{"name":"r","private":true,"workspaces":["apps/*","libs/*"]}',
    'apps/web/package.json': '{"name":"web","version":"1.0.0","scripts":{"start":"node server.js"},"dependencies":{"@s/words":"*"}}',
    'apps/web/server.js': SERVER,
    'libs/words/package.json': '{"name":"@s/words","version":"1.0.0","main":"index.js"}',
    'libs/words/index.js': "exports.hello = 'hello';\n",
  },
  'one app with a byte order mark': {
    'web/package.json': '\uFEFF{"name":"web","scripts":{"start":"node server.js"}}',
    'web/server.js': SERVER.replace("require('@s/words').hello", "'hello'"),
  },
  'a service and a worker of compose': {
    'compose.yaml':
      'x-app: &app\n  build: ./web\nservices:\n  web: { <<: *app, ports: ["3000:3000"] }\n  worker: { <<: *app, command: node work.js }\n',
    'web/package.json': '{"name":"web","scripts":{"start":"node server.js"}}',
    'web/server.js': SERVER.replace("require('@s/words').hello", "'hello'"),
    'web/work.js': 'setInterval(() => {}, 1000);\n',
  },
  'a server in Python': {
    'main.py':
      "import http.server, os\nclass Hello(http.server.BaseHTTPRequestHandler):\n    def do_GET(self):\n        self.send_response(200)\n        self.end_headers()\n        self.wfile.write(b'hello')\nhttp.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), Hello).serve_forever()\n",
  },
} as const;

async function initialised(files: Readonly<Record<string, string>>): Promise<Repository> {
  const one = repositoryOf([files]);
  ends.push(() => one.end());
  const { files: proposals } = await proposeFiles(one.dir);
  for (const proposal of proposals) await writeProposal(one.dir, proposal);
  one.git('add', '-A');
  one.git('commit', '-qm', 'init');
  return one;
}

function answerOf(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path: '/' }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
      response.on('end', () => resolve(text));
    }).on('error', reject);
  });
}

test.each(Object.entries(LAYOUTS))('%s: is planned, built and answers', async (_name, files) => {
  const one = await initialised(files);
  expect(await planTrouble(one.dir, 'test')).toBeNull();
  const source = gitSource({ dir: one.dir });
  const planner = createPlanner({ dir: one.dir, source, readers: changeReaders(one.dir, 'test') });
  const plan = await planner.plan({ environment: 'staging', manifest: { environment: 'staging', apps: {} } });
  const app = plan.apps.find(({ routes }) => routes.length > 0);
  if (app === undefined) throw new Error('no app is routed');
  const dir = mkdtempSync(join(tmpdir(), 'sluice-init-run-'));
  ends.push(() => rmSync(dir, { recursive: true, force: true }));
  const artifacts = fileArtifacts({ dir: join(dir, 'artifacts') });
  const { artifact } = await localBuilder({ dir: join(dir, 'builds'), source, artifacts }).build(
    {
      app: app.app,
      path: app.path,
      commit: plan.source.commit,
      fingerprint: app.fingerprint,
      build: app.build,
      timeoutMs: 200_000,
      onOutput: () => undefined,
    },
    new AbortController().signal,
  );
  const port = await freePort();
  const [command = '', ...args] = processSettings(app.run).command;
  const child = spawn(command, args, {
    cwd: await artifacts.folder(artifact),
    env: { ...process.env, PORT: String(port) },
    stdio: 'ignore',
    detached: true,
  });
  ends.push(() => process.kill(-(child.pid ?? 0), 'SIGKILL'));
  await vi.waitFor(async () => expect(await answerOf(port)).toBe('hello'), { timeout: 60_000, interval: 100 });
});

test('a text for people affects no member of a workspace that init configured', async () => {
  const one = await initialised({
    ...LAYOUTS['a workspace of npm with a library'],
    'apps/api/package.json': '{"name":"api","scripts":{"start":"node server.js"},"dependencies":{"@s/words":"*"}}',
    'apps/api/server.js': SERVER,
  });
  one.commit({ 'README.md': 'hello' });
  const since = async (): Promise<string[]> =>
    (await affectedSince({ dir: one.dir, version: 'test', since: 'HEAD~1', dirty: false })).apps.map(({ app }) => app);
  expect(await since()).toEqual([]);
  one.commit({ 'apps/web/more.js': '1' });
  expect(await since()).toEqual(['web']);
});

test('files that may not be read, lead to themselves or are folders are named', async () => {
  const one = repositoryOf([{ 'a/x': '', 'go.mod/x': '' }]);
  ends.push(() => one.end());
  execFileSync('ln', ['-s', 'package.json', join(one.dir, 'a/package.json')]);
  const { found } = await proposeFiles(one.dir);
  expect(found.decide.join('\n')).toMatch(/a\/package\.json could not be read \(it is a link that leads back to itself\)/);
});

test('says what sluice plan would say', async () => {
  const one = await initialised(LAYOUTS['one app with a byte order mark']);
  one.commit({ 'sluice.config.ts': "export default { workspace: 'w', apps: { web: { path: 'nowhere', run: 'x' } } };\n" });
  expect(await planTrouble(one.dir, 'test')).toContain('nowhere');
});
