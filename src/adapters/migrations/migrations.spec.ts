import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { testDatabase } from '../../../test/postgres.ts';
import { postgresDatabase } from '../database/postgres/postgres.ts';
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

describe('what cannot be read says so', () => {
  it.each<[string, Readonly<Record<string, string>>, string]>([
    ['dbmate', { '1_a.sql': A }, 'MIGRATION_FORMAT'],
    ['drizzle', { 'meta/_journal.json': '[' }, 'MIGRATION_FORMAT'],
    ['drizzle', { 'meta/_journal.json': '{"entries":[{"idx":0,"when":1,"tag":"0000_gone"}]}' }, 'MIGRATION_UNREADABLE'],
    ['node-pg-migrate', { '1_a.js': 'exports.up = () => {}' }, 'MIGRATION_NOT_SQL'],
  ])('%s %j: %s', async (kind, files, code) => {
    await write(files);
    await expect(read(kind)).rejects.toMatchObject({ code, hint: expect.any(String) });
  });
});
