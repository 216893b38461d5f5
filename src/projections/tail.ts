import type pg from 'pg';
import { FencedError, SluiceError } from '../core/errors.ts';
import type { ProjectedEvent, Reaction, Row } from '../core/data/projections/definition.ts';
import { upcastWith } from '../core/data/projections/upcast.ts';
import type { EventStore } from './stores.ts';
import { readLive, SCHEMA, tableOf } from './builds.ts';
import { codeOf, type Context, type LoadedBuild, REPEATABLE, transaction } from './context.ts';
import { hole } from './fold.ts';
import { OWN_NAMES, type RowFormat, rowFormat } from './rows.ts';

export interface TailResult {
  readonly events: number;
  /** The mark that all of them have now. */
  readonly mark: string;
}

const PAGE = 5_000;

/**
 * Take in what has been committed since, into all of these versions, in one transaction: afterwards they stand at the
 * same point of the log. Null when another process is at it, or came in between; nothing has happened then.
 * @throws UserError `EVENTS_NOT_CONTIGUOUS`
 */
export async function tailOnce(context: Context, builds: readonly LoadedBuild[]): Promise<TailResult | null> {
  await context.marks.settle(context.pool);
  return transaction(context.pool, (sql) => tailWithin(sql, context, builds, false), REPEATABLE).catch(busyIsNull);
}

export function busyIsNull(error: unknown): null {
  if (error instanceof Busy || codeOf(error) === '40001') return null;
  throw error;
}

/** Somebody else tails these at the moment. */
class Busy extends Error {}

/** The same inside a transaction of one snapshot. `always`: move the marks even when there was nothing to do. */
export async function tailWithin(
  sql: pg.ClientBase,
  context: Context,
  builds: readonly LoadedBuild[],
  always: boolean,
): Promise<TailResult> {
  const to = context.marks.now().mark;
  const { rows } = await sql.query<{ mine: boolean; mark: string }>(
    `SELECT pg_try_advisory_xact_lock(hashtext('sluice.projections.tail'), hashtext($1)) AS mine, ${to} AS mark`,
    [context.store.relation],
  );
  const first = rows[0];
  if (first?.mine !== true) throw new Busy('another process tails');
  const { mark } = first;
  const marks = await marksOf(sql, builds);
  const groups = new Map<string, LoadedBuild[]>();
  for (const one of builds) {
    const at = marks.get(idOf(one.build)) ?? one.build.mark;
    groups.set(at, [...(groups.get(at) ?? []), one]);
  }
  const live = new Set((await readLive(sql)).map(({ projection, version }) => `${projection}/${version}`));
  let events = 0;
  for (const [from, members] of groups) {
    const tailed = members.map((one) => tailing(one, context, live.has(idOf(one.build))));
    const found = from === mark ? 0 : await applySlice(sql, context, from, mark, tailed);
    events += found;
    if (from !== mark && (found > 0 || always || groups.size > 1))
      for (const { build } of members) await move(sql, build, from, mark, context.now());
  }
  return { events, mark };
}

const idOf = ({ projection, version }: { readonly projection: string; readonly version: number }): string => `${projection}/${version}`;

async function marksOf(sql: pg.ClientBase, builds: readonly LoadedBuild[]): Promise<Map<string, string>> {
  const { rows } = await sql.query<{ projection: string; version: number; mark: string }>(
    `SELECT projection, version, mark FROM ${SCHEMA}.build WHERE phase = 'tail' AND (projection, version) IN (SELECT * FROM unnest($1::text[], $2::int[]))`,
    [builds.map(({ build }) => build.projection), builds.map(({ build }) => build.version)],
  );
  if (rows.length !== builds.length) throw new Busy('versions have come or gone');
  return new Map(rows.map((row) => [idOf(row), row.mark]));
}

async function move(sql: pg.ClientBase, build: LoadedBuild['build'], from: string, to: string, now: number): Promise<void> {
  const moved = await sql.query(
    `UPDATE ${SCHEMA}.build SET mark = $1, tailed_at = $2 WHERE projection = $3 AND version = $4 AND mark = $5`,
    [to, now, build.projection, build.version, from],
  );
  if (moved.rowCount !== 1) throw new FencedError(`${idOf(build)} was moved by somebody else`);
}

async function applySlice(
  sql: pg.ClientBase,
  { store, marks }: Context,
  from: string,
  to: string,
  tailed: readonly Tailed[],
): Promise<number> {
  await sql.query(
    `DECLARE slice NO SCROLL CURSOR FOR SELECT ${eventColumns(store)} FROM ${store.relation}
     WHERE ${marks.between(from, to)}${store.filter} ORDER BY ${store.position}`,
  );
  let events = 0;
  for (;;) {
    const { rows } = await sql.query<EventRow>(`FETCH ${PAGE} FROM slice`);
    const page = rows.map((row) => eventOf(row, store));
    events += page.length;
    if (page.length > 0) for (const one of tailed) await one.apply(sql, page);
    if (rows.length < PAGE) break;
  }
  await sql.query('CLOSE slice');
  return events;
}

/** Columns of the cursor; `EventRow` in SQL. */
export function eventColumns(store: EventStore): string {
  const [position, stream, version, schema, at, type, data] = store.columnList;
  const time = store.atKind === 'timestamp' ? `floor(extract(epoch FROM ${at}) * 1000)::bigint` : at;
  return `${position} AS p, ${stream} AS s, ${version} AS v, ${schema} AS c, ${time} AS a, ${type} AS t, ${data}::text AS d`;
}

export interface EventRow {
  readonly p: string;
  readonly s: string;
  readonly v: string;
  readonly c: number;
  readonly a: string;
  readonly t: string;
  readonly d: string;
}

export function eventOf(row: EventRow, store: EventStore): ProjectedEvent {
  const data = JSON.parse(row.d) as Record<string, unknown>;
  const type = store.layout.type === null ? String(data['type']) : row.t;
  return { position: Number(row.p), stream: row.s, version: Number(row.v), schema: row.c, at: Number(row.a), type, data };
}

interface Tailed {
  apply(sql: pg.ClientBase, page: readonly ProjectedEvent[]): Promise<void>;
}

interface Entry {
  state: Row | null;
  position: number;
  version: number;
  changed: boolean;
}

function tailing({ build, projection }: LoadedBuild, context: Context, isLive: boolean): Tailed {
  const format = rowFormat(projection);
  const upcast = upcastWith(projection.upcasters);
  const table = tableOf(build, context.schema);
  const checksOrder = context.store.layout.contiguous && projection.key === 'stream' && projection.types === undefined;
  const keyOf = (event: ProjectedEvent): string | null => (projection.key === 'stream' ? event.stream : projection.key(event));

  return {
    async apply(sql, page) {
      const dead: { position: number; error: string }[] = [];
      const reactions: { position: number; n: number; reaction: Reaction }[] = [];
      const keyed = page
        .filter(({ type }) => projection.types?.includes(type) !== false)
        .flatMap((raw) => attempt(dead, raw, () => [{ event: { ...raw, data: upcast(raw.type, raw.schema, raw.data) } }]) ?? [])
        .flatMap(({ event }) => attempt(dead, event, () => ({ event, key: keyOf(event) })) ?? [])
        .filter((one): one is { event: ProjectedEvent; key: string } => one.key !== null);
      const rows = await loadRows(sql, table, format, [...new Set(keyed.map(({ key }) => key))]);
      for (const { event, key } of keyed) {
        const entry = rows.get(key) ?? { state: null, position: 0, version: 0, changed: false };
        rows.set(key, entry);
        if (checksOrder && entry.version > 0 && event.version !== entry.version + 1) throw hole(event, entry.version);
        // A copy: an evolve that fails halfway must leave nothing behind.
        const next = attempt(dead, event, () => ({
          state: projection.evolve(entry.state === null ? projection.init() : structuredClone(entry.state), event),
        }));
        if (next === null) continue;
        Object.assign(entry, { state: next.state, position: event.position, version: event.version, changed: true });
        if (isLive)
          for (const [n, reaction] of (projection.reactions?.(next.state, event) ?? []).entries())
            reactions.push({ position: event.position, n, reaction });
      }
      await storeRows(
        sql,
        table,
        format,
        [...rows].filter(([, entry]) => entry.changed),
      );
      await storeReactions(sql, build.projection, reactions);
      if (dead.length > 0)
        await sql.query(
          `INSERT INTO ${SCHEMA}.dead_letter SELECT $1, $2, p, e, $5 FROM unnest($3::bigint[], $4::text[]) AS d(p, e) ON CONFLICT DO NOTHING`,
          [build.projection, build.version, dead.map(({ position }) => position), dead.map(({ error }) => error), context.now()],
        );
    },
  };
}

/** While it serves readers, one event that cannot be applied must not stop all others: it is put aside, and counted. */
function attempt<T>(dead: { position: number; error: string }[], event: ProjectedEvent, work: () => T): T | null {
  try {
    return work();
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    dead.push({ position: event.position, error: error instanceof Error ? error.message : String(error) });
    return null;
  }
}

async function loadRows(sql: pg.ClientBase, table: string, format: RowFormat, keys: readonly string[]): Promise<Map<string, Entry>> {
  if (keys.length === 0) return new Map();
  const { rows } = await sql.query<{ key: string; p: string; v: string; s: Row }>(
    `SELECT key, _pos AS p, _version AS v, ${format.json} AS s FROM ${table} WHERE key = ANY($1::text[])`,
    [keys],
  );
  return new Map(
    rows.map(({ key, p, v, s }) => [key, { state: format.decode(s), position: Number(p), version: Number(v), changed: false }]),
  );
}

async function storeRows(
  sql: pg.ClientBase,
  table: string,
  format: RowFormat,
  changed: readonly (readonly [string, Entry])[],
): Promise<void> {
  const kept = changed.filter(([, { state }]) => state !== null);
  const gone = changed.filter(([, { state }]) => state === null).map(([key]) => key);
  if (gone.length > 0) await sql.query(`DELETE FROM ${table} WHERE key = ANY($1::text[])`, [gone]);
  if (kept.length === 0) return;
  const values = kept.map(([, { state }]) => format.encode(state as Row));
  const casts = format.sqlTypes.map((type, index) => `$${index + 4}::text[]::${type}[]`);
  await sql.query(
    `INSERT INTO ${table} (key, ${OWN_NAMES.replace(', _shard, _gone', '')}, ${format.columns}, _shard, _gone)
     SELECT u.*, 0, false FROM unnest($1::text[], $2::bigint[], $3::bigint[], ${casts.join(', ')}) AS u
     ON CONFLICT (key) DO UPDATE SET ${format.names.map((name) => `"${name}" = EXCLUDED."${name}"`).join(', ')}, _pos = EXCLUDED._pos, _version = EXCLUDED._version`,
    [
      kept.map(([key]) => key),
      kept.map(([, { position }]) => position),
      kept.map(([, { version }]) => version),
      ...format.names.map((_name, index) => values.map((row) => row[index] ?? null)),
    ],
  );
}

/** Once for each event, whichever version is live: the place in the log is the key. */
async function storeReactions(
  sql: pg.ClientBase,
  projection: string,
  reactions: readonly { position: number; n: number; reaction: Reaction }[],
): Promise<void> {
  if (reactions.length === 0) return;
  await sql.query(
    `INSERT INTO ${SCHEMA}.outbox (projection, position, n, topic, payload)
     SELECT $1, * FROM unnest($2::bigint[], $3::int[], $4::text[], $5::jsonb[]) ON CONFLICT (projection, position, n) DO NOTHING`,
    [
      projection,
      reactions.map(({ position }) => position),
      reactions.map(({ n }) => n),
      reactions.map(({ reaction }) => reaction.topic),
      reactions.map(({ reaction }) => JSON.stringify(reaction.payload ?? null)),
    ],
  );
}
