import type { Recorded } from '../../core/release/state/events.ts';
import type { Database } from '../postgres/database.ts';
import type { Sql } from '../postgres/connection.ts';
import { schemaOf, upcast } from '../upcast.ts';
import { digestOf } from './hash.ts';

/** The channel that says `<position> <origin> <stream>` after each append. */
export const CHANNEL = 'sluice_event';

/** An event of any stream as it stands in the log. */
export type Entry = Recorded<Record<string, unknown> & { readonly type: string }>;

export interface NewEvents {
  readonly stream: string;
  readonly events: readonly { readonly type: string }[];
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

export interface Write {
  readonly at: number;
  /** The control plane that appends: it knows already, and need not be told. */
  readonly origin: string;
  readonly batches: readonly NewEvents[];
  /** Version of streams that the caller has read: if one has moved on meanwhile, the transaction fails and is tried again. Others are looked up. */
  readonly versions?: ReadonlyMap<string, number>;
}

/**
 * Append to the log; last in its transaction, because from here until its end nobody else can. One appender at a
 * time is what makes positions visible in order: a reader that has seen position n has seen everything before it.
 * @returns position of the last event appended, 0 when there was none
 */
export async function append(sql: Sql, { at, origin, batches, versions = new Map<string, number>() }: Write): Promise<number> {
  const drafts = batches.flatMap(({ stream, events }) => {
    const known = versions.get(stream);
    return events.map((event, index) => draftOf(stream, known === undefined ? null : known + 1 + index, event, at));
  });
  if (drafts.length === 0) return 0;
  if (drafts.some(({ version }) => version === null)) await place(sql, drafts);
  const events = drafts.map((draft) => ({ ...draft, digest: digestOf({ ...draft, version: draft.version ?? 0 }) }));
  const result = await sql.query<{ position: number }>('SELECT sluice.append($1::jsonb, $2) AS position', [JSON.stringify(events), origin]);
  return result.rows[0]?.position ?? 0;
}

type Draft = ReturnType<typeof draftOf>;

function draftOf(stream: string, version: number | null, event: { readonly type: string }, at: number) {
  return { stream, version, type: event.type, schema: schemaOf(event.type), at, data: storable(event) };
}

/** Look up where streams end that the caller has not read. Their ends stay put: the head is locked from here. */
async function place(sql: Sql, drafts: Draft[]): Promise<void> {
  const streams = [...new Set(drafts.filter(({ version }) => version === null).map(({ stream }) => stream))];
  await sql.query('SELECT 1 FROM sluice.head FOR UPDATE');
  const found = await sql.query<{ stream: string; version: number }>(
    'SELECT stream, max(version) AS version FROM sluice.event WHERE stream = ANY($1) GROUP BY stream',
    [streams],
  );
  const ends = new Map(found.rows.map(({ stream, version }) => [stream, version]));
  for (const draft of drafts) {
    if (draft.version !== null) continue;
    draft.version = (ends.get(draft.stream) ?? 0) + 1;
    ends.set(draft.stream, draft.version);
  }
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
export async function readLog(
  database: Database,
  options: { readonly after: number; readonly stream?: string; readonly limit: number },
): Promise<Entry[]> {
  const rows =
    options.stream === undefined
      ? await database.read<Row>(`SELECT ${COLUMNS} FROM sluice.event WHERE position > $1 ORDER BY position LIMIT $2`, [
          options.after,
          options.limit,
        ])
      : await database.read<Row>(`SELECT ${COLUMNS} FROM sluice.event WHERE stream = $3 AND position > $1 ORDER BY version LIMIT $2`, [
          options.after,
          options.limit,
          options.stream,
        ]);
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
function storable<E extends { readonly type: string }>(event: E): Entry['data'] {
  const text = JSON.stringify(event);
  const clean = /\\u0000|\\ud[89a-f]/i.test(text) ? JSON.stringify(event, cleaned) : text;
  return JSON.parse(clean) as Entry['data'];
}

function cleaned(_key: string, value: unknown): unknown {
  return typeof value === 'string' ? Buffer.from(value, 'utf8').toString('utf8').replaceAll('\u0000', '\uFFFD') : value;
}
