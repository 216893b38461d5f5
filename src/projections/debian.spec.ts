import pg from 'pg';
import { afterEach, describe, expect, test } from 'vitest';
import { type DebianPostgres, debianPostgres, noDebianPostgres } from '../../test/worlds/debian-postgres.ts';
import { noPgbouncer, pgbouncer } from '../../test/worlds/pgbouncer.ts';
import { balanceCode, BALANCES, codeOf, differences, EVENT_TABLE, fill } from '../../test/worlds/projections.ts';
import { openOperations } from './operations.ts';

const absent = noDebianPostgres ?? noPgbouncer;
const { signal } = new AbortController();
const ends: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
}, 60_000);

/** Events that belong to the shop's own role; `folder` is another, who may do nothing yet. */
async function shop(): Promise<{ server: DebianPostgres; asOwner: pg.Pool; url: string }> {
  const server = await debianPostgres();
  ends.push(() => server.end());
  for (const role of ['shop_owner', 'folder']) await server.admin(`CREATE ROLE ${role} LOGIN`);
  await server.admin('CREATE DATABASE shop OWNER shop_owner');
  await server.admin('REVOKE CREATE ON SCHEMA public FROM public; ALTER SCHEMA public OWNER TO shop_owner', 'shop');
  const asOwner = new pg.Pool({ connectionString: server.urlOf('shop_owner', 'shop'), max: 2 });
  asOwner.on('error', () => {});
  ends.push(() => asOwner.end());
  await asOwner.query(EVENT_TABLE);
  await asOwner.query(fill(200, 3_000));
  return { server, asOwner, url: server.urlOf('folder', 'shop') };
}

describe.skipIf(absent !== null)(`projections on a PostgreSQL that the user runs${absent === null ? '' : ` (skipped: ${absent})`}`, () => {
  test('say which right is missing, one after the other, and work with these alone', { timeout: 150_000 }, async () => {
    const { asOwner, url } = await shop();
    const open = () => openOperations({ url, store: {} });
    const refused = (hint: string) => ({ code: 'PROJECTION_RIGHTS', blame: 'user', hint: expect.stringContaining(hint) });
    await expect(open()).rejects.toMatchObject(refused('CREATE SCHEMA sluice_projections AUTHORIZATION folder'));
    await asOwner.query('GRANT CREATE ON DATABASE shop TO folder');
    const made = new pg.Pool({ connectionString: url, max: 1 });
    await made.query('CREATE SCHEMA sluice_projections');
    await made.end();
    await asOwner.query('REVOKE CREATE ON DATABASE shop FROM folder');
    await expect(open()).rejects.toMatchObject(refused('GRANT SELECT ON "event" TO folder'));
    await asOwner.query('GRANT SELECT ON event TO folder');
    const operations = await open();
    ends.push(() => operations.close());
    await expect(operations.start(codeOf(balanceCode()), 2)).rejects.toMatchObject(
      refused('GRANT CREATE, USAGE ON SCHEMA public TO folder'),
    );
    await asOwner.query('GRANT CREATE, USAGE ON SCHEMA public TO folder');

    const build = await operations.start(codeOf(balanceCode()), 2);
    expect(await operations.build(build, signal)).toBe(true);
    expect(await operations.verify(build)).toMatchObject({ passed: true, reasons: [] });
    await operations.switch(build, { keepMs: 60_000, signal });
    await asOwner.query(`INSERT INTO event (stream, version, type, data) VALUES ('account-1', 16, 'Deposited', '{"amount": 5}')`);
    expect(await operations.tail()).toMatchObject({ events: 1 });
    const reader = new pg.Pool({ connectionString: url, max: 1 });
    ends.push(() => reader.end());
    expect(await differences(reader, 'balance', BALANCES, 'key, balance, movements, owner')).toBe(0);
  });

  test('are refused through a pooler, and read by apps through one', { timeout: 150_000 }, async () => {
    const { asOwner, server } = await shop();
    const direct = server.urlOf('shop_owner', 'shop');
    const pooler = await pgbouncer(direct);
    ends.push(() => pooler.end());
    await expect(openOperations({ url: pooler.url, store: {} })).rejects.toMatchObject({ code: 'DATABASE_URL_POOLED' });
    const operations = await openOperations({ url: direct, store: {} });
    ends.push(() => operations.close());
    const build = await operations.start(codeOf(balanceCode()), 1);
    await operations.build(build, signal);
    await operations.verify(build);
    await operations.switch(build, { keepMs: 60_000, signal });
    const app = new pg.Pool({ connectionString: pooler.url, max: 4 });
    ends.push(() => app.end());
    const reading = Promise.all(Array.from({ length: 20 }, () => app.query('SELECT count(*)::int AS n FROM balance')));
    expect((await reading).map(({ rows }) => (rows as { n: number }[])[0]?.n)).toEqual(Array.from({ length: 20 }, () => 200));
    expect(await differences(asOwner, 'balance', BALANCES, 'key, balance, movements, owner')).toBe(0);
  });
});
