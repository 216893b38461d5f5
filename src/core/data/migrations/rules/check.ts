import {
  type Block,
  calls,
  child,
  flag,
  list,
  type Node,
  relation,
  relationsRead,
  type RelationName,
  type Statement,
  str,
  written,
} from '../ast.ts';
import { type Finding, finding, guess } from '../finding.ts';
import { isFresh, type RuleContext } from '../settings.ts';
import { alterTable } from './alter-table.ts';
import {
  alteredDomain,
  alteredEnum,
  createdFunction,
  createdIndex,
  createdPolicy,
  createdTrigger,
  dropped,
  granted,
  isMadeByPlan,
  movedSchema,
  reindexed,
  renamed,
} from './objects.ts';
import { changedRows, copiedRows, truncated } from './rows.ts';
import { changedSettings } from './session.ts';

/** Statements that reach beyond the schema of this database (rule 24). */
const MANUAL: Readonly<Record<string, string>> = {
  CreateExtensionStmt: 'an extension belongs to the whole database and may need a superuser',
  AlterExtensionStmt: 'an extension belongs to the whole database and may need a superuser',
  AlterExtensionContentsStmt: 'an extension belongs to the whole database and may need a superuser',
  AlterSystemStmt: 'ALTER SYSTEM changes the server for everybody',
  CreateRoleStmt: 'roles belong to the whole server',
  AlterRoleStmt: 'roles belong to the whole server',
  AlterRoleSetStmt: 'roles belong to the whole server',
  DropRoleStmt: 'roles belong to the whole server',
  GrantRoleStmt: 'memberships belong to the whole server',
  ReassignOwnedStmt: 'everything a role owns changes hands',
  AlterDefaultPrivilegesStmt: 'default privileges change what later migrations make',
  AlterDatabaseStmt: 'it changes the whole database',
  AlterDatabaseSetStmt: 'it changes the whole database',
  CreatedbStmt: 'a database is not part of a schema',
  CreateTableSpaceStmt: 'tablespaces belong to the server',
  DropTableSpaceStmt: 'tablespaces belong to the server',
  CreateSubscriptionStmt: 'replication reaches beyond the database',
  AlterSubscriptionStmt: 'replication reaches beyond the database',
  DropSubscriptionStmt: 'replication reaches beyond the database',
  CreatePublicationStmt: 'replication reaches beyond the database',
  AlterPublicationStmt: 'replication reaches beyond the database',
  CreateEventTrigStmt: 'it fires for every statement of everybody',
  AlterEventTrigStmt: 'it fires for every statement of everybody',
  CreateForeignServerStmt: 'it reaches another server',
  CreateUserMappingStmt: 'it reaches another server',
  CreateFdwStmt: 'it reaches another server',
  ImportForeignSchemaStmt: 'it reaches another server',
};

/**
 * What a statement may do to others, by its text and by what is known of the schema. Pure.
 * A statement inside a `DO` block counts as if it stood alone.
 */
export function checkStatement(context: RuleContext, statement: Statement): Finding[] {
  const own = [...byKind(context, statement), ...changedSettings(statement)];
  const nested = statement.nested.flatMap((one) => checkStatement(context, one));
  const unseen = dependsOnRows(context, statement.block);
  if (unseen === null) return unique([...own, ...nested]);
  const message = `which statements it runs depends on ${unseen}, and the clone has none: what it does where there are rows was not seen`;
  // The clone has taken another branch, so that a trace that saw nothing clears no guess.
  const sure = [...own, ...nested].map((one) => ({ ...one, certain: true }));
  return unique([finding(23, 'lock', message, 'Write the statements out, or put what depends on rows into a backfill'), ...sure]);
}

/** What the branches of a body depend on that an empty clone answers differently; null where they depend on the schema alone. */
function dependsOnRows(context: RuleContext, block: Block | null): string | null {
  if (block === null || !block.branches || !block.acts) return null;
  const table = block.reads.find((name) => !isCatalog(name));
  if (table !== undefined) return `the rows of ${written(table)}`;
  const call = block.calls.find((name) => isOwn(context, name));
  if (call !== undefined) return `what ${written(call)} answers`;
  return block.readsSurroundings ? 'what differs from server to server (sizes, statistics, the clock, settings)' : null;
}

function isCatalog({ schema, name }: RelationName): boolean {
  return schema === 'pg_catalog' || schema === 'information_schema' || (schema === null && name.startsWith('pg_'));
}

/** Functions of the user's, whatever they say of themselves. */
function isOwn(context: RuleContext, { schema, name }: RelationName): boolean {
  if (schema === 'pg_catalog') return false;
  return Object.keys(context.catalog?.functions ?? {}).some((signature) => signature.slice(0, signature.indexOf('(')).endsWith(`.${name}`));
}

function byKind(context: RuleContext, { kind, tree, dynamic }: Statement): Finding[] {
  const manual = MANUAL[kind];
  if (manual !== undefined) return [finding(24, 'manual', manual, 'A change of its own, with approval')];
  switch (kind) {
    case 'AlterTableStmt':
      return alterTable(context, tree);
    case 'IndexStmt':
      return createdIndex(context, tree);
    case 'ReindexStmt':
      return reindexed(context, tree);
    case 'DropStmt':
      return dropped(context, tree);
    case 'RenameStmt':
      return renamed(context, tree);
    case 'AlterObjectSchemaStmt':
      return movedSchema(context, tree);
    case 'AlterOwnerStmt':
      if (isMadeByPlan(context, str(tree, 'objectType'), child(tree, 'object'))) return [];
      return [finding(20, 'breaks', 'the old owner loses what an owner may do', 'GRANT what is needed first; contract phase')];
    case 'AlterEnumStmt':
      return alteredEnum(context, tree);
    case 'AlterDomainStmt':
      return alteredDomain(context, tree);
    case 'GrantStmt':
      return granted(tree);
    case 'CreateTrigStmt':
      return createdTrigger(context, tree);
    case 'CreateFunctionStmt':
      return createdFunction(context, tree);
    case 'CreatePolicyStmt':
      return createdPolicy(context, tree);
    case 'AlterPolicyStmt':
    case 'RuleStmt':
      return [finding(20, 'breaks', 'queries of the version that runs mean something else from now on', 'Contract phase')];
    case 'DropdbStmt':
    case 'DropOwnedStmt':
      return [finding(21, 'loss', 'data is gone for good', 'Contract phase with approval and a restore point')];
    case 'TruncateStmt':
      return truncated(context, tree);
    default:
      return upkeep(context, kind, tree, dynamic);
  }
}

function upkeep(context: RuleContext, kind: string, tree: Node, dynamic: boolean): Finding[] {
  switch (kind) {
    case 'VacuumStmt':
      return isFull(tree)
        ? [finding(14, 'lock', 'tables are written anew behind exclusive locks', 'pg_repack or pg_squeeze, outside migrations')]
        : [];
    case 'ClusterStmt':
    case 'RepackStmt':
      return [finding(14, 'lock', 'the table is written anew behind an exclusive lock', 'pg_repack or pg_squeeze, outside migrations')];
    case 'RefreshMatViewStmt': {
      const view = relation(child(tree, 'relation'));
      return flag(tree, 'concurrent') || isFresh(context, view)
        ? []
        : [
            finding(
              15,
              'lock',
              `nobody may read ${written(view)} until it is made anew`,
              `REFRESH MATERIALIZED VIEW CONCURRENTLY ${written(view)} (it needs a unique index)`,
            ),
          ];
    }
    case 'LockStmt':
      return lockedTables(context, tree);
    case 'AlterSeqStmt':
      return alteredSequence(tree);
    case 'CopyStmt':
      return flag(tree, 'is_program')
        ? [finding(24, 'manual', 'COPY runs a program on the server', 'Load data outside migrations')]
        : [...changedRows(context, { CopyStmt: tree }), ...opaqueCalls(context, tree)];
    case 'DoStmt':
      return dynamic
        ? [
            guess(
              23,
              'lock',
              'the block makes up its statements as it runs: nobody can read what it does',
              'Write the statements out; or let the trace look',
            ),
          ]
        : [];
    case 'CallStmt':
      return [
        guess(
          23,
          'lock',
          'a procedure does what its body says, which cannot be seen here',
          'Write the statements out; or let the trace look',
        ),
      ];
    case 'SelectStmt':
      return [...changedRows(context, tree), ...opaqueCalls(context, tree)];
    case 'UpdateStmt':
    case 'DeleteStmt':
    case 'InsertStmt':
    case 'MergeStmt':
      return [...changedRows(context, { [kind]: tree }), ...copiedRows(context, kind, tree), ...opaqueCalls(context, tree)];
    case 'CreateTableAsStmt':
    case 'DeclareCursorStmt':
      return [...changedRows(context, { [kind]: tree }), ...opaqueCalls(context, tree)];
    default:
      return [];
  }
}

function isFull(tree: Node): boolean {
  return list(tree, 'options')
    .map((one) => child(one, 'DefElem'))
    .some((option) => str(option, 'defname') === 'full' && !/^(false|off|0)$/i.test(str(child(child(option, 'arg'), 'String'), 'sval')));
}

function lockedTables(context: RuleContext, tree: Node): Finding[] {
  const mode = Number(tree['mode'] ?? 8);
  const tables = list(tree, 'relations')
    .map((one) => relation(child(one, 'RangeVar')))
    .filter((table) => !isFresh(context, table));
  return tables.length === 0 || mode < SHARE_LOCK
    ? []
    : [
        finding(
          19,
          'lock',
          `${tables.map(written).join(', ')} stay locked until the transaction ends`,
          'Leave it out: every statement takes the lock it needs',
        ),
      ];
}

const SHARE_LOCK = 5;

function alteredSequence(tree: Node): Finding[] {
  const options = list(tree, 'options').map((one) => str(child(one, 'DefElem'), 'defname'));
  const risky = options.filter(
    (name) => ['restart', 'increment', 'maxvalue', 'minvalue', 'start', 'cycle'].includes(name) && name !== 'start',
  );
  return risky.includes('restart') || risky.includes('increment')
    ? [
        finding(
          20,
          'breaks',
          `${written(relation(child(tree, 'sequence')))} gives other numbers than the version that runs expects`,
          'Contract phase',
        ),
      ]
    : [];
}

/** Functions of one's own may do anything, DDL too. Those of a changed table's defaults and triggers are what its writers run anyway. */
function opaqueCalls(context: RuleContext, tree: Node): Finding[] {
  const own = calls(tree).filter((name) => isOpaque(context, name));
  if (own.length === 0) return [];
  // For each row there is, and the clone has none: there the function was never called.
  const table = relationsRead({ tree }).find((name) => !isCatalog(name) && !isFresh(context, name));
  if (table !== undefined)
    return [
      finding(
        23,
        'lock',
        `${own.map(written).join(', ')} runs for rows of ${written(table)}, of which the clone has none: what it does was not seen`,
        'Write the statements out',
      ),
    ];
  return [
    guess(
      23,
      'lock',
      `${own.map(written).join(', ')} may run statements that cannot be seen here`,
      'Write the statements out; or let the trace look',
    ),
  ];
}

const HARMLESS_CALLS =
  /^(set_config|setval|nextval|currval|pg_|now$|count$|max$|min$|coalesce$|lower$|upper$|concat|jsonb?_|to_|array_|string_|gen_random_uuid$|uuid|random$|md5$|sha\d+$|date_|length$|substr|trim|btrim|regexp_|split_part|replace$|generate_series$|unnest$|row_number$|rank$|sum$|avg$|greatest|least|clock_timestamp|statement_timestamp|make_|format|left$|right$|position|encode|decode|digest|crypt|txid_|current_|nullif|abs$|round$|floor$|ceil)/;

function isOpaque(context: RuleContext, { schema, name }: RelationName): boolean {
  if (schema === 'pg_catalog') return false;
  if (context.catalog === null) return !HARMLESS_CALLS.test(name);
  return Object.entries(context.catalog.functions).some(
    ([signature, { volatility }]) => volatility === 'v' && signature.slice(0, signature.indexOf('(')).endsWith(`.${name}`),
  );
}

/** The same thing said twice is said once. */
export function unique(findings: readonly Finding[]): Finding[] {
  const seen = new Set<string>();
  return findings.filter(({ rule, hazard, message }) => {
    const key = `${rule} ${hazard} ${message}`;
    return !seen.has(key) && seen.add(key);
  });
}

/** Tables, views and so on that a statement makes. */
export function madeBy({ kind, tree }: Statement): RelationName[] {
  switch (kind) {
    case 'CreateStmt':
    case 'CreateForeignTableStmt':
      return [relation(child(kind === 'CreateStmt' ? tree : child(tree, 'base'), 'relation'))];
    case 'CreateTableAsStmt':
      return [relation(child(child(tree, 'into'), 'rel'))];
    case 'ViewStmt':
      return [relation(child(tree, 'view'))];
    case 'SelectStmt':
      return Object.keys(child(tree, 'intoClause')).length === 0 ? [] : [relation(child(child(tree, 'intoClause'), 'rel'))];
    default:
      return [];
  }
}
