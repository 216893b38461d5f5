import { UserError } from '../core/errors.ts';

/** Where events are, column by column. Names only; they are quoted. */
export interface StoreLayout {
  /** `table` or `schema.table`. */
  readonly table: string;
  readonly position: string;
  readonly stream: string;
  readonly version: string;
  /** Null: the type is the field `type` of the data. */
  readonly type: string | null;
  /** Null: everything is at schema 1. */
  readonly schema: string | null;
  /** timestamptz, timestamp or bigint in milliseconds. Null: unknown, read as 0. */
  readonly at: string | null;
  readonly data: string;
  /** Column of type xid8 with the transaction that wrote it (`DEFAULT pg_current_xact_id()`). Null: gaps in the positions are waited for. */
  readonly txid: string | null;
  /** Condition on rows that count, as SQL. */
  readonly where: string | null;
  /** The sequence that positions come from, where it does not belong to the column. */
  readonly sequence: string | null;
  /** Whether versions of a stream follow one another without holes: then a lost event is noticed at once. */
  readonly contiguous: boolean;
}

type StoreKind = 'sluice' | 'emmett' | 'message-db' | 'marten' | 'custom';

/** What a workspace says of its event store. */
export type StoreConfig = { readonly [Key in keyof StoreLayout]?: StoreLayout[Key] | undefined } & {
  readonly kind?: StoreKind | undefined;
};

const LAYOUTS: Readonly<Record<StoreKind, StoreLayout>> = {
  sluice: {
    table: 'event',
    position: 'position',
    stream: 'stream',
    version: 'version',
    type: 'type',
    schema: 'schema',
    at: 'at',
    data: 'data',
    txid: 'txid',
    where: null,
    sequence: null,
    contiguous: true,
  },
  emmett: {
    table: 'emt_messages',
    position: 'global_position',
    stream: 'stream_id',
    version: 'stream_position',
    type: 'message_type',
    schema: 'message_schema_version',
    at: 'created',
    data: 'message_data',
    txid: 'transaction_id',
    where: "message_kind = 'E' AND NOT is_archived",
    sequence: 'emt_global_message_position',
    contiguous: true,
  },
  'message-db': {
    table: 'message_store.messages',
    position: 'global_position',
    stream: 'stream_name',
    version: 'position',
    type: 'type',
    schema: null,
    at: 'time',
    data: 'data',
    txid: null,
    where: null,
    sequence: null,
    contiguous: true,
  },
  marten: {
    table: 'mt_events',
    position: 'seq_id',
    stream: 'stream_id',
    version: 'version',
    type: 'type',
    schema: null,
    at: 'timestamp',
    data: 'data',
    txid: null,
    where: 'NOT is_archived',
    sequence: 'mt_events_sequence',
    contiguous: true,
  },
  custom: {
    table: 'events',
    position: 'position',
    stream: 'stream',
    version: 'version',
    type: 'type',
    schema: null,
    at: 'at',
    data: 'data',
    txid: 'txid',
    where: null,
    sequence: null,
    contiguous: true,
  },
};

function layoutOf({ kind = 'sluice', ...own }: StoreConfig): StoreLayout {
  const named = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
  return { ...LAYOUTS[kind], ...named };
}

export const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;
export const relation = (name: string): string => name.split('.').map(quote).join('.');
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

export interface Queryable {
  // oxlint-disable-next-line typescript/no-explicit-any
  query<R extends Record<string, any> = any>(text: string, values?: readonly unknown[]): Promise<{ rows: R[]; rowCount: number | null }>;
}

/** An event store whose columns have been looked up: pieces of SQL to read it with. */
export interface EventStore {
  readonly layout: StoreLayout;
  readonly relation: string;
  /** What is read of each event, in the order that `tuples.ts` expects. */
  readonly columns: string;
  readonly columnList: readonly string[];
  readonly atKind: 'timestamp' | 'milliseconds';
  readonly dataKind: 'jsonb' | 'text';
  /** Column positions are compared and sorted by. */
  readonly position: string;
  readonly stream: string;
  readonly type: string;
  /** ` AND …`, or nothing. */
  readonly filter: string;
  /** What has to be done to make it faster or safer, one sentence each. */
  readonly advice: readonly string[];
}

/**
 * Look at the table once.
 * @throws UserError `EVENTS_TABLE_UNKNOWN`, `EVENTS_COLUMN_UNKNOWN`
 */
export async function inspectStore(sql: Queryable, config: StoreConfig): Promise<EventStore> {
  const layout = layoutOf(config);
  const name = relation(layout.table);
  const found = await sql.query<{ column: string; type: string }>(
    `SELECT attname AS column, format_type(atttypid, NULL) AS type FROM pg_attribute
     WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped`,
    [name],
  );
  if (found.rows.length === 0)
    throw new UserError(
      'EVENTS_TABLE_UNKNOWN',
      `there is no table ${layout.table} with events`,
      'Say where events are: projections.events in sluice.config.',
    );
  const types = new Map(found.rows.map(({ column, type }) => [column, type]));
  const named = [layout.position, layout.stream, layout.version, layout.type, layout.schema, layout.at, layout.data, layout.txid];
  const missing = named.filter((column) => column !== null && !types.has(column));
  if (missing.length > 0)
    throw new UserError(
      'EVENTS_COLUMN_UNKNOWN',
      `${layout.table} has no column ${missing.join(', ')}`,
      `It has ${[...types.keys()].join(', ')}. Name its columns below projections.events in sluice.config.`,
    );
  return storeOf(layout, types, await adviceOn(sql, layout, name));
}

function storeOf(layout: StoreLayout, types: ReadonlyMap<string, string>, advice: readonly string[]): EventStore {
  const cast = (column: string, type: string): string => (types.get(column) === type ? quote(column) : `${quote(column)}::${type}`);
  const dataKind = types.get(layout.data) === 'jsonb' ? 'jsonb' : 'text';
  const data = quote(layout.data);
  const type = layout.type === null ? `(${data}->>'type')` : cast(layout.type, 'text');
  const atKind = layout.at === null || types.get(layout.at) === 'bigint' ? 'milliseconds' : 'timestamp';
  const at = layout.at === null ? '0::bigint' : atKind === 'milliseconds' ? quote(layout.at) : cast(layout.at, 'timestamp with time zone');
  const columnList = [
    cast(layout.position, 'bigint'),
    cast(layout.stream, 'text'),
    cast(layout.version, 'bigint'),
    layout.schema === null ? '1::integer' : cast(layout.schema, 'integer'),
    at,
    layout.type === null ? "''::text" : type,
    dataKind === 'jsonb' ? data : cast(layout.data, 'text'),
  ];
  return {
    layout,
    relation: relation(layout.table),
    columns: columnList.join(', '),
    columnList,
    atKind,
    dataKind,
    position: quote(layout.position),
    stream: cast(layout.stream, 'text'),
    type,
    filter: layout.where === null ? '' : ` AND (${layout.where})`,
    advice,
  };
}

async function adviceOn(sql: Queryable, layout: StoreLayout, name: string): Promise<string[]> {
  const { rows } = await sql.query<{ first: string }>(
    `SELECT a.attname AS first FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
     WHERE i.indrelid = to_regclass($1) AND i.indisvalid`,
    [name],
  );
  const leading = new Set(rows.map(({ first }) => first));
  const missing = (columns: readonly string[]): string => `CREATE INDEX CONCURRENTLY ON ${name} (${columns.map(quote).join(', ')})`;
  const advice: string[] = [];
  if (!leading.has(layout.position))
    advice.push(`positions have no index; every rebuild sorts the whole table: ${missing([layout.position])}`);
  if (layout.txid !== null && !leading.has(layout.txid))
    advice.push(`transactions have no index; every look for new events reads the whole table: ${missing([layout.txid, layout.position])}`);
  if (!leading.has(layout.stream))
    advice.push(`streams have no index; checking single rows reads the whole table: ${missing([layout.stream, layout.version])}`);
  return advice;
}
