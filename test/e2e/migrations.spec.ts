import { execFileSync } from 'node:child_process';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { postgresDatabase } from '../../src/adapters/database/postgres/postgres.ts';
import { plainMigrations } from '../../src/adapters/migrations/plain.ts';
import { type Clerk, startClerk } from '../clerk.ts';
import { type TestDatabase, testDatabase } from '../postgres.ts';
import { createWorld, type World } from './world.ts';

const later = join(import.meta.dirname, '../../examples/harbour/later');
const HOLDERS = 5_000;

let database: TestDatabase;
let world: World;
let clerk: Clerk | null = null;

beforeAll(async () => {
  database = await testDatabase();
  world = await createWorld({ bake: '500ms', env: { HARBOUR_DATABASE_URL: database.url } });
  const file = join(world.dir, 'sluice.config.json');
  const config = JSON.parse(await readFile(file, 'utf8'));
  // Artifacts have no packages of their own here: `pg` comes from this checkout.
  const hook = join(world.dir, '.sluice', 'packages.mjs');
  await mkdir(join(world.dir, '.sluice'), { recursive: true });
  const loader = `export const resolve = (name, context, next) => next(name, name === 'pg' ? { ...context, parentURL: ${JSON.stringify(import.meta.url)} } : context);`;
  await writeFile(
    hook,
    `import { register } from 'node:module';\nregister(${JSON.stringify(`data:text/javascript,${encodeURIComponent(loader)}`)});\n`,
  );
  config.apps.web.run.command = ['node', '--import', hook, 'server.js'];
  config.apps.web.env = { HARBOUR_DATABASE_URL: { fromEnv: 'HARBOUR_DATABASE_URL' } };
  // On a busy machine a bake of a second has too few requests; how versions are judged is shown elsewhere.
  config.apps.web.strategy = { kind: 'allAtOnce', soak: '500ms' };
  config.apps.web.smoke = '/accounts';
  delete config.apps.web.analysis;
  delete config.apps.worker;
  config.databases = {
    accounts: {
      apps: ['web'],
      migrations: { path: 'web/migrations' },
      direct: { fromEnv: 'HARBOUR_DATABASE_URL' },
      pooled: false,
      appendOnly: ['account_event'],
    },
  };
  config.projections = {
    accounts: {
      database: 'accounts',
      modules: ['web/projections/statement.js'],
      events: { table: 'account_event', type: null, schema: null },
    },
  };
  // By its name: releases that change it make a restore point first. Here of the control plane's own cluster, which needs nothing installed.
  config.backups = { accounts: { adapter: 'embedded', drills: 'asked' } };
  await writeFile(file, JSON.stringify(config, null, 2));
  git('commit', '-qam', 'keep accounts in PostgreSQL');
  await world.start();
}, 120_000);

afterAll(async () => {
  await clerk?.stop();
  await world.end();
  await database.drop();
}, 120_000);

it(
  'a release carries a column, its backfill and a read model under traffic and goes back; nobody goes back behind a column that is gone',
  { timeout: 300_000 },
  async () => {
    expect(await world.outcome(await world.deploy())).toBe('Succeeded');
    expect(await live()).toBe(1);
    await sql(`INSERT INTO holder (account, name) SELECT 'old' || g, 'captain ' || g FROM generate_series(1, ${HOLDERS}) g`);
    clerk = await startClerk(await world.edgeUrl(), 'harriet');

    await bring('display-name');
    await world.commit('web', 'two', { kind: 'badSmoke' });
    const bad = await world.deploy();
    expect(await world.outcome(bad)).toBe('Failed');
    const happened = (await world.events(bad)).map(({ type }) => type);
    expect(happened).toEqual(expect.arrayContaining(['RestorePointMade', 'MigrationsApplied', 'ProjectionsReady', 'ProjectionsReverted']));
    expect(happened.indexOf('RestorePointMade')).toBeLessThan(happened.indexOf('MigrationsApplied'));
    // The schema stays, since the old version can live with it; the read model goes back, since it can.
    expect(await live()).toBe(1);
    expect((await plan()).record).toMatchObject([
      { id: '001_accounts', state: 'applied' },
      { id: '002_display_name', phase: 'expand', state: 'applied', release: bad },
      { id: '003_fill_display_name', phase: 'backfill', state: 'applied', rows: HOLDERS + 1, release: bad },
    ]);

    await world.commit('web', 'two, corrected');
    const corrected = await world.deploy();
    expect(await world.outcome(corrected)).toBe('Succeeded');
    expect((await world.events(corrected)).map(({ type }) => type)).not.toContain('RestorePointMade');
    expect(await live()).toBe(2);
    await shown('two, corrected');

    expect(await world.outcome(await rollBack())).toBe('Succeeded');
    await shown('1');
    expect(
      await world.api('POST', '/v1/projections/switch', { environment: 'production', name: 'statement', to: 'previous' }),
    ).toMatchObject({
      from: 2,
      to: 1,
    });

    await bring('without-name');
    await world.commit('web', 'three');
    expect(await world.outcome(await world.deploy())).toBe('Succeeded');
    const left = await plan();
    expect(left.pending).toMatchObject([{ file: { id: '005_drop_name' }, phase: 'contract', needsApproval: true }]);
    await open().apply(left.pending, { by: 'test', release: null, signal: new AbortController().signal });

    const refused = await rollBack();
    expect(await world.outcome(refused)).toBe('Failed');
    const events = await world.events(refused);
    expect(events.find(({ type }) => type === 'RollbackRefused')?.data).toMatchObject({
      reason: expect.stringContaining('005_drop_name took away'),
    });
    expect(events.map(({ type }) => type)).not.toContain('RolloutStarted');
    await shown('three');

    const { asked, failed, wrong } = await clerk.stop();
    expect(failed).toEqual([]);
    expect(wrong).toEqual([]);
    expect(asked).toBeGreaterThan(50);
  },
);

/** Statements of this release come from now on. */
async function shown(release: string): Promise<void> {
  const before = clerk?.look().shown[release] ?? 0;
  for (const until = Date.now() + 20_000; (clerk?.look().shown[release] ?? 0) < before + 3; await sleep(20))
    if (Date.now() > until) throw new Error(`no statements of release ${release}: ${JSON.stringify(clerk?.look())}`);
}

const open = () => postgresDatabase({ pooled: null, direct: database.url, appendOnly: ['account_event'] });

async function plan() {
  return open().plan(await plainMigrations(join(world.dir, 'web/migrations')));
}

async function live(): Promise<number | undefined> {
  const { rows } = await sql("SELECT version FROM sluice_projections.live WHERE projection = 'statement'");
  return rows[0]?.version === undefined ? undefined : Number(rows[0].version);
}

async function sql(text: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    return await client.query(text);
  } finally {
    await client.end();
  }
}

async function rollBack(): Promise<string> {
  const { id } = await world.api<{ id: string }>('POST', '/v1/rollback', { environment: 'production', by: 'test' });
  return id;
}

async function bring(name: string): Promise<void> {
  await cp(join(later, name, 'accounts'), join(world.dir, 'web'), { recursive: true });
  git('add', '-A');
}

function git(...args: readonly string[]): void {
  execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], { cwd: world.dir, stdio: 'pipe' });
}
