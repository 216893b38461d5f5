import { UserError } from '../core/errors.ts';
import { columnsOf, type ColumnType, type Projection, type Row } from '../core/data/projections/definition.ts';
import { quote } from './stores.ts';

/** How rows of a read model are written and read, made once for a projection. */
export interface RowFormat {
  readonly names: readonly string[];
  /** `"a", "b"` */
  readonly columns: string;
  /** `"a" bigint, "b" text` */
  readonly definitions: string;
  readonly sqlTypes: readonly string[];
  /** Values in the order of the columns, as PostgreSQL's text input takes them; null is NULL. */
  encode(state: Row): (string | null)[];
  /** SQL that gives a row as one JSON object that `decode` understands. */
  readonly json: string;
  decode(stored: Row): Row;
}

export const SQL_TYPES: Readonly<Record<ColumnType, string>> = {
  text: 'text',
  bigint: 'bigint',
  integer: 'integer',
  double: 'double precision',
  numeric: 'numeric',
  boolean: 'boolean',
  timestamptz: 'timestamp with time zone',
  jsonb: 'jsonb',
};

/** Our own columns of a read model: position and version of the last event, the part it was made by, whether it is gone. */
export const OWN_COLUMNS = '_pos bigint NOT NULL, _version bigint NOT NULL, _shard integer NOT NULL, _gone boolean NOT NULL';
export const OWN_NAMES = '_pos, _version, _shard, _gone';

export function rowFormat(projection: Pick<Projection, 'columns' | 'name'>): RowFormat {
  const isWhole = projection.columns === undefined;
  const entries = Object.entries(columnsOf(projection));
  const names = entries.map(([name]) => name);
  const encoders = entries.map(([name, type]) => ENCODERS[type](`${projection.name}.${name}`));
  const json = `jsonb_build_object(${entries.map(([name, type]) => `'${name}', ${jsonOf(name, type)}`).join(', ')})`;
  return {
    names,
    columns: names.map(quote).join(', '),
    definitions: entries.map(([name, type]) => `${quote(name)} ${SQL_TYPES[type]}`).join(', '),
    sqlTypes: entries.map(([, type]) => SQL_TYPES[type]),
    encode: isWhole
      ? (state) => [JSON.stringify(state)]
      : (state) => {
          const values = new Array<string | null>(names.length);
          for (let index = 0; index < names.length; index += 1) {
            const value = state[names[index] as string];
            values[index] = value === undefined || value === null ? null : (encoders[index] as Encoder)(value);
          }
          return values;
        },
    json,
    decode: isWhole ? (stored) => stored['data'] as Row : (stored) => stored,
  };
}

/** As JSON, each kind so that it comes back as the projection had put it in. */
function jsonOf(name: string, type: ColumnType): string {
  if (type === 'numeric') return `${quote(name)}::text`;
  if (type === 'timestamptz') return `to_char(${quote(name)} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
  return quote(name);
}

type Encoder = (value: unknown) => string;

const ENCODERS: Readonly<Record<ColumnType, (place: string) => Encoder>> = {
  text: () => String,
  bigint: (place) => (value) => {
    if (!Number.isSafeInteger(value)) throw unfit(place, value, 'a whole number');
    return String(value);
  },
  integer: (place) => (value) => {
    if (!Number.isInteger(value)) throw unfit(place, value, 'a whole number');
    return String(value);
  },
  double: (place) => (value) => {
    if (typeof value !== 'number') throw unfit(place, value, 'a number');
    return String(value);
  },
  numeric: () => String,
  boolean: (place) => (value) => {
    if (typeof value !== 'boolean') throw unfit(place, value, 'true or false');
    return value ? 't' : 'f';
  },
  timestamptz: () => (value) =>
    typeof value === 'number' ? new Date(value).toISOString() : value instanceof Date ? value.toISOString() : String(value),
  jsonb: () => JSON.stringify,
};

function unfit(place: string, value: unknown, wanted: string): UserError {
  return new UserError(
    'PROJECTION_VALUE_UNFIT',
    `${place} got ${JSON.stringify(value) ?? String(value)} where ${wanted} belongs`,
    'Correct evolve, or the type of the column.',
  );
}

const NEEDS_ESCAPE = /[\\\n\r\t]/;
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** A value of COPY's text format. */
export function copyText(value: string | null): string {
  if (value === null) return '\\N';
  return NEEDS_ESCAPE.test(value) ? value.replaceAll(/[\\\n\r\t]/g, (found) => ESCAPES[found] as string) : value;
}
