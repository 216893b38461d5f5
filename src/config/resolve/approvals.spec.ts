import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { gitAuthors } from '../../adapters/source/authors.ts';
import { gitSource } from '../../adapters/source/git.ts';
import { changeReaders } from '../../compose/change-readers.ts';
import { isIntact, type Plan, versionId, withHash } from '../../core/release/plan/plan.ts';
import { createPlanner, type Planner, type PlannerManifest } from '../../services/planning/planner.ts';
import type { Config, EnvironmentConfig } from '../schema/workspace.ts';
import { validate } from '../validate/validate.ts';

// Real repositories on a machine that may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let dir: string;
let planner: Planner;

const RULES: EnvironmentConfig = {
  approval: { number: 1, roles: ['lead'] },
  window: { freezes: [{ from: '2020-01-01', to: '2020-01-02', reason: 'sale' }] },
  branches: ['main'],
};

function shop(production: EnvironmentConfig = RULES, staging: EnvironmentConfig = {}): Config {
  return {
    workspace: 'shop',
    access: { roles: { lead: ['bob', 'cleo'] }, people: { cleo: ['Cleopatra Queen'] } },
    apps: {
      api: { path: 'api', run: 'node api.js', routes: ['/api'] },
      web: { path: 'web', run: 'node web.js', routes: ['/'], inputs: ['shared'] },
    },
    environments: { staging, production },
  };
}

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-approvals-'));
  git('t', 'init', '-q', '-b', 'main');
  await write({ 'api/x': '1', 'web/x': '1', 'shared/x': '1', 'docs/x': '1' });
  await configured(shop());
  planner = createPlanner({
    dir,
    source: gitSource({ dir }),
    readers: changeReaders(dir, 'test'),
    authors: (change) => gitAuthors(dir, change),
  });
});
afterEach(() => rm(dir, { recursive: true, force: true }));

function git(by: string, ...args: string[]): string {
  const email = `${by.toLowerCase().replaceAll(' ', '.')}@example.com`;
  return execFileSync('git', ['-c', `user.name=${by}`, '-c', `user.email=${email}`, ...args], {
    cwd: dir,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  }).trim();
}
async function write(files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(dir, path, '..'), { recursive: true });
    await writeFile(join(dir, path), text);
  }
}
async function change(by: string, files: Record<string, string>): Promise<string> {
  await write(files);
  git(by, 'add', '-A');
  git(by, 'commit', '-q', '-m', 'change');
  return git(by, 'rev-parse', 'HEAD');
}
const configured = (config: Config): Promise<string> => change('ops', { 'sluice.config.json': JSON.stringify(config) });

function empty(environment: string): PlannerManifest {
  return { environment, apps: {} };
}
/** The manifest once this plan has succeeded. */
function after(plan: Plan): PlannerManifest {
  const apps = plan.apps.map(({ app, platform, fingerprint, run, health }) => {
    const artifact = `sha256:${app.repeat(20)}`;
    const stable = { id: versionId(artifact, run, health), artifact, commit: plan.source.commit, run, health };
    return [app, { app, platform, stable, fingerprint, history: [], held: [], release: 'r1', since: 1 }] as const;
  });
  return { environment: plan.environment, apps: Object.fromEntries(apps) };
}
const production = (manifest = empty('production'), more: Partial<Parameters<Planner['plan']>[0]> = {}) =>
  planner.plan({ environment: 'production', manifest, ...more });

describe('whoever wrote what is new cannot approve it', () => {
  test('by any name that a commit gives them, and only for what they wrote', async () => {
    const before = after(await production());
    await change('Bob', { 'web/x': '2' });
    await change('Cleopatra Queen', { 'shared/x': '2' });
    await change('Dan', { 'api/x': '2' });
    await change('Eve', { 'docs/x': '2' });
    const both = await production(before);
    expect(both.approval?.authors).toEqual(
      expect.arrayContaining(['bob', 'bob@example.com', 'cleo', 'cleopatra queen', 'dan', 'dan@example.com']),
    );
    expect(both.approval?.authors).not.toContain('eve');
    expect(isIntact(both)).toBe(true);
    const api = await production(before, { only: ['api'] });
    expect(api.approval?.authors).toContain('dan');
    expect(api.approval?.authors).not.toContain('bob');
  });

  test('files at the root count, and the newest commit where there is nothing to compare with', async () => {
    const before = after(await production());
    await change('Bob', { 'package-lock.json': '{}' });
    await change('Dan', { 'web/x': '2' });
    expect((await production(before)).approval?.authors).toEqual(expect.arrayContaining(['bob', 'dan']));
    const first = (await production(empty('production'), { only: ['web'] })).approval?.authors;
    expect(first).toContain('dan');
    expect(first).not.toContain('bob');
  });

  test('unless the environment lets them; an emergency asks for any other person', async () => {
    await change('Bob', { 'web/x': '2' });
    expect((await production(undefined, { breakGlass: 'fire' })).approval).toMatchObject({ authors: [], number: 1, from: [] });
    await configured(shop({ ...RULES, approval: { byAuthors: true } }));
    expect((await production()).approval?.authors).toEqual([]);
  });

  test('also when a version is promoted', async () => {
    await configured(shop({ approval: {} }));
    await change('Bob', { 'web/x': '2' });
    const from = after(await planner.plan({ environment: 'staging', manifest: empty('staging') }));
    await change('Dan', { 'web/x': '3' });
    const plan = await planner.promote({ to: 'production', manifest: empty('production'), from });
    expect(plan.approval?.authors).toContain('bob');
    expect(plan.approval?.authors).not.toContain('dan');
    expect(plan.apps.map(({ artifact, build }) => [artifact === null, build])).toEqual([
      [false, null],
      [false, null],
    ]);
  });
});

describe('rules of branches and origins', () => {
  test('a branch that the environment does not take is refused, but in an emergency', async () => {
    git('t', 'checkout', '-q', '-b', 'wild');
    await expect(production()).rejects.toMatchObject({ code: 'BRANCH_NOT_ALLOWED' });
    expect((await production(undefined, { breakGlass: 'fire' })).breakGlass).toEqual({ reason: 'fire' });
    git('t', 'checkout', '-q', '--detach');
    await expect(production()).rejects.toMatchObject({
      code: 'BRANCH_NOT_ALLOWED',
      message: expect.stringContaining('no branch') as string,
    });
  });

  test.each([
    ['from one that takes any branch', {}, RULES, 'PROMOTION_NOT_ALLOWED'],
    ['from one that takes more branches', { branches: ['main', 'wild'] }, RULES, 'PROMOTION_NOT_ALLOWED'],
    ['from one that takes the same', { branches: ['main'] }, RULES, null],
    ['from one that is named', {}, { ...RULES, promoteFrom: ['staging'] }, null],
    ['from one that is not named', { branches: ['main'] }, { ...RULES, promoteFrom: ['development'] }, 'PROMOTION_NOT_ALLOWED'],
    ['where there are no rules', {}, {}, null],
  ])('a promotion %s', async (_what, staging, rules, code) => {
    const config = shop(rules, staging);
    await configured({ ...config, environments: { ...config.environments, development: {} } });
    const from = after(await planner.plan({ environment: 'staging', manifest: empty('staging') }));
    const promoted = planner.promote({ to: 'production', manifest: empty('production'), from });
    if (code !== null) await expect(promoted).rejects.toMatchObject({ code });
    else expect((await promoted).promotedFrom).toBe('staging');
  });
});

test('a retry is held to the rules of today, not to those of its plan', async () => {
  await configured(shop({}));
  const old = await production();
  expect(old).not.toHaveProperty('approval');
  await configured(shop());
  const again = await planner.retry({ plan: old, manifest: empty('production') });
  expect(again).toMatchObject({ approval: { number: 1, from: [{ role: 'lead' }] }, window: { timeZone: 'UTC' } });
  const wild = withHash({ ...old, source: { ...old.source, branch: 'wild' } });
  await expect(planner.retry({ plan: wild, manifest: empty('production') })).rejects.toMatchObject({ code: 'BRANCH_NOT_ALLOWED' });
  const emergency = await production(undefined, { breakGlass: 'fire' });
  expect(await planner.retry({ plan: emergency, manifest: empty('production') })).toMatchObject({
    breakGlass: { reason: 'fire' },
    approval: { number: 1, from: [], authors: [] },
  });
});

describe('an isolated environment', () => {
  const messages = (config: Config) => validate(config).mistakes.map(({ message }) => message);
  const apart = (staging: EnvironmentConfig, more: Partial<Config> = {}, own: EnvironmentConfig = {}): Config => ({
    ...shop(
      { isolated: true, env: { STRIPE: { fromEnv: 'PROD_STRIPE' }, DB: 'postgres://app:x@db.prod/shop?sslmode=require' }, ...own },
      staging,
    ),
    ...more,
  });

  test('shares no secret name and no address of data with any other', () => {
    expect(messages(apart({}))).toEqual([]);
    expect(messages(apart({ env: { PAY: { fromEnv: 'PROD_STRIPE' } } }))).toEqual(
      expect.arrayContaining([expect.stringContaining('staging uses the same secret PROD_STRIPE as production in PAY of web') as string]),
    );
  });

  test.each(['postgres://app:x@db.prod/shop?sslmode=require', 'postgresql://other:y@DB.prod/shop', 'postgres://db.prod/shop/'])(
    'knows its data again at %s',
    (url) => {
      expect(messages(apart({ apps: { api: { run: { env: { X: url } } } } }))).toEqual([
        'staging uses the same address as production in X of api. Give staging one of its own (environments.staging.apps.api.env.X).',
      ]);
    },
  );

  test('the same server with other data is something else', () => {
    expect(messages(apart({ env: { DB: 'postgres://app:x@db.prod/shop_staging' } }))).toEqual([]);
  });

  test('counts databases and projections, too', () => {
    const databases = { main: { migrations: { path: 'm' }, apps: ['api'], direct: { fromEnv: 'DB_URL' }, pooled: false as const } };
    expect(messages(apart({}, { databases }))).toEqual(
      expect.arrayContaining([
        expect.stringContaining('staging uses the same secret DB_URL as production in direct of database main') as string,
      ]),
    );
    const own = { databases: { main: { direct: { fromEnv: 'PROD_DB_URL' } } } };
    expect(messages(apart({}, { databases }, own))).toEqual([]);
    const projections = { shop: { database: { fromEnv: 'EVENTS' }, modules: ['a.ts'] } };
    expect(messages(apart({}, { projections }))).toEqual(
      expect.arrayContaining([expect.stringContaining('secret EVENTS as production in database of projections shop') as string]),
    );
  });
});

test('rules that cannot be kept are mistakes', () => {
  const mistakes = validate({
    ...shop({ approval: { number: 3, roles: ['lead'] }, promoteFrom: ['production', 'nowhere'] }),
    notify: [
      { log: true, webhook: 'https://x.example' },
      { webhook: 'https://x.example', format: 'pagerduty' },
      { log: true, env: {} },
    ],
  }).mistakes.map(({ path, message }) => `${path.join('.')}: ${message}`);
  expect(mistakes.join('\n')).toMatch(/approval\.roles: 3 people have to approve, but these roles have 2/);
  expect(mistakes.join('\n')).toMatch(/promoteFrom\.0: "production" is no other environment/);
  expect(mistakes.join('\n')).toMatch(/promoteFrom\.1: "nowhere" is no other environment/);
  expect(mistakes.join('\n')).toMatch(/notify\.0.*exactly one of webhook, command, log/);
  expect(mistakes.join('\n')).toMatch(/notify\.1.*routing key/);
  expect(mistakes.join('\n')).toMatch(/notify\.2.*env beside a command only/);
});
