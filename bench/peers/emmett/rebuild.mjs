// Emmett's own rebuild of one projection, given events in its own tables. Usage: rebuild.mjs <url> <events>. Prints one JSON line.
import { getPostgreSQLEventStore, postgreSQLRawSQLProjection, rebuildPostgreSQLProjections } from '@event-driven-io/emmett-postgresql';
import { SQL, dumbo } from '@event-driven-io/dumbo';

const [, , url, count] = process.argv;
const store = getPostgreSQLEventStore(url);
await store.schema.migrate();
await store.close();
const db = dumbo({ connectionString: url });
await db.execute.command(SQL`TRUNCATE emt_messages`);
await db.execute
  .command(SQL`INSERT INTO emt_messages (stream_id, stream_position, message_data, message_metadata, message_schema_version, message_type, message_id, transaction_id)
  SELECT stream, version, data, '{}', '1', type, position::text, txid FROM event ORDER BY position LIMIT ${Number(count)}`);
await db.execute.command(SQL`ANALYZE emt_messages`);
await db.execute.command(
  SQL`CREATE TABLE IF NOT EXISTS peer_balance (key text PRIMARY KEY, balance bigint NOT NULL, movements int NOT NULL)`,
);
const projection = postgreSQLRawSQLProjection({
  name: 'peer_balance',
  canHandle: ['Opened', 'Deposited', 'Withdrawn'],
  evolve: (event) => {
    const amount = event.type === 'Opened' ? 0 : (event.type === 'Withdrawn' ? -1 : 1) * Number(event.data.amount);
    return SQL`INSERT INTO peer_balance VALUES (${event.metadata.streamName}, ${amount}, 1)
      ON CONFLICT (key) DO UPDATE SET balance = peer_balance.balance + ${amount}, movements = peer_balance.movements + 1`;
  },
});
const started = performance.now();
const consumer = rebuildPostgreSQLProjections({ connectionString: url, projections: [{ projection }] });
await consumer.start();
const ms = performance.now() - started;
await consumer.close();
const made = await db.execute.query(SQL`SELECT coalesce(sum(movements), 0)::int AS events FROM peer_balance`);
await db.close();
process.stdout.write(`${JSON.stringify({ ms, events: made.rows[0].events })}\n`);
process.exit(0);
