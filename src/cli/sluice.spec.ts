import { execFile, execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { built } from '../../test/worlds/built.ts';
import { runApart } from '../../test/worlds/command-line.ts';

/* The program as it is installed, without the one that it falls back to: what it cannot answer alone, it fails at. */

const PATIENCE = { timeout: 120_000 };
const ROOT = join(import.meta.dirname, '../..');
const VERSION = '9.9.9';
let folder = '';
let dir = '';

beforeAll(async () => {
  ({ folder } = await built(['src/config/load/import-config.ts', 'src/index.ts']));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module', version: VERSION }));
  mkdirSync(join(folder, 'src/cli'), { recursive: true });
  execFileSync(process.execPath, ['--import', 'tsx', join(ROOT, 'scripts/bundle.ts'), join(folder, 'src/cli')], { cwd: ROOT });
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function alone(...argv: string[]): Promise<Said> {
  try {
    const { stdout, stderr } = await promisify(execFile)(join(folder, 'src/cli/sluice.cjs'), argv, { cwd: dir });
    return { code: 0, out: stdout, err: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: stdout, err: stderr };
  }
}

function commit(text: string): void {
  const git = (...args: string[]) => execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.com', ...args], { cwd: dir });
  git('add', '-A');
  git('commit', '-q', '-m', text);
}

/** The same from the whole program. */
async function whole(...argv: string[]): Promise<Said> {
  const { exit, out, err } = await runApart([...argv, '-C', dir], { env: process.env });
  return { code: exit, out, err };
}

async function same(...argv: string[]): Promise<string> {
  const quick = await alone(...argv);
  expect(quick).toEqual(await whole(...argv));
  expect(quick.code).toBe(0);
  return quick.out;
}

describe('affected', () => {
  const FILES: Readonly<Record<string, string>> = {
    '.gitignore': '.sluice/\n',
    'web/package.json': '{ "name": "web", "dependencies": { "lib": "*" } }',
    'web/tsconfig.json': '{ "extends": "../base.json" }',
    'base.json': '{}',
    'lib/package.json': '{ "name": "lib" }',
    'lib/index.js': '1',
    'package.json': '{ "name": "root", "workspaces": ["web", "lib"] }',
    'go/go.mod': 'module example.com/go\n\ngo 1.22\n',
    'crate/Cargo.toml': '[package]\nname = "crate"\nversion = "0.1.0"\n',
    'py/pyproject.toml': '[project]\nname = "py"\nversion = "0.1.0"\n',
    'box/Dockerfile': 'FROM scratch\nCOPY . /\n',
    'made/Makefile': 'include ../base.mk\n',
    'base.mk': 'all:\n',
  };
  const APPS = ['web', 'go', 'crate', 'py', 'box', 'made'];
  const apps = Object.fromEntries(APPS.map((path) => [path, { path, run: 'true' }]));

  async function repository(config: string, text: string): Promise<void> {
    dir = mkdtempSync(join(tmpdir(), 'sluice-installed-'));
    for (const [path, content] of Object.entries({ ...FILES, [config]: text })) {
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      writeFileSync(join(dir, path), content);
    }
    execFileSync('git', ['init', '-q', '-b', 'main'], { cwd: dir });
    commit('one');
  }

  it(
    'is answered without the whole program, as by it: with nothing kept, with a graph kept, as words, with uncommitted changes',
    PATIENCE,
    async () => {
      await repository('sluice.config.json', JSON.stringify({ workspace: 'w', apps }));
      appendFileSync(join(dir, 'lib/index.js'), '2');
      appendFileSync(join(dir, 'base.mk'), '\n');
      commit('two');
      const ask = ['affected', '--since', 'HEAD~1', '--json'];
      const cold = await same(...ask);
      expect((JSON.parse(cold) as { apps: { app: string }[] }).apps.map(({ app }) => app)).toEqual(['made', 'web']);
      rmSync(join(dir, '.sluice'), { recursive: true });
      expect((await alone(...ask)).out).toBe(cold);
      expect((await alone(...ask)).out).toBe(cold);
      expect(await same('affected', '--since', 'HEAD~1')).toContain('made');
      appendFileSync(join(dir, 'py/pyproject.toml'), '\n');
      expect(await same('affected', '--since', 'HEAD', '--dirty')).toContain('py');
      for (const app of APPS) appendFileSync(join(dir, app, 'new'), 'x');
      for (const path of Object.keys(FILES)) appendFileSync(join(dir, path), '\n');
      commit('three');
      await same(...ask);
    },
  );

  it('is answered so where the configuration is a program, or another one than before', PATIENCE, async () => {
    const program = (names: readonly string[]) => `const names = ${JSON.stringify(names)};
export default { workspace: process.env.HOME === '' ? 'x' : 'w', apps: Object.fromEntries(names.map((path) => [path, { path, run: 'true' }])) };\n`;
    await repository('sluice.config.mjs', program(APPS));
    await same('affected', '--since', 'HEAD', '--json');
    writeFileSync(join(dir, 'sluice.config.mjs'), program(APPS.slice(1)));
    commit('two');
    const found = JSON.parse(await same('affected', '--since', 'HEAD~1', '--json')) as { removed: { app: string }[] };
    expect(found.removed.map(({ app }) => app)).toEqual(['web']);
  });

  it('asks the whole program where something else is wanted, or wrong', PATIENCE, async () => {
    await repository('sluice.config.json', JSON.stringify({ workspace: 'w', apps }));
    const program = join(folder, 'src/cli/program.cjs');
    rmSync(program);
    for (const argv of [['affected'], ['affected', '--since', 'nowhere'], ['affected', '--since', 'HEAD', '--explain', 'web'], ['apps']]) {
      const { code, err } = await alone(...argv);
      expect(code).toBe(1);
      expect(err).toContain('program.cjs');
    }
    writeFileSync(program, 'console.log(JSON.stringify(process.argv.slice(2))); process.exitCode = 7;\n');
    expect(await alone('affected', '--since', 'nowhere', '--json')).toEqual({
      code: 7,
      out: '["affected","--since","nowhere","--json"]\n',
      err: '',
    });
    rmSync(program);
  });
});
