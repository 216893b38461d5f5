import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type TestDatabase, testDatabase } from '../../../../test/postgres.ts';
import { type CommandLineWorld, commandLineWorld, type Ran } from '../../../../test/worlds/command-line.ts';

/* The commands of migrations on a real database, in the order of a schema's life. */

const LONG = { timeout: 120_000 };
let dir = '';
let database: TestDatabase;
let world: CommandLineWorld;
let client: pg.Client;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'sluice-db-'));
  for (const folder of ['migrations', 'web']) mkdirSync(join(dir, folder));
  const shop = { apps: ['web'], migrations: { path: 'migrations' }, direct: { fromEnv: 'SHOP_URL' }, pooled: false, rollbackWindow: '1h' };
  writeFileSync(
    join(dir, 'sluice.config.json'),
    JSON.stringify({ workspace: 'shop', apps: { web: { path: 'web', run: 'node web.js' } }, databases: { shop } }),
  );
  put('001_item', 'CREATE TABLE item (id bigint PRIMARY KEY, name text);\n');
  database = await testDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  world = await commandLineWorld();
}, 120_000);
afterAll(async () => {
  await world.close();
  await client.end();
  await database.drop();
  rmSync(dir, { recursive: true, force: true });
}, 60_000);

const put = (id: string, sql: string): void => writeFileSync(join(dir, 'migrations', `${id}.sql`), sql);
const db = (...argv: string[]): Promise<Ran> => world.run(['db', ...argv, '-e', 'staging', '-C', dir], { env: { SHOP_URL: database.url } });
const columns = async (): Promise<string[]> =>
  (
    await client.query<{ name: string }>(
      "SELECT attname AS name FROM pg_attribute WHERE attrelid = 'item'::regclass AND attnum > 0 AND NOT attisdropped",
    )
  ).rows.map(({ name }) => name);

it('plan shows what would happen, with locks and times for the rows that there are; migrate runs it once', LONG, async () => {
  expect(await db('plan')).toMatchObject({
    exit: 0,
    out: expect.stringMatching(/^shop: 1 pending migration, tried on a scratch clone\n {2}001_item {2}expand\n/),
  });
  expect(await db('migrate')).toMatchObject({ exit: 0, out: expect.stringMatching(/^shop: 001_item in /) });
  expect((await db('migrate')).out).toBe('Nothing to do.\n');
  await client.query("INSERT INTO item SELECT g, repeat('x', 500) FROM generate_series(1, 40000) g");

  put('002_price', 'ALTER TABLE item ADD COLUMN price numeric;\n');
  put('002_price.compensate', 'ALTER TABLE item DROP COLUMN price;\n');
  const small = await db('plan');
  expect(small.out).toMatch(/002_price {2}expand\n {4}line 1 locks public\.item AccessExclusiveLock, for about 1 ms/);

  // What must write every row anew is refused, and costs as many milliseconds as there are rows to write.
  put('003_key', 'ALTER TABLE item ALTER COLUMN id TYPE text;\n');
  const refused = await db('plan');
  expect(refused).toMatchObject({ exit: 3, out: expect.stringMatching(/003_key {2}REFUSED\n[^]*instead: /) });
  const [, ms] = /003_key[^]*for about (\d+) ms/.exec(refused.out) ?? [];
  expect(Number(ms)).toBeGreaterThan(100);
  expect((await db('contract', '--approved-by', 'bob')).err).toContain('may not run as they are');
  put('003_key', 'CREATE INDEX item_name ON item (name);\n');
  expect(await db('migrate')).toMatchObject({ exit: 1, err: expect.stringContaining('CREATE INDEX CONCURRENTLY') });
  expect(await columns()).toEqual(['id', 'name']);
  rmSync(join(dir, 'migrations/003_key.sql'));
});

it('status says what ran, by whom, and what waits; compensate takes one back', LONG, async () => {
  expect((await db('status')).out).toMatch(/^shop: PostgreSQL \d+[^]*001_item +expand +applied [^]*by ada\n +002_price +pending/);
  expect((await db('compensate', '002_price')).err).toContain('002_price is not applied here');
  expect((await db('migrate')).exit).toBe(0);
  expect(await columns()).toContain('price');
  expect((await db('compensate', '001_item')).err).toContain('has no compensating script');
  expect(await db('compensate', '009_none')).toMatchObject({ exit: 1, err: expect.stringContaining('`sluice db status` lists them') });
  expect(await db('compensate', '002_price')).toMatchObject({ exit: 0, out: 'shop: 002_price was taken back\n' });
  expect(await columns()).not.toContain('price');
  expect((await db('status')).out).toMatch(/002_price +expand +compensated/);
  expect((await db('migrate')).exit).toBe(0);
});

it('what takes something away waits for contract, and for the word of somebody else', LONG, async () => {
  put('004_drop', 'ALTER TABLE item DROP COLUMN name;\n');
  expect(await db('migrate')).toMatchObject({ exit: 0, out: expect.stringContaining('004_drop wait for `sluice db contract`') });
  expect((await db('contract')).err).toContain('--approved-by NAME, who is not you');
  expect((await db('contract', '--approved-by', 'ada')).err).toContain('who is not you');
  expect(await db('contract', '--approved-by', 'bob')).toMatchObject({ exit: 0, out: expect.stringMatching(/^shop: 004_drop in /) });
  expect(await columns()).toEqual(['id', 'price']);
  expect((await db('contract', '--approved-by', 'bob')).out).toBe('Nothing waits for its contract phase.\n');
  expect((await db('status')).out).toMatch(/004_drop +contract +applied [^]*by ada, approved by bob/);
});

it('what reaches beyond the schema needs the word of somebody else, too', LONG, async () => {
  put('005_owner', "ALTER DATABASE postgres SET work_mem = '4MB';\n");
  expect((await db('plan')).out).toMatch(/005_owner {2}(expand, with approval)/);
  expect(await db('migrate')).toMatchObject({
    exit: 1,
    err: expect.stringMatching(/005_owner of shop reaches beyond the schema[^]*--approved-by NAME/),
  });
  expect((await db('migrate', '--approved-by', 'ada')).exit).toBe(1);
  put('005_owner', "-- sluice: allow 24 because the server is ours alone\nALTER DATABASE postgres SET work_mem = '4MB';\n");
  expect((await db('plan')).out).toMatch(/005_owner {2}expand\n/);
});

it('baseline records what the schema has already, and nothing that it lacks', LONG, async () => {
  await client.query('DROP TABLE item; DROP SCHEMA sluice_migrations CASCADE; CREATE TABLE item (id bigint PRIMARY KEY)');
  for (const old of ['002_price', '002_price.compensate', '004_drop', '005_owner']) rmSync(join(dir, 'migrations', `${old}.sql`));
  expect(await db('baseline')).toMatchObject({ exit: 1, err: expect.stringContaining('column public.item.name is missing') });
  expect((await client.query("SELECT to_regclass('sluice_migrations.migration') AS there")).rows).toEqual([{ there: null }]);
  await client.query('ALTER TABLE item ADD COLUMN name text');
  put('002_size', 'ALTER TABLE item ADD COLUMN size int;\n');
  expect((await db('baseline', '--through', '009_none')).exit).toBe(1);
  expect(await db('baseline', '--through', '001_item')).toMatchObject({
    exit: 0,
    out: expect.stringMatching(/^shop: 1 migration recorded as run/),
  });
  expect((await db('status')).out).toMatch(/001_item +expand +baseline [^]*002_size +pending/);
  expect((await db('migrate')).out).toMatch(/^shop: 002_size in /);
  expect(await columns()).toEqual(['id', 'name', 'size']);
});

it('migrate does not let what is refused wait for contract', LONG, async () => {
  put('003_type', 'ALTER TABLE item ALTER COLUMN id TYPE text;\n');
  expect(await db('migrate')).toMatchObject({ exit: 3, out: expect.stringMatching(/003_type may not run as it is/) });
  put('003_type', 'ALTER TABLE item DROP COLUMN size;\n');
  const ran = await db('contract', '--approved-by', 'bob');
  expect(ran.err).toContain('nothing is known of the traffic of web');
  expect((await db('status')).out).toMatch(/003_type +contract +applied [^]*approved by bob as ada says/);
});
