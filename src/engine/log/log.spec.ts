import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testDatabase, type TestDatabase } from '../../../test/postgres.ts';
import { migrate } from '../migrations.ts';
import { openDatabase, type Database } from '../postgres/database.ts';
import { verifyAudit } from './audit.ts';
import { append, readLog, readStream } from './log.ts';

let fresh: TestDatabase;
let database: Database;

beforeAll(async () => {
  fresh = await testDatabase();
  database = await openDatabase({ url: fresh.url, poolSize: 12 });
  await Promise.all([migrate(database), migrate(database), migrate(database)]);
});

afterAll(async () => {
  await database.close();
  await fresh.drop();
});

const write = (stream: string, events: readonly { type: string }[], versions?: ReadonlyMap<string, number>) =>
  database.transaction((sql) =>
    append(sql, { at: 1, origin: 'test', batches: [{ stream, events }], ...(versions === undefined ? {} : { versions }) }),
  );

test('positions become visible in order and without gaps, whoever appends', async () => {
  const seen: number[][] = [];
  let done = false;
  const watcher = (async () => {
    while (!done) seen.push((await readLog(database, { after: 0, limit: 10_000 })).map(({ position }) => position));
  })();
  await Promise.all(Array.from({ length: 60 }, (_, index) => write(`order/${index % 7}`, [{ type: 'A' }, { type: 'B' }])));
  done = true;
  await watcher;
  for (const positions of seen) expect(positions).toEqual(positions.map((_, index) => index + 1));
  const streams = await Promise.all(Array.from({ length: 7 }, (_, index) => readStream(database.pool, `order/${index}`, 0)));
  for (const entries of streams) expect(entries.map(({ version }) => version)).toEqual(entries.map((_, index) => index + 1));
  expect(await verifyAudit(database)).toMatchObject({ intact: true });
});

test('of two that read the same version, one is told to look again', async () => {
  await write('expected', [{ type: 'A' }]);
  const client = new pg.Client({ connectionString: fresh.url });
  await client.connect();
  const late = { at: 1, origin: 'test', batches: [{ stream: 'expected', events: [{ type: 'B' }] }], versions: new Map([['expected', 0]]) };
  await expect(append(client, late)).rejects.toMatchObject({ code: '23505', constraint: 'event_stream_version_key' });
  await client.end();
  let tries = 0;
  await database.transaction((sql) => {
    tries += 1;
    return append(sql, { ...late, versions: new Map([['expected', tries - 1]]) });
  });
  expect(tries).toBe(2);
});

test('what programs put out is stored as far as it can be, and hashes alike when read again', async () => {
  const odd = {
    type: 'A',
    text: 'a\u0000b \ud800 \u{1f600}',
    number: 1e21,
    small: 5e-324,
    minus: -0,
    nothing: undefined,
    nested: [{ b: 1, a: [null, true] }],
  };
  await write('odd', [odd]);
  const [entry] = await readStream(database.pool, 'odd', 0);
  expect(entry?.data).toEqual({
    type: 'A',
    text: 'a\uFFFDb \uFFFD \u{1f600}',
    number: 1e21,
    small: 5e-324,
    minus: 0,
    nested: [{ b: 1, a: [null, true] }],
  });
  expect(await verifyAudit(database)).toMatchObject({ intact: true });
});

test('a database of a newer Sluice is left alone', async () => {
  await database.pool.query('UPDATE sluice.schema_version SET version = version + 1');
  await expect(migrate(database)).rejects.toMatchObject({ code: 'SCHEMA_NEWER' });
  await database.pool.query('UPDATE sluice.schema_version SET version = version - 1');
});
