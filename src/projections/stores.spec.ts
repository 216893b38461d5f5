import pg from 'pg';
import { expect, test } from 'vitest';
import { testDatabase } from '../../test/postgres.ts';
import { balanceCode, BALANCES, codeOf, differences } from '../../test/worlds/projections.ts';
import { openOperations } from './operations.ts';

/** Stores of others, with the tables that they make themselves; `event` is how their rows look to the truth. */
const STORES = {
  // emmett-postgresql 0.42: partitioned by tag, then by archive.
  emmett: {
    create: `CREATE SEQUENCE emt_global_message_position;
      CREATE TABLE emt_messages (
        stream_position bigint NOT NULL, global_position bigint DEFAULT nextval('emt_global_message_position'), transaction_id xid8 NOT NULL,
        created timestamptz NOT NULL DEFAULT now(), is_archived boolean NOT NULL DEFAULT FALSE, message_kind varchar(1) NOT NULL DEFAULT 'E',
        stream_id text NOT NULL, partition text NOT NULL DEFAULT 'emt:default', message_schema_version text NOT NULL, message_id text NOT NULL,
        message_type text NOT NULL, message_data jsonb NOT NULL, message_metadata jsonb NOT NULL,
        PRIMARY KEY (stream_id, stream_position, partition, is_archived)) PARTITION BY LIST (partition);
      CREATE TABLE emt_messages_default PARTITION OF emt_messages DEFAULT PARTITION BY LIST (is_archived);
      CREATE TABLE emt_messages_active PARTITION OF emt_messages_default FOR VALUES IN (FALSE);
      CREATE TABLE emt_messages_archived PARTITION OF emt_messages_default FOR VALUES IN (TRUE);
      CREATE VIEW event AS SELECT stream_id AS stream, message_type AS type, message_data AS data FROM emt_messages WHERE message_kind = 'E' AND NOT is_archived`,
    insert: `INSERT INTO emt_messages (stream_position, transaction_id, stream_id, message_schema_version, message_id, message_type, message_data, message_metadata)
      SELECT version, pg_current_xact_id(), stream, '1', gen_random_uuid()::text, type, data, '{}' FROM given`,
    // A command is no event, and what was archived is none any more.
    besides: `INSERT INTO emt_messages (stream_position, transaction_id, stream_id, message_schema_version, message_id, message_type, message_data, message_metadata, message_kind, is_archived)
      VALUES (1, pg_current_xact_id(), 'account-1-c', '1', 'c', 'Deposited', '{"amount": 1000}', '{}', 'C', FALSE),
        (1, pg_current_xact_id(), 'account-1-a', '1', 'a', 'Deposited', '{"amount": 1000}', '{}', 'E', TRUE)`,
  },
  // message-db 1.3: positions of a stream begin at 0, times have no zone.
  'message-db': {
    create: `CREATE SCHEMA message_store;
      CREATE TABLE message_store.messages (
        global_position bigserial PRIMARY KEY, position bigint NOT NULL, time timestamp without time zone DEFAULT (now() AT TIME ZONE 'utc') NOT NULL,
        stream_name text NOT NULL, type text NOT NULL, data jsonb, metadata jsonb, id uuid NOT NULL DEFAULT gen_random_uuid());
      CREATE UNIQUE INDEX messages_stream ON message_store.messages (stream_name, position);
      CREATE VIEW event AS SELECT stream_name AS stream, type, data FROM message_store.messages`,
    insert: 'INSERT INTO message_store.messages (position, stream_name, type, data) SELECT version - 1, stream, type, data FROM given',
    besides: null,
  },
  // Marten 7, streams by name: the sequence is not the column's own.
  marten: {
    create: `CREATE SEQUENCE mt_events_sequence;
      CREATE TABLE mt_events (
        seq_id bigint NOT NULL PRIMARY KEY, id uuid NOT NULL DEFAULT gen_random_uuid(), stream_id varchar NOT NULL, version bigint NOT NULL, data jsonb NOT NULL,
        type varchar(500) NOT NULL, timestamp timestamptz NOT NULL DEFAULT now(), tenant_id varchar DEFAULT '*DEFAULT*', mt_dotnet_type varchar,
        is_archived bool DEFAULT FALSE, UNIQUE (stream_id, version));
      CREATE VIEW event AS SELECT stream_id AS stream, type, data FROM mt_events WHERE NOT is_archived`,
    insert: `INSERT INTO mt_events (seq_id, stream_id, version, type, data) SELECT nextval('mt_events_sequence'), stream, version, type, data FROM given`,
    besides: `INSERT INTO mt_events (seq_id, stream_id, version, type, data, is_archived) VALUES (nextval('mt_events_sequence'), 'gone', 1, 'Deposited', '{"amount": 1000}', TRUE)`,
  },
} as const;
const given = (select: string): string => `WITH given (stream, version, type, data) AS (${select}) `;
/** 40 accounts, each opened and then paid into. */
const HISTORY = given(`SELECT 'account-' || i % 40, i / 40 + 1, CASE WHEN i < 40 THEN 'Opened' ELSE 'Deposited' END,
  jsonb_build_object('amount', i, 'owner', 'user-' || i % 7) FROM generate_series(0, 799) i`);
const one = (stream: string, version: number): string => given(`VALUES ('${stream}', ${version}, 'Deposited', '{"amount": 5}'::jsonb)`);
const COLUMNS = 'key, balance, movements, owner';

test.each(Object.keys(STORES) as (keyof typeof STORES)[])(
  'events of %s: a read model is built, verified, switched to and kept up to date',
  { timeout: 120_000 },
  async (kind) => {
    const { create, insert, besides } = STORES[kind];
    const fresh = await testDatabase();
    const sql = new pg.Pool({ connectionString: fresh.url, max: 4 });
    try {
      await sql.query(create);
      await sql.query(HISTORY + insert);
      if (besides !== null) await sql.query(besides);
      const operations = await openOperations({ url: fresh.url, store: { kind } });
      try {
        const id = await operations.start(codeOf(balanceCode()), 2);
        const { signal } = new AbortController();
        expect(await operations.build(id, signal), JSON.stringify(await operations.builds())).toBe(true);
        expect(await operations.verify(id)).toMatchObject({ passed: true, reasons: [] });
        await operations.switch(id, { keepMs: 60_000, signal });

        // A position is taken by a transaction that ends after the next one: nothing is passed over.
        const slow = await sql.connect();
        await slow.query('BEGIN');
        await slow.query(one('late', 1) + insert);
        await sql.query(one('account-3', 21) + insert);
        await operations.tail();
        await slow.query('COMMIT');
        slow.release();
        await operations.tail();
        await operations.tail();
        expect(await differences(sql, 'balance', BALANCES, COLUMNS)).toBe(0);
        expect((await sql.query('SELECT count(*)::int AS n, max(movements) AS most FROM balance')).rows).toEqual([{ n: 41, most: 21 }]);
      } finally {
        await operations.close();
      }
    } finally {
      await sql.end();
      await fresh.drop();
    }
  },
);
