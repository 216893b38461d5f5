import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { debianPostgres, type DebianPostgres, noDebianPostgres } from '../../../../test/worlds/debian-postgres.ts';
import { onServer, testDatabase } from '../../../../test/postgres.ts';
import { checksumOf, type MigrationFile } from '../../../core/data/migrations/files.ts';
import type { PlannedMigration } from '../../../core/data/migrations/phases.ts';
import { postgresDatabase } from './postgres.ts';

/** Both ends of what is supported: the oldest server, and the one that Sluice brings along. */
interface World {
  url(): Promise<{ readonly url: string; drop(): Promise<void> }>;
  end(): Promise<void>;
}

const file = (id: string, sql: string): MigrationFile => ({
  id,
  path: `${id}.sql`,
  sql,
  line: 1,
  compensate: null,
  checksum: checksumOf(sql),
  noTransaction: false,
  bookkeeping: null,
});
const how = { by: 'test', release: null, signal: new AbortController().signal };
const SHOP = `CREATE TABLE item (id bigint PRIMARY KEY, name text, amount int); INSERT INTO item SELECT g, 'n' || g, g FROM generate_series(1, 500) g;
  CREATE TABLE part (id bigint PRIMARY KEY, item bigint REFERENCES item)`;

function embedded(): World {
  return { url: () => testDatabase(), end: async () => {} };
}

function debian(): World {
  let server: DebianPostgres | null = null;
  let count = 0;
  return {
    async url() {
      server ??= await debianPostgres();
      const here = server;
      count += 1;
      const name = `shop_${count}`;
      if (count === 1) await here.admin('CREATE ROLE shop_owner LOGIN CREATEDB');
      await here.admin(`CREATE DATABASE ${name} OWNER shop_owner`);
      return { url: here.urlOf('shop_owner', name), drop: async () => void (await here.admin(`DROP DATABASE ${name} WITH (FORCE)`)) };
    },
    end: async () => server?.end(),
  };
}

const WORLDS: readonly [string, () => World, string | null][] = [
  ['PostgreSQL 18', embedded, null],
  ['PostgreSQL 15', debian, noDebianPostgres],
];

describe.each(WORLDS)('what a plan says of files, on %s', { timeout: 120_000 }, (_name, make, skipped) => {
  let world: World;
  beforeAll(() => {
    world = make();
  });
  afterAll(() => world.end(), 60_000);

  async function on<T>(work: (database: ReturnType<typeof postgresDatabase>, client: pg.Client) => Promise<T>, setup = SHOP): Promise<T> {
    const { url, drop } = await world.url();
    try {
      return await onServer(url, async (client) => {
        await client.query(setup);
        return work(postgresDatabase({ pooled: null, direct: url, limits: { lockBudgetMs: 20_000 } }), client);
      });
    } finally {
      await drop();
    }
  }
  const planned = (sql: string, setup = SHOP): Promise<PlannedMigration> =>
    on(async (database) => (await database.plan([file('001', sql)])).pending[0] ?? expect.fail('nothing is pending'), setup);
  /** Each text as a file of its own. */
  const refusalsOf = (texts: readonly string[]): Promise<(readonly string[])[]> =>
    on(async (database) => {
      const found: (readonly string[])[] = [];
      for (const sql of texts) found.push((await database.plan([file('001', sql)])).pending[0]?.refusals ?? []);
      return found;
    });
  const rules = ({ statements }: PlannedMigration): number[] => [
    ...new Set(statements.flatMap(({ findings }) => findings.filter(({ stops }) => stops).map(({ rule }) => rule))),
  ];

  it.skipIf(skipped !== null)(
    'runs a file in one transaction, so that a value of an enum added and used in one file is refused',
    async () => {
      const one = await planned(
        "ALTER TYPE state ADD VALUE 'lost'; ALTER TABLE item ADD COLUMN last state DEFAULT 'lost'",
        `${SHOP}; CREATE TYPE state AS ENUM ('new')`,
      );
      expect(one.refusals.join()).toMatch(/fails on the scratch clone: unsafe use of new value/);
    },
  );

  it.skipIf(skipped !== null)('finds what an empty clone cannot show', async () => {
    const findings = {
      branch:
        "DO $$ BEGIN IF (SELECT count(*) FROM item) > 10 THEN EXECUTE 'ALTER TABLE item ' || 'ALTER amount TYPE bigint'; END IF; END $$",
      variable:
        'DO $$ DECLARE n int; BEGIN SELECT count(*) INTO n FROM item; IF n > 0 THEN ALTER TABLE item ADD COLUMN b text; END IF; END $$',
      loop: "DO $$ DECLARE r record; BEGIN FOR r IN SELECT * FROM item LOOP EXECUTE format('CREATE TABLE t_%s ()', r.id); END LOOP; END $$",
      found: 'DO $$ BEGIN UPDATE part SET item = 1 WHERE id = 1; IF FOUND THEN ALTER TABLE item ADD COLUMN b text; END IF; END $$',
      size: "DO $$ BEGIN IF (SELECT reltuples FROM pg_class WHERE relname = 'item') > 100 THEN EXECUTE 'DROP ' || 'TABLE part'; END IF; END $$",
      function:
        'CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN IF EXISTS (SELECT FROM item) THEN ALTER TABLE item ALTER amount TYPE bigint; END IF; END $$; SELECT f()',
      perRow:
        "CREATE FUNCTION f(id bigint) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'ALTER TABLE item ' || 'ALTER amount TYPE bigint'; END $$; SELECT f(id) FROM item",
      prepared: 'PREPARE p AS UPDATE item SET amount = 0; EXECUTE p',
      parameters: 'PREPARE p (int, int) AS UPDATE item SET amount = 0 WHERE id >= $1 AND id <= $2; EXECUTE p (0, 999999999)',
      explained: 'EXPLAIN ANALYZE UPDATE item SET amount = 0',
      copied: 'INSERT INTO part SELECT id + 1000, id FROM item',
      series: 'INSERT INTO part (id) SELECT g FROM generate_series(1, 100000000) g',
      wide: 'UPDATE item SET amount = 0 WHERE id >= 0 AND id <= 9999999999',
      between: 'DELETE FROM part WHERE id BETWEEN 0 AND 9999999999',
      any: 'UPDATE item SET amount = 0 WHERE id = ANY (SELECT item FROM part)',
      limit: 'UPDATE item SET amount = 0 WHERE id IN (SELECT id FROM item LIMIT 100000000)',
      join: 'UPDATE item SET amount = 0 FROM part WHERE item.id = part.item',
    };
    const refusals = await refusalsOf(Object.values(findings));
    expect(Object.keys(findings).filter((_name, i) => refusals[i]?.length === 0)).toEqual([]);
  });

  it.skipIf(skipped !== null)('lets pass what is bounded, and branches on the schema alone', async () => {
    const refused = await refusalsOf([
      "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_type WHERE typname = 'mood') THEN CREATE TYPE mood AS ENUM ('good'); END IF; END $$",
      "DO $$ DECLARE t record; BEGIN FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP EXECUTE format('ALTER TABLE %I ADD COLUMN tag text', t.tablename); END LOOP; END $$",
      "DO $$ BEGIN IF EXISTS (SELECT FROM item WHERE amount < 0) THEN RAISE EXCEPTION 'first clean up'; END IF; END $$",
      'UPDATE item SET amount = 0 WHERE id >= 100 AND id < 200',
      "INSERT INTO item VALUES (1000, 'a', 1)",
      'INSERT INTO item SELECT 2000 + g FROM generate_series(1, 100) g',
      'INSERT INTO part SELECT id, id FROM item WHERE id BETWEEN 1 AND 100',
    ]);
    expect(refused.flat()).toEqual([]);
  });

  it.skipIf(skipped !== null)('keeps the settings of a file from the next, in the plan and for real', async () => {
    await on(async (database, client) => {
      const files = [
        file(
          '001',
          "CREATE SCHEMA other; SET search_path = other; CREATE TABLE item (id int); SET statement_timeout = '1ms'; SET lock_timeout = 0",
        ),
        file(
          '002',
          "SELECT pg_catalog.set_config('search_path', '', false); SET default_tablespace = ''; PREPARE p AS SELECT 1; CREATE TEMP TABLE item (id int)",
        ),
        file('003', 'ALTER TABLE item ADD COLUMN b text'),
      ];
      const { pending } = await database.plan(files);
      expect(pending.flatMap(({ refusals }) => refusals)).toEqual([]);
      expect(pending.map(({ phase }) => phase)).toEqual(['expand', 'expand', 'expand']);
      expect(pending[0]?.statements.flatMap(({ findings }) => findings.map(({ rule }) => rule))).toEqual([27, 27]);
      await database.apply(pending, how);
      const { rows } = await client.query(
        "SELECT table_schema AS s FROM information_schema.columns WHERE column_name = 'b' AND table_name = 'item'",
      );
      expect(rows).toEqual([{ s: 'public' }]);
    });
  });

  it.skipIf(skipped !== null)('judges a file as pg_dump writes it like any other', async () => {
    const one = await planned(`SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE FUNCTION public.one() RETURNS integer LANGUAGE sql AS $$ SELECT 1 $$;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.box (id bigint NOT NULL, item bigint);
ALTER TABLE ONLY public.box ADD CONSTRAINT box_pkey PRIMARY KEY (id);
CREATE INDEX box_item ON public.box USING btree (item);`);
    expect(one.refusals).toEqual([]);
    expect(one.phase).toBe('expand');
  });

  it.skipIf(skipped !== null)('refuses what a server would read as other text than was judged', async () => {
    expect((await planned("SET client_encoding = 'LATIN1'; CREATE TABLE a (id int)")).refusals.join()).toMatch(/UTF-8/);
    expect((await planned('SET standard_conforming_strings = off; CREATE TABLE a (id int)')).refusals.join()).toMatch(
      /standard_conforming_strings/,
    );
    expect(rules(await planned('SELECT pg_terminate_backend(0)'))).toEqual([23]);
  });

  it.skipIf(skipped !== null)('does not do on the server what it tries on the clone', async () => {
    const note = `tried ${Date.now()}`;
    await on(async (database, client) => {
      const own = await client.query<{ me: string; db: string }>('SELECT current_user::text AS me, current_database()::text AS db');
      const files = [
        file(
          '001',
          `DO $$ BEGIN EXECUTE 'ALTER ROLE ${own.rows[0]?.me ?? ''} SET work_' || 'mem = ''8MB'''; CREATE TABLE kept (id int); END $$`,
        ),
        file('002', `ALTER TABLE item ADD COLUMN b text; COMMENT ON DATABASE ${own.rows[0]?.db ?? ''} IS '${note}'`),
        file('003', 'ALTER TABLE item ADD COLUMN c text'),
      ];
      const { pending } = await database.plan(files);
      expect(pending.map((one) => one.statements.some(({ findings }) => findings.some(({ rule }) => rule === 24)))).toEqual([
        true,
        true,
        false,
      ]);
      const { rowCount } = await client.query("SELECT 1 FROM pg_db_role_setting WHERE 'work_mem=8MB' = ANY (setconfig)");
      expect(rowCount).toBe(0);
      expect((await client.query('SELECT 1 FROM pg_shdescription WHERE description = $1', [note])).rowCount).toBe(0);
      expect(pending[2]?.refusals).toEqual([]);
    });
  });

  it.skipIf(skipped !== null)('holds a file to the limits of the runner, whatever it sets', async () => {
    for (const sql of [
      'SET lock_timeout = 0; ALTER TABLE item ADD COLUMN b text',
      "SET LOCAL lock_timeout = '5s'; ALTER TABLE item ADD COLUMN b text",
      "SELECT set_config('lock_timeout', '0', false); ALTER TABLE item ADD COLUMN b text",
      "DO $$ BEGIN PERFORM set_config('lock_timeout', '0', true); ALTER TABLE item ADD COLUMN b text; END $$",
      'CREATE FUNCTION f() RETURNS void LANGUAGE sql SET lock_timeout = 0 AS $$ ALTER TABLE item ADD COLUMN b text $$; SELECT f()',
    ])
      await on(async (database, client) => {
        const { pending } = await database.plan([file('001', sql)]);
        expect(pending[0]?.statements.flatMap(({ findings }) => findings.map(({ rule }) => rule))).toContain(27);
        await client.query('BEGIN; SELECT 1 FROM item LIMIT 1');
        const said: string[] = [];
        const running = database.apply(pending, { ...how, onProgress: (line) => void said.push(line) });
        const deadline = Date.now() + 15_000;
        // It gives up its wait, and says so, while the reader goes on: with its own limit it would still stand in the queue.
        while (!said.some((line) => line.includes('waits for its lock'))) {
          expect(Date.now()).toBeLessThan(deadline);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        await client.query('COMMIT');
        expect((await running)[0]?.retries).toBeGreaterThan(0);
      });
  });

  it.skipIf(skipped !== null)('has in the clone what a run of several files leaves half-way', async () => {
    const setup = `CREATE TABLE log (id bigint, at date NOT NULL) PARTITION BY RANGE (at); CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
      CREATE TABLE log_2 PARTITION OF log FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
      CREATE INDEX log_at ON ONLY log (at); CREATE INDEX log_1_at ON log_1 (at); CREATE INDEX log_2_at ON log_2 (at); ALTER INDEX log_at ATTACH PARTITION log_1_at;
      CREATE INDEX whole ON log (id); CREATE DOMAIN amount AS int; ALTER DOMAIN amount ADD CONSTRAINT positive CHECK (VALUE > 0) NOT VALID; CREATE TABLE bill (sum amount);
      CREATE FUNCTION add(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + $2'; CREATE AGGREGATE total(int) (SFUNC = add, STYPE = int, INITCOND = '0');
      CREATE VIEW totals AS SELECT total(sum) FROM bill; CREATE TABLE twice (id int); INSERT INTO twice VALUES (1), (1)`;
    await on(async (database, client) => {
      await client.query('CREATE UNIQUE INDEX CONCURRENTLY twice_id ON twice (id)').catch(() => {});
      const plan = async (sql: string) => {
        const { pending, notes } = await database.plan([file('001', sql)]);
        return [...notes, ...(pending[0]?.refusals ?? [])];
      };
      expect(await plan('ALTER INDEX log_at ATTACH PARTITION log_2_at')).toEqual([]);
      expect(await plan('DROP INDEX CONCURRENTLY twice_id')).toEqual([]);
      expect(await plan('CREATE INDEX CONCURRENTLY twice_id ON twice (id)')).toEqual([]);
      expect((await plan('ALTER TABLE bill DROP COLUMN sum')).join()).toMatch(
        /cannot drop column sum .* because other objects depend on it/,
      );
      expect((await plan('ALTER DOMAIN amount VALIDATE CONSTRAINT positive')).join()).toMatch(/ShareLock|leave it so/);
      await client.query('DROP VIEW totals; DROP TABLE bill');
      expect(await plan('ALTER DOMAIN amount VALIDATE CONSTRAINT positive')).toEqual([]);
    }, setup);
  });

  it.skipIf(skipped !== null)('does not count as in use what the same plan has made', async () => {
    const refused = await on(async (database) => {
      const { pending } = await database.plan([
        file(
          '001',
          'CREATE FUNCTION g() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$; CREATE TYPE mood AS ENUM ($$good$$); CREATE SEQUENCE s; CREATE VIEW v AS SELECT 1 AS one',
        ),
        file(
          '002',
          'DROP FUNCTION g(); ALTER TYPE mood RENAME VALUE $$good$$ TO $$fine$$; ALTER TYPE mood RENAME TO moods; DROP TYPE moods; DROP SEQUENCE s; DROP VIEW v',
        ),
      ]);
      return pending.map(({ phase, refusals }) => [phase, refusals]);
    });
    expect(refused).toEqual([
      ['expand', []],
      ['expand', []],
    ]);
    const rebuilt = await planned(
      'CREATE TYPE "State_new" AS ENUM (\'new\'); ALTER TABLE item ALTER COLUMN state TYPE "State_new" USING (state::text::"State_new"); ALTER TYPE "State" RENAME TO "State_old"; ALTER TYPE "State_new" RENAME TO "State"; DROP TYPE "State_old"',
      `${SHOP}; CREATE TYPE "State" AS ENUM ('new', 'lost'); ALTER TABLE item ADD COLUMN state "State"`,
    );
    expect(rebuilt.refusals.join()).toMatch(/Instead: To add a value: ALTER TYPE … ADD VALUE/);
  });

  it.skipIf(skipped !== null)('fills in batches by a key that has no min() before 18', async () => {
    await on(async (database, client) => {
      const { pending } = await database.plan([
        file('001', '-- sluice: backfill doc.id batch 10 pause 1ms\nUPDATE doc SET done = true WHERE id BETWEEN :from AND :to'),
      ]);
      await database.apply(pending, how);
      expect((await client.query('SELECT count(*)::int AS n FROM doc WHERE done')).rows).toEqual([{ n: 55 }]);
    }, 'CREATE TABLE doc (id uuid PRIMARY KEY, done boolean); INSERT INTO doc SELECT gen_random_uuid() FROM generate_series(1, 55)');
  });
});
