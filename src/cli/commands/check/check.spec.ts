import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openSession } from '../../session/open.ts';
import { createProgram } from '../../program.ts';
import { processTerminal } from '../../session/terminal.ts';

/** Real processes on a busy machine. */
const PATIENCE = { timeout: 60_000 };
let dir = '';

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sluice-check-'));
  git('init', '-q', '-b', 'main');
  put('.gitignore', '.sluice/\n');
  for (const app of ['api', 'web', 'plain']) put(`${app}/main.js`, 'start();\n');
  configure({ api: "console.log('fine')", web: "console.log('fine')" });
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function git(...args: string[]): void {
  execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.com', ...args], { cwd: dir, stdio: 'ignore' });
}
function put(path: string, text: string): void {
  mkdirSync(dirname(join(dir, path)), { recursive: true });
  writeFileSync(join(dir, path), text);
}
/** Each app's only check is a program of Node; the configuration is committed. */
function configure(programs: Readonly<Record<string, string>>): void {
  const app = (path: string) => ({ path, run: ['node', 'main.js'] });
  const checked = Object.entries(programs).map(([name, program]) => [
    name,
    { ...app(name), checks: { test: [process.execPath, '-e', program] } },
  ]);
  put('sluice.config.json', JSON.stringify({ workspace: 'w', apps: { ...Object.fromEntries(checked), plain: app('plain') } }));
  git('add', '-A');
  git('commit', '-q', '-m', 'x');
}

async function sluice(...argv: string[]): Promise<{ exit: number; out: string; err: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const said = { out: '', err: '' };
  stdout.on('data', (part: Buffer) => (said.out += part.toString()));
  stderr.on('data', (part: Buffer) => (said.err += part.toString()));
  const terminal = processTerminal({ stdin: new PassThrough(), stdout, stderr, env: {} });
  const surroundings = { terminal, env: {}, cwd: dir, version: '0.0.0', self: [] };
  const exit = await createProgram('0.0.0', terminal, (options) => openSession(surroundings, options)).run(argv);
  return { exit, ...said };
}

it('passes, tells so, and does not run again what has passed', PATIENCE, async () => {
  const first = await sluice('check');
  expect(first).toMatchObject({ exit: 0 });
  expect(first.out).toContain('2 apps passed.');
  const second = await sluice('check', '--json');
  const data = JSON.parse(second.out) as { verdict: string; reports: { app: string; checks: { reused: boolean }[] }[] };
  expect(data.verdict).toBe('passed');
  expect(data.reports.map(({ app, checks }) => [app, checks[0]?.reused])).toEqual([
    ['api', true],
    ['web', true],
  ]);
});

it('fails with exit code 3, shows the output, and says it in Markdown and SARIF', PATIENCE, async () => {
  configure({ api: "console.log('not so <b>`good`'); process.exit(1)", web: '' });
  const failed = await sluice('check', '--markdown', join(dir, 'summary.md'), '--sarif', join(dir, 'findings.sarif'));
  expect(failed.exit).toBe(3);
  expect(failed.out).toContain('    not so <b>`good`');
  expect(failed.out).toContain('Failed: api.');
  const markdown = readFileSync(join(dir, 'summary.md'), 'utf8');
  expect(markdown).toContain('## Checks failed: `api`');
  expect(markdown).toContain('```text\nnot so <b>`good`\n```');
  const sarif = JSON.parse(readFileSync(join(dir, 'findings.sarif'), 'utf8')) as { runs: { results: { ruleId: string }[] }[] };
  expect(sarif.runs.map(({ results }) => results.map((one) => one.ruleId))).toEqual([['check/test'], []]);
});

it('stops all apps at the first failure when asked to', PATIENCE, async () => {
  configure({ api: 'setTimeout(() => process.exit(1), 200)', web: 'setTimeout(() => {}, 300_000)' });
  const stopped = await sluice('check', '--fail-fast', '--jobs', '2');
  expect(stopped.exit).toBe(3);
  expect(stopped.out).toContain('Failed: api, web.');
});

it('looks at what has changed since a commit alone, uncommitted changes too', PATIENCE, async () => {
  put('web/main.js', 'start(again);\n');
  const changed = await sluice('check', '--changed', '--since', 'HEAD');
  expect(changed).toMatchObject({ exit: 0 });
  expect(changed.out).toContain('Unchanged: api.');
  expect(changed.out).toContain('1 app passed.');
});

it('that looks at nothing is an error', PATIENCE, async () => {
  const nothing = await sluice('check', '--app', 'plain', '--json');
  expect(nothing.exit).toBe(1);
  expect(nothing.out).toContain('CHECKS_NONE');
  expect((await sluice('check', '--app', 'wbe')).err).toContain('Did you mean "web"?');
});

it('people see how coverage has moved since the state before, in the terminal and in Markdown', PATIENCE, async () => {
  const covering = (lines: number): void => {
    const lcov = `SF:api/main.js\\n${Array.from({ length: 4 }, (_, i) => `DA:${i + 1},${i < lines ? 1 : 0}\\n`).join('')}end_of_record\\n`;
    const program = `const { mkdirSync, writeFileSync } = require('fs'); mkdirSync('out', { recursive: true }); writeFileSync('out/lcov.info', '${lcov}')`;
    put('api/main.js', `start();\nrun();\nrest();\nstop(${lines});\n`);
    const api = {
      path: 'api',
      run: ['node', 'main.js'],
      checks: { test: { command: [process.execPath, '-e', program], reports: [{ format: 'lcov', path: 'out/lcov.info' }] } },
      gates: { coverage: { new: 0 } },
    };
    put('sluice.config.json', JSON.stringify({ workspace: 'w', apps: { api } }));
    put('.gitignore', '.sluice/\nout/\n');
    git('add', '-A');
    git('commit', '-q', '-m', `${lines}`);
  };
  covering(4);
  expect((await sluice('check')).out).toMatch(/api .*coverage 100\.0 %,/);
  covering(3);
  const worse = await sluice('check', '--markdown', join(dir, 'summary.md'));
  expect(worse.out).toMatch(/coverage 75\.0 % \([−-]25(\.0)?\)/);
  expect(readFileSync(join(dir, 'summary.md'), 'utf8')).toMatch(/coverage 75\.0 % \([−-]25(\.0)?\)/);
});
