import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { onServer, testDatabase } from '../../../test/postgres.ts';
import { postgresDatabase } from '../database/postgres/postgres.ts';
import { flywayChecksum } from './flyway.ts';
import { migrationKinds } from './index.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-migrations-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const A = 'CREATE TABLE a (id bigint PRIMARY KEY);\n';
const B = 'ALTER TABLE a ADD COLUMN b text;\n';
const BACK = 'ALTER TABLE a DROP COLUMN b;\n';

interface Kind {
  /** Two migrations as the tool writes them; the second can be taken back, where the tool knows of that. */
  readonly files: Readonly<Record<string, string>>;
  readonly ids: readonly [string, string];
  readonly compensates: boolean;
  /** The tool's own record, and what the tool has written there after its first migration; null: it has none. */
  readonly record: { readonly names: string; readonly first: string; readonly both: readonly string[] } | null;
}

/** What each tool makes itself, in the version named. */
const KINDS: Readonly<Record<string, Kind>> = {
  sql: {
    files: { '001_a.sql': A, '002_b.up.sql': B, '002_b.down.sql': BACK },
    ids: ['001_a', '002_b'],
    compensates: true,
    record: null,
  },
  // dbmate 2
  dbmate: {
    files: {
      '20250101000000_a.sql': `-- migrate:up\n${A}\n-- migrate:down\n`,
      '20250102000000_b.sql': `-- migrate:up\n${B}\n-- migrate:down\n${BACK}`,
    },
    ids: ['20250101000000_a', '20250102000000_b'],
    compensates: true,
    record: {
      names: 'SELECT version AS name FROM schema_migrations ORDER BY 1',
      first: "CREATE TABLE schema_migrations (version varchar(128) PRIMARY KEY); INSERT INTO schema_migrations VALUES ('20250101000000')",
      both: ['20250101000000', '20250102000000'],
    },
  },
  // node-pg-migrate 8
  'node-pg-migrate': {
    files: {
      '1700000000000_a.sql': `-- Up Migration\n${A}\n-- Down Migration\n`,
      '1700000000001_b.sql': `-- Up Migration\n${B}\n-- Down Migration\n${BACK}`,
    },
    ids: ['1700000000000_a', '1700000000001_b'],
    compensates: true,
    record: {
      names: 'SELECT name FROM pgmigrations ORDER BY id',
      first: `CREATE TABLE pgmigrations (id serial PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp NOT NULL);
        INSERT INTO pgmigrations (name, run_on) VALUES ('1700000000000_a', now())`,
      both: ['1700000000000_a', '1700000000001_b'],
    },
  },
  // Prisma 6
  prisma: {
    files: {
      'migration_lock.toml': 'provider = "postgresql"\n',
      '20250101000000_a/migration.sql': A,
      '20250102000000_b/migration.sql': B,
      '20250102000000_b/down.sql': BACK,
    },
    ids: ['20250101000000_a', '20250102000000_b'],
    compensates: true,
    record: {
      names: 'SELECT migration_name AS name FROM _prisma_migrations WHERE finished_at IS NOT NULL ORDER BY 1',
      first: `CREATE TABLE _prisma_migrations (id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz, migration_name varchar(255) NOT NULL,
          logs text, rolled_back_at timestamptz, started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0);
        INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, applied_steps_count) VALUES ('1', '${sha256(A)}', now(), '20250101000000_a', 1)`,
      both: ['20250101000000_a', '20250102000000_b'],
    },
  },
  // Flyway 10: by versions, of which each part is a number
  flyway: {
    files: { 'V1.2__a.sql': A, 'V1.10__b.sql': B, 'U1.10__b.sql': BACK },
    ids: ['1.2__a', '1.10__b'],
    compensates: true,
    record: {
      names: 'SELECT version AS name FROM flyway_schema_history ORDER BY installed_rank',
      first: `CREATE TABLE flyway_schema_history (installed_rank int PRIMARY KEY, version varchar(50), description varchar(200) NOT NULL, type varchar(20) NOT NULL, script varchar(1000) NOT NULL,
          checksum int, installed_by varchar(100) NOT NULL, installed_on timestamp NOT NULL DEFAULT now(), execution_time int NOT NULL, success boolean NOT NULL);
        INSERT INTO flyway_schema_history VALUES (1, '1.2', 'a', 'SQL', 'V1.2__a.sql', ${flywayChecksum(A)}, 'x', now(), 1, true)`,
      both: ['1.2', '1.10'],
    },
  },
  // golang-migrate 4: one row, the version that the database is at
  'golang-migrate': {
    files: { '9_a.up.sql': A, '10_b.up.sql': B, '10_b.down.sql': BACK },
    ids: ['9_a', '10_b'],
    compensates: true,
    record: {
      names: "SELECT v.name FROM schema_migrations s, (VALUES ('9'), ('10')) v(name) WHERE v.name::int <= s.version ORDER BY v.name::int",
      first:
        'CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL); INSERT INTO schema_migrations VALUES (9, false)',
      both: ['9', '10'],
    },
  },
  // drizzle-kit 0.31: in the order of its journal, not of names.
  drizzle: {
    files: {
      'meta/_journal.json': JSON.stringify({
        version: '7',
        dialect: 'postgresql',
        entries: [
          { idx: 0, version: '7', when: 1, tag: '0000_zebra', breakpoints: true },
          { idx: 1, version: '7', when: 2, tag: '0001_ant', breakpoints: true },
        ],
      }),
      '0000_zebra.sql': A,
      '0001_ant.sql': `${B}--> statement-breakpoint\nCOMMENT ON COLUMN a.b IS 'b';\n`,
    },
    ids: ['0000_zebra', '0001_ant'],
    compensates: false,
    record: {
      names: 'SELECT hash AS name FROM drizzle.__drizzle_migrations ORDER BY created_at',
      first: `CREATE SCHEMA drizzle; CREATE TABLE drizzle.__drizzle_migrations (id serial PRIMARY KEY, hash text NOT NULL, created_at bigint);
        INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('${sha256(A)}', 1)`,
      both: [sha256(A), sha256(`${B}--> statement-breakpoint\nCOMMENT ON COLUMN a.b IS 'b';\n`)],
    },
  },
};

async function write(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), text);
  }
}
const read = (kind: string) => migrationKinds[kind]?.(dir) ?? expect.fail(`no kind ${kind}`);

it('every kind is among the cases', () => expect(Object.keys(KINDS).toSorted()).toEqual(Object.keys(migrationKinds).toSorted()));

describe.each(Object.entries(KINDS))('migrations of %s', (kind, { files, ids, compensates, record }) => {
  it('are read in their order; what takes the second back is known; none where there is no folder', async () => {
    expect(await read(kind)).toEqual([]);
    await write(files);
    const found = await read(kind);
    expect(found.map(({ id }) => id)).toEqual(ids);
    expect(found[0]?.compensate).toBeNull();
    expect(found[1]?.compensate?.trim() ?? null).toBe(compensates ? BACK.trim() : null);
    // A file that is edited is another one, whatever its name.
    const [edited = ''] = Object.keys(files).filter((name) => files[name]?.includes(A.trim()) === true);
    await write({ [edited]: (files[edited] ?? '').replace('bigint', 'int') });
    expect((await read(kind)).map(({ checksum }) => checksum)[0]).not.toBe(found[0]?.checksum);
  });

  it(
    'run once, whoever ran them; the record of the tool is kept in step, and with it what is taken back',
    { timeout: 60_000 },
    async () => {
      await write(files);
      const server = await testDatabase();
      const client = new pg.Client({ connectionString: server.url });
      await client.connect();
      try {
        // The tool has run the first one, before we came.
        await client.query(`${A}${record?.first ?? ''}`);
        const database = postgresDatabase({ pooled: null, direct: server.url });
        const all = await read(kind);
        if (record === null) await client.query('DROP TABLE a');
        const { pending } = await database.plan(all);
        expect(pending.map(({ file }) => file.id)).toEqual(record === null ? ids : ids.slice(1));
        const how = { by: 'test', release: null, signal: new AbortController().signal, onProgress: () => {} };
        await database.apply(pending, how);
        expect((await database.plan(all)).pending).toEqual([]);
        if (record !== null) expect((await client.query(record.names)).rows.map(({ name }) => name)).toEqual(record.both);
        const [, second] = all;
        if (!compensates || second === undefined) return;
        await database.compensate(second, how);
        if (record !== null) expect((await client.query(record.names)).rows.map(({ name }) => name)).toEqual(record.both.slice(0, 1));
        expect((await database.plan(all)).pending.map(({ file }) => file.id)).toEqual(ids.slice(1));
      } finally {
        await client.end();
        await server.drop();
      }
    },
  );
});

it('what Prisma has begun and not finished, or taken back, has not run', { timeout: 60_000 }, async () => {
  const { files, record, ids } = KINDS['prisma'] ?? expect.fail('no Prisma');
  await write(files);
  const server = await testDatabase();
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  try {
    await client.query(`${A}${record?.first ?? ''};
      INSERT INTO _prisma_migrations (id, checksum, migration_name, rolled_back_at) VALUES ('2', 'x', '${ids[1]}', now()), ('3', 'x', '${ids[1]}', NULL)`);
    const { pending } = await postgresDatabase({ pooled: null, direct: server.url }).plan(await read('prisma'));
    expect(pending.map(({ file }) => file.id)).toEqual([ids[1]]);
  } finally {
    await client.end();
    await server.drop();
  }
});

describe('the history of the tool itself', { timeout: 60_000 }, () => {
  it.each<[string, string, string, RegExp]>([
    ['flyway', 'a checksum that differs', 'UPDATE flyway_schema_history SET checksum = 5', /1\.2__a was edited after it had run/],
    ['flyway', 'a run that failed', 'UPDATE flyway_schema_history SET success = false', /1\.2 is failed/],
    [
      'flyway',
      'one without a file',
      "UPDATE flyway_schema_history SET version = '7', checksum = NULL",
      /7 ran, and there is no file of it/,
    ],
    [
      'flyway',
      'one out of order',
      "UPDATE flyway_schema_history SET version = '1.10', checksum = NULL",
      /1\.2__a has not run, and a later one has/,
    ],
    ['golang-migrate', 'a dirty version', 'UPDATE schema_migrations SET dirty = true', /9 is dirty/],
    ['golang-migrate', 'a version without a file', 'UPDATE schema_migrations SET version = 11', /11 ran, and there is no file of it/],
  ])('of %s is refused by name: %s', async (kind, _what, change, message) => {
    const { files, record } = KINDS[kind] ?? expect.fail(kind);
    await write(files);
    const server = await testDatabase();
    try {
      await onServer(server.url, (client) => client.query(`${A}${record?.first ?? ''}; ${change}`));
      await expect(postgresDatabase({ pooled: null, direct: server.url }).plan(await read(kind))).rejects.toMatchObject({
        code: 'MIGRATION_HISTORY',
        message: expect.stringMatching(message),
      });
    } finally {
      await server.drop();
    }
  });

  it('of flyway with a baseline counts what lies up to it as run', async () => {
    const { files, record } = KINDS['flyway'] ?? expect.fail('no flyway');
    await write(files);
    const server = await testDatabase();
    try {
      await onServer(server.url, (client) =>
        client.query(`${A}${record?.first ?? ''}; UPDATE flyway_schema_history SET type = 'BASELINE', version = '1.9', checksum = NULL`),
      );
      const { pending } = await postgresDatabase({ pooled: null, direct: server.url }).plan(await read('flyway'));
      expect(pending.map(({ file }) => file.id)).toEqual(['1.10__b']);
    } finally {
      await server.drop();
    }
  });
});

it('a byte order mark is no part of a file, and what is no UTF-8 is refused', async () => {
  await writeFile(join(dir, '001_a.sql'), `\uFEFF${A}`);
  expect((await read('sql'))[0]?.sql).toBe(A);
  await writeFile(join(dir, '001_a.sql'), Buffer.from([0xff, 0xfe, 0x41, 0x00]));
  await expect(read('sql')).rejects.toMatchObject({ code: 'MIGRATION_UNREADABLE', message: expect.stringContaining('not UTF-8') });
});

describe('what cannot be read says so', () => {
  it.each<[string, Readonly<Record<string, string>>, string]>([
    ['dbmate', { '1_a.sql': A }, 'MIGRATION_FORMAT'],
    ['flyway', { 'R__view.sql': A }, 'MIGRATION_FORMAT'],
    ['flyway', { 'V1__a.sql': 'CREATE TABLE ${name} (id int)' }, 'MIGRATION_FORMAT'],
    ['golang-migrate', { '1_a.sql': A }, 'MIGRATION_FORMAT'],
    ['drizzle', { 'meta/_journal.json': '[' }, 'MIGRATION_FORMAT'],
    ['drizzle', { 'meta/_journal.json': '{"entries":[{"idx":0,"when":1,"tag":"0000_gone"}]}' }, 'MIGRATION_UNREADABLE'],
    ['node-pg-migrate', { '1_a.js': 'exports.up = () => {}' }, 'MIGRATION_NOT_SQL'],
  ])('%s %j: %s', async (kind, files, code) => {
    await write(files);
    await expect(read(kind)).rejects.toMatchObject({ code, hint: expect.any(String) });
  });
});
