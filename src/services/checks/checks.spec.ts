import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, realpath, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resolveChecks } from '../../config/resolve/checks.ts';
import type { AppConfig } from '../../config/schema/workspace.ts';
import { lcovSample } from '../../../test/worlds/report-samples.ts';
import type { CheckOutcome, CheckReport, GateResult } from '../../core/gates/report.ts';
import { reportReaders } from '../../adapters/reports/index.ts';
import { gitSource } from '../../adapters/source/git.ts';
import { fileEvidence } from './evidence.ts';
import { runGraph, slots } from './graph.ts';
import { gitHistory } from './history.ts';
import type { LocalChecksOptions } from './local.ts';
import { localChecks } from './local.ts';
import { fileTrends } from './trends.ts';
import { removeTree } from '../../lib/unfinished.ts';

/** Real processes on a busy machine. */
const PATIENCE = { timeout: 60_000 };
const never = new AbortController().signal;
let dir = '';

beforeEach(async () => {
  dir = await realpath(await mkdtemp(join(tmpdir(), 'sluice-checks-')));
  await git('init', '-q', '-b', 'main');
  await git('config', 'user.email', 'a@example.com');
  await git('config', 'user.name', 'a');
  await put('.gitignore', '.sluice/\nout/\n*.log\n');
  await put('web/src/a.js', 'first();\n');
  await commit();
});
afterEach(async () => removeTree(dir));

async function git(...args: string[]): Promise<string> {
  return (await promisify(execFile)('git', args, { cwd: dir })).stdout.trim();
}
async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(dir, path)), { recursive: true });
  await writeFile(join(dir, path), text);
}
async function commit(): Promise<string> {
  await git('add', '-A');
  await git('commit', '-q', '--allow-empty', '-m', 'x');
  return git('rev-parse', 'HEAD');
}

type App = Pick<AppConfig, 'checks' | 'gates'>;

interface Ask {
  readonly base?: string | null;
  readonly fingerprint?: string;
  readonly signal?: AbortSignal;
}

async function check(app: App, ask: Ask = {}, options: Partial<LocalChecksOptions> = {}): Promise<CheckReport> {
  const settings = resolveChecks({ workspace: 'w', apps: { web: { path: 'web', ...app } } }, 'web');
  const checks = localChecks({
    dir,
    store: join(dir, '.sluice', 'checks'),
    source: gitSource({ dir }),
    history: gitHistory(dir),
    readers: reportReaders,
    settings: async (name) => (name === 'web' ? settings : null),
    environment: { PATH: process.env['PATH'] ?? '', HOME: dir },
    secret: () => null,
    place: 'workspace',
    concurrency: 2,
    failFast: false,
    force: false,
    now: Date.now,
    ...options,
  });
  const head = await git('rev-parse', 'HEAD');
  const { base = head, fingerprint = head, signal = never } = ask;
  return checks.run(
    { app: 'web', commit: head, base: base === null ? { kind: 'none', why: 'A test.' } : { kind: 'commit', commit: base }, fingerprint },
    signal,
  );
}

const node = (program: string): string[] => [process.execPath, '-e', program];
const append = (text: string): string[] =>
  node(`require('fs').appendFileSync(${JSON.stringify(join(dir, 'order.log'))}, ${JSON.stringify(`${text}\n`)})`);
const order = async (): Promise<string[]> =>
  (await readFile(join(dir, 'order.log'), 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
const results = (report: CheckReport): Record<string, CheckOutcome['result']> =>
  Object.fromEntries(report.checks.map((one) => [one.check, one.result]));
const gateOf = (report: CheckReport, name: string): GateResult | undefined => report.gates.find((one) => one.gate === name);
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};
async function until(what: () => boolean | Promise<boolean>, ms = 20_000): Promise<void> {
  for (const end = Date.now() + ms; !(await what()); await sleep(20)) if (Date.now() > end) throw new Error('it did not come');
}

describe('order', () => {
  it('a check runs after what it needs', PATIENCE, async () => {
    const checks = {
      d: { command: append('d'), needs: ['b', 'c'] },
      b: { command: append('b'), needs: ['a'] },
      c: { command: append('c'), needs: ['a'] },
      a: append('a'),
    };
    const report = await check({ checks });
    expect(report.verdict).toBe('passed');
    const lines = await order();
    expect(lines.length).toBe(4);
    expect([lines[0], lines[3]]).toEqual(['a', 'd']);
  });

  it('what needs a check that failed is left out; the rest runs', PATIENCE, async () => {
    const report = await check({ checks: { a: node('process.exit(3)'), b: { command: append('b'), needs: ['a'] }, c: append('c') } });
    expect(report.verdict).toBe('failed');
    expect(results(report)).toEqual({ a: 'failed', b: 'skipped', c: 'passed' });
    expect(report.checks[0]).toMatchObject({ exitCode: 3 });
    expect(await order()).toEqual(['c']);
  });

  it('with fail-fast everything stops at the first failure', PATIENCE, async () => {
    const report = await check(
      { checks: { slow: node('setTimeout(() => {}, 60000)'), bad: node('process.exit(1)'), later: { command: append('later') } } },
      {},
      { failFast: true },
    );
    expect(results(report)).toEqual({ slow: 'aborted', bad: 'failed', later: 'skipped' });
    expect(await order()).toEqual([]);
  });

  it('never more at a time than there are slots', async () => {
    let [now, most] = [0, 0];
    const nodes = Array.from({ length: 20 }, (_, i) => ({ name: `n${i}`, needs: i >= 10 ? [`n${i - 10}`] : [] }));
    await runGraph(nodes, {
      slots: slots(3),
      stop: null,
      signal: never,
      isGood: () => true,
      skipped: () => 'skipped',
      async run() {
        now += 1;
        most = Math.max(most, now);
        await sleep(2);
        now -= 1;
        return 'done';
      },
    });
    expect(most).toBe(3);
  });
});

describe('processes', () => {
  const parent = (...hows: string[]): string =>
    `const { spawn } = require('child_process'); const fs = require('fs');
     const children = [${hows.join(', ')}].map((how) => spawn(process.execPath, ['-e', "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)"], how));
     fs.writeFileSync(${JSON.stringify(join(dir, 'pids.log'))}, [process.pid, ...children.map((child) => child.pid)].join(' '));`;
  const pids = async (): Promise<number[]> => (await readFile(join(dir, 'pids.log'), 'utf8')).split(' ').map(Number);
  const allGone = async (count = 2): Promise<void> => {
    const started = await pids();
    expect(started.length).toBe(count);
    await until(() => started.every((pid) => !isAlive(pid)));
  };

  it('that take too long are ended with all they started, also what ignores SIGTERM or left the group', PATIENCE, async () => {
    const program = `${parent("{ stdio: 'ignore' }", "{ stdio: 'ignore', detached: true }")} process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)`;
    const report = await check({ checks: { slow: { command: node(program), timeout: '5s' } } });
    expect(report.checks[0]).toMatchObject({ result: 'timedOut', message: 'Stopped after 5 s.' });
    await allGone(3);
  });

  it('left behind in the group by a check that ended have ended too', PATIENCE, async () => {
    const report = await check({ checks: { leaves: node(`${parent("{ stdio: 'ignore' }")} children[0].unref()`) } });
    expect(results(report)).toEqual({ leaves: 'passed' });
    await allGone();
  });

  it('end when the run is cancelled', PATIENCE, async () => {
    const stop = new AbortController();
    const running = check(
      { checks: { slow: node(`${parent("{ stdio: 'ignore' }")} setInterval(() => {}, 1000)`) } },
      { signal: stop.signal },
    );
    const ended = running.then(() => null, String);
    await until(() =>
      pids().then(
        (found) => found.length === 2 && found.every((pid) => pid > 0),
        () => false,
      ),
    );
    stop.abort(new Error('enough'));
    expect(await ended).toBe('Error: enough');
    await allGone();
  });

  it('end when we are killed', PATIENCE, async () => {
    const program = join(dir, 'out', 'mortal.mjs');
    const here = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href);
    await put(
      'out/mortal.mjs',
      `const { runCommand } = await import(${here('./command.ts')}); const { createWatchdog } = await import(${here('./watchdog.ts')});
       await runCommand({ argv: [process.execPath, '-e', ${JSON.stringify(`${parent("{ stdio: 'ignore' }")} setInterval(() => {}, 1000)`)}], cwd: ${JSON.stringify(dir)},
         env: process.env, log: ${JSON.stringify(join(dir, 'mortal.log'))}, timeoutMs: 60000, signal: new AbortController().signal, watchdog: createWatchdog() });`,
    );
    const us = spawn(process.execPath, ['--import', 'tsx', program], { cwd: new URL('../../..', import.meta.url), stdio: 'ignore' });
    try {
      await until(() =>
        pids().then(
          (found) => found.length === 2 && found.every((pid) => pid > 0),
          () => false,
        ),
      );
      us.kill('SIGKILL');
      await allGone();
    } finally {
      us.kill('SIGKILL');
    }
  });

  it('keep their whole output, and an outcome shows its end', PATIENCE, async () => {
    const report = await check({
      checks: { talks: node("for (let i = 1; i <= 50000; i++) console.log('line ' + i); console.error('bad'); process.exitCode = 1") },
    });
    const [outcome] = report.checks;
    expect(outcome?.lastLines.slice(-2)).toEqual(['line 50000', 'bad']);
    expect(outcome?.lastLines.length).toBe(20);
    const log = await readFile(outcome?.log ?? '', 'utf8');
    expect(log.split('\n').length).toBe(50_002);
  });

  it('that cannot be started say so', PATIENCE, async () => {
    const report = await check({ checks: { gone: ['no-such-program-here'] } });
    expect(report.checks[0]).toMatchObject({
      result: 'failed',
      // EACCES: a folder of PATH that may not be looked into.
      message: expect.stringMatching(
        /^no-such-program-here could not be started \((ENOENT|EACCES)\): install it, or correct the command\.$/,
      ),
    });
  });

  it('find what the app has installed, and get no variable but those given', PATIENCE, async () => {
    await put('web/node_modules/.bin/tool', '#!/bin/sh\n[ -z "$SECRET" ] && [ "$OWN" = yes ]\n');
    await promisify(execFile)('chmod', ['+x', join(dir, 'web/node_modules/.bin/tool')]);
    process.env['SECRET'] = 'x';
    const report = await check({ checks: { tool: { command: ['tool'], env: { OWN: 'yes' } } } });
    delete process.env['SECRET'];
    expect(results(report)).toEqual({ tool: 'passed' });
  });
});

describe('evidence', () => {
  const app: App = { checks: { test: { command: [], reports: [] } } };
  const counting = (): App => ({ ...app, checks: { test: append('ran') } });

  it('of a check that passed is used again while nothing it depends on has changed', PATIENCE, async () => {
    const first = await check(counting());
    const second = await check(counting());
    expect(await order()).toEqual(['ran']);
    expect([first.checks[0]?.reused, second.checks[0]?.reused, second.verdict]).toEqual([false, true, 'passed']);
    expect(second.checks[0]?.message).toMatch(/^Not run: the same inputs passed on \d{4}-/);
    expect(second.checks[0]?.log).toBe(first.checks[0]?.log);
    await check(counting(), { fingerprint: 'other' });
    expect((await order()).length).toBe(2);
    await check({ checks: { test: { command: append('ran'), env: { A: '1' } } } });
    expect((await order()).length).toBe(3);
    await check(counting(), {}, { force: true });
    expect((await order()).length).toBe(4);
  });

  it('counts what it says it depends on, outside of the app', PATIENCE, async () => {
    const settings: App = { checks: { test: { command: append('ran'), inputs: ['lib', 'one.txt'] } } };
    await put('lib/x.js', '1');
    await put('one.txt', '1');
    await commit();
    await check(settings, { fingerprint: 'same' });
    await check(settings, { fingerprint: 'same' });
    expect((await order()).length).toBe(1);
    await put('one.txt', '2');
    await commit();
    await check(settings, { fingerprint: 'same' });
    expect((await order()).length).toBe(2);
  });

  it('of a check that failed is none', PATIENCE, async () => {
    await check({ checks: { test: [...append('ran').slice(0, 2), `${append('ran')[2] ?? ''}; process.exit(1)`] } });
    await check({ checks: { test: [...append('ran').slice(0, 2), `${append('ran')[2] ?? ''}; process.exit(1)`] } });
    expect((await order()).length).toBe(2);
  });

  it('that somebody changed is none', PATIENCE, async () => {
    const write = node(
      `const fs = require('fs'); fs.mkdirSync('out', { recursive: true }); fs.writeFileSync('out/lcov.info', ${JSON.stringify(lcovSample(40))})`,
    );
    await put('web/src/b.js', 'second();\n');
    await commit();
    const settings: App = { checks: { test: { command: write, reports: [{ format: 'lcov', path: 'out/lcov.info' }] } } };
    expect((await check(settings)).verdict).toBe('passed');
    const reused = await check(settings);
    expect([reused.checks[0]?.reused, reused.verdict, reused.measures.coverage]).toEqual([true, 'passed', 100]);
    const folder = join(dir, '.sluice/checks/evidence/web/test');
    const [name = ''] = await readdir(folder);
    await writeFile(join(folder, name, 'report-0'), lcovSample(8));
    expect((await check(settings)).checks[0]?.reused).toBe(false);
  });

  it('grows old where it may', PATIENCE, async () => {
    const settings: App = { checks: { test: { command: append('ran'), reuse: '1h' } } };
    await check(settings);
    await check(settings, {}, { now: () => Date.now() + 3_500_000 });
    expect((await order()).length).toBe(1);
    await check(settings, {}, { now: () => Date.now() + 3_700_000 });
    expect((await order()).length).toBe(2);
  });

  it('is kept for twenty runs, without a trace of those that were cut off', PATIENCE, async () => {
    const store = fileEvidence(join(dir, 'out'));
    const outcome: CheckOutcome = {
      check: 'c',
      result: 'passed',
      reused: false,
      message: '',
      exitCode: 0,
      ms: 1,
      log: null,
      lastLines: [],
      at: 0,
    };
    for (let i = 0; i < 25; i += 1)
      await (
        await store.begin('web', 'c')
      ).keep(`key${i}-aaaaaaaaaaaaaaaa`, { outcome: { ...outcome, at: i }, root: dir, reports: new Map() });
    expect((await readdir(join(dir, 'out/web/c'))).length).toBe(20);
    expect(await store.find('web', 'c', 'key3-aaaaaaaaaaaaaaaa')).toBeNull();
    expect((await store.find('web', 'c', 'key24-aaaaaaaaaaaaaaaa'))?.outcome.at).toBe(24);
  });
});

describe('setups', () => {
  const app = (): App => ({
    checks: { install: { command: append('install'), setup: true }, test: { command: append('test'), needs: ['install'] } },
  });
  it('run where something that needs them does', PATIENCE, async () => {
    await check(app());
    expect(await order()).toEqual(['install', 'test']);
    const again = await check(app());
    expect(await order()).toEqual(['install', 'test']);
    expect(again.verdict).toBe('passed');
  });
  it('run anew in each checkout, and only then', PATIENCE, async () => {
    await check(app(), {}, { place: 'checkout' });
    await check(app(), {}, { place: 'checkout' });
    expect(await order()).toEqual(['install', 'test']);
    await check(app(), { fingerprint: 'other' }, { place: 'checkout' });
    expect((await order()).length).toBe(4);
  });
});

describe('a checkout', () => {
  it('has what is committed, not what lies about, and leaves nothing', PATIENCE, async () => {
    await put('web/src/a.js', 'changed();\n');
    await put('web/extra.txt', 'x');
    const look =
      "const fs = require('fs'); process.exit(fs.existsSync('extra.txt') || fs.readFileSync('src/a.js', 'utf8') !== 'first();\\n' ? 1 : 0)";
    expect(results(await check({ checks: { look: node(look) } }, {}, { place: 'checkout' }))).toEqual({ look: 'passed' });
    expect(results(await check({ checks: { look: node(look) } }, { fingerprint: 'other' }))).toEqual({ look: 'failed' });
    expect(await readdir(join(dir, '.sluice/checks/checkouts'))).toEqual([]);
  });
});

describe('reports', () => {
  const write = (text: string, path = 'out/lcov.info'): string[] =>
    node(
      `const fs = require('fs'); fs.mkdirSync('out', { recursive: true }); fs.writeFileSync(${JSON.stringify(path)}, ${JSON.stringify(text)})`,
    );
  const lcov = { format: 'lcov', path: 'out/lcov.info' } as const;
  const problem = (report: CheckReport): string => gateOf(report, 'report.test')?.message ?? 'none';
  const both = async (): Promise<string> => {
    const before = await git('rev-parse', 'HEAD');
    await put('web/src/a.js', 'call();\n'.repeat(40));
    await put('web/src/b.js', 'other();\n'.repeat(40));
    await commit();
    return before;
  };

  it('that a check did not write are missing, although it passed', PATIENCE, async () => {
    const report = await check({ checks: { test: { command: node(''), reports: [lcov] } } });
    expect(report.verdict).toBe('failed');
    expect(problem(report)).toContain('is missing');
  });

  it('that lay there before are stale', PATIENCE, async () => {
    await both();
    await put('web/out/lcov.info', lcovSample(40));
    const report = await check({ checks: { test: { command: node(''), reports: [lcov] } } });
    expect(report.verdict).toBe('failed');
    expect(problem(report)).toContain('is stale');
  });

  it('about files that are not there are unresolvable', PATIENCE, async () => {
    const report = await check({ checks: { test: { command: write(lcovSample(40).replaceAll('src/', 'lib/')), reports: [lcov] } } });
    expect(problem(report)).toContain('is about files that are not here: lib/a.js, lib/b.js');
  });

  it('with absolute paths, and several of them, are one', PATIENCE, async () => {
    const before = await both();
    const absolute = lcovSample(40).replaceAll('SF:', `SF:${dir}/web/`);
    const [first = '', second = ''] = absolute.split(/(?<=end_of_record\n)/);
    const command = node(
      `const fs = require('fs'); fs.mkdirSync('out', { recursive: true }); fs.writeFileSync('out/1.info', ${JSON.stringify(first)}); fs.writeFileSync('out/2.info', ${JSON.stringify(second)})`,
    );
    const report = await check({ checks: { test: { command, reports: [{ format: 'lcov', path: 'out/*.info' }] } } }, { base: before });
    expect(gateOf(report, 'coverage.new')).toMatchObject({ result: 'passed', value: 100 });
    expect(report.verdict).toBe('passed');
  });

  it('may be written to a folder of the run, fresh each time and outside of the tree', PATIENCE, async () => {
    await both();
    const program = `require('fs').writeFileSync(process.argv[1], ${JSON.stringify(lcovSample(40))}, { flag: 'wx' })`;
    const checks = {
      test: { command: [...node(program), '{reports}/lcov.info'], reports: [{ format: 'lcov' as const, path: '{reports}/lcov.info' }] },
    };
    for (const force of [false, true, false]) expect((await check({ checks }, {}, { force })).verdict).toBe('passed');
    expect(await git('status', '--porcelain')).toBe('');
  });

  it('decide over new lines only: the same coverage passes where it is old', PATIENCE, async () => {
    const before = await both();
    const settings: App = { checks: { test: { command: write(lcovSample(8)), reports: [lcov] } }, gates: { duplication: false } };
    const fresh = await check(settings, { base: before });
    expect(gateOf(fresh, 'coverage.new')).toMatchObject({ result: 'failed', value: (16 / 96) * 100 });
    const old = await check(settings);
    expect(gateOf(old, 'coverage.new')).toMatchObject({ result: 'notApplicable' });
    expect(old.verdict).toBe('passed');
    const firstEver = await check(settings, { base: null });
    expect(firstEver.verdict).toBe('failed');
  });

  it('that nobody here makes must be younger than the sources', PATIENCE, async () => {
    await both();
    const settings: App = { checks: { test: { reports: [lcov] } } };
    await put('web/out/lcov.info', lcovSample(40));
    expect((await check(settings)).verdict).toBe('passed');
    const old = new Date(Date.now() - 3_600_000);
    await utimes(join(dir, 'web/out/lcov.info'), old, old);
    expect(problem(await check(settings, { fingerprint: 'other' }))).toContain('older than the sources');
    // For the sources that it was about it goes on counting.
    expect((await check(settings)).verdict).toBe('passed');
    expect((await check(settings, {}, { place: 'checkout' })).verdict).toBe('passed');
  });
});

describe('a report of an app', () => {
  it('is none where nothing is asked for', PATIENCE, async () => expect((await check({})).verdict).toBe('none'));
  it('has a line of evidence for each check and gate', PATIENCE, async () => {
    const report = await check({ checks: { test: node('') } });
    expect(report.evidence.map(({ subject, result }) => [subject, result])).toEqual([
      ['test', 'passed'],
      ['duplication', 'notApplicable'],
    ]);
  });
  it('is remembered, once for each state of the sources', PATIENCE, async () => {
    for (const fingerprint of ['a', 'a', 'b']) await check({ checks: { test: node('') } }, { fingerprint });
    const trends = fileTrends(join(dir, '.sluice/checks/trends'));
    expect((await trends.read('web')).map((one) => one.fingerprint)).toEqual(['a', 'b']);
  });
  it('finds figures worse than when all was well', PATIENCE, async () => {
    const measured = (value: number): App => ({
      checks: {
        load: {
          command: node(
            `require('fs').mkdirSync('out', { recursive: true }); require('fs').writeFileSync('out/k6.json', '{"p95": ${value}}')`,
          ),
          reports: [{ format: 'k6', path: 'out/k6.json' }],
        },
      },
      gates: { budgets: { p95: { worse: 10 } } },
    });
    expect((await check(measured(100), { fingerprint: 'a' })).verdict).toBe('passed');
    expect((await check(measured(150), { fingerprint: 'b' })).verdict).toBe('failed');
    expect((await check(measured(105), { fingerprint: 'c' })).verdict).toBe('passed');
  });
  it('of an app or a commit that is not there is an error', PATIENCE, async () => {
    await expect(check({ checks: { test: node('') } }, {}, { settings: async () => null })).rejects.toMatchObject({
      code: 'CHECKS_UNKNOWN_APP',
    });
    await expect(check({ checks: { test: node('') } }, { base: 'f'.repeat(40) })).rejects.toMatchObject({ code: 'COMMIT_UNKNOWN' });
  });
});
