import type { Recorded } from '../../core/release/events.ts';
import type { Database } from '../postgres/database.ts';
import type { Sql } from '../postgres/connection.ts';
import { schemaOf, upcast } from '../upcast.ts';
import { chainHash } from './hash.ts';

/** The channel that says `<position> <origin> <stream>` after each append. */
export const CHANNEL = 'sluice_event';

/** An event of any stream as it stands in the log. */
export type Entry = Recorded<Record<string, unknown> & { readonly type: string }>;

export interface NewEvents {
  readonly stream: string;
  readonly events: readonly { readonly type: string }[];
}

/** The end of the log, locked until the transaction ends. */
export interface Head {
  readonly position: number;
  readonly hash: string;
}

interface Row {
  readonly position: number;
  readonly stream: string;
  readonly version: number;
  readonly type: string;
  readonly schema: number;
  readonly at: number;
  readonly data: Record<string, unknown>;
  readonly hash: string;
}

const COLUMNS = 'position, stream, version, type, schema, at, data, hash';

/**
 * Take the right to append until the transaction ends. One appender at a time is what makes positions
 * visible in order: whoever has seen position n has seen everything before it.
 */
export async function lockHead(sql: Sql): Promise<Head> {
  const result = await sql.query<Head>('SELECT position, hash FROM sluice.head FOR UPDATE');
  const head = result.rows[0];
  if (head === undefined) throw new Error('the event log has lost its head');
  return head;
}

export interface Write {
  readonly at: number;
  /** The control plane that appends: it knows already, and need not be told. */
  readonly origin: string;
  readonly batches: readonly NewEvents[];
  /** Present version of streams that the caller read after `lockHead`; others are looked up. */
  readonly versions?: ReadonlyMap<string, number>;
}

/** Append to the log, last in the transaction. */
export async function append(sql: Sql, head: Head, write: Write): Promise<Entry[]> {
  const { at, origin, batches, versions } = write;
  const entries: Entry[] = [];
  let { position, hash } = head;
  const known = new Map(versions);
  for (const { stream, events } of batches) {
    let version = known.get(stream) ?? (await versionOf(sql, stream));
    for (const event of events) {
      position += 1;
      version += 1;
      const data = storable(event);
      const entry = { position, stream, version, type: event.type, schema: schemaOf(event.type), at, data };
      hash = chainHash(hash, entry);
      entries.push({ ...entry, hash });
    }
    known.set(stream, version);
  }
  if (entries.length > 0) await insert(sql, entries, hash, origin);
  return entries;
}

async function insert(sql: Sql, entries: readonly Entry[], hash: string, origin: string): Promise<void> {
  const last = entries.at(-1)?.position ?? 0;
  await sql.query(
    `WITH stored AS (
       INSERT INTO sluice.event (${COLUMNS})
       SELECT ${COLUMNS} FROM jsonb_to_recordset($1::jsonb)
         AS t(position bigint, stream text, version bigint, type text, schema int, at bigint, data jsonb, hash text)
     ), moved AS (UPDATE sluice.head SET position = $2, hash = $3)
     SELECT count(pg_notify('${CHANNEL}', note)) FROM unnest($4::text[]) AS note`,
    [JSON.stringify(entries), last, hash, notes(entries, origin)],
  );
}

/** One note a stream, naming its newest position. */
function notes(entries: readonly Entry[], origin: string): string[] {
  const newest = new Map(entries.map((entry) => [entry.stream, entry.position]));
  return [...newest].map(([stream, position]) => `${position} ${origin} ${stream}`);
}

async function versionOf(sql: Sql, stream: string): Promise<number> {
  const result = await sql.query<{ version: number | null }>('SELECT max(version) AS version FROM sluice.event WHERE stream = $1', [stream]);
  return result.rows[0]?.version ?? 0;
}

/** Events of a stream after a version, in order. */
export async function readStream(sql: Sql | Database['pool'], stream: string, after: number, upTo?: number): Promise<Entry[]> {
  const result = await sql.query<Row>(
    `SELECT ${COLUMNS} FROM sluice.event WHERE stream = $1 AND version > $2 AND ($3::bigint IS NULL OR version <= $3) ORDER BY version`,
    [stream, after, upTo ?? null],
  );
  return result.rows.map(entryOf);
}

/** Events of all streams (or one) after a position, in order. */
export async function readLog(database: Database, options: { readonly after: number; readonly stream?: string; readonly limit: number }): Promise<Entry[]> {
  const rows =
    options.stream === undefined
      ? await database.read<Row>(`SELECT ${COLUMNS} FROM sluice.event WHERE position > $1 ORDER BY position LIMIT $2`, [options.after, options.limit])
      : await database.read<Row>(
          `SELECT ${COLUMNS} FROM sluice.event WHERE stream = $3 AND position > $1 ORDER BY version LIMIT $2`,
          [options.after, options.limit, options.stream],
        );
  return rows.map(entryOf);
}

/** Rows exactly as stored: for the audit, which must not see upcast data. */
export async function readStored(database: Database, after: number, limit: number): Promise<readonly Row[]> {
  return database.read<Row>(`SELECT ${COLUMNS} FROM sluice.event WHERE position > $1 ORDER BY position LIMIT $2`, [after, limit]);
}

function entryOf(row: Row): Entry {
  return { ...row, data: upcast(row.type, row.schema, row.data) as Entry['data'] };
}

/** What jsonb can hold: no undefined, no NUL characters, no half surrogates (outputs of programs may have them). */
export function storable<E extends { readonly type: string }>(event: E): Entry['data'] {
  const text = JSON.stringify(event);
  const clean = /\\u0000|\\ud[89a-f]/i.test(text) ? JSON.stringify(event, cleaned) : text;
  return JSON.parse(clean) as Entry['data'];
}

function cleaned(_key: string, value: unknown): unknown {
  return typeof value === 'string' ? Buffer.from(value, 'utf8').toString('utf8').replaceAll('\u0000', '\uFFFD') : value;
}
