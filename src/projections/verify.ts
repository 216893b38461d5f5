import type pg from 'pg';
import type { ProjectedEvent, Row } from '../core/data/projections/definition.ts';
import { upcastWith } from '../core/data/projections/upcast.ts';
import { comparable, type Comparison, type Difference, type Refold, verdictOf } from '../core/data/projections/verdict.ts';
import { quote } from './stores.ts';
import { SCHEMA, type StoredVerdict, tableOf } from './builds.ts';
import { connect, copyOut } from './copy.ts';
import { type Context, type LoadedBuild, REPEATABLE, transaction } from './context.ts';
import { createFold } from './fold.ts';
import { rowFormat } from './rows.ts';
import { busyIsNull, eventColumns, eventOf, type EventRow, tailWithin } from './tail.ts';
import { createTupleReader } from './tuples.ts';

export interface VerifyOptions {
  /** The live version; null when there is none, or when it cannot be tailed any more. */
  readonly against: LoadedBuild | null;
  /** Why there is nothing to compare with, when there should be. */
  readonly note?: string;
  /** Streams made anew from their events (20). */
  readonly streams?: number;
  /** Rows across streams are made anew when the log is no longer than this (200,000). */
  readonly refoldEvents?: number;
}

/** What was found, with the figures. */
export interface VerifyReport extends StoredVerdict {
  readonly rows: number;
  readonly compared: number;
  readonly refolded: { readonly rows: number; readonly events: number } | null;
}

const SAMPLE = 5;

/**
 * Hold a version against the one before it, both at the same point of the log, and against what its events say.
 * The verdict is stored with the version: without a good one it is never switched to. Null while another process is at it.
 */
export async function verify(context: Context, loaded: LoadedBuild, options: VerifyOptions): Promise<VerifyReport | null> {
  await context.marks.settle(context.pool);
  const builds = options.against === null ? [loaded] : [loaded, options.against];
  return transaction(
    context.pool,
    async (sql) => {
      await sql.query('SET LOCAL statement_timeout = 0');
      const { mark } = await tailWithin(sql, context, builds, true);
      const comparison = options.against === null ? null : await compare(sql, context, options.against, loaded);
      const refold = await refoldSome(sql, context, loaded, mark, options);
      return judge(sql, context, loaded, options, { comparison, refold });
    },
    REPEATABLE,
  ).catch(busyIsNull);
}

async function judge(
  sql: pg.ClientBase,
  { store, schema, now }: Context,
  { build, projection }: LoadedBuild,
  { against, note }: VerifyOptions,
  { comparison, refold }: { readonly comparison: Comparison | null; readonly refold: Refold | null },
): Promise<VerifyReport> {
  const id = [build.projection, build.version];
  const counts = await sql.query<{ dead: string; rows: string; events: boolean }>(
    `SELECT (SELECT count(*) FROM ${SCHEMA}.dead_letter WHERE projection = $1 AND version = $2) AS dead, (SELECT count(*) FROM ${tableOf(build, schema)}) AS rows,
       EXISTS (SELECT FROM ${store.relation}) AS events`,
    id,
  );
  const count = counts.rows[0];
  const verdict = verdictOf({
    comparison,
    refold,
    changes: projection.changes,
    deadLetters: Number(count?.dead),
    hasEvents: count?.events === true,
  });
  const stored: StoredVerdict = {
    ...verdict,
    expected: note === undefined ? verdict.expected : [...verdict.expected, note],
    at: now(),
    against: against?.build.version ?? null,
  };
  await sql.query(`UPDATE ${SCHEMA}.build SET verdict = $3 WHERE projection = $1 AND version = $2`, [...id, JSON.stringify(stored)]);
  return {
    ...stored,
    rows: Number(count?.rows),
    compared: comparison?.rowsBefore ?? 0,
    refolded: refold === null ? null : { rows: refold.rows, events: refold.events },
  };
}

async function compare(sql: pg.ClientBase, { schema }: Context, before: LoadedBuild, after: LoadedBuild): Promise<Comparison> {
  const columns = comparable(before.build.columns, after.build.columns, after.projection.changes);
  const [left, right] = [tableOf(before.build, schema), tableOf(after.build, schema)];
  const onlyBoth = after.projection.changes?.rows === true;
  const both = (own: string, other: string): string =>
    onlyBoth ? `${own} t WHERE EXISTS (SELECT FROM ${other} o WHERE o.key = t.key)` : `${own} t`;
  const row = (alias: string): string => `ROW(${['key', ...columns].map((name) => `${alias}.${quote(name)}`).join(', ')})`;
  const sum = (own: string, other: string): string =>
    `(SELECT coalesce(sum(hashtextextended(${row('t')}::text, 0)::numeric), 0)::text FROM ${both(own, other)})`;
  const { rows } = await sql.query<Record<'before' | 'after' | 'sumBefore' | 'sumAfter', string>>(
    `SELECT (SELECT count(*) FROM ${left}) AS before, (SELECT count(*) FROM ${right}) AS after, ${sum(left, right)} AS "sumBefore", ${sum(right, left)} AS "sumAfter"`,
  );
  const found = rows[0];
  const [checksumBefore, checksumAfter] = [found?.sumBefore ?? '', found?.sumAfter ?? ''];
  const sample = checksumBefore === checksumAfter ? [] : await differences(sql, left, right, columns, onlyBoth);
  return { rowsBefore: Number(found?.before), rowsAfter: Number(found?.after), checksumBefore, checksumAfter, sample };
}

async function differences(
  sql: pg.ClientBase,
  left: string,
  right: string,
  columns: readonly string[],
  onlyBoth: boolean,
): Promise<Difference[]> {
  const names = columns.map(quote);
  const side = (alias: string): string =>
    names.length === 0 ? "'{}'::jsonb" : `jsonb_build_object(${columns.map((name) => `'${name}', ${alias}.${quote(name)}`).join(', ')})`;
  const differ = names.map((name) => `b.${name} IS DISTINCT FROM a.${name}`).join(' OR ') || 'false';
  const { rows } = await sql.query<{ key: string; before: Row | null; after: Row | null }>(
    `SELECT key, CASE WHEN b._pos IS NULL THEN NULL ELSE ${side('b')} END AS before, CASE WHEN a._pos IS NULL THEN NULL ELSE ${side('a')} END AS after
     FROM ${left} b ${onlyBoth ? 'JOIN' : 'FULL JOIN'} ${right} a USING (key) WHERE ${onlyBoth ? '' : 'a._pos IS NULL OR b._pos IS NULL OR '}${differ} ORDER BY key LIMIT ${SAMPLE}`,
  );
  return rows.map(({ key, before, after }) => differenceOf(key, before, after));
}

function differenceOf(key: string, before: Row | null, after: Row | null): Difference {
  const columns =
    before === null || after === null
      ? []
      : Object.keys(after).filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]));
  const shown = (row: Row | null): string | null =>
    row === null ? null : JSON.stringify(columns.length === 0 ? row : Object.fromEntries(columns.map((name) => [name, row[name]])));
  return { key, columns, before: shown(before), after: shown(after) };
}

/** Rows made anew from their events alone, at this mark, and held against the stored ones. */
async function refoldSome(
  sql: pg.ClientBase,
  context: Context,
  loaded: LoadedBuild,
  mark: string,
  options: VerifyOptions,
): Promise<Refold | null> {
  const { projection } = loaded;
  if (projection.key === 'stream')
    return refoldStreams(sql, context, loaded, mark, await someStreams(sql, context, loaded, mark, options.streams ?? 20));
  const { store, marks } = context;
  const { rows } = await sql.query<{ events: string }>(
    `SELECT count(*) AS events FROM ${store.relation} WHERE ${marks.within(mark)}${store.filter}`,
  );
  if (Number(rows[0]?.events) > (options.refoldEvents ?? 200_000)) return null;
  return refoldAll(sql, context, loaded, mark);
}

/** Half from the read model, half from the log: a row that is missing is in one of them only. */
async function someStreams(
  sql: pg.ClientBase,
  { store, marks, schema }: Context,
  { build }: LoadedBuild,
  mark: string,
  count: number,
): Promise<string[]> {
  const half = Math.ceil(count / 2);
  const { rows } = await sql.query<{ key: string }>(
    `(SELECT key FROM ${tableOf(build, schema)} ORDER BY random() LIMIT ${half})
     UNION SELECT stream FROM (SELECT random() * (SELECT max(${store.position}) FROM ${store.relation}) AS picked FROM generate_series(1, ${half})) random_position
       CROSS JOIN LATERAL (SELECT ${store.stream} AS stream FROM ${store.relation} WHERE ${store.position} >= random_position.picked AND ${marks.within(mark)}${store.filter} ORDER BY ${store.position} LIMIT 1) found`,
  );
  return rows.map(({ key }) => key);
}

async function refoldStreams(
  sql: pg.ClientBase,
  context: Context,
  { build, projection }: LoadedBuild,
  mark: string,
  streams: readonly string[],
): Promise<Refold> {
  const { store, marks, schema } = context;
  const { rows } = await sql.query<EventRow>(
    `SELECT ${eventColumns(store)} FROM ${store.relation} WHERE ${store.stream} = ANY($1::text[]) AND ${marks.within(mark)}${store.filter} ORDER BY ${store.position}`,
    [streams],
  );
  const upcast = upcastWith(projection.upcasters);
  const states = new Map<string, Row | null>();
  for (const raw of rows.map((row) => eventOf(row, store))) {
    if (projection.types?.includes(raw.type) === false) continue;
    const state = states.get(raw.stream) ?? projection.init();
    // What cannot be applied was put aside by the tail as well; it counts by itself.
    try {
      const event: ProjectedEvent = { ...raw, data: upcast(raw.type, raw.schema, raw.data) };
      states.set(raw.stream, projection.evolve(structuredClone(state), event));
    } catch {
      continue;
    }
  }
  const folded = streams.flatMap((key): [string, Row][] => {
    const state = states.get(key);
    return state === null || state === undefined ? [] : [[key, state]];
  });
  const differing = await differingFrom(sql, tableOf(build, schema), { build, projection }, folded, streams);
  return { rows: streams.length, events: rows.length, differing };
}

async function refoldAll(sql: pg.ClientBase, context: Context, { build, projection }: LoadedBuild, mark: string): Promise<Refold> {
  const { url, store, marks, schema } = context;
  const fold = createFold({ projection, shard: 0, contiguous: false });
  const reader = createTupleReader(store, (tuple) => fold.apply(tuple, reader.streams));
  const types = projection.types;
  const only = types === undefined ? '' : ` AND ${store.type} IN (${types.map((type) => `'${type.replaceAll("'", "''")}'`).join(', ')})`;
  const select = `SELECT ${store.columns} FROM ${store.relation} WHERE ${marks.within(mark)}${store.filter}${only} ORDER BY ${store.position}`;
  await copyOut(
    await connect(url, 'sluice projection check'),
    `COPY (${select}) TO STDOUT (FORMAT binary)`,
    reader.read,
    new AbortController().signal,
  );
  const folded = [...fold.rows()];
  const differing = await differingFrom(
    sql,
    tableOf(build, schema),
    { build, projection },
    folded.map(([key, row]): [string, Row] => [key, row]),
    null,
  );
  return { rows: folded.length, events: fold.events(), differing };
}

/** Rows that are stored otherwise than they were folded. `only`: keys that were looked at; null = all. */
async function differingFrom(
  sql: pg.ClientBase,
  table: string,
  { projection }: LoadedBuild,
  folded: readonly [string, Row][],
  only: readonly string[] | null,
): Promise<Difference[]> {
  const format = rowFormat(projection);
  const values = folded.map(([, row]) => format.encode(row));
  const names = format.names.map(quote);
  const json = (alias: string): string =>
    `jsonb_build_object(${format.names.map((name) => `'${name}', ${alias}.${quote(name)}`).join(', ')})`;
  const differ = names.map((name) => `s.${name} IS DISTINCT FROM f.${name}`).join(' OR ');
  const { rows } = await sql.query<{ key: string; before: Row | null; after: Row | null }>(
    `SELECT key, CASE WHEN s.there IS NULL THEN NULL ELSE ${json('s')} END AS before, CASE WHEN f.there IS NULL THEN NULL ELSE ${json('f')} END AS after
     FROM (SELECT *, true AS there FROM ${table}${only === null ? '' : ' WHERE key = ANY($2::text[])'}) s
     FULL JOIN (SELECT *, true AS there FROM unnest($1::text[], ${format.sqlTypes.map((type, index) => `$${index + (only === null ? 2 : 3)}::text[]::${type}[]`).join(', ')}) AS f(key, ${names.join(', ')})) f USING (key)
     WHERE s.there IS NULL OR f.there IS NULL OR ${differ} ORDER BY key LIMIT ${SAMPLE}`,
    [
      folded.map(([key]) => key),
      ...(only === null ? [] : [only]),
      ...format.names.map((_name, index) => values.map((row) => row[index] ?? null)),
    ],
  );
  return rows.map(({ key, before, after }) => differenceOf(key, before, after));
}
