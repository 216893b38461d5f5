import { child, has, relationsRead, type Statement } from './ast.ts';
import { fullName } from './catalog.ts';
import { type Finding, finding, type Hazard } from './finding.ts';
import { checkStatement, madeBy, unique } from './rules/check.ts';
import type { RuleContext } from './settings.ts';
import { heldExclusively, judgeTrace, type Trace } from './trace.ts';

/** `additive`: the old version goes on working, and nobody waits. Otherwise the worst that was found. */
export type StatementClass = 'additive' | Hazard;

/** A statement with what both detectors say of it. */
export interface JudgedStatement {
  readonly statement: Statement;
  readonly class: StatementClass;
  readonly findings: readonly Finding[];
  /** Null where there was no clone to look at. */
  readonly trace: Trace | null;
}

const WORST: readonly Hazard[] = ['loss', 'breaks', 'lock', 'manual'];

function worst(findings: readonly Finding[]): StatementClass {
  return WORST.find((hazard) => findings.some((one) => one.hazard === hazard && one.stops)) ?? 'additive';
}

/**
 * Both detectors together: what the rules are sure of, and what the trace saw. Where a rule had to guess, a trace that ran
 * without trouble and saw nothing of the kind counts more.
 */
function judgeStatement(context: RuleContext, statement: Statement, trace: Trace | null, held: string | null): JudgedStatement {
  const rules = checkStatement(context, statement);
  const traced = trace === null ? [] : judgeTrace(context, statement, trace);
  const isSeen = trace !== null && trace.error === null;
  const kept = rules.filter((one) => one.certain || !isSeen || traced.some(({ hazard }) => hazard === one.hazard));
  const own = new Set(kept.filter(({ certain }) => certain).map(({ hazard }) => hazard));
  // The rule's own words say more than the catalog's, and name the way out.
  const added = traced.filter(({ hazard, stops }) => !own.has(hazard) && !(stops === false && kept.some((one) => one.rule === 17)));
  const long = held === null ? null : takesLong(context, statement, trace);
  const holding =
    long === null
      ? []
      : [
          finding(
            19,
            'lock',
            `${long}, while the transaction still holds ${held} exclusively`,
            'A migration of its own, before or after the one that locks the table',
          ),
        ];
  const findings = unique([...kept, ...added, ...holding, ...untraced(context, statement, trace)]);
  return { statement, class: worst(findings), findings, trace };
}

/** What the trace cannot have seen: that nothing was found there is no evidence. */
function untraced(context: RuleContext, statement: Statement, trace: Trace | null): Finding[] {
  if (statement.kind === 'VariableSetStmt' || statement.kind === 'TransactionStmt') return [];
  if (trace === null)
    return context.untried == null
      ? []
      : [finding(23, 'manual', 'it was not tried on a scratch clone, and judged by its text alone', context.untried)];
  const { missing = [] } = context;
  const touched = new Set(
    [...JSON.stringify(statement.tree).matchAll(/"(?:relname|sval|name)":"([^"]{2,})"/g)].map(([, name = '']) => name),
  );
  const isOpaque = statement.block !== null || statement.dynamic;
  const lacking = missing.find((one) => isOpaque || [...one.matchAll(/[\w$]+/g)].some(([word]) => touched.has(word)));
  return lacking === undefined
    ? []
    : [finding(23, 'manual', `the scratch clone lacks what it may concern: ${lacking}`, 'Look into what it does, and approve it')];
}

/** Statements that change the catalog, or nothing: they take as long on a big table as on a small one, unless a rule or the trace says otherwise. */
const QUICK =
  /^(VariableSet|VariableShow|Transaction|Comment|AlterTable|AlterTableMoveAll|Create|CreateTrig|CreateFunction|CreateSeq|AlterSeq|CreateEnum|AlterEnum|CreateDomain|CompositeType|CreateRange|Rename|AlterObjectSchema|AlterOwner|AlterFunction|Drop|Truncate|View|Index|CreatePolicy|AlterPolicy|Grant|AlterDefaultPrivileges|CreateSchema|CreateStats|AlterStats|Define|Rule|CreateExtension|AlterExtension|SecLabel|AlterType|CreateCast|Prepare|Deallocate|ConstraintsSet|AlterObjectDepends|CreatePublication|AlterPublication|Lock|Notify|Listen|Unlisten|Discard)Stmt$/;

/** Why a statement may take as long as there are rows, by its text and what was seen; null where it does not. */
function takesLong(context: RuleContext, statement: Statement, trace: Trace | null): string | null {
  const { kind, tree, nested, dynamic } = statement;
  if (trace !== null && trace.error === null && trace.untried === null) {
    const start = context.start ?? context.catalog;
    const inUse = (name: string): boolean => start?.tables[name] !== undefined && !context.fresh.has(name);
    const read = [...trace.scanned, ...trace.rewritten].find(inUse);
    if (read !== undefined) return `it goes through ${read}`;
  }
  if (kind === 'DoStmt' || kind === 'PrepareStmt')
    return dynamic && trace === null
      ? 'it makes up its statements'
      : (nested.map((one) => takesLong(context, one, null)).find((one) => one !== null) ?? null);
  if (kind === 'InsertStmt' && isValues(tree)) return null;
  if (kind === 'SelectStmt' && nested.length === 0 && relationsRead(tree).length === 0) return null;
  const validates = kind === 'AlterTableStmt' && /"subtype":"AT_(ValidateConstraint|AttachPartition)"/.test(JSON.stringify(tree));
  if (QUICK.test(kind) && !validates) return null;
  if (kind === 'UpdateStmt' || kind === 'DeleteStmt')
    // A few rows by their key are as quick as a change of the catalog.
    return checkStatement(context, statement).some(({ rule }) => rule === 18 || rule === 21) ? 'it changes rows' : null;
  return 'it takes as long as there are rows';
}

function isValues(tree: Statement['tree']): boolean {
  const select = child(child(tree, 'selectStmt'), 'SelectStmt');
  return !has(tree, 'selectStmt') || has(select, 'valuesLists');
}

/** Statements that PostgreSQL only runs outside a transaction: alone in their file. */
export function needsNoTransaction({ kind, tree }: Statement): boolean {
  const params = JSON.stringify(tree['params'] ?? []);
  switch (kind) {
    case 'IndexStmt':
    case 'DropStmt':
      return tree['concurrent'] === true;
    case 'ReindexStmt':
      return params.includes('"concurrently"') || /REINDEX_OBJECT_(SCHEMA|SYSTEM|DATABASE)/.test(String(tree['kind']));
    case 'AlterTableStmt':
      return JSON.stringify(tree['cmds'] ?? []).includes('"concurrent":true');
    case 'VacuumStmt':
      return tree['is_vacuumcmd'] === true;
    case 'AlterSystemStmt':
    case 'CreatedbStmt':
    case 'DropdbStmt':
    case 'CreateTableSpaceStmt':
    case 'DropTableSpaceStmt':
      return true;
    default:
      return false;
  }
}

/** Tables held exclusively after a statement without a trace: what its text alone tells. */
function holdsByText(context: RuleContext, { kind, tree, nested }: Statement): string | null {
  if (kind === 'DoStmt') return nested.map((one) => holdsByText(context, one)).find((one) => one !== null) ?? null;
  const made = new Set(['AlterTableStmt', 'TruncateStmt', 'RenameStmt', 'LockStmt', 'DropStmt', 'ClusterStmt']);
  if (!made.has(kind) || needsNoTransaction({ kind, tree, nested, sql: '', line: 0, dynamic: false, block: null })) return null;
  const text = JSON.stringify(tree);
  if (kind === 'AlterTableStmt' && (!text.includes('"OBJECT_TABLE"') || WEAK.test(text))) return null;
  if (kind === 'RenameStmt' && !/"renameType":"OBJECT_(TABLE|COLUMN|TABCONSTRAINT)"/.test(text)) return null;
  if (kind === 'DropStmt' && !text.includes('"OBJECT_TABLE"') && !text.includes('"OBJECT_INDEX"')) return null;
  const name = /"relname":"([^"]+)"/.exec(text)?.[1] ?? /"sval":"([^"]+)"/.exec(text)?.[1] ?? '';
  const full = fullName(context.catalog, { schema: /"schemaname":"([^"]+)"/.exec(text)?.[1] ?? null, name }, context.catalog?.tables ?? {});
  const start = context.start;
  if (context.fresh.has(full) || (start !== null && start.tables[full] === undefined && kind !== 'DropStmt')) return null;
  return name;
}

/** Subcommands that leave readers and writers alone. */
const WEAK = /"subtype":"AT_(ValidateConstraint|SetStatistics|SetOptions|AttachPartition|SetRelOptions|ResetRelOptions)"/;

/** Judges the statements of one file in order, remembering what is new and what the transaction holds. */
export function createJudge(base: Omit<RuleContext, 'fresh' | 'catalog'>) {
  const fresh = new Set<string>();
  let held: string | null = null;
  return {
    /** A new transaction: nothing is held. */
    begin(): void {
      held = null;
    },
    judge(statement: Statement, catalog: RuleContext['catalog'], trace: Trace | null): JudgedStatement {
      const context: RuleContext = { ...base, catalog, fresh };
      const judged = judgeStatement(context, statement, trace, held);
      for (const name of madeBy(statement)) {
        const full = fullName(catalog, name, catalog?.tables ?? {});
        if (base.start === null ? catalog?.tables[full] === undefined : base.start.tables[full] === undefined) fresh.add(full);
      }
      if (statement.kind === 'TransactionStmt') held = null;
      else if (trace !== null && trace.error === null) held ??= heldExclusively(trace, context)[0] ?? null;
      else held ??= holdsByText(context, statement);
      return judged;
    },
  };
}
