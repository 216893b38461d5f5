import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CommandLineWorld, commandLineWorld } from '../../test/worlds/command-line.ts';
import { canary } from '../../test/worlds/memory-planner.ts';
import type { ServedApp } from '../services/serving/served-app.ts';
import { COMMANDS } from './command-table.ts';

/** A folder with nothing in it. */
const NOWHERE = mkdtempSync(join(tmpdir(), 'sluice-nowhere-'));
afterAll(() => rmSync(NOWHERE, { recursive: true }));

let world: CommandLineWorld;
/** What users get, as the control plane finds it. */
let served: readonly ServedApp[] = [];
beforeEach(async () => {
  served = [];
  world = await commandLineWorld({
    server: {
      shutdown: () => {},
      doctor: async () => [{ name: 'database', status: 'ok', message: 'answers', hint: null }],
      served: async () => served,
      async *logs(ref) {
        yield { version: 'abc', instance: '1', line: `hello from ${ref.app}` };
      },
    },
  });
});
afterEach(() => world.close());

/** Two releases of everything to production, and one that was rolled back. */
async function past(): Promise<void> {
  await world.run(['deploy', '-e', 'production', '--yes']);
  world.planner.sources.set('web', 'two');
  await world.run(['deploy', '-e', 'production', '--yes']);
  world.planner.sources.set('web', 'three');
  world.planner.strategies.set('web', canary({ bakeMs: 2000 }));
  world.engine.scripts.set('web', { errorRate: 0.5 });
  await world.run(['deploy', '-e', 'production', '--yes']);
  world.engine.scripts.clear();
}

/** A release that waits for approval. */
async function paused(): Promise<string> {
  world.planner.strategies.set('web', canary({ pause: true, bakeMs: 40 }));
  world.planner.sources.set('web', 'paused');
  const { out } = await world.run(['deploy', '-e', 'production', '--yes', '--json']);
  return JSON.parse(out).release;
}

async function heldVersion(): Promise<string> {
  return (await world.engine.manifest('production')).apps['web']?.held[0]?.version ?? '';
}

/** Without what differs from run to run, and without words that belong to other rooms. */
function steady(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.map((item) => steady(item));
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, steady(item, name)]));
  if (/(At|since|^now|^at)$/i.test(key) && typeof value === 'number') return '<time>';
  if (/^(planHash|hash|head|artifact|commit|reason|url)$/.test(key) && typeof value === 'string') return `<${key}>`;
  return value;
}

/** The one JSON object on stdout; versions are numbered as they come. */
function json(out: string): unknown {
  expect(out.trim().split('\n')).toHaveLength(1);
  const names: string[] = [];
  const numbered = JSON.stringify(steady(JSON.parse(out.replaceAll(NOWHERE, '<nowhere>')))).replaceAll(/\b[0-9a-f]{12}\b/g, (id) => {
    if (!names.includes(id)) names.push(id);
    return `<version ${names.indexOf(id) + 1}>`;
  });
  return JSON.parse(numbered);
}

const SNAPSHOTS: Readonly<
  Record<
    string,
    {
      readonly argv: readonly string[];
      readonly before?: () => Promise<unknown>;
      readonly pick?: (value: any) => unknown;
      readonly exit?: number;
    }
  >
> = {
  plan: { argv: ['plan', '-e', 'staging'] },
  deploy: { argv: ['deploy', '-e', 'staging'] },
  status: { argv: ['status'], before: past },
  promote: { argv: ['promote', '--full'], before: paused },
  pause: { argv: ['pause', '--reason', 'lunch'], before: paused },
  resume: { argv: ['resume'], before: paused },
  approve: { argv: ['approve', '-w'], before: paused },
  reject: { argv: ['reject', '--reason', 'no'], before: paused },
  abort: { argv: ['abort'], before: paused },
  retry: { argv: ['retry', '-e', 'production', '--yes'], before: past },
  rollback: { argv: ['rollback', '-e', 'production', '--app', 'web', '--yes'], before: past },
  history: { argv: ['history', '-e', 'production'], before: past },
  manifest: { argv: ['manifest', '-e', 'production'], before: past },
  logs: { argv: ['logs', 'web', '-e', 'production'] },
  'hold lift': { argv: [], before: past },
  'audit verify': { argv: ['audit', 'verify'], pick: ({ intact, brokenAt }) => ({ intact, brokenAt }) },
  doctor: { argv: ['doctor'], pick: ({ findings }) => findings.map((one: any) => [one.name, Object.keys(one)]) },
  server: { argv: ['server', '--port', '99999'], exit: 1 },
  down: { argv: ['down'], exit: 2 },
  apps: { argv: ['apps'], exit: 1 },
  approvals: { argv: ['approvals'] },
  checklist: {
    argv: ['checklist', 'r-0003'],
    before: past,
    pick: ({ lines }) => lines.map(({ item, result }: any) => `${item} ${result}`),
    exit: 3,
  },
  'promote-env': { argv: ['promote-env', 'production', 'staging', '--yes'], before: past },
  'analysis show': { argv: ['analysis', 'show', 'r-0003'], before: past, pick: (value) => Object.keys(value) },
  'analysis replay': { argv: ['analysis', 'replay', 'r-0003'], before: past, pick: (value) => Object.keys(value) },
  'analysis backtest': { argv: ['analysis', 'backtest'], before: past, pick: (value) => Object.keys(value) },
  'analysis simulate': { argv: ['analysis', 'simulate', '--runs', '2'], pick: (value) => Object.keys(value) },
  'analysis otlp': { argv: ['analysis', 'otlp'], pick: (value) => Object.keys(value) },
  // What these say where there is nothing for them; what they do is proven beside the rooms they lead to.
  check: { argv: ['check'], exit: 1 },
  scan: { argv: ['scan'], pick: ({ error }) => error.code, exit: 1 },
  init: { argv: ['init', '--dry-run'], pick: ({ apps }) => apps },
  affected: { argv: ['affected'], pick: ({ error }) => error.code, exit: 1 },
  'db plan': { argv: ['db', 'plan'], exit: 1 },
  'db migrate': { argv: ['db', 'migrate', '-e', 'staging'], exit: 1 },
  'db status': { argv: ['db', 'status'], exit: 1 },
  'db contract': { argv: ['db', 'contract', '-e', 'staging'], exit: 1 },
  'db compensate': { argv: ['db', 'compensate', '0001_a', '-e', 'staging'], exit: 1 },
  'db baseline': { argv: ['db', 'baseline', '-e', 'staging'], exit: 1 },
  'db projections': { argv: ['db', 'projections'], exit: 1 },
  'db rebuild': { argv: ['db', 'rebuild', 'balance', '-e', 'staging'], exit: 1 },
  'db verify': { argv: ['db', 'verify', 'balance', '-e', 'staging'], exit: 1 },
  'backup now': { argv: ['backup', 'now'], exit: 1 },
  'backup list': { argv: ['backup', 'list'], exit: 1 },
  'backup verify': { argv: ['backup', 'verify'], exit: 1 },
  'backup restore': { argv: ['backup', 'restore', '--into', '/nowhere'], exit: 1 },
  'backup runbook': { argv: ['backup', 'runbook'], exit: 1 },
  drill: { argv: ['drill'], exit: 1 },
  'github comment': { argv: ['github', 'comment', '/nowhere.md', '--pr', '1'], exit: 2 },
  'github check': { argv: ['github', 'check', 'tests'], exit: 2 },
  'github deployment': { argv: ['github', 'deployment', 'r-0001'], exit: 2 },
  'github protect': { argv: ['github', 'protect', '-e', 'staging'], exit: 1 },
  completion: { argv: ['completion', 'bash'], pick: (value) => Object.keys(value) },
  complete: { argv: ['complete', 'depl'] },
};

describe('--json', () => {
  test('there is a snapshot for every command', () => {
    expect(Object.keys(SNAPSHOTS).toSorted()).toEqual(COMMANDS.map((command) => command.path.join(' ')).toSorted());
  });

  test.each(Object.entries(SNAPSHOTS))('%s', { timeout: 30_000 }, async (name, { argv, before, pick = (value) => value, exit = 0 }) => {
    // A first release, so that strategies count and there is something to go back to.
    if (before === paused) await world.run(['deploy', '-e', 'production', '--yes']);
    await before?.();
    const line = name === 'hold lift' ? ['hold', 'lift', 'web', await heldVersion(), '-e', 'production'] : argv;
    const ran = await world.run([...line, '--json', '--no-input', '-C', NOWHERE]);
    const lines = ran.out.trim().split('\n');
    expect({
      exit: ran.exit,
      ...(name === 'logs' ? { first: JSON.parse(lines[0] ?? '') } : {}),
      json: pick(json(name === 'logs' ? (lines.at(-1) ?? '') : ran.out)),
    }).toMatchSnapshot();
    if (name !== 'doctor') expect(ran.exit).toBe(exit);
  });

  test('--events gives each event a line, then the result', async () => {
    const { out } = await world.run(['deploy', '-e', 'staging', '--json', '--events']);
    const lines = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.slice(0, -1).map((line) => line['type'])).toEqual(
      expect.arrayContaining(['ReleaseRequested', 'WeightsShifted', 'ReleaseEnded']),
    );
    expect(lines.at(-1)).toMatchObject({ release: 'r-0001', outcome: 'Succeeded', exitCode: 0 });
  });

  test('errors are JSON, too, also those of the command line', async () => {
    expect(JSON.parse((await world.run(['plan', '-e', 'prod', '--json'])).out)).toMatchObject({
      error: { code: 'UNKNOWN_ENVIRONMENT', hint: expect.any(String) },
      exitCode: 2,
    });
    expect(JSON.parse((await world.run(['deploy', '--colour', '--json'])).out)).toMatchObject({ error: { code: 'USAGE' }, exitCode: 2 });
  });
});

describe('deploy', () => {
  test('tells what happens line by line, messages on stderr and the result on stdout', async () => {
    const { exit, out, err } = await world.run(['deploy', '-e', 'staging']);
    const said = err.replaceAll(/\d\d:\d\d:\d\d/g, 'hh:mm:ss').replaceAll(/\b[0-9a-f]{12}\b/g, '<version>');
    expect(said).toContain('Deploy to staging (commit 6f6e652, branch main)\n  api  first deploy');
    expect(said).toContain('hh:mm:ss  api: version <version> is healthy\n');
    expect(said).toContain('hh:mm:ss  web: 100 % of the traffic on version <version>\n');
    const lines = said.split('\n').filter((line) => line.startsWith('hh'));
    expect(new Set(lines).size).toBe(lines.length);
    expect([exit, out]).toEqual([0, expect.stringMatching(/^Succeeded: api, web released \(release r-0001, .+\)\n$/)]);
  });

  test('says that there is nothing to do, and why', async () => {
    await world.run(['deploy', '-e', 'staging']);
    expect(await world.run(['deploy', '-e', 'staging'])).toMatchObject({
      exit: 0,
      out: 'Nothing to deploy: nothing changed in staging.\n',
    });
    await past();
    expect(await world.run(['deploy', '-e', 'production', '--yes'])).toMatchObject({
      exit: 4,
      out: expect.stringMatching(
        /^Nothing is deployed, because it is held back: web \(held since .+\)\. Correct it and `sluice deploy` again; .+--lift-hold/,
      ),
    });
    const told = await world.run(['deploy', '-e', 'production', '--yes', '--json']);
    expect(JSON.parse(told.out)).toMatchObject({ release: null, exitCode: 4, heldBack: [{ app: 'web', keptBack: 'held' }] });
    expect((await world.run(['plan', '-e', 'production'])).exit).toBe(4);
    // Another app goes out: what is left behind is said at the end, too.
    world.planner.sources.set('api', 'corrected');
    const partly = await world.run(['deploy', '-e', 'production', '--yes']);
    expect([partly.exit, partly.out]).toEqual([0, expect.stringMatching(/^Succeeded: .+\nHeld back: web, held since /)]);
    world.planner.sources.set('api', 'corrected again');
    const inJson = await world.run(['deploy', '-e', 'production', '--yes', '--json']);
    expect(JSON.parse(inJson.out)).toMatchObject({ outcome: 'Succeeded', heldBack: [{ app: 'web', keptBack: 'held' }] });
  });

  test('a promotion of what is nowhere healthy is no success', async () => {
    await world.run(['deploy', 'api', '-e', 'staging']);
    expect(await world.run(['promote-env', 'staging', 'production', 'web', '--yes'])).toMatchObject({
      exit: 4,
      out: expect.stringContaining('Nothing is promoted: web (nothing of it is healthy in staging)'),
    });
  });

  test('production has to be typed', async () => {
    expect(await world.run(['deploy', '-e', 'production'], { answers: ['yes'] })).toMatchObject({
      exit: 1,
      err: expect.stringContaining('NOT_CONFIRMED'),
    });
    expect(await world.run(['deploy', '-e', 'production'], { answers: [] })).toMatchObject({ exit: 1 });
    expect(await world.engine.releases({})).toEqual([]);
    expect(await world.run(['deploy', '-e', 'production'], { answers: ['production'] })).toMatchObject({
      exit: 0,
      err: expect.stringContaining('To deploy api, web, type production'),
    });
  });

  test.each([
    ['nobody is there', undefined, []],
    ['questions are not wanted', ['production'], ['--no-input']],
  ])('where %s, --yes is needed', async (_why, answers, more) => {
    const ran = await world.run(['deploy', '-e', 'production', ...more], answers === undefined ? {} : { answers });
    expect(ran).toMatchObject({ exit: 2, err: expect.stringContaining('Add --yes') });
    expect(await world.engine.releases({})).toEqual([]);
  });

  test('an environment is chosen where that is safe', async () => {
    expect((await world.run(['deploy'])).err).toContain('Deploy to development');
    expect((await world.run(['deploy'], { env: { SLUICE_ENV: 'staging' } })).err).toContain('Deploy to staging');
  });

  test('--detach does not wait', async () => {
    world.engine.scripts.set('api', { hangs: true });
    expect(await world.run(['deploy', '-e', 'staging', '--detach'])).toMatchObject({
      exit: 0,
      out: 'Release r-0001 is under way: `sluice status -w r-0001` follows it.\n',
    });
  });

  test('Ctrl-C leaves the release running and says how to follow it', async () => {
    world.engine.scripts.set('api', { hangs: true });
    const ran = await world.run(['deploy', '-e', 'staging'], { onReady: (interrupt) => setTimeout(interrupt, 100) });
    expect(ran).toMatchObject({
      exit: 130,
      out: 'Release r-0001 goes on: `sluice status -w r-0001` follows it, `sluice abort r-0001` puts it back.\n',
    });
    expect((await world.engine.release('r-0001'))?.outcome).toBeNull();
  });

  test('--timeout does the same', async () => {
    world.engine.scripts.set('api', { hangs: true });
    expect(await world.run(['deploy', '-e', 'staging', '--timeout', '200ms'])).toMatchObject({
      exit: 124,
      out: expect.stringContaining('is not over after 200 ms'),
    });
    expect(await world.run(['deploy', '-e', 'staging', '--timeout', 'soon'])).toMatchObject({ exit: 2 });
  });

  test('where nobody can be asked, a pause for a person ends it with what to run', async () => {
    await world.run(['deploy', '-e', 'production', '--yes']);
    world.planner.strategies.set('web', canary({ pause: true, bakeMs: 30 }));
    for (const app of ['api', 'web']) world.planner.sources.set(app, 'two');
    const ran = await world.run(['deploy', '-e', 'production', '--yes']);
    expect(ran).toMatchObject({ exit: 4, out: expect.stringContaining('Run `sluice approve r-0002` or `sluice reject r-0002') });
    const waiting = world.run(['status', '-w', '--wait']);
    expect(await world.run(['approve'])).toMatchObject({ exit: 0, out: 'Web goes on.\n' });
    expect(await waiting).toMatchObject({ exit: 0 });
  });

  test('an inconclusive analysis asks for resume or promote, not for approval', async () => {
    await world.run(['deploy', '-e', 'production', '--yes']);
    world.planner.strategies.set('web', canary({ bakeMs: 30, minRequests: 1_000_000 }));
    world.planner.sources.set('web', 'two');
    expect(await world.run(['deploy', '-e', 'production', '--yes'])).toMatchObject({
      exit: 4,
      out: expect.stringContaining('sluice promote r-0002'),
    });
    expect(await world.run(['approve'])).toMatchObject({ exit: 1, err: expect.stringContaining('NOTHING_TO_APPROVE') });
    expect(await world.run(['promote', '-w'])).toMatchObject({ exit: 0 });
  });
});

describe('one release', () => {
  test('the only one under way is meant', async () => {
    expect(await world.run(['pause'])).toMatchObject({ exit: 2, err: expect.stringContaining('no release is under way') });
    world.engine.scripts.set('api', { hangs: true });
    await world.run(['deploy', '-e', 'staging', '--detach']);
    expect((await world.run(['pause', '--reason', 'lunch'])).out).toBe('Release r-0001 is paused.\n');
    await world.run(['deploy', '-e', 'development', '--detach']);
    expect(await world.run(['resume'])).toMatchObject({ exit: 2, err: expect.stringContaining('several releases are under way') });
    expect(await world.run(['abort', '-e', 'staging'])).toMatchObject({ exit: 0, out: expect.stringContaining('Aborted: aborted by ada') });
    expect(await world.run(['abort', 'nope'])).toMatchObject({ exit: 2, err: expect.stringContaining('RELEASE_UNKNOWN') });
  });

  test('rollback puts back what is under way and what waits behind it', async () => {
    world.engine.scripts.set('api', { hangs: true });
    await world.run(['deploy', '-e', 'production', '--yes', '--detach']);
    await world.run(['deploy', '-e', 'production', '--yes', '--detach', '--force']);
    expect(await world.run(['rollback', '-e', 'production'])).toMatchObject({
      exit: 0,
      err: expect.stringContaining('Release r-0002, r-0001 is being put back'),
    });
    expect((await world.engine.releases({})).map((row) => row.outcome)).toEqual(['Aborted', 'Aborted']);
  });

  test('status shows the matrix, one release, and what is held', async () => {
    await past();
    const { out } = await world.run(['status']);
    expect(out.replaceAll(/\b[0-9a-f]{12}\b/g, '<version>')).toMatch(
      /^ +development +staging +production\napi +– +– +<version> \S+( \S+)?\nweb +– +– +<version> .*\[1 held\]\n\nNo release is under way.\n$/,
    );
    const one = await world.run(['status', 'r-0003']);
    expect(one.out).toMatch(/Release r-0003 to production[^]*Rolled back: web: [^]*✗ web[^]*canary: 5 % for 2 s → 100 %/);
    expect((await world.run(['status', '-w', 'r-0003'])).exit).toBe(5);
    expect((await world.run(['history'])).out).toMatch(/r-0003.*Rolled back.*\n.*r-0002.*Succeeded/);
    expect((await world.run(['manifest', '-e', 'production'])).out).toMatch(/web\n {2}stable[^]*before[^]*held/);
  });
});

test('status says who is served, and of each app that is not why', async () => {
  await past();
  const route = { route: '/', status: 502, trouble: 'is answered with 502' };
  served = [
    { app: 'web', routes: [route], trouble: '/ is answered with 502' },
    { app: 'api', routes: [{ ...route, status: 200, trouble: null }], trouble: null },
  ];
  const { out } = await world.run(['status', '-e', 'production']);
  expect(out).toMatch(/\napi .*, serves\nweb .*, NOT SERVED \[1 held\]\n/);
  expect(out).toMatch(/\nNot served \(`sluice doctor` says what to do\)\n {2}web +production +\/ is answered with 502\n/);
  const { environments } = JSON.parse((await world.run(['status', '-e', 'production', '--json'])).out);
  const apps = environments[0].apps as { readonly app: string; readonly served: ServedApp | null }[];
  expect(apps.map((one) => [one.app, one.served?.trouble])).toEqual([
    ['api', null],
    ['web', '/ is answered with 502'],
  ]);
});

test('a broken chain is exit code 3', async () => {
  Object.assign(world.engine, { verifyAudit: async () => ({ events: 9, intact: false, brokenAt: 4, head: null }) });
  expect(await world.run(['audit', 'verify'])).toMatchObject({ exit: 3, out: expect.stringContaining('BROKEN at event 4') });
});

test('logs print the lines alone', async () => {
  expect(await world.run(['logs', 'web', '-e', 'staging'])).toMatchObject({ exit: 0, out: 'abc/1  hello from web\n' });
  expect(await world.run(['logs', 'wep', '-e', 'staging'])).toMatchObject({ exit: 2, err: expect.stringContaining('UNKNOWN_APP') });
  expect(await world.run(['logs'])).toMatchObject({ exit: 2 });
});
