import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { gitSource } from '../../adapters/source/git.ts';
import { changeReaders } from '../../compose/change-readers.ts';
import type { Plan } from '../../core/release/plan/plan.ts';
import { isIntact, versionId } from '../../core/release/plan/plan.ts';
import type { Manifest } from '../../engine/face.ts';
import type { Planner, PlannerManifest } from './planner.ts';
import { createPlanner } from './planner.ts';
import type { Config } from '../../config/schema/workspace.ts';

// Real processes and folders on a machine that may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let dir: string;
let planner: Planner;

const shop: Config = {
  workspace: 'shop',
  apps: {
    api: { path: 'api', run: 'node api.js', routes: ['/api'] },
    web: { path: 'web', run: 'node web.js', routes: ['/'], dependsOn: ['api'] },
    mailer: { path: 'mailer', run: 'node mailer.js', strategy: 'recreate' },
  },
};

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-planner-'));
  git('init', '-q', '-b', 'main');
  await write({ 'api/x': '1', 'web/x': '1', 'mailer/x': '1', 'sluice.config.json': JSON.stringify(shop) });
  commit();
  planner = createPlanner({ dir, source: gitSource({ dir }), readers: changeReaders(dir, 'test') });
});
afterEach(() => rm(dir, { recursive: true, force: true }));

function git(...args: string[]): string {
  return execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], {
    cwd: dir,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  }).trim();
}
function commit(): string {
  git('add', '-A');
  git('commit', '-q', '-m', 'change');
  return git('rev-parse', 'HEAD');
}
async function write(files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(dir, path, '..'), { recursive: true });
    await writeFile(join(dir, path), text);
  }
}

const empty: PlannerManifest = { environment: 'production', apps: {} };
/** The manifest once this plan has succeeded. */
function after(plan: Plan, before = empty, release = 'r1', at = 1): PlannerManifest {
  const apps = { ...before.apps };
  for (const { app, platform, run, health, fingerprint } of plan.apps) {
    const artifact = `sha256:${fingerprint}`;
    const version = { id: versionId(artifact, run, health), artifact, commit: plan.source.commit, run, health };
    const old = before.apps[app];
    const history = old?.stable
      ? [{ version: old.stable, fingerprint: old.fingerprint ?? '', release: old.release ?? '', at: old.since }, ...old.history]
      : [];
    apps[app] = { app, platform, stable: version, fingerprint, release, since: at, history, held: [] };
  }
  return { ...before, apps };
}
/** What the engine hands out is what the planner takes: a matter of types only. */
const asManifest = (manifest: Manifest): PlannerManifest => manifest;
const plan = (manifest = empty, more: object = {}, environment = 'production'): Promise<Plan> =>
  planner.plan({ environment, manifest, ...more });
const reasons = (made: Plan): Record<string, string> => Object.fromEntries(made.apps.map((app) => [app.app, app.reason]));

describe('from commit to plan', () => {
  test("takes the engine's own manifest", async () => {
    expect((await plan(asManifest({ environment: 'production', apps: {} }))).apps).toHaveLength(3);
  });

  test('first everything, then nothing, then what changed and what depends on it', async () => {
    const first = await plan();
    const head = git('rev-parse', 'HEAD');
    expect(first.source).toEqual({ commit: head, branch: 'main', dirty: false });
    expect(reasons(first)).toEqual({ api: 'first deploy', mailer: 'first deploy', web: 'first deploy' });
    const runs = after(first);
    expect((await plan(runs)).apps).toEqual([]);
    await write({ 'README.md': 'no app' });
    commit();
    expect((await plan(runs)).apps).toEqual([]);
    await write({ 'api/x': '2' });
    commit();
    expect(reasons(await plan(runs))).toEqual({ api: `source changed since ${head.slice(0, 7)}`, web: 'depends on api' });
    expect((await plan(runs)).hash).toBe((await plan(runs)).hash);
  });

  test('changed settings, without a new build', async () => {
    const first = await plan();
    await write({
      'sluice.config.json': JSON.stringify({ ...shop, apps: { ...shop.apps, api: { ...shop.apps['api'], env: { TOKEN: 'hunter2' } } } }),
    });
    commit();
    const made = await plan(after(first));
    expect(reasons(made)).toEqual({ api: 'settings changed: run.env.TOKEN' });
    expect(made.apps[0]?.fingerprint).toBe(first.apps[0]?.fingerprint);
  });

  test('reverting gives the old fingerprint again', async () => {
    const first = await plan();
    await write({ 'api/x': '2' });
    commit();
    await write({ 'api/x': '1' });
    commit();
    expect((await plan(after(first))).apps).toEqual([]);
  });

  test('a commit of stable that is gone (a shallow clone) only makes the reason vaguer', async () => {
    const first = await plan();
    const runs = after({ ...first, source: { ...first.source, commit: 'f'.repeat(40) } });
    await write({ 'api/x': '2' });
    commit();
    expect(reasons(await plan(runs))).toMatchObject({ api: 'source changed since fffffff' });
  });
});

describe('uncommitted changes', () => {
  beforeEach(() => write({ 'api/x': 'uncommitted', 'web/new': 'untracked' }));

  test('count in development, as a snapshot that stays', async () => {
    const made = await plan(empty, {}, 'development');
    expect(made.source).toMatchObject({ branch: 'main', dirty: true });
    expect(made.source.commit).toMatch(/^[0-9a-f]{40}$/);
    expect((await plan(empty, {}, 'development')).hash).toBe(made.hash);
    await write({ 'api/x': 'again' });
    expect(reasons(await plan(after(made), {}, 'development'))).toMatchObject({ api: expect.stringContaining('source changed') });
    expect(await planner.notices('development')).toEqual(['Uncommitted changes are part of it: api/x, web/new.']);
  });

  test('do not count elsewhere, and a notice says so', async () => {
    git('stash', '-q', '-u');
    const clean = await plan();
    git('stash', 'pop', '-q');
    expect((await plan()).hash).toBe(clean.hash);
    expect(await planner.notices('production')).toEqual(['Uncommitted changes are not part of it: api/x, web/new.']);
    await write({ 'sluice.config.json': JSON.stringify({ ...shop, environments: { production: {} } }) });
    expect((await planner.notices('production'))[1]).toContain('its settings do count');
  });

  test('are refused where the configuration says so', async () => {
    await write({ 'sluice.config.json': JSON.stringify({ ...shop, environments: { production: { uncommitted: 'refuse' } } }) });
    await expect(plan()).rejects.toMatchObject({ code: 'UNCOMMITTED_CHANGES', message: expect.stringContaining('api/x') });
    commit();
    expect((await plan()).apps).toHaveLength(3);
  });
});

describe('rollback and retry', () => {
  test('by default of all that the newest release brought', async () => {
    const first = await plan();
    const one = after(first);
    await write({ 'api/x': '2' });
    commit();
    const two = after(await plan(one), one, 'r2', 2);
    const back = await planner.rollback({ environment: 'production', manifest: two });
    expect(back.apps.map((app) => [app.app, app.artifact])).toEqual([
      ['web', one.apps['web']?.stable?.artifact],
      ['api', one.apps['api']?.stable?.artifact],
    ]);
    expect(back.source.commit).toBe(first.source.commit);
    const only = await planner.rollback({ environment: 'production', manifest: two, apps: ['api'], to: one.apps['api']?.stable?.id ?? '' });
    expect(only.apps.map((app) => app.app)).toEqual(['api']);
    await expect(planner.rollback({ environment: 'production', manifest: empty })).rejects.toMatchObject({
      code: 'NOTHING_TO_ROLL_BACK_TO',
    });
  });

  test('an old plan once more', async () => {
    const first = await plan();
    expect((await planner.retry({ plan: first, manifest: empty })).hash).toBe(first.hash);
  });
});

describe('promotion brings the data that its versions need', () => {
  /** A commit that has the file `data/x` brings a migration. */
  const withData = (): Planner =>
    createPlanner({
      dir,
      source: gitSource({ dir }),
      readers: changeReaders(dir, 'test'),
      stages: async ({ name }, at) => {
        const file = git('ls-tree', at, 'data/x');
        return file === ''
          ? {}
          : { migrations: { databases: [{ database: name, migrations: [{ id: '1', checksum: at }] }], deadlineMs: 1 } };
      },
    });
  const here: PlannerManifest = { environment: 'production', apps: {} };
  const at = (manifest: PlannerManifest): PlannerManifest => ({ ...manifest, environment: 'staging' });

  test('from their own commit, whatever is checked out', async () => {
    await write({ 'data/x': '1' });
    const made = commit();
    const from = at(after(await plan({ ...empty, environment: 'staging' }, {}, 'staging')));
    await write({ 'data/x': '2' });
    commit();
    const promoted = await withData().promote({ to: 'production', manifest: here, from });
    expect(promoted.migrations?.databases).toEqual([{ database: 'production', migrations: [{ id: '1', checksum: made }] }]);
    expect(isIntact(promoted)).toBe(true);
  });

  test('of several commits is refused where data changes, one after the other is not', async () => {
    const one = await plan({ ...empty, environment: 'staging' }, {}, 'staging');
    const from = at(after(one));
    await write({ 'data/x': '1', 'api/x': '2' });
    commit();
    const mixed = at(after(await plan(from, { only: ['api'] }, 'staging'), from, 'r2', 2));
    await expect(withData().promote({ to: 'production', manifest: here, from: mixed })).rejects.toMatchObject({
      code: 'PROMOTION_OF_SEVERAL_COMMITS',
      hint: expect.stringContaining('sluice promote-env staging production '),
    });
    const api = await withData().promote({ to: 'production', manifest: here, from: mixed, only: ['api'] });
    expect(api.migrations?.databases).toHaveLength(1);
    const rest = await withData().promote({ to: 'production', manifest: here, from: mixed, only: ['web', 'mailer'] });
    expect(rest.migrations).toBeUndefined();
  });
});

describe('what goes wrong', () => {
  test('names that are not there', async () => {
    await expect(plan(empty, {}, 'prod')).rejects.toMatchObject({ code: 'UNKNOWN_ENVIRONMENT' });
    await expect(plan(empty, { only: ['wep'] })).rejects.toMatchObject({ code: 'UNKNOWN_APP' });
  });

  test('a folder that is there but not committed', async () => {
    await write({
      'late/x': '1',
      'sluice.config.json': JSON.stringify({ ...shop, apps: { ...shop.apps, late: { path: 'late', run: 'x' } } }),
    });
    await expect(plan()).rejects.toMatchObject({ code: 'PATH_NOT_COMMITTED', hint: 'Commit it: git add late && git commit' });
    expect((await plan(empty, { only: ['late'] }, 'development')).apps).toHaveLength(1);
  });

  test('no repository, and none with a commit', async () => {
    await rm(join(dir, '.git'), { recursive: true });
    await expect(plan()).rejects.toMatchObject({ code: 'NOT_A_REPOSITORY' });
    git('init', '-q');
    await expect(plan()).rejects.toMatchObject({ code: 'NO_COMMITS' });
    expect((await plan(empty, {}, 'development')).source.dirty).toBe(true);
  });
});
