import pg from 'pg';
import type { Code } from '../../src/projections/code.ts';

/** An event table as our documentation has it. */
export const EVENT_TABLE = `
CREATE TABLE event (
  position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  txid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  stream text NOT NULL, version int NOT NULL, type text NOT NULL, schema int NOT NULL DEFAULT 1,
  at timestamptz NOT NULL DEFAULT now(), data jsonb NOT NULL, UNIQUE (stream, version));
CREATE INDEX ON event (txid, position);`;

/** The same without transactions: positions with gaps, as message-db and Marten have them. */
export const PLAIN_EVENT_TABLE = EVENT_TABLE.replace('  txid xid8 NOT NULL DEFAULT pg_current_xact_id(),\n', '').replace(
  'CREATE INDEX ON event (txid, position);',
  '',
);

/** Accounts with some history, in one statement. */
export function fill(streams: number, events: number): string {
  return `INSERT INTO event (stream, version, type, data)
    SELECT 'account-' || i % ${streams}, i / ${streams} + 1, CASE WHEN i < ${streams} THEN 'Opened' WHEN i % 3 = 0 THEN 'Withdrawn' ELSE 'Deposited' END,
      jsonb_build_object('amount', i % 977, 'owner', 'user-' || i % 500, 'note', E'line\\n\\t"' || i || '" \\\\ é') FROM generate_series(0, ${events - 1}) i`;
}

interface Balance {
  readonly version?: number;
  readonly name?: string;
  /** JavaScript put into evolve. */
  readonly deposit?: string;
  readonly extra?: string;
  readonly columns?: string;
  readonly init?: string;
}

/** Code of a projection of accounts, one row a stream. */
export function balanceCode(given: Balance = {}): string {
  const {
    version = 1,
    name = 'balance',
    deposit = 's.balance += e.data.amount',
    extra = '',
    columns = "{ balance: 'bigint', movements: 'integer', owner: 'text' }",
    init = '{ balance: 0, movements: 0, owner: null }',
  } = given;
  return `export default {
    name: '${name}', version: ${version}, columns: ${columns}, key: 'stream', init: () => (${init}),
    evolve(s, e) {
      s.movements += 1;
      if (e.type === 'Opened') s.owner = e.data.owner;
      else if (e.type === 'Deposited') { ${deposit}; }
      else if (e.type === 'Withdrawn') s.balance -= e.data.amount;
      return s;
    }, ${extra} };`;
}

/** A mergeable projection across streams: per owner of the amount's last digit. */
export const totalsCode = (version = 1): string => `export default {
  name: 'totals', version: ${version}, columns: { amount: 'bigint', events: 'bigint', largest: 'bigint' }, init: () => ({ amount: 0, events: 0, largest: 0 }),
  mergeable: { amount: 'sum', events: 'sum', largest: 'max' },
  key: (e) => e.type === 'Opened' ? null : 'digit-' + e.data.amount % 10,
  evolve: (s, e) => ({ amount: s.amount + e.data.amount, events: s.events + 1, largest: Math.max(s.largest, e.data.amount) }) };`;

export const codeOf = (text: string): Code => ({ text, hash: digest(text) });

/** Any digest will do in tests. */
function digest(text: string): string {
  let hash = 7;
  for (const char of text) hash = (Math.imul(hash, 31) + (char.codePointAt(0) ?? 0)) | 0;
  return String(hash);
}

/** What the rows must be, by SQL alone. */
export const BALANCES = `SELECT stream AS key, sum(CASE type WHEN 'Deposited' THEN (data->>'amount')::bigint WHEN 'Withdrawn' THEN -(data->>'amount')::bigint ELSE 0 END)::bigint AS balance,
  count(*)::int AS movements, max(data->>'owner') FILTER (WHERE type = 'Opened') AS owner FROM event GROUP BY stream`;

export const TOTALS = `SELECT 'digit-' || (data->>'amount')::bigint % 10 AS key, sum((data->>'amount')::bigint)::bigint AS amount, count(*) AS events, max((data->>'amount')::bigint) AS largest
  FROM event WHERE type <> 'Opened' GROUP BY 1`;

/** Rows of `table` that are not as `truth` says, in both directions. */
export async function differences(sql: pg.Pool | pg.Client, table: string, truth: string, columns: string): Promise<number> {
  const { rows } = await sql.query<{ n: string }>(
    `WITH truth AS (${truth}), made AS (SELECT ${columns} FROM ${table}), wanted AS (SELECT ${columns} FROM truth)
     SELECT (SELECT count(*) FROM (SELECT * FROM made EXCEPT ALL SELECT * FROM wanted) a) + (SELECT count(*) FROM (SELECT * FROM wanted EXCEPT ALL SELECT * FROM made) b) AS n`,
  );
  return Number(rows[0]?.n);
}
