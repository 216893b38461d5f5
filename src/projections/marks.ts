import { setTimeout as sleep } from 'node:timers/promises';
import { OutsideError, UserError } from '../core/errors.ts';
import { type EventStore, literal, type Queryable, relation } from './stores.ts';

/**
 * Which events have been taken in. Stores that record the transaction of each event are read by the difference of two
 * snapshots: exact, whatever else runs. Others by position, up to where no more can appear.
 */
export interface Marks {
  /** The present, as SQL expressions of one statement: what to put in `mark` and `upper`. Call `settle` before, outside the transaction. */
  now(): { readonly mark: string; readonly upper: string };
  /** Condition: the event is part of what the mark says. */
  within(mark: string): string;
  /** Condition: part of `to`, but not of `from`. */
  between(from: string, to: string): string;
  /** See how far positions are final. At once for stores with transactions. With `patient`, wait until everything there is now is final. */
  settle(sql: Queryable, options?: { readonly patientMs?: number }): Promise<void>;
}

export function createMarks(store: EventStore): Marks {
  return store.layout.txid === null ? byPosition(store) : bySnapshot(store);
}

function bySnapshot(store: EventStore): Marks {
  const txid = `"${store.layout.txid ?? ''}"`;
  const snapshot = (mark: string): string => `${literal(mark)}::pg_snapshot`;
  return {
    now: () => ({ mark: 'pg_current_snapshot()::text', upper: `(SELECT coalesce(max(${store.position}), 0) FROM ${store.relation})` }),
    within: (mark) => `pg_visible_in_snapshot(${txid}, ${snapshot(mark)})`,
    between: (from, to) =>
      `${txid} >= ${literal(from.slice(0, from.indexOf(':')))}::xid8 AND NOT pg_visible_in_snapshot(${txid}, ${snapshot(from)}) AND pg_visible_in_snapshot(${txid}, ${snapshot(to)})`,
    settle: async () => {},
  };
}

/** Writers of positions that may still appear, as they were seen after position `upTo`. */
interface Sighting {
  readonly upTo: number;
  readonly writers: ReadonlySet<string>;
}

const POLL_MS = 20;

/**
 * A position that is missing may still come, as long as a transaction that had taken it is open. A writer holds a
 * lock on the table, or on the sequence, from before it takes a position until it ends: once all who held one after a
 * position was seen have gone, everything up to that position is final. A transaction that does not write events holds nobody up.
 */
function byPosition(store: EventStore): Marks {
  let final = 0;
  let sighting: Sighting | null = null;

  async function look(sql: Queryable): Promise<void> {
    if (sighting !== null) {
      const open = await writersOf(sql, store);
      if ([...sighting.writers].some((writer) => open.has(writer))) {
        final = await contiguousFrom(sql, store, final, sighting.upTo);
        return;
      }
      final = Math.max(final, sighting.upTo);
      sighting = null;
    }
    const { rows } = await sql.query<{ upper: string }>(`SELECT coalesce(max(${store.position}), 0) AS upper FROM ${store.relation}`);
    const upTo = Number(rows[0]?.upper ?? 0);
    if (upTo <= final) return;
    const writers = await writersOf(sql, store);
    if (writers.size === 0) final = upTo;
    else {
      sighting = { upTo, writers };
      final = await contiguousFrom(sql, store, final, upTo);
    }
  }

  return {
    now: () => ({ mark: literal(String(final)), upper: String(final) }),
    within: (mark) => `${store.position} <= ${number(mark)}`,
    between: (from, to) => `${store.position} > ${number(from)} AND ${store.position} <= ${number(to)}`,
    async settle(sql, { patientMs = 0 } = {}) {
      const until = Date.now() + patientMs;
      for (;;) {
        await look(sql);
        if (patientMs === 0 || sighting === null) return;
        if (Date.now() >= until)
          throw new OutsideError(
            'EVENTS_UNSETTLED',
            `transactions that write events have been open for ${Math.round(patientMs / 1000)} s, so it cannot be said which events there are`,
            'See pg_stat_activity for long transactions and end them.',
          );
        await sleep(POLL_MS);
      }
    },
  };
}

const number = (mark: string): string => String(Number(mark));

async function writersOf(sql: Queryable, store: EventStore): Promise<Set<string>> {
  const { layout } = store;
  const sequence = layout.sequence === null ? 'NULL' : `to_regclass(${literal(relation(layout.sequence))})::oid`;
  const { rows } = await sql.query<{ writer: string }>(
    `SELECT DISTINCT virtualtransaction AS writer FROM pg_locks
     WHERE locktype = 'relation' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid IS DISTINCT FROM pg_backend_pid()
       AND mode IN ('RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
       AND relation IN (
         SELECT relid FROM pg_partition_tree(to_regclass(${literal(store.relation)})) UNION SELECT to_regclass(${literal(store.relation)})::oid
         UNION SELECT objid FROM pg_depend WHERE refobjid = to_regclass(${literal(store.relation)}) AND deptype IN ('a', 'i') AND classid = 'pg_class'::regclass
         UNION SELECT ${sequence})`,
  );
  return new Set(rows.map(({ writer }) => writer));
}

/** The end of the positions after `from` that follow one another without a hole. */
async function contiguousFrom(sql: Queryable, store: EventStore, from: number, upTo: number): Promise<number> {
  const { rows } = await sql.query<{ last: string | null }>(
    `SELECT max(p) AS last FROM (
       SELECT ${store.position} AS p, row_number() OVER (ORDER BY ${store.position}) AS n FROM ${store.relation}
       WHERE ${store.position} > ${from} AND ${store.position} <= ${upTo} ORDER BY 1 LIMIT 100000
     ) numbered WHERE p - n = ${from}`,
  );
  return Number(rows[0]?.last ?? from);
}

/**
 * Transactions of a future that this cluster has not lived: what a logical restore leaves behind. Such events would
 * never become visible to anybody who reads by snapshot.
 * @throws UserError `EVENTS_XID_AHEAD`
 */
export async function checkTransactions(sql: Queryable, store: EventStore): Promise<void> {
  if (store.layout.txid === null) return;
  const { rows } = await sql.query<{ ahead: boolean }>(
    `SELECT coalesce(max(txid) >= pg_snapshot_xmax(pg_current_snapshot()), false) AS ahead
     FROM (SELECT "${store.layout.txid}" AS txid FROM ${store.relation} ORDER BY ${store.position} DESC LIMIT 1000) newest`,
  );
  if (rows[0]?.ahead === true)
    throw new UserError(
      'EVENTS_XID_AHEAD',
      `${store.layout.table} holds transaction numbers that this server has not reached: it was restored from a logical backup`,
      `UPDATE ${store.layout.table} SET ${store.layout.txid} = '3', then rebuild every projection.`,
    );
}
