import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseStatements } from './parse.ts';
import type { Catalog } from '../../../core/data/migrations/catalog.ts';
import { createJudge } from '../../../core/data/migrations/classify.ts';
import { checkStatement } from '../../../core/data/migrations/rules/check.ts';

const column = (type: string) => ({ type, notNull: false, default: null, generated: '' });
const table = {
  kind: 'table' as const,
  persistence: 'p',
  columns: { id: column('bigint'), tenant: column('bigint'), amount: column('integer') },
  constraints: {},
  triggers: {},
  policies: {},
  rowSecurity: false,
  forceRowSecurity: false,
  owner: 'shop',
  grants: [],
  definition: null,
  partitionOf: null,
  rows: 1_000_000,
  bytes: 1_000_000_000,
};
const index = (leading: string, identifies: boolean) => ({
  table: 'public.item',
  unique: true,
  valid: true,
  partitioned: false,
  leading,
  identifies,
});
const catalog: Catalog = {
  tables: { 'public.item': table, 'public.part': table },
  indexes: { 'public.item_pkey': index('id', true), 'public.item_tenant': index('tenant', false) },
  functions: {
    'public.f()': { volatility: 'v', definition: '' },
    'public.has_items()': { volatility: 's', definition: '' },
  },
  types: {},
  sequences: {},
  schemas: ['public'],
  searchPath: ['public'],
  timeZone: 'UTC',
};
const context = { catalog, start: catalog, fresh: new Set<string>(), appendOnly: [], serverMajor: 15 };
const findings = async (sql: string) => (await parseStatements(sql, 'test')).flatMap((one) => checkStatement(context, one));
const rules = async (sql: string) => (await findings(sql)).filter(({ stops }) => stops).map(({ rule }) => rule);

describe('how many rows one transaction may change (rule 18)', () => {
  it('is as many as a range of literal keys is wide, whichever way it is written', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: -1_000_000, max: 1_000_000 }), fc.integer({ min: 0, max: 1_000_000 }), async (from, width) => {
        const to = from + width;
        const ranges = [
          `id >= ${from} AND id <= ${to}`,
          `${from} <= id AND ${to} >= id`,
          `id BETWEEN ${from} AND ${to}`,
          `id >= '${from}'::bigint AND id <= ${to}`,
        ];
        for (const where of ranges)
          expect([where, (await rules(`UPDATE item SET amount = 0 WHERE ${where}`)).length > 0]).toEqual([where, width >= 10_000]);
      }),
      { numRuns: 60 },
    );
  });

  it('is not bounded by a column that other rows share, by another column, or by what is filled in later', async () => {
    for (const where of [
      'tenant = 5',
      'amount = 5',
      'id = id',
      'id = part.item',
      'id IN (SELECT id FROM part)',
      'id IN (SELECT id FROM part LIMIT 20000)',
      'id <> 5',
      'id NOT IN (1, 2)',
      'id > ANY (ARRAY[1])',
      'id >= 5',
      'id = 5 OR true',
    ])
      expect([where, await rules(`UPDATE item SET amount = 0 FROM part WHERE ${where}`)]).toEqual([where, [18]]);
    expect(await rules('PREPARE p AS UPDATE item SET amount = 0 WHERE id BETWEEN $1 AND $2')).toEqual([18]);
    for (const where of [
      'id = 5',
      'id IN (1, 2)',
      "id = '5'",
      'id = ANY (ARRAY[1, 2])',
      'id IN (SELECT id FROM part LIMIT 100)',
      'id BETWEEN $1 AND $2',
    ])
      expect([where, await rules(`UPDATE item SET amount = 0 WHERE ${where}`)]).toEqual([where, []]);
  });

  it('counts rows that are copied: INSERT … SELECT of all there is', async () => {
    expect(await rules('INSERT INTO part SELECT * FROM item')).toEqual([18]);
    expect(await rules('WITH a AS (SELECT * FROM item) INSERT INTO part SELECT * FROM a')).toEqual([18]);
    expect(await rules('INSERT INTO part SELECT g FROM generate_series(1, 1000000) g')).toEqual([18]);
    expect(await rules('INSERT INTO part SELECT * FROM item LIMIT 100')).toEqual([]);
    expect(await rules('INSERT INTO part SELECT count(*) FROM item')).toEqual([]);
    expect(await rules('INSERT INTO part VALUES (1, 2, 3)')).toEqual([]);
  });
});

describe('what decides over the statements of a body (rule 23)', () => {
  it('is a finding where it is rows, or what differs from server to server; not where it is the schema', async () => {
    const block = (condition: string, then = 'ALTER TABLE item ADD COLUMN b text;') =>
      `DO $$ BEGIN IF ${condition} THEN ${then} END IF; END $$`;
    for (const condition of [
      'EXISTS (SELECT FROM item)',
      '(SELECT max(id) FROM public.item) > 5',
      'has_items()',
      "pg_relation_size('item') > 5",
      "current_setting('server_version_num')::int > 5",
    ])
      expect([condition, await rules(block(condition))]).toEqual([condition, [23]]);
    for (const condition of ["EXISTS (SELECT FROM pg_class WHERE relname = 'item')", "to_regclass('item') IS NOT NULL"])
      expect([condition, await rules(block(condition))]).toEqual([condition, []]);
    expect(await rules(block('EXISTS (SELECT FROM item)', "RAISE EXCEPTION 'clean up first';"))).toEqual([]);
    expect(await rules("DO $$ BEGIN EXECUTE 'SELECT 1 FROM ' || 'item'; EXCEPTION WHEN others THEN PERFORM 1 FROM item; END $$")).toContain(
      23,
    );
  });

  it('keeps every guess about what stands in a branch that was not taken', async () => {
    const sure = async (sql: string) => (await findings(sql)).filter(({ certain }) => !certain);
    expect(await sure("DO $$ BEGIN IF EXISTS (SELECT FROM item) THEN EXECUTE 'DROP ' || 'TABLE item'; END IF; END $$")).toEqual([]);
    expect(await sure("DO $$ BEGIN EXECUTE 'DROP ' || 'TABLE item'; END $$")).toHaveLength(1);
  });

  it('is a finding where a function is called for rows, of which a clone has none', async () => {
    expect((await findings('SELECT f() FROM item')).map(({ certain }) => certain)).toEqual([true]);
    expect((await findings('SELECT f()')).map(({ certain }) => certain)).toEqual([false]);
    expect(await rules('INSERT INTO part SELECT f() FROM item LIMIT 5')).toEqual([23]);
  });
});

describe('settings of a file (rule 27)', () => {
  it('are named where they are limits of the runner, however they are set', async () => {
    for (const sql of [
      'SET lock_timeout = 0',
      "SET LOCAL Statement_Timeout = '5s'",
      "SELECT set_config('lock_timeout', '0', false)",
      'ALTER ROLE shop SET lock_timeout = 0',
      'ALTER DATABASE shop SET lock_timeout = 0',
      'RESET ALL',
      'CREATE FUNCTION g() RETURNS int LANGUAGE sql SET lock_timeout = 0 AS $$ SELECT 1 $$',
      "DO $$ BEGIN PERFORM set_config('lock_timeout', '0', true); END $$",
    ])
      expect([sql, (await findings(sql)).some(({ rule }) => rule === 27)]).toEqual([sql, true]);
    expect(await findings('SET search_path = a')).toEqual([]);
    expect(await rules('SET session_replication_role = replica')).toEqual([27]);
  });
});

describe('what runs while a table is held (rule 19)', () => {
  const judged = async (sql: string) => {
    const judge = createJudge({ start: catalog, appendOnly: [], serverMajor: 15 });
    judge.begin();
    return (await parseStatements(sql, 'test')).map((one) => judge.judge(one, catalog, null).findings.map(({ rule }) => rule));
  };
  it('may change the catalog, and a few rows by their key', async () => {
    expect(
      await judged(
        'ALTER TABLE item ADD COLUMN a text; ALTER TABLE item ADD COLUMN b int; ALTER TABLE part ADD COLUMN c text; CREATE TABLE d (id int); UPDATE item SET amount = 0 WHERE id = 1',
      ),
    ).toEqual([[], [], [], [], []]);
  });
  it('may not go through rows', async () => {
    expect(await judged('ALTER TABLE item ADD COLUMN a text; SELECT count(*) FROM part')).toEqual([[], [19]]);
    expect(await judged('ALTER TABLE item ADD CONSTRAINT c CHECK (id > 0) NOT VALID; ALTER TABLE item VALIDATE CONSTRAINT c')).toEqual([
      [],
      [19],
    ]);
  });
});
