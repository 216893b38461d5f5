import { calls, child, flag, has, list, type Node, type RelationName, str, typeName, written } from '../ast.ts';
import { fullName, tableOf } from '../catalog.ts';
import { type Finding, finding, guess } from '../finding.ts';
import { isAppendOnly, type RuleContext } from '../settings.ts';
import { typeChange } from './type-change.ts';

/** Built-in functions that give another value for each row: the table is written anew. */
const VOLATILE = new Set([
  'random',
  'random_normal',
  'gen_random_uuid',
  'uuidv4',
  'uuidv7',
  'uuid_generate_v1',
  'uuid_generate_v1mc',
  'uuid_generate_v4',
  'clock_timestamp',
  'timeofday',
  'nextval',
  'setval',
  'currval',
  'lastval',
  'gen_random_bytes',
  'gen_salt',
]);
const SERIAL = new Set(['serial', 'bigserial', 'smallserial', 'serial2', 'serial4', 'serial8']);
const BACKFILL = 'Add it nullable and without default, SET DEFAULT in a second migration, fill old rows with a batched backfill';

/** Rules 1 to 7: a column that is added to a table in use. */
export function addedColumn(context: RuleContext, table: RelationName, command: Node): Finding[] {
  const column = child(child(command, 'def'), 'ColumnDef');
  const name = str(column, 'colname');
  const known = tableOf(context.catalog, table);
  if (flag(command, 'missing_ok') && known?.columns[name] !== undefined) return [];
  const constraints = list(column, 'constraints').map((one) => child(one, 'Constraint'));
  const one = (type: string): Node | undefined => constraints.find((constraint) => str(constraint, 'contype') === type);
  const fallback = one('CONSTR_DEFAULT');
  const type = typeName(child(column, 'typeName'));
  const identity = one('CONSTR_IDENTITY') !== undefined || SERIAL.has(type.name);
  const generated = one('CONSTR_GENERATED');
  const where = `${written(table)}.${name}`;
  const found: Finding[] = [];
  if (identity)
    found.push(
      finding(
        3,
        'lock',
        `${where} gets a number for every row: the table is written anew behind an exclusive lock`,
        `${BACKFILL}; or make a new table`,
      ),
    );
  if (generated !== undefined && str(generated, 'generated_kind') !== 'v')
    found.push(
      finding(
        4,
        'lock',
        `${where} is computed for every row: the table is written anew behind an exclusive lock`,
        'A plain column that a trigger keeps, and a batched backfill',
      ),
    );
  if (fallback !== undefined) found.push(...volatileDefault(context, where, fallback));
  found.push(...constrained(context, where, name, one, fallback !== undefined, type));
  if (
    one('CONSTR_NOTNULL') !== undefined &&
    fallback === undefined &&
    !identity &&
    generated === undefined &&
    !hasDomainDefault(context, type)
  )
    found.push(
      finding(
        6,
        'breaks',
        `${where} must have a value and has no default: it fails where there are rows, and INSERTs of the old version fail`,
        `Add it nullable or with a constant default; require it later with a validated CHECK (rule 8)`,
      ),
    );
  if (one('CONSTR_PRIMARY') !== undefined)
    found.push(
      finding(
        5,
        'lock',
        `the index of ${where} is built behind an exclusive lock`,
        `Add the column, then CREATE UNIQUE INDEX CONCURRENTLY and ADD PRIMARY KEY USING INDEX`,
      ),
    );
  if (type.name === 'json' && !type.isArray)
    found.push(
      finding(7, 'breaks', `${where} is json, which has no equality: SELECT DISTINCT and GROUP BY over the table fail`, 'Use jsonb'),
    );
  return found;
}

function volatileDefault(context: RuleContext, where: string, constraint: Node): Finding[] {
  const expression = constraint['raw_expr'];
  const safe = `${BACKFILL}; require it with a validated CHECK (rule 8)`;
  const message = `the default of ${where} differs from row to row: the table is written anew behind an exclusive lock`;
  const found: Finding[] = [];
  for (const { schema, name } of calls(expression)) {
    if (VOLATILE.has(name) && (schema === null || schema === 'pg_catalog' || schema === 'public' || schema === 'extensions'))
      found.push(finding(2, 'lock', message, safe));
    else {
      const known = Object.entries(context.catalog?.functions ?? {}).filter(([signature]) =>
        signature.slice(0, signature.indexOf('(')).endsWith(`.${name}`),
      );
      if (known.some(([, { volatility }]) => volatility === 'v')) found.push(finding(2, 'lock', message, safe));
      else if (known.length === 0 && context.catalog === null && !STABLE.has(name))
        found.push(guess(2, 'lock', `${message}, unless ${name}() is stable`, safe));
    }
  }
  return found.slice(0, 1);
}

const STABLE = new Set(
  'now transaction_timestamp statement_timestamp current_setting lower upper coalesce concat to_char to_timestamp make_interval make_date date_trunc extract timezone md5 sha256 jsonb_build_object json_build_object jsonb_build_array to_jsonb array_fill repeat txid_current pg_current_xact_id current_database current_schema'.split(
    ' ',
  ),
);

function constrained(
  context: RuleContext,
  where: string,
  name: string,
  one: (type: string) => Node | undefined,
  hasDefault: boolean,
  type: ReturnType<typeof typeName>,
): Finding[] {
  const found: Finding[] = [];
  const check = one('CONSTR_CHECK');
  if (check !== undefined && !flag(check, 'skip_validation'))
    found.push(
      finding(
        5,
        'lock',
        `the check on ${where} is tried on every row behind an exclusive lock`,
        `Add ${name} alone, then the CHECK as NOT VALID, then VALIDATE CONSTRAINT in a migration of its own`,
      ),
    );
  if (one('CONSTR_UNIQUE') !== undefined)
    found.push(
      finding(
        5,
        'lock',
        `the unique index of ${where} is built behind an exclusive lock`,
        `Add ${name} alone, then CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT … UNIQUE USING INDEX`,
      ),
    );
  const foreign = one('CONSTR_FOREIGN');
  if (foreign !== undefined && hasDefault && !flag(foreign, 'skip_validation'))
    found.push(
      finding(
        10,
        'lock',
        `every row of ${where} has a value at once, which the foreign key looks up behind locks on both tables`,
        'Add the column without default, the foreign key as NOT VALID, then VALIDATE CONSTRAINT',
      ),
    );
  const domain = domainOf(context, type);
  if (domain?.constrained === true)
    found.push(
      finding(
        5,
        'lock',
        `${where} has the domain ${type.name}, whose constraint makes the table be written anew`,
        `Use its base type${domain.base === null ? '' : ` ${domain.base}`} and a CHECK … NOT VALID`,
      ),
    );
  return found;
}

function domainOf(context: RuleContext, type: { schema: string | null; name: string }) {
  const types = context.catalog?.types ?? {};
  const found = types[fullName(context.catalog, type, types)];
  return found?.kind === 'domain' ? found : null;
}

function hasDomainDefault(context: RuleContext, type: { schema: string | null; name: string }): boolean {
  return domainOf(context, type)?.labels.includes('default') === true;
}

/** Rule 9: another type for a column. */
export function changedType(context: RuleContext, table: RelationName, command: Node): Finding[] {
  const column = str(command, 'name');
  const definition = child(child(command, 'def'), 'ColumnDef');
  const to = typeName(child(definition, 'typeName'));
  const facts = tableOf(context.catalog, table)?.columns[column];
  const where = `${written(table)}.${column}`;
  if (isAppendOnly(context, table))
    return [
      finding(
        26,
        'loss',
        `${written(table)} holds events, and those are never changed`,
        'A new event type, and an upcaster for the old one',
      ),
    ];
  const using = has(definition, 'raw_default') && !isPlainCast(definition['raw_default'], column);
  const change = typeChange(facts?.type ?? null, to, {
    using,
    isUtc: /^(utc|etc\/utc|gmt|zulu|universal)$/i.test(context.catalog?.timeZone ?? ''),
  });
  if (change === 'safe') return [];
  const safe = isEnumRebuild(context, to)
    ? `To add a value: ALTER TYPE … ADD VALUE, alone in its file. To take one away: leave it in the type, ALTER TABLE ${written(table)} ADD CONSTRAINT … CHECK (${column} <> 'value') NOT VALID, and VALIDATE it in a migration of its own. Mark the file that the tool made as run (\`sluice db baseline\`)`
    : 'A new column, a trigger that writes both, a batched backfill, then a version that uses the new one; drop the old one in the contract phase';
  const make = change === 'unknown' ? guess : finding;
  return [
    make(9, 'lock', `${where} becomes ${to.name}: the table is written anew behind an exclusive lock`, safe),
    make(9, 'breaks', `the version that runs expects ${where} as it is`, safe),
  ];
}

/** As Prisma changes an enum: a new type with other values, and every column moved to it. */
function isEnumRebuild(context: RuleContext, to: { readonly schema: string | null; readonly name: string }): boolean {
  if (context.catalog === null) return false;
  const full = fullName(context.catalog, to, context.catalog.types);
  return context.catalog.types[full]?.kind === 'enum' && context.start?.types[full] === undefined;
}

/** `USING column::type` says only what would happen anyway. */
function isPlainCast(expression: unknown, column: string): boolean {
  const cast = child(expression, 'TypeCast');
  const reference = child(has(expression, 'TypeCast') ? cast['arg'] : expression, 'ColumnRef');
  const parts = list(reference, 'fields').map((field) => str(child(field, 'String'), 'sval'));
  return parts.length === 1 && parts[0] === column;
}

/** Rule 8: a column that may not be null any more. */
export function requiredColumn(context: RuleContext, table: RelationName, column: string, isProven: boolean): Finding[] {
  if (isProven) return [];
  const where = `${written(table)}.${column}`;
  const check = `${table.name}_${column}_not_null`;
  const safe = `ALTER TABLE ${written(table)} ADD CONSTRAINT ${check} CHECK (${column} IS NOT NULL) NOT VALID; then, each in its own migration: VALIDATE CONSTRAINT ${check}; SET NOT NULL; DROP CONSTRAINT ${check}`;
  return [
    finding(8, 'lock', `every row of ${where} is looked at behind an exclusive lock`, safe),
    finding(8, 'breaks', `the version that runs may still write NULL to ${where}`, safe),
  ];
}
