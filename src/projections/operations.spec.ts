import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { testDatabase, type TestDatabase } from '../../test/postgres.ts';
import {
  balanceCode,
  BALANCES,
  codeOf,
  differences,
  EVENT_TABLE,
  fill,
  PLAIN_EVENT_TABLE,
  TOTALS,
  totalsCode,
} from '../../test/worlds/projections.ts';
import { type Operations, openOperations, type OperationsOptions } from './operations.ts';

let fresh: TestDatabase;
let sql: pg.Pool;
const opened: Operations[] = [];
const { signal } = new AbortController();
const BALANCE_COLUMNS = 'key, balance, movements, owner';

beforeEach(async () => {
  fresh = await testDatabase();
  sql = new pg.Pool({ connectionString: fresh.url, max: 10 });
  sql.on('error', () => {});
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
  await sql.end();
  await fresh.drop();
});

async function open(table = EVENT_TABLE, options: Partial<OperationsOptions> = {}): Promise<Operations> {
  const there = await sql.query("SELECT to_regclass('event') AS there");
  if (there.rows[0].there === null) await sql.query(table);
  const operations = await openOperations({ url: fresh.url, store: {}, ...options });
  opened.push(operations);
  return operations;
}

async function built(operations: Operations, text: string, shards = 1): Promise<{ projection: string; version: number }> {
  const build = await operations.start(codeOf(text), shards);
  expect(await operations.build(build, signal)).toBe(true);
  return build;
}

const serve = async (operations: Operations, id: { projection: string; version: number }, keepMs = 60_000) => {
  expect(await operations.verify(id)).toMatchObject({ passed: true, reasons: [] });
  return operations.switch(id, { keepMs, signal });
};

const deposit = (stream: string, version: number, amount: number) =>
  sql.query(`INSERT INTO event (stream, version, type, data) VALUES ($1, $2, 'Deposited', $3)`, [stream, version, { amount }]);

describe('a rebuild', () => {
  test('gives the rows that the events say, in one part or several, stored once or often', async () => {
    const operations = await open(EVENT_TABLE, { flush: { everyMs: 0, dirtyMax: 300, share: 1 } });
    await sql.query(fill(700, 9_000));
    const once = await open();
    await built(once, balanceCode({ name: 'once' }), 1);
    await built(operations, balanceCode({ name: 'often' }), 3);
    await built(operations, totalsCode(), 4);
    expect(await differences(sql, 'once_v1', BALANCES, BALANCE_COLUMNS)).toBe(0);
    expect(await differences(sql, 'often_v1', BALANCES, BALANCE_COLUMNS)).toBe(0);
    expect(await differences(sql, 'totals_v1', TOTALS, 'key, amount, events, largest')).toBe(0);
    const { rows } = await sql.query("SELECT max(flushes) AS most FROM sluice_projections.checkpoint WHERE projection = 'often'");
    expect(rows[0].most).toBeGreaterThan(1);
  });

  test('keeps every kind of value, removes rows, and upcasts', async () => {
    const operations = await open();
    await sql.query(`INSERT INTO event (stream, version, type, schema, data) VALUES
      ('a', 1, 'Named', 1, '{"first":"Ada","last":"L\\\\n\\"o\\t"}'), ('a', 2, 'Named', 2, '{"name":"Grace"}'), ('b', 1, 'Named', 1, '{"first":"B","last":"C"}'), ('b', 2, 'Gone', 1, '{}'), ('c', 1, 'Named', 1, '{"first":"C","last":"D"}')`);
    const text = `export default { name: 'people', version: 1, key: 'stream', init: () => ({ names: [], n: 0 }),
      columns: { names: 'jsonb', n: 'integer', exact: 'numeric', seen: 'timestamptz', odd: 'boolean', ratio: 'double' },
      upcasters: { 'Named@1': (d) => ({ name: d.first + ' ' + d.last }) },
      evolve: (s, e) => e.type === 'Gone' ? null : { names: [...s.names, e.data.name], n: s.n + 1, exact: '12345678901234567890.5', seen: '2026-01-02T03:04:05.678Z', odd: s.n % 2 === 0, ratio: 0.1 } };`;
    await built(operations, text);
    await sql.query(
      `INSERT INTO event (stream, version, type, schema, data) VALUES ('a', 3, 'Named', 2, '{"name":"Mary"}'), ('c', 2, 'Gone', 1, '{}'), ('b', 3, 'Named', 2, '{"name":"Back"}')`,
    );
    await operations.tail();
    const { rows } = await sql.query('SELECT key, names, n, exact, seen, odd, ratio FROM people_v1 ORDER BY key');
    const same = { exact: '12345678901234567890.5', seen: new Date('2026-01-02T03:04:05.678Z'), ratio: 0.1, odd: true };
    expect(rows).toEqual([
      { key: 'a', names: ['Ada L\\n"o\t', 'Grace', 'Mary'], n: 3, ...same },
      { key: 'b', names: ['Back'], n: 1, ...same },
    ]);
  });

  test('stops on an event that its code cannot take, and says which', async () => {
    const operations = await open();
    await sql.query(fill(5, 20));
    const build = await operations.start(codeOf(balanceCode({ deposit: 's.balance += e.data.missing.amount' })), 1);
    expect(await operations.build(build, signal)).toBe(false);
    expect((await operations.builds())[0]?.error).toMatch(/balance version 1 failed on event \d+ \(Deposited of account-\d\)/);
    await operations.cancel(build);
    expect(await operations.builds()).toEqual([]);
    expect((await sql.query("SELECT to_regclass('balance_v1_delta') AS there")).rows).toEqual([{ there: null }]);
  });

  test('pauses, goes on, and refuses other code under the same version', async () => {
    const operations = await open();
    await sql.query(fill(50, 2_000));
    const build = await operations.start(codeOf(balanceCode()), 2);
    await operations.pause(build);
    expect(await operations.build(build, signal)).toBe(false);
    await expect(operations.start(codeOf(balanceCode({ deposit: 's.balance += 1' })), 2)).rejects.toMatchObject({
      code: 'PROJECTION_VERSION_TAKEN',
    });
    await operations.start(codeOf(balanceCode()), 2);
    expect(await operations.build(build, signal)).toBe(true);
    expect(await differences(sql, 'balance_v1', BALANCES, BALANCE_COLUMNS)).toBe(0);
  });

  test('several at once share its parts', async () => {
    const [first, second, third] = [await open(), await open(), await open()];
    await sql.query(fill(500, 20_000));
    const build = await first.start(codeOf(balanceCode()), 4);
    const results = await Promise.all([first, second, third].map((one) => one.build(build, signal)));
    expect(results).toContain(true);
    expect(await differences(sql, 'balance_v1', BALANCES, BALANCE_COLUMNS)).toBe(0);
  });

  test('notices an event that is missing in its stream', async () => {
    const operations = await open();
    await sql.query(fill(5, 50));
    await sql.query('DELETE FROM event WHERE stream = $1 AND version = 4', ['account-2']);
    const build = await operations.start(codeOf(balanceCode()), 1);
    expect(await operations.build(build, signal)).toBe(false);
    expect((await operations.builds())[0]?.error).toContain('after event 3 of stream account-2 came event 5');
  });
});

describe('tailing', () => {
  test.each([
    ['by snapshots', EVENT_TABLE, {}],
    ['by positions', PLAIN_EVENT_TABLE, { txid: null }],
  ])('%s: takes what commits late, never twice, never too early', async (_name, table, store) => {
    const operations = await open(table, { store });
    await sql.query(fill(5, 20));
    const id = await built(operations, balanceCode());
    const [slow, undone] = [await sql.connect(), await sql.connect()];
    await slow.query('BEGIN');
    await slow.query(`INSERT INTO event (stream, version, type, data) VALUES ('late', 1, 'Deposited', '{"amount": 7}')`);
    await undone.query('BEGIN');
    await undone.query(`INSERT INTO event (stream, version, type, data) VALUES ('never', 1, 'Deposited', '{"amount": 9}')`);
    await deposit('early', 1, 5);
    await operations.tail();
    await undone.query('ROLLBACK');
    await operations.tail();
    await slow.query('COMMIT');
    slow.release();
    undone.release();
    await operations.tail();
    await operations.tail();
    expect(await differences(sql, 'balance_v1', BALANCES, BALANCE_COLUMNS)).toBe(0);
    expect((await sql.query("SELECT balance FROM balance_v1 WHERE key IN ('late', 'early') ORDER BY key")).rows).toEqual([
      { balance: '5' },
      { balance: '7' },
    ]);
    expect(await operations.verify(id)).toMatchObject({ passed: true });
  });

  test('puts aside what cannot be applied, and counts it', async () => {
    const operations = await open();
    await sql.query(fill(3, 9));
    const id = await built(
      operations,
      balanceCode({ deposit: 'if (e.data.amount === 13) throw new Error("thirteen"); s.balance += e.data.amount' }),
    );
    await deposit('account-1', 4, 13);
    await deposit('account-2', 4, 14);
    await operations.tail();
    expect((await sql.query('SELECT version, error FROM sluice_projections.dead_letter')).rows).toEqual([
      { version: 1, error: 'thirteen' },
    ]);
    expect((await sql.query("SELECT movements FROM balance_v1 WHERE key LIKE 'account-%' ORDER BY key")).rows).toEqual([
      { movements: 3 },
      { movements: 3 },
      { movements: 4 },
    ]);
    expect((await operations.verify(id)).reasons.join()).toContain('1 events could not be applied');
  });
});

describe('a switch', () => {
  test('lets readers see the new version; the old one stays up to date, and going back is a switch', async () => {
    const operations = await open();
    await sql.query(fill(50, 500));
    const first = await built(operations, balanceCode());
    expect(await serve(operations, first)).toMatchObject({ from: null, to: 1 });
    await sql.query('CREATE ROLE reader_of_balance; GRANT SELECT ON balance TO reader_of_balance').catch(() => {});
    const second = await built(
      operations,
      balanceCode({
        version: 2,
        columns: "{ balance: 'bigint', movements: 'integer', owner: 'text', last: 'bigint' }",
        deposit: 's.balance += e.data.amount; s.last = e.data.amount',
      }),
      2,
    );
    expect(await serve(operations, second)).toMatchObject({ from: 1, to: 2, added: ['last'], missing: [] });
    const client = await sql.connect();
    const read = () => client.query({ name: 'all', text: 'SELECT * FROM balance WHERE key = $1', values: ['account-1'] });
    expect(Object.keys((await read()).rows[0])).toContain('last');
    await deposit('account-1', 11, 1_000);
    await operations.tail();
    const before = (await read()).rows[0];
    expect(await operations.switch(first, { keepMs: 60_000, signal })).toMatchObject({ from: 2, to: 1, missing: ['last'] });
    // A prepared statement goes on working: the view has kept its columns.
    expect((await read()).rows[0]).toEqual({ ...before, last: null });
    client.release();
    expect(await differences(sql, 'balance', BALANCES, BALANCE_COLUMNS)).toBe(0);
    expect((await sql.query("SELECT has_table_privilege('reader_of_balance', 'balance', 'SELECT') AS may")).rows).toEqual([{ may: true }]);
    await sql.query('REVOKE ALL ON balance FROM reader_of_balance; DROP ROLE reader_of_balance').catch(() => {});
  });

  test('is refused to a version that says other things than the one before', async () => {
    const operations = await open();
    await sql.query(fill(50, 500));
    await serve(operations, await built(operations, balanceCode()));
    const wrong = await built(
      operations,
      balanceCode({ version: 2, deposit: "s.balance += e.data.amount + (e.stream === 'account-17' ? 1 : 0)" }),
    );
    const report = await operations.verify(wrong);
    expect(report.passed).toBe(false);
    expect(report.reasons.join()).toMatch(/rows differ where they must not: account-17 \(balance\)/);
    await expect(operations.switch(wrong, { keepMs: 1, signal })).rejects.toMatchObject({ code: 'PROJECTION_NOT_VERIFIED' });
    const declared = await built(
      operations,
      balanceCode({ version: 3, deposit: 's.balance += e.data.amount + 1', extra: "changes: { columns: ['balance'], reason: 'a bonus' }" }),
    );
    expect(await operations.verify(declared)).toMatchObject({ passed: true, expected: ['balance: a bonus'] });
  });

  test('is refused where the rows are not what the events say', async () => {
    const operations = await open();
    await sql.query(fill(10, 100));
    const id = await built(operations, balanceCode());
    await sql.query("UPDATE balance_v1 SET balance = balance + 1 WHERE key = 'account-3'");
    expect((await operations.verify(id)).reasons.join()).toContain('rows are not what their events say: account-3 (balance)');
  });

  test('refuses another type for a column that readers have', async () => {
    const operations = await open();
    await sql.query(fill(10, 100));
    await serve(operations, await built(operations, balanceCode()));
    const text = balanceCode({ version: 2, columns: "{ balance: 'text', movements: 'integer', owner: 'text' }" });
    await expect(operations.start(codeOf(text), 1)).rejects.toMatchObject({ code: 'PROJECTION_SHAPE_CHANGED' });
  });

  test('reactions happen once, whichever version is live', async () => {
    const operations = await open();
    await sql.query(fill(10, 100));
    const extra = "reactions: (s, e) => e.type === 'Deposited' ? [{ topic: 'mail', payload: { balance: s.balance } }] : []";
    const outbox = async () => (await sql.query('SELECT position FROM sluice_projections.outbox ORDER BY position')).rows.length;
    await serve(operations, await built(operations, balanceCode({ extra })));
    await deposit('account-1', 11, 1);
    await operations.tail();
    expect(await outbox()).toBe(1);
    const second = await built(operations, balanceCode({ version: 2, extra }));
    await deposit('account-1', 12, 1);
    await serve(operations, second);
    await deposit('account-1', 13, 1);
    await operations.tail();
    expect(await outbox()).toBe(3);
  });

  test('versions whose time is over are removed', async () => {
    const operations = await open();
    await sql.query(fill(10, 100));
    await serve(operations, await built(operations, balanceCode()));
    await serve(operations, await built(operations, balanceCode({ version: 2 })), 0);
    expect(await operations.retire()).toMatchObject([{ projection: 'balance', version: 1 }]);
    expect((await operations.builds()).map(({ version }) => version)).toEqual([2]);
    await expect(operations.cancel({ projection: 'balance', version: 2 })).rejects.toMatchObject({ code: 'PROJECTION_LIVE' });
  });
});

test('transactions of another life are refused before anything is built', async () => {
  const operations = await open();
  await sql.query(fill(5, 10));
  await sql.query("UPDATE event SET txid = '999999999999'");
  await expect(operations.start(codeOf(balanceCode()), 1)).rejects.toMatchObject({ code: 'EVENTS_XID_AHEAD' });
});
