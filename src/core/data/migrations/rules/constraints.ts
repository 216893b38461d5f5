import { child, flag, list, names, type Node, relation, str, type RelationName, written } from '../ast.ts';
import { fullName, isProvenNotNull, tableOf } from '../catalog.ts';
import { type Finding, finding, guess } from '../finding.ts';
import type { RuleContext } from '../settings.ts';
import { requiredColumn } from './columns.ts';

/** Rules 10 and 11: a constraint on a table in use. */
export function addedConstraint(context: RuleContext, table: RelationName, constraint: Node): Finding[] {
  const name = str(constraint, 'conname') || '…';
  const where = written(table);
  const alter = `ALTER TABLE ${where}`;
  const unchecked = flag(constraint, 'skip_validation') || !flag(constraint, 'is_enforced');
  switch (str(constraint, 'contype')) {
    case 'CONSTR_CHECK':
      return unchecked
        ? []
        : [
            finding(
              10,
              'lock',
              `every row of ${where} is checked behind an exclusive lock`,
              `${alter} ADD CONSTRAINT ${name} CHECK (…) NOT VALID; then, in a migration of its own, ${alter} VALIDATE CONSTRAINT ${name}`,
            ),
          ];
    case 'CONSTR_FOREIGN':
      return unchecked
        ? []
        : [
            finding(
              10,
              'lock',
              `every row of ${where} is looked up in ${written(relation(child(constraint, 'pktable')))} while nobody may write to either`,
              `${alter} ADD CONSTRAINT ${name} FOREIGN KEY (…) REFERENCES … NOT VALID; then, in a migration of its own, ${alter} VALIDATE CONSTRAINT ${name}`,
            ),
          ];
    case 'CONSTR_NOTNULL': {
      const [column = ''] = names(list(constraint, 'keys'));
      return unchecked ? [] : requiredColumn(context, table, column, isProvenNotNull(tableOf(context.catalog, table), column));
    }
    case 'CONSTR_UNIQUE':
    case 'CONSTR_PRIMARY':
      return uniqueConstraint(context, table, constraint);
    case 'CONSTR_EXCLUSION':
      return [
        finding(
          11,
          'lock',
          `the index of the exclusion is built behind an exclusive lock on ${where}`,
          'There is no online way: a new table with the constraint, and a copy',
        ),
      ];
    default:
      return [];
  }
}

function uniqueConstraint(context: RuleContext, table: RelationName, constraint: Node): Finding[] {
  const where = written(table);
  const isPrimary = str(constraint, 'contype') === 'CONSTR_PRIMARY';
  const columns = names(list(constraint, 'keys'));
  const kind = isPrimary ? 'PRIMARY KEY' : 'UNIQUE';
  const index = str(constraint, 'indexname');
  if (index === '') {
    const name = str(constraint, 'conname') || `${table.name}_${isPrimary ? 'pkey' : `${columns.join('_')}_key`}`;
    const safe = `CREATE UNIQUE INDEX CONCURRENTLY ${name} ON ${where} (${columns.join(', ')}); then ALTER TABLE ${where} ADD CONSTRAINT ${name} ${kind} USING INDEX ${name}`;
    return [
      finding(
        11,
        'lock',
        `the index is built behind an exclusive lock on ${where}`,
        isPrimary ? `${safe}; its columns must be NOT NULL before (rule 8)` : safe,
      ),
    ];
  }
  const known = tableOf(context.catalog, table);
  if (!isPrimary || known === null) return [];
  const leading =
    context.catalog?.indexes[fullName(context.catalog, { schema: table.schema, name: index }, context.catalog.indexes)]?.leading ?? null;
  if (leading === null || isProvenNotNull(known, leading)) return [];
  return [
    finding(
      11,
      'lock',
      `${leading} may be NULL, so every row of ${where} is looked at behind an exclusive lock`,
      `Make ${leading} NOT NULL first (rule 8)`,
    ),
  ];
}

/** Rule 20: a constraint goes. A statement that relies on it for ON CONFLICT fails; a check or a foreign key only allows more. */
export function droppedConstraint(context: RuleContext, table: RelationName, name: string): Finding[] {
  const known = tableOf(context.catalog, table);
  const where = `${written(table)}.${name}`;
  const message = `the version that runs may name ${where}, or its columns, in ON CONFLICT`;
  const safe = 'Contract phase';
  if (known !== null) {
    const kind = known.constraints[name]?.kind;
    return kind === 'p' || kind === 'u' || kind === 'x' ? [finding(20, 'breaks', message, safe)] : [];
  }
  if (/(_key|_pkey|_pk|_uq|_uniq|_unique|_excl)$|^(uq|uniq|unique|pk)_/i.test(name)) return [finding(20, 'breaks', message, safe)];
  return /(_check|_fkey|_fk|_chk|_not_null|_nn)$|^(chk|check|ck|fk|nn)_/i.test(name)
    ? []
    : [guess(20, 'breaks', `${message}, if it is a unique one`, safe)];
}
