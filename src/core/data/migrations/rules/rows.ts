import { child, has, list, literalNumber, type Node, relation, relationsRead, type RelationName, str, walk, written } from '../ast.ts';
import { fullName, tableOf } from '../catalog.ts';
import { type Finding, finding } from '../finding.ts';
import { isAppendOnly, isFresh, type RuleContext } from '../settings.ts';
import { events } from './objects.ts';

const BATCHES = 'A batched backfill: keyset on the primary key, 1 000 to 10 000 rows a transaction (`-- sluice: backfill table.key`)';

/** Rules 18 and 26: rows changed or removed, also by a WITH inside another statement. */
export function changedRows(context: RuleContext, statement: Node): Finding[] {
  const found: Finding[] = [];
  for (const { key, node } of walk(statement)) {
    if (key === 'UpdateStmt' || key === 'DeleteStmt') found.push(...changed(context, node, key === 'DeleteStmt'));
    if (key === 'MergeStmt') found.push(...merged(context, node));
  }
  return found;
}

function changed(context: RuleContext, tree: Node, isDelete: boolean): Finding[] {
  const range = child(tree, 'relation');
  const table = relation(range);
  if (isFresh(context, table) || isCte(table, tree)) return [];
  if (isAppendOnly(context, table)) return [events(table)];
  const where = has(tree, 'whereClause') ? tree['whereClause'] : null;
  if (isDelete && (where === null || isAlwaysTrue(where)))
    return [
      finding(
        21,
        'loss',
        `every row of ${written(table)} is gone for good`,
        `Contract phase with approval and a restore point; or ${BATCHES.toLowerCase()}`,
      ),
    ];
  if (where !== null && isBounded(context, table, where)) return [];
  const what = isDelete ? 'removes' : 'changes';
  return [
    finding(
      18,
      'lock',
      `one transaction ${what} rows of ${written(table)} without a key range: they stay locked, the table bloats and nothing is cleaned up meanwhile`,
      BATCHES,
    ),
    ...(isDelete
      ? [finding(18, 'loss', `rows of ${written(table)} are gone for good`, 'Contract phase with approval and a restore point')]
      : []),
  ];
}

function merged(context: RuleContext, tree: Node): Finding[] {
  const table = relation(child(tree, 'relation'));
  if (isFresh(context, table)) return [];
  if (isAppendOnly(context, table)) return [events(table)];
  return [finding(18, 'lock', `one transaction merges into ${written(table)} without a key range: its rows stay locked`, BATCHES)];
}

function isCte(table: RelationName, tree: Node): boolean {
  return list(child(tree, 'withClause'), 'ctes').some(
    (one) => str(child(one, 'CommonTableExpr'), 'ctename') === table.name && table.schema === null,
  );
}

function isAlwaysTrue(where: unknown): boolean {
  const constant = child(where, 'A_Const');
  if (child(constant, 'boolval')['boolval'] === true) return true;
  const comparison = child(where, 'A_Expr');
  return has(where, 'A_Expr') && JSON.stringify(stripped(comparison['lexpr'])) === JSON.stringify(stripped(comparison['rexpr']));
}

function stripped(node: unknown): unknown {
  return JSON.parse(JSON.stringify(node ?? null, (key, value: unknown) => (key === 'location' ? undefined : value)));
}

/** Rows that one transaction may change: what a batch of a backfill has at most. */
const MOST_ROWS = 10_000;

/** The condition names few rows by key: a value, a short list, a narrow range of numbers, or a subquery with a small LIMIT. */
function isBounded(context: RuleContext, table: RelationName, where: unknown): boolean {
  const ends = new Map<string, { low: End | null; high: End | null }>();
  for (const term of conjunction(where)) {
    const bound = boundOf(context, table, term);
    if (bound === null) continue;
    if (bound.kind === 'few') return true;
    const known = ends.get(bound.column) ?? { low: null, high: null };
    ends.set(bound.column, { ...known, [bound.kind]: bound.end });
  }
  return [...ends.values()].some(({ low, high }) => isNarrow(low, high));
}

/** An end of a range: a number, or `batch` where the runner fills it in. */
type End = number | 'batch' | 'unknown';

function isNarrow(low: End | null, high: End | null): boolean {
  if (low === 'batch' && high === 'batch') return true;
  return typeof low === 'number' && typeof high === 'number' && high - low < MOST_ROWS;
}

function endOf(node: unknown): End {
  if (has(node, 'ParamRef')) return 'batch';
  if (has(node, 'TypeCast')) return endOf(child(node, 'TypeCast')['arg']);
  return literalNumber(node) ?? 'unknown';
}

function conjunction(where: unknown): Node[] {
  const bool = child(where, 'BoolExpr');
  if (str(bool, 'boolop') === 'AND_EXPR') return list(bool, 'args').flatMap(conjunction);
  return [where as Node];
}

type Bound = { readonly kind: 'few' } | { readonly kind: 'low' | 'high'; readonly column: string; readonly end: End };
const FEW: Bound = { kind: 'few' };

function boundOf(context: RuleContext, table: RelationName, term: Node): Bound | null {
  const link = child(term, 'SubLink');
  if (has(term, 'SubLink')) {
    const isIn = str(link, 'subLinkType') === 'ANY_SUBLINK' && isEquality(list(link, 'operName'));
    return isIn && columnOf(link['testexpr']) !== null && hasSmallLimit(child(child(link, 'subselect'), 'SelectStmt')) ? FEW : null;
  }
  const comparison = child(term, 'A_Expr');
  if (!has(term, 'A_Expr')) return null;
  const operator = operatorOf(list(comparison, 'name'));
  const left = columnOf(comparison['lexpr']);
  const right = columnOf(comparison['rexpr']);
  const column = left ?? right;
  if (column === null || (left !== null && right !== null) || !isKey(context, table, column)) return null;
  const flipped = left === null;
  const other = flipped ? comparison['lexpr'] : comparison['rexpr'];
  switch (str(comparison, 'kind')) {
    case 'AEXPR_BETWEEN':
    case 'AEXPR_BETWEEN_SYM': {
      const [low, high] = list(child(other, 'List'), 'items').map(endOf);
      return isNarrow(low ?? null, high ?? null) ? FEW : null;
    }
    case 'AEXPR_IN':
      return operator === '=' && list(child(other, 'List'), 'items').length <= MOST_ROWS ? FEW : null;
    case 'AEXPR_OP_ANY':
      return operator === '=' && isShortArray(other) ? FEW : null;
    case 'AEXPR_OP':
    case '':
      break;
    default:
      return null;
  }
  // Another column, of a join, is as many values as there are rows.
  if (operator === '=') return hasColumn(other) ? null : FEW;
  if (operator === '>' || operator === '>=') return { kind: flipped ? 'high' : 'low', column, end: endOf(other) };
  if (operator === '<' || operator === '<=') return { kind: flipped ? 'low' : 'high', column, end: endOf(other) };
  return null;
}

function operatorOf(name: readonly Node[]): string {
  return name.map((one) => str(child(one, 'String'), 'sval')).join('');
}

/** `IN` leaves its operator out. */
function isEquality(name: readonly Node[]): boolean {
  return name.length === 0 || operatorOf(name) === '=';
}

function isShortArray(node: unknown): boolean {
  if (has(node, 'TypeCast')) return isShortArray(child(node, 'TypeCast')['arg']);
  if (has(node, 'A_ArrayExpr')) return list(child(node, 'A_ArrayExpr'), 'elements').length <= MOST_ROWS;
  return has(node, 'A_Const');
}

function hasSmallLimit(select: Node): boolean {
  const limit = literalNumber(select['limitCount']);
  return limit !== null && limit <= MOST_ROWS;
}

function hasColumn(node: unknown): boolean {
  return [...walk({ node })].some(({ key }) => key === 'ColumnRef');
}

function columnOf(node: unknown): string | null {
  const fields = list(child(node, 'ColumnRef'), 'fields');
  return str(child(fields.at(-1) ?? {}, 'String'), 'sval') || null;
}

/** The column whose value names one row: the primary key, or a unique index of nothing else, over all rows. */
function isKey(context: RuleContext, table: RelationName, column: string): boolean {
  if (column === 'ctid') return true;
  const facts = tableOf(context.catalog, table);
  if (facts === null || context.catalog === null)
    return /^(id|uuid|pk|key|slug|code)$|_(id|uuid|key)$/.test(column) && column !== 'tenant_id';
  const full = fullName(context.catalog, table, context.catalog.tables);
  return Object.values(context.catalog.indexes).some(
    (index) => index.table === full && index.identifies && index.valid && index.leading === column,
  );
}

/** Rule 21: TRUNCATE. */
export function truncated(context: RuleContext, tree: Node): Finding[] {
  return list(tree, 'relations')
    .map((one) => relation(child(one, 'RangeVar')))
    .filter((table) => !isFresh(context, table))
    .map((table) =>
      isAppendOnly(context, table)
        ? events(table)
        : finding(21, 'loss', `every row of ${written(table)} is gone for good`, 'Contract phase with approval and a restore point'),
    );
}

/** Series of constants that are no longer than a batch make few rows, too. */
function isLongSeries(node: Node): boolean {
  return [...walk(node)].some(({ key, node: call }) => {
    if (key !== 'FuncCall' || operatorOf(list(call, 'funcname').slice(-1)) !== 'generate_series') return false;
    const [from, to] = list(call, 'args').map(literalNumber);
    return from == null || to == null || to - from >= MOST_ROWS;
  });
}

/** Rule 18: INSERT … SELECT of as many rows as there are. */
export function copiedRows(context: RuleContext, kind: string, tree: Node): Finding[] {
  const select = child(child(tree, 'selectStmt'), 'SelectStmt');
  if (kind !== 'InsertStmt' || !Object.hasOwn(tree, 'selectStmt') || has(select, 'valuesLists')) return [];
  const target = relation(child(tree, 'relation'));
  const sources = relationsRead(tree).filter(
    (name) => !isFresh(context, name) && !name.name.startsWith('pg_') && name.schema !== 'information_schema',
  );
  const [source] = sources;
  const isSeries = source === undefined && isLongSeries(select);
  if ((source === undefined && !isSeries) || hasSmallLimit(select)) return [];
  if (has(select, 'whereClause') && sources.some((name) => isBounded(context, name, select['whereClause']))) return [];
  // An aggregate without GROUP BY is one row.
  if (!isSeries && !has(select, 'groupClause') && isAggregate(select)) return [];
  const what = source === undefined ? 'a long series' : `all that it finds in ${written(source)}`;
  const found = finding(
    18,
    'lock',
    `one transaction copies ${what} into ${written(target)}: it takes as long as there are rows, and nothing is cleaned up meanwhile`,
    BATCHES,
  );
  return [isFresh(context, target) ? { ...found, stops: false } : found];
}

function isAggregate(select: Node): boolean {
  const calls = list(select, 'targetList').flatMap((one) => [...walk(one)].filter(({ key }) => key === 'FuncCall'));
  return calls.some(
    ({ node }) =>
      /^(count|min|max|sum|avg|bool_and|bool_or|string_agg|array_agg|jsonb?_agg)$/.test(operatorOf(list(node, 'funcname').slice(-1))) &&
      !has(node, 'over'),
  );
}
