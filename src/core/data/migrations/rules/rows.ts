import { child, has, list, type Node, relation, type RelationName, str, walk, written } from '../ast.ts';
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

/** The condition names the rows by key: a value, a list, a range with both ends, or a subquery with LIMIT. */
function isBounded(context: RuleContext, table: RelationName, where: unknown): boolean {
  const terms = conjunction(where);
  let [low, high] = [new Set<string>(), new Set<string>()];
  for (const term of terms) {
    const bound = boundOf(context, table, term);
    if (bound === null) continue;
    if (bound.kind === 'both') return true;
    (bound.kind === 'low' ? low : high).add(bound.column);
  }
  return [...low].some((column) => high.has(column));
}

function conjunction(where: unknown): Node[] {
  const bool = child(where, 'BoolExpr');
  if (str(bool, 'boolop') === 'AND_EXPR') return list(bool, 'args').flatMap(conjunction);
  return [where as Node];
}

function boundOf(context: RuleContext, table: RelationName, term: Node): { kind: 'low' | 'high' | 'both'; column: string } | null {
  const link = child(term, 'SubLink');
  if (has(term, 'SubLink')) {
    const column = columnOf(link['testexpr']);
    const hasLimit = has(child(child(link, 'subselect'), 'SelectStmt'), 'limitCount');
    return column !== null && hasLimit ? { kind: 'both', column } : null;
  }
  const comparison = child(term, 'A_Expr');
  if (!has(term, 'A_Expr')) return null;
  const operator = list(comparison, 'name')
    .map((one) => str(child(one, 'String'), 'sval'))
    .join('');
  const left = columnOf(comparison['lexpr']);
  const right = columnOf(comparison['rexpr']);
  const column = left ?? right;
  if (column === null || (left !== null && right !== null) || !isKey(context, table, column)) return null;
  const flipped = left === null;
  switch (str(comparison, 'kind')) {
    case 'AEXPR_BETWEEN':
    case 'AEXPR_IN':
    case 'AEXPR_OP_ANY':
      return operator.startsWith('<') ? null : { kind: 'both', column };
    default:
  }
  if (operator === '=') return { kind: 'both', column };
  if (operator === '>' || operator === '>=') return { kind: flipped ? 'high' : 'low', column };
  if (operator === '<' || operator === '<=') return { kind: flipped ? 'low' : 'high', column };
  return null;
}

function columnOf(node: unknown): string | null {
  const fields = list(child(node, 'ColumnRef'), 'fields');
  return str(child(fields.at(-1) ?? {}, 'String'), 'sval') || null;
}

/** The column that an index can find few rows by: the first of the primary key or of a unique index. */
function isKey(context: RuleContext, table: RelationName, column: string): boolean {
  if (column === 'ctid') return true;
  const facts = tableOf(context.catalog, table);
  if (facts === null || context.catalog === null)
    return /^(id|uuid|pk|key|slug|code)$|_(id|uuid|key)$/.test(column) && column !== 'tenant_id';
  const full = fullName(context.catalog, table, context.catalog.tables);
  return Object.values(context.catalog.indexes).some(
    (index) => index.table === full && index.unique && index.valid && index.leading === column,
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
