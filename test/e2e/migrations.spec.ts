import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { postgresDatabase } from '../../src/adapters/database/postgres/postgres.ts';
import { plainMigrations } from '../../src/adapters/migrations/plain.ts';
import { type TestDatabase, testDatabase } from '../postgres.ts';
import { createWorld, type World } from './world.ts';

let database: TestDatabase;
let world: World;
let asked = 0;
const failures: string[] = [];

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
  delete config.apps.web.analysis;
  config.databases = {
    accounts: { apps: ['web'], migrations: { path: 'web/migrations' }, direct: { fromEnv: 'HARBOUR_DATABASE_URL' }, pooled: false },
  };
  await writeFile(file, JSON.stringify(config, null, 2));
  git('commit', '-qam', 'keep accounts in PostgreSQL');
  await world.start();
}, 120_000);

afterAll(async () => {
  await world.end();
  await database.drop();
}, 120_000);

it(
  'a release carries an additive migration and a backfill under traffic and goes back; what an old version cannot read is not gone back to',
  { timeout: 300_000 },
  async () => {
    expect(await world.outcome(await world.deploy())).toBe('Succeeded');
    const users = await startUsers();

    await migration(
      '001_notes',
      "CREATE TABLE account_note (id bigint PRIMARY KEY, note text);\nINSERT INTO account_note SELECT g, 'n' || g FROM generate_series(1, 5000) g;",
    );
    await migration('002_kind', 'ALTER TABLE account_event ADD COLUMN kind text;');
    await migration(
      '003_fill',
      '-- sluice: backfill account_note.id batch 500 pause 1ms\nUPDATE account_note SET note = upper(note) WHERE id BETWEEN :from AND :to;',
    );
    await world.commit('web', 'two');
    const second = await world.deploy();
    expect(await world.outcome(second)).toBe('Succeeded');
    expect((await world.events(second)).map(({ type }) => type)).toContain('MigrationsApplied');
    expect((await plan()).record).toMatchObject([
      { id: '001_notes', state: 'applied', release: second },
      { id: '002_kind', state: 'applied', release: second },
      { id: '003_fill', state: 'applied', rows: 5000, release: second },
    ]);

    expect(await world.outcome(await rollBack())).toBe('Succeeded');
    expect((await plan()).record).toHaveLength(3);

    // The next version does without the column; two releases later it goes.
    await world.commit('web', 'three');
    await world.deploy().then((id) => world.outcome(id));
    await migration('004_drop', 'DROP TABLE account_note;');
    await world.commit('web', 'four');
    expect(await world.outcome(await world.deploy())).toBe('Succeeded');
    const later = await plan();
    expect(later.pending).toMatchObject([{ file: { id: '004_drop' }, phase: 'contract' }]);
    await open().apply(later.pending, { by: 'test', release: null, signal: new AbortController().signal });

    const refused = await rollBack();
    expect(await world.outcome(refused)).not.toBe('Succeeded');
    expect((await world.events(refused)).map(({ type, data }) => `${type} ${JSON.stringify(data)}`).join('\n')).toContain(
      '004_drop took away',
    );

    await users.stop();
    expect(failures).toEqual([]);
    expect(asked).toBeGreaterThan(50);
  },
);

const open = () => postgresDatabase({ pooled: null, direct: database.url });

async function plan() {
  return open().plan(await plainMigrations(join(world.dir, 'web/migrations')));
}

async function rollBack(): Promise<string> {
  const { id } = await world.api<{ id: string }>('POST', '/v1/rollback', { environment: 'production', by: 'test' });
  return id;
}

async function migration(id: string, sql: string): Promise<void> {
  await mkdir(join(world.dir, 'web/migrations'), { recursive: true });
  await writeFile(join(world.dir, 'web/migrations', `${id}.sql`), `${sql}\n`);
  git('add', '-A');
}

function git(...args: readonly string[]): void {
  execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], { cwd: world.dir, stdio: 'pipe' });
}

async function startUsers(): Promise<{ stop(): Promise<void> }> {
  const url = await world.edgeUrl();
  let over = false;
  const ask = async (name: string): Promise<void> => {
    const call = async (path: string, body?: string) => {
      asked += 1;
      const answer = await fetch(`${url}/accounts/${name}${path}`, body === undefined ? {} : { method: 'POST', body }).catch(
        (error: unknown) => String(error),
      );
      if (typeof answer === 'string' || answer.status >= 500)
        failures.push(typeof answer === 'string' ? answer : `${path}: ${answer.status}`);
      else await answer.text();
    };
    await call('/open', '');
    while (!over) {
      await call('/deposit', '1');
      await call('');
      await sleep(40);
    }
  };
  const asking = ['ann', 'ben', 'cleo'].map(ask);
  return {
    async stop() {
      over = true;
      await Promise.all(asking);
    },
  };
}
