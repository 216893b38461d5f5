import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { onServer, type TestDatabase, testDatabase } from '../../test/postgres.ts';
import { gitSource } from '../adapters/source/git.ts';
import { schemaGate } from '../services/planning/schema-gate.ts';
import { createMigrations, type Migrations } from './migrations.ts';
import type { Config } from '../config/schema/workspace.ts';

const LONG = { timeout: 60_000 };
let dir = '';
let database: TestDatabase;
let migrations: Migrations;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'sluice-migrations-'));
  for (const folder of ['web', 'migrations']) mkdirSync(join(dir, folder));
  writeFileSync(join(dir, 'web/x'), '1');
  database = await testDatabase();
  migrations = createMigrations({
    workspace: dir,
    source: gitSource({ dir }),
    value: (name) => (name === 'SHOP_URL' ? database.url : undefined),
    manifest: async (environment) => ({ environment, apps: {} }),
  });
}, 60_000);
afterEach(async () => {
  await database.drop();
  rmSync(dir, { recursive: true, force: true });
});

const config = (approval?: object): Config => ({
  workspace: 'shop',
  apps: { web: { path: 'web', run: 'node web.js' } },
  databases: { shop: { apps: ['web'], migrations: { path: 'migrations' }, direct: { fromEnv: 'SHOP_URL' }, pooled: false } },
  environments: { production: approval === undefined ? {} : { approval } },
});

const onDatabase = (sql: string) => onServer(database.url, (client) => client.query(sql));

function commit(id: string, sql: string): string {
  const git = (...args: string[]): string =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], { cwd: dir, encoding: 'utf8' }).trim();
  writeFileSync(join(dir, 'migrations', `${id}.sql`), sql);
  git('init', '-q', '-b', 'main');
  git('add', '-A');
  git('commit', '-q', '-m', id);
  return git('rev-parse', 'HEAD');
}

it('what a release would lock, and for how long, is said beside its plan and is no part of it', LONG, async () => {
  await onDatabase('CREATE TABLE item (id bigint PRIMARY KEY); CREATE TABLE other (id bigint)');
  const made = commit('001_note', 'ALTER TABLE item ADD COLUMN note text;\n');
  const planned = await migrations.planned('production', made, config());
  expect(planned?.databases).toEqual([{ database: 'shop', migrations: [{ id: '001_note', checksum: expect.any(String) }] }]);
  const gate = schemaGate(migrations);
  expect(await gate.notices?.('production', undefined)).toEqual([
    'Migration 001_note of shop, line 1, locks public.item (AccessExclusiveLock) for about 1 ms.',
  ]);
  expect(await gate.notices?.('staging', undefined)).toEqual([]);
  await onDatabase('DROP TABLE item');
  await expect(migrations.planned('production', made, config())).rejects.toMatchObject({ code: 'MIGRATION_REFUSED' });
});

it('what reaches beyond the schema is refused where nobody approves the plan', LONG, async () => {
  const made = commit('001_memory', "ALTER DATABASE postgres SET work_mem = '4MB';\n");
  await expect(migrations.planned('production', made, config())).rejects.toMatchObject({
    code: 'APPROVAL_NEEDED',
    hint: expect.stringContaining('sluice db migrate --approved-by NAME'),
  });
  expect(await migrations.planned('production', made, config({ number: 1 }))).toMatchObject({ databases: [{ database: 'shop' }] });
});
