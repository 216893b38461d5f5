import { child, dotted, flag, list, names, type Node, relation, type RelationName, str, written } from '../ast.ts';
import { fullName, tableOf } from '../catalog.ts';
import { type Finding, finding, guess } from '../finding.ts';
import { isAppendOnly, isFresh, isMissing, type RuleContext } from '../settings.ts';

const CONTRACT = 'Contract phase: once no version that uses it has had traffic for the rollback window';

/** DROP of anything. */
export function dropped(context: RuleContext, tree: Node): Finding[] {
  const kind = str(tree, 'removeType');
  const word = kind.replace(/^OBJECT_/, '').toLowerCase();
  const mayBeMissing = flag(tree, 'missing_ok');
  const objects = list(tree, 'objects').filter((object) => !mayBeMissing || !isAbsent(context, kind, object));
  switch (kind) {
    case 'OBJECT_TABLE':
    case 'OBJECT_FOREIGN_TABLE':
      return objects.flatMap((object) => droppedTable(context, nameOf(object), mayBeMissing));
    case 'OBJECT_INDEX':
      return objects.flatMap((object) => droppedIndex(context, nameOf(object), flag(tree, 'concurrent'), mayBeMissing));
    case 'OBJECT_SCHEMA':
      return objects
        .filter((object) => !isMadeByPlan(context, kind, object))
        .map((object) =>
          finding(
            21,
            'loss',
            `schema ${nameOf(object).name} and what is in it are gone for good`,
            'Drop its tables one by one, each in the contract phase',
          ),
        );
    case 'OBJECT_EXTENSION':
      return [
        finding(24, 'manual', 'extensions belong to the whole database and need rights of their own', 'A change of its own, with approval'),
      ];
    case 'OBJECT_STATISTIC_EXT':
      return [];
    case 'OBJECT_PUBLICATION':
    case 'OBJECT_EVENT_TRIGGER':
    case 'OBJECT_FDW':
    case 'OBJECT_FOREIGN_SERVER':
    case 'OBJECT_ACCESS_METHOD':
      return [
        finding(24, 'manual', `dropping a ${word.replaceAll('_', ' ')} reaches beyond the schema`, 'A change of its own, with approval'),
      ];
    default:
      return objects.filter((object) => !isNewObject(context, kind, object)).map((object) => droppedOther(kind, word, object));
  }
}

/** Nobody used it before the plan, because there was none: IF EXISTS then does nothing that concerns anybody. */
function isAbsent(context: RuleContext, kind: string, object: Node): boolean {
  const known = context.start ?? context.catalog;
  if (known === null) return false;
  const name = nameOf(object);
  const isIn = (among: Readonly<Record<string, unknown>>): boolean => among[fullName(known, name, among)] !== undefined;
  switch (kind) {
    case 'OBJECT_SCHEMA':
      return !known.schemas.includes(name.name);
    case 'OBJECT_VIEW':
    case 'OBJECT_MATVIEW':
      return !isIn(known.tables);
    case 'OBJECT_SEQUENCE':
      return !isIn(known.sequences);
    case 'OBJECT_TYPE':
    case 'OBJECT_DOMAIN':
      return !isIn(known.types) && !isIn(known.tables);
    case 'OBJECT_FUNCTION':
    case 'OBJECT_PROCEDURE':
      return !isIn(Object.fromEntries(Object.keys(known.functions).map((one) => [one.slice(0, one.indexOf('(')), true])));
    case 'OBJECT_TRIGGER':
    case 'OBJECT_POLICY': {
      const [trigger = '', table = '', schema = null] = names(list(child(object, 'List'), 'items')).toReversed();
      const facts = tableOf(known, { schema, name: table });
      return facts === null || (kind === 'OBJECT_TRIGGER' ? facts.triggers : facts.policies)[trigger] === undefined;
    }
    default:
      return false;
  }
}

/** It was not there before the plan, so that nothing uses it yet. */
export function isMadeByPlan(context: RuleContext, kind: string, object: Node): boolean {
  return context.start !== null && isAbsent({ ...context, catalog: context.start }, kind, object);
}

function nameOf(object: Node): RelationName {
  if (Object.hasOwn(object, 'List')) return dotted(list(child(object, 'List'), 'items'));
  if (Object.hasOwn(object, 'TypeName')) return dotted(list(child(object, 'TypeName'), 'names'));
  if (Object.hasOwn(object, 'ObjectWithArgs')) return dotted(list(child(object, 'ObjectWithArgs'), 'objname'));
  return { schema: null, name: names([object])[0] ?? '' };
}

function isNewObject(context: RuleContext, kind: string, object: Node): boolean {
  const name = nameOf(object);
  if (isMadeByPlan(context, kind, object)) return true;
  if (kind === 'OBJECT_VIEW' || kind === 'OBJECT_MATVIEW') return isFresh(context, name);
  if (kind !== 'OBJECT_TRIGGER' && kind !== 'OBJECT_POLICY' && kind !== 'OBJECT_RULE') return false;
  // `DROP TRIGGER t ON table`: the table's name comes before the trigger's.
  const parts = names(list(child(object, 'List'), 'items'));
  return isFresh(context, { schema: parts.at(-3) ?? null, name: parts.at(-2) ?? '' });
}

function droppedOther(kind: string, word: string, object: Node): Finding {
  const name = written(nameOf(object));
  if (kind === 'OBJECT_TRIGGER') return finding(17, 'breaks', `the version that runs counts on what trigger ${name} does`, CONTRACT);
  return finding(20, 'breaks', `the version that runs may use ${word.replaceAll('_', ' ')} ${name}`, CONTRACT);
}

function droppedTable(context: RuleContext, name: RelationName, mayBeMissing: boolean): Finding[] {
  if (isFresh(context, name)) return [];
  if (mayBeMissing && isMissing(context, name)) return [];
  if (isAppendOnly(context, name)) return [events(name)];
  const safe = `ALTER TABLE ${written(name)} RENAME TO _dropped_YYYYMMDD_${name.name} in the contract phase, and drop that some days later`;
  return [finding(21, 'loss', `table ${written(name)} and its rows are gone for good`, safe)];
}

export function events(name: RelationName): Finding {
  return finding(
    26,
    'loss',
    `${written(name)} holds events, and those are never changed or removed`,
    'A new event type, and an upcaster for the old one',
  );
}

function droppedIndex(context: RuleContext, name: RelationName, isConcurrent: boolean, mayBeMissing: boolean): Finding[] {
  const indexes = context.catalog?.indexes ?? {};
  const index = indexes[fullName(context.catalog, name, indexes)];
  if (context.catalog !== null && index === undefined && mayBeMissing) return [];
  if (index !== undefined && isFreshTable(context, index.table)) return [];
  const lock = finding(
    13,
    'lock',
    `nobody may read or write the table of ${written(name)} until everybody who uses it is done`,
    `DROP INDEX CONCURRENTLY ${written(name)}, alone in its file`,
  );
  const unique = finding(20, 'breaks', `the version that runs may rely on unique index ${written(name)} in ON CONFLICT`, CONTRACT);
  return [...(isConcurrent ? [] : [lock]), ...(index?.unique === true && index.valid ? [unique] : [])];
}

function isFreshTable(context: RuleContext, full: string): boolean {
  const at = full.indexOf('.');
  return isFresh(context, { schema: full.slice(0, at), name: full.slice(at + 1) });
}

/** RENAME of anything. */
export function renamed(context: RuleContext, tree: Node): Finding[] {
  const kind = str(tree, 'renameType');
  const table = relation(child(tree, 'relation'));
  const from = str(tree, 'subname') || table.name || written(nameOf(child(tree, 'object')));
  const to = str(tree, 'newname');
  const hasTable = table.name !== '';
  if (hasTable ? isFresh(context, table) : isMadeByPlan(context, kind, child(tree, 'object'))) return [];
  const bridge = 'Add under the new name, keep both in step with a trigger or a view, drop the old one in the contract phase';
  const breaks = (what: string): Finding[] => [
    finding(20, 'breaks', `the version that runs asks for ${what} ${from}, which is ${to} from now on`, bridge),
  ];
  switch (kind) {
    case 'OBJECT_INDEX':
    case 'OBJECT_TRIGGER':
    case 'OBJECT_POLICY':
    case 'OBJECT_STATISTIC_EXT':
    case 'OBJECT_RULE':
    case 'OBJECT_DOMCONSTRAINT':
      return [];
    case 'OBJECT_TABCONSTRAINT': {
      const constraint = tableOf(context.catalog, table)?.constraints[from];
      if (constraint === undefined)
        return [guess(20, 'breaks', `the version that runs may name constraint ${from} in ON CONFLICT ON CONSTRAINT`, 'Contract phase')];
      return ['u', 'p', 'x'].includes(constraint.kind) ? breaks('constraint') : [];
    }
    case 'OBJECT_ROLE':
    case 'OBJECT_DATABASE':
    case 'OBJECT_TABLESPACE':
      return [finding(24, 'manual', `renaming ${from} reaches beyond the schema`, 'A change of its own, with approval')];
    default:
      return breaks(
        kind
          .replace(/^OBJECT_/, '')
          .toLowerCase()
          .replaceAll('_', ' '),
      );
  }
}

export function movedSchema(context: RuleContext, tree: Node): Finding[] {
  const table = relation(child(tree, 'relation'));
  if (table.name !== '' && isFresh(context, table)) return [];
  const name = table.name === '' ? written(nameOf(child(tree, 'object'))) : written(table);
  return [
    finding(
      20,
      'breaks',
      `the version that runs looks for ${name} where it is now`,
      'A view under the old name; move it in the contract phase',
    ),
  ];
}

export function alteredEnum(context: RuleContext, tree: Node): Finding[] {
  const old = str(tree, 'oldVal');
  if (old === '' || isNewType(context, list(tree, 'typeName'))) return [];
  return [
    finding(
      20,
      'breaks',
      `the version that runs writes and reads '${old}'`,
      'Add the new value, write it, change old rows in batches; leave the old value',
    ),
  ];
}

/** Measured on 15 and 18: VALIDATE of a domain's constraint holds ShareLock on every table that uses it while it reads them. */
function domainAdvice(name: string): string {
  return `ALTER DOMAIN ${name} ADD CONSTRAINT … NOT VALID, which holds for new values, and leave it so; old rows: CHECK … NOT VALID on the column of each table, and VALIDATE it in a migration of its own`;
}

function isNewType(context: RuleContext, type: readonly Node[]): boolean {
  return isMadeByPlan(context, 'OBJECT_TYPE', { TypeName: { names: type } });
}

/** Rule 25. */
export function alteredDomain(context: RuleContext, tree: Node): Finding[] {
  if (isNewType(context, list(tree, 'typeName'))) return [];
  const name = written(dotted(list(tree, 'typeName')));
  const constraint = child(child(tree, 'def'), 'Constraint');
  switch (str(tree, 'subtype')) {
    case 'C':
    case 'AD_AddConstraint':
      return flag(constraint, 'skip_validation')
        ? []
        : [finding(25, 'lock', `every table that uses ${name} is read while nobody may write to it`, domainAdvice(name))];
    case 'V':
    case 'AD_ValidateConstraint':
      // Harmless where no table uses it, which the trace sees.
      return [guess(25, 'lock', `every table that uses ${name} is read while nobody may write to it`, domainAdvice(name))];
    case 'O':
    case 'AD_SetNotNull':
      return [
        finding(25, 'lock', `every table that uses ${name} is read while nobody may write to it`, domainAdvice(name)),
        finding(8, 'breaks', `the version that runs may still write NULL where the type is ${name}`, null),
      ];
    case 'T':
    case 'AD_AlterDefault':
      return Object.keys(child(tree, 'def')).length > 0
        ? []
        : [finding(20, 'breaks', `INSERTs of the version that runs rely on the default of ${name}`, 'Contract phase')];
    default:
      return [];
  }
}

export function granted(tree: Node): Finding[] {
  if (flag(tree, 'is_grant')) return [];
  return [finding(20, 'breaks', 'the version that runs may need the privilege', 'Contract phase: once no version needs it')];
}

/** Rules 12 and 13. */
export function createdIndex(context: RuleContext, tree: Node): Finding[] {
  const table = relation(child(tree, 'relation'));
  const range = child(tree, 'relation');
  if (isFresh(context, table)) return [];
  const known = tableOf(context.catalog, table);
  const where = written(table);
  const isParent = known?.kind === 'partitioned';
  // ON ONLY a partitioned parent makes an index without rows; that is the safe way.
  if (!flag(range, 'inh') && (isParent || known === null)) return [];
  const perPartition = `CREATE INDEX … ON ONLY ${where}; then CREATE INDEX CONCURRENTLY on each partition, and ALTER INDEX … ATTACH PARTITION`;
  if (flag(tree, 'concurrent'))
    return isParent ? [finding(12, 'lock', `PostgreSQL cannot build an index of partitioned ${where} concurrently`, perPartition)] : [];
  if (
    flag(tree, 'if_not_exists') &&
    context.catalog?.indexes[`${fullName(context.catalog, table, context.catalog.tables).split('.')[0]}.${str(tree, 'idxname')}`] !==
      undefined
  )
    return [];
  const unique = flag(tree, 'unique') ? 'UNIQUE ' : '';
  return [
    finding(
      12,
      'lock',
      `nobody may write to ${where} while the index is built`,
      isParent ? perPartition : `CREATE ${unique}INDEX CONCURRENTLY ${str(tree, 'idxname')} ON ${where} (…), alone in its file`,
    ),
  ];
}

export function reindexed(context: RuleContext, tree: Node): Finding[] {
  if (list(tree, 'params').some((one) => str(child(one, 'DefElem'), 'defname') === 'concurrently')) return [];
  const target = relation(child(tree, 'relation'));
  if (target.name !== '' && isFresh(context, target)) return [];
  return [
    finding(
      13,
      'lock',
      `nobody may write to the table of ${written(target) || str(tree, 'name')} while the index is built`,
      'REINDEX … CONCURRENTLY, alone in its file',
    ),
  ];
}

export function createdTrigger(context: RuleContext, tree: Node): Finding[] {
  const table = relation(child(tree, 'relation'));
  if (isFresh(context, table)) return [];
  return [
    {
      ...finding(
        17,
        'breaks',
        `writes of the version that runs go through the new trigger on ${written(table)}`,
        'Only triggers that keep old and new shape in step; never one that refuses what the old version writes',
      ),
      stops: false,
    },
  ];
}

/** CREATE OR REPLACE of a function that is there already. */
export function createdFunction(context: RuleContext, tree: Node): Finding[] {
  if (!flag(tree, 'replace')) return [];
  const name = dotted(list(tree, 'funcname'));
  if (context.catalog === null)
    return [guess(20, 'breaks', `the version that runs may call ${written(name)} and expect what it does now`, 'A function of a new name')];
  const prefix = fullName(
    context.catalog,
    name,
    Object.fromEntries(Object.keys(context.catalog.functions).map((one) => [one.slice(0, one.indexOf('(')), true])),
  );
  const known = Object.keys(context.catalog.functions).filter((one) => one.slice(0, one.indexOf('(')) === prefix);
  if (known.length === 0) return [];
  if (context.start !== null && !known.some((one) => context.start?.functions[one] !== undefined)) return [];
  return [guess(20, 'breaks', `the version that runs may call ${written(name)} and expect what it does now`, 'A function of a new name')];
}

export function createdPolicy(context: RuleContext, tree: Node): Finding[] {
  const table = relation(child(tree, 'table'));
  if (isFresh(context, table)) return [];
  const isPermissive = flag(tree, 'permissive');
  if (isPermissive || tableOf(context.catalog, table)?.rowSecurity === false) return [];
  return [finding(20, 'breaks', `rows of ${written(table)} vanish for the version that runs`, 'Contract phase')];
}
