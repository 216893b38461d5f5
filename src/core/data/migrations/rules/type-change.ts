import type { TypeName } from '../ast.ts';

/** What another type means for the rows: nothing, all of them written anew, or only a trace can tell. */
export type TypeChange = 'safe' | 'rewrite' | 'unknown';

/** As PostgreSQL's catalogs name types, and as people do. */
const ALIASES: Readonly<Record<string, string>> = {
  'character varying': 'varchar',
  character: 'bpchar',
  char: 'bpchar',
  integer: 'int4',
  int: 'int4',
  bigint: 'int8',
  smallint: 'int2',
  boolean: 'bool',
  'double precision': 'float8',
  real: 'float4',
  decimal: 'numeric',
  'timestamp without time zone': 'timestamp',
  'timestamp with time zone': 'timestamptz',
  'time without time zone': 'time',
  'time with time zone': 'timetz',
  'bit varying': 'varbit',
};

interface Parsed {
  readonly name: string;
  readonly modifiers: readonly number[];
}

/** `numeric(10,2)` → numeric, [10, 2] */
export function parseType(text: string): Parsed {
  const match = /^(?<head>[^()]+?)(?:\((?<mods>[^)]*)\))?(?<tail>[^()]*)$/.exec(text.trim());
  const base = `${match?.groups?.['head'] ?? text}${match?.groups?.['tail'] ?? ''}`.trim().toLowerCase();
  const modifiers = (match?.groups?.['mods'] ?? '')
    .split(',')
    .map(Number)
    .filter((one, i, all) => !Number.isNaN(one) && all.join('') !== '');
  return { name: ALIASES[base] ?? base, modifiers: (match?.groups?.['mods'] ?? '') === '' ? [] : modifiers };
}

export function typeChange(from: string | null, to: TypeName, how: { readonly using: boolean; readonly isUtc: boolean }): TypeChange {
  if (to.isArray) return from === null ? 'unknown' : 'rewrite';
  const target: Parsed = { name: ALIASES[to.name] ?? to.name, modifiers: to.modifiers };
  if (how.using) return 'rewrite';
  // Without a database: the types that text grows into are nearly always safe, but nobody knows from what.
  if (from === null) return 'unknown';
  const source = parseType(from);
  if (source.name === target.name) return sameName(source, target);
  if (target.name === 'text' && (source.name === 'varchar' || source.name === 'xml')) return 'safe';
  if (target.name === 'varchar' && target.modifiers.length === 0 && source.name === 'text') return 'safe';
  if (target.name === 'inet' && source.name === 'cidr') return 'safe';
  if (target.name === 'varbit' && source.name === 'bit') return 'unknown';
  if (isTimestampPair(source, target)) return how.isUtc && target.modifiers.length === 0 ? 'safe' : 'rewrite';
  return KNOWN.has(source.name) && KNOWN.has(target.name) ? 'rewrite' : 'unknown';
}

const KNOWN = new Set(
  'varchar bpchar text int2 int4 int8 float4 float8 numeric bool timestamp timestamptz date time timetz interval json jsonb uuid bytea inet cidr'.split(
    ' ',
  ),
);

function isTimestampPair(source: Parsed, target: Parsed): boolean {
  const pair = [source.name, target.name].toSorted().join();
  return pair === 'timestamp,timestamptz';
}

function sameName(source: Parsed, target: Parsed): TypeChange {
  const [from, fromScale = 0] = source.modifiers;
  const [to, toScale = 0] = target.modifiers;
  if (from === to && fromScale === toScale) return 'safe';
  switch (source.name) {
    case 'varchar':
    case 'varbit':
    case 'timestamp':
    case 'timestamptz':
    case 'time':
    case 'timetz':
    case 'interval':
      return to === undefined || (from !== undefined && to >= from) ? 'safe' : 'rewrite';
    case 'numeric':
      return to === undefined || (from !== undefined && to >= from && fromScale === toScale) ? 'safe' : 'rewrite';
    default:
      return 'rewrite';
  }
}
