import type { Statement } from './ast.ts';
import type { Catalog } from './catalog.ts';
import { judgeChanges, seen } from './changes.ts';
import { type Finding, finding } from './finding.ts';
import { unique } from './rules/check.ts';
import type { RuleContext } from './settings.ts';

/** What a statement was seen to do on a scratch clone. */
export interface Trace {
  /** Relation (`schema.name`; of an index: its table's) → the strongest lock it took on it, as pg_locks names it. */
  readonly locks: Readonly<Record<string, string>>;
  /** The same with what earlier statements of the transaction hold. */
  readonly held: Readonly<Record<string, string>>;
  /** Relations whose file was written anew; of an index: its table's name. */
  readonly rewritten: readonly string[];
  /** Relations read from end to end. */
  readonly scanned: readonly string[];
  /** The schema afterwards. */
  readonly after: Catalog;
  /** Why it failed; null when it did not. */
  readonly error: string | null;
  /** Why it was not tried, or not wholly; null when it was. */
  readonly untried: string | null;
  /** It wrote what belongs to the whole server (roles, databases), which was taken back at once. */
  readonly reaches: boolean;
  /** Time on the clone, ms. */
  readonly tookMs: number;
}

/** PostgreSQL's lock modes, weakest first. */
const MODES = [
  'AccessShareLock',
  'RowShareLock',
  'RowExclusiveLock',
  'ShareUpdateExclusiveLock',
  'ShareLock',
  'ShareRowExclusiveLock',
  'ExclusiveLock',
  'AccessExclusiveLock',
];
const SHARE = MODES.indexOf('ShareLock');
const ROW_EXCLUSIVE = MODES.indexOf('RowExclusiveLock');

export function lockStrength(mode: string | undefined): number {
  return mode === undefined ? -1 : MODES.indexOf(mode);
}

/** Names of the relations of `start` that the trace holds with a lock that keeps everybody out. */
export function heldExclusively(trace: Trace, context: RuleContext): string[] {
  const start = context.start ?? context.catalog;
  return Object.entries(trace.held)
    .filter(([name, mode]) => mode === 'AccessExclusiveLock' && start?.tables[name] !== undefined)
    .map(([name]) => name);
}

/** What the trace says of a statement, by itself. Pure. */
export function judgeTrace(context: RuleContext, statement: Statement, trace: Trace): Finding[] {
  if (trace.untried !== null)
    return [seen(finding(trace.reaches ? 24 : 23, 'manual', trace.untried, 'Look into what it does, and approve it'))];
  if (trace.error !== null) return [];
  const isPatient = statement.kind === 'RefreshMatViewStmt' && statement.tree['concurrent'] === true;
  const start = context.start ?? context.catalog;
  const found: Finding[] = [];
  if (trace.reaches)
    found.push(
      seen(
        finding(
          24,
          'manual',
          'it changes what belongs to the whole server (a role, a database, a setting)',
          'A change of its own, with approval',
        ),
      ),
    );
  for (const [name, mode] of Object.entries(trace.held)) {
    if (start?.tables[name] === undefined || context.fresh.has(name)) continue;
    const strength = lockStrength(mode);
    const rewritten = trace.rewritten.includes(name);
    const scanned = trace.scanned.includes(name);
    // REFRESH … CONCURRENTLY keeps only other refreshes out.
    if (strength >= SHARE && (rewritten || scanned) && !isPatient)
      found.push(seen(finding(ruleOf(statement), 'lock', hazard(name, mode, rewritten), null)));
    else if (isHidden(statement) && strength >= ROW_EXCLUSIVE && scanned)
      found.push(
        seen(finding(18, 'lock', `the statement goes through all of ${name} and changes rows in one transaction`, 'A batched backfill')),
      );
    // TRUNCATE builds the indexes of nothing anew, which counts as reading it.
    if (isHidden(statement) && rewritten && (!scanned || /\btruncate\b/i.test(statement.sql)))
      found.push(
        seen(finding(21, 'loss', `${name} was emptied, or moved to a new file unread`, 'Contract phase with approval and a restore point')),
      );
  }
  // Who detaches a partition by name means its rows to go.
  const changes = judgeChanges(context, trace.after).filter(({ rule }) => rule !== 16 || isHidden(statement));
  return unique([...found, ...changes]);
}

function hazard(name: string, mode: string, isRewritten: boolean): string {
  const what = isRewritten ? 'written anew' : 'read from end to end';
  return `${name} is ${what} while ${mode === 'AccessExclusiveLock' ? 'nobody may read or write it' : 'nobody may write to it'} (${mode})`;
}

function isHidden({ kind }: Statement): boolean {
  return kind === 'DoStmt' || kind === 'CallStmt' || kind === 'SelectStmt';
}

function ruleOf(statement: Statement): number {
  if (isHidden(statement)) return 23;
  switch (statement.kind) {
    case 'IndexStmt':
      return 12;
    case 'ReindexStmt':
      return 13;
    case 'RefreshMatViewStmt':
      return 15;
    case 'AlterDomainStmt':
      return 25;
    default:
      return 19;
  }
}
