/** What a column of a read model may hold. `bigint` holds whole numbers up to 2^53; `numeric` is text in JavaScript, so that no digit is lost. */
export type ColumnType = 'text' | 'bigint' | 'integer' | 'double' | 'numeric' | 'boolean' | 'timestamptz' | 'jsonb';

/** An event as a projection sees it: data already upcast to today's schema. */
export interface ProjectedEvent {
  readonly position: number;
  readonly stream: string;
  /** Place in its stream. */
  readonly version: number;
  readonly type: string;
  /** Schema that it was stored under. */
  readonly schema: number;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  // What an event carries is the app's own business.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly data: any;
}

export type Row = Record<string, unknown>;
export type Merge = 'sum' | 'min' | 'max';
export type UpcastStep = (data: Record<string, unknown>) => Record<string, unknown>;

/** Something to be done outside because of an event; goes to the outbox once, whichever version of the projection is live. */
export interface Reaction {
  readonly topic: string;
  readonly payload: unknown;
}

/** What may rightly differ from the version before. Everything else that differs is a mistake. */
export interface ExpectedDifferences {
  /** Columns whose values are meant to change. */
  readonly columns?: readonly string[];
  /** Rows may come and go. */
  readonly rows?: boolean;
  readonly reason: string;
}

/** A read model made from events: the default export of a module in the app. Pure; the same events always give the same rows. */
export interface Projection {
  readonly name: string;
  /** Raised whenever what it makes of events changes. */
  readonly version: number;
  /** Columns of the read model; a state is an object of these. Left out: one column `data` with the whole state. */
  readonly columns?: Readonly<Record<string, ColumnType>>;
  readonly init: () => Row;
  /** `stream`: one row a stream. Otherwise the row that an event belongs to, null for none. */
  readonly key: 'stream' | ((event: ProjectedEvent) => string | null);
  /** The row after an event; null removes it. May change `state` and return it. */
  readonly evolve: (state: Row, event: ProjectedEvent) => Row | null;
  /** How parts of a row that were made from different streams become one. Without it, rows across streams are made in one go, in order. */
  readonly mergeable?: Readonly<Record<string, Merge>>;
  /** Only these types concern it. Left out: all. */
  readonly types?: readonly string[];
  /** `Type@1` makes schema 2 of Type out of schema 1. */
  readonly upcasters?: Readonly<Record<string, UpcastStep>>;
  readonly changes?: ExpectedDifferences;
  readonly reactions?: (state: Row | null, event: ProjectedEvent) => readonly Reaction[];
}

const NAME = /^[a-z][a-z0-9_]{0,39}$/;
const COLUMN = /^[a-z][a-z0-9_]{0,58}$/;
const COLUMN_TYPES: readonly string[] = ['text', 'bigint', 'integer', 'double', 'numeric', 'boolean', 'timestamptz', 'jsonb'];
const SUMMABLE: readonly ColumnType[] = ['bigint', 'integer', 'double', 'numeric'];

/** Columns of the read model besides its key. */
export function columnsOf(projection: Pick<Projection, 'columns'>): Readonly<Record<string, ColumnType>> {
  return projection.columns ?? { data: 'jsonb' };
}

/** What is wrong with a module's default export, all of it, one sentence each. */
export function mistakesOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null)
    return ['it exports no projection by default; needed: export default { name, version, init, key, evolve }'];
  const given = value as Partial<Record<keyof Projection, unknown>>;
  const mistakes: string[] = [];
  if (typeof given.name !== 'string' || !NAME.test(given.name))
    mistakes.push('name must be lower-case letters, digits and _, beginning with a letter (at most 40)');
  if (!Number.isSafeInteger(given.version) || (given.version as number) < 1) mistakes.push('version must be a whole number from 1');
  for (const name of ['init', 'evolve'] as const) if (typeof given[name] !== 'function') mistakes.push(`${name} must be a function`);
  if (given.key !== 'stream' && typeof given.key !== 'function') mistakes.push("key must be 'stream' or a function of an event");
  if (given.reactions !== undefined && typeof given.reactions !== 'function') mistakes.push('reactions must be a function');
  if (given.types !== undefined && !isTexts(given.types)) mistakes.push('types must be a list of event types');
  mistakes.push(...columnMistakes(given.columns), ...upcasterMistakes(given.upcasters));
  if (mistakes.length > 0) return mistakes;
  return [...mergeMistakes(value as Projection), ...changeMistakes(value as Projection)];
}

function columnMistakes(columns: unknown): string[] {
  if (columns === undefined) return [];
  if (typeof columns !== 'object' || columns === null || Object.keys(columns).length === 0)
    return ['columns must be an object of names and types'];
  return Object.entries(columns).flatMap(([name, type]) => {
    if (!COLUMN.test(name) || name === 'key')
      return [`columns.${name} must be lower-case letters, digits and _, beginning with a letter, and not "key"`];
    return COLUMN_TYPES.includes(String(type)) ? [] : [`columns.${name} must be one of ${COLUMN_TYPES.join(', ')}`];
  });
}

function upcasterMistakes(upcasters: unknown): string[] {
  if (upcasters === undefined) return [];
  if (typeof upcasters !== 'object' || upcasters === null) return ['upcasters must be an object of `Type@schema` and functions'];
  return Object.entries(upcasters).flatMap(([name, step]) =>
    /^.+@[1-9]\d*$/.test(name) && typeof step === 'function' ? [] : [`upcasters["${name}"] must be a function named Type@schema`],
  );
}

function mergeMistakes(projection: Projection): string[] {
  const { mergeable } = projection;
  if (mergeable === undefined) return [];
  if (projection.key === 'stream') return ['mergeable has no meaning where key is "stream": each row is made from one stream'];
  const columns = columnsOf(projection);
  const initial = projection.init();
  return Object.entries(columns).flatMap(([name, type]) => {
    const merge = mergeable[name];
    if (merge === undefined) return [`mergeable must say for column ${name}: sum, min or max`];
    if (merge !== 'sum') return [];
    if (!SUMMABLE.includes(type)) return [`mergeable.${name} cannot be a sum: the column is ${type}`];
    return Number(initial[name]) === 0 ? [] : [`init must give 0 for ${name}, which is summed over several parts`];
  });
}

function changeMistakes({ changes, ...projection }: Projection): string[] {
  if (changes === undefined) return [];
  if (typeof changes.reason !== 'string' || changes.reason.trim() === '') return ['changes must say why, in reason'];
  const columns = columnsOf(projection);
  return (changes.columns ?? []).filter((name) => !(name in columns)).map((name) => `changes.columns names ${name}, which is no column`);
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}
