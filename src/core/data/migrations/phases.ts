import type { JudgedStatement } from './classify.ts';
import { needsNoTransaction } from './classify.ts';
import type { Directives, MigrationFile } from './files.ts';
import type { Finding } from './finding.ts';
import type { Phase } from './record.ts';
import { forbiddenSettings } from './rules/session.ts';

/** A pending file with what was found out about it. */
export interface PlannedMigration {
  readonly file: MigrationFile;
  readonly directives: Directives;
  readonly phase: Phase;
  readonly statements: readonly JudgedStatement[];
  /** It runs outside a transaction: its one statement allows nothing else. */
  readonly alone: boolean;
  /** Why it may not run as it is, one sentence each; empty when it may. */
  readonly refusals: readonly string[];
  /** Somebody has to agree before it runs. */
  readonly needsApproval: boolean;
}

/** When a file may run, by what its statements do. Pure. */
export function planMigration(file: MigrationFile, directives: Directives, statements: readonly JudgedStatement[]): PlannedMigration {
  const allowed = new Set(directives.allowed.map(({ rule }) => rule));
  const open = statements.flatMap((one) =>
    one.findings.filter((found) => found.stops && !allowed.has(found.rule)).map((found) => ({ ...one, found })),
  );
  const some = (hazard: Finding['hazard']): boolean => open.some(({ found }) => found.hazard === hazard);
  const isBackfill = directives.backfill !== null;
  const alone = file.noTransaction || statements.some(({ statement }) => needsNoTransaction(statement));
  const phase: Phase = isBackfill ? 'backfill' : directives.contract || some('breaks') || some('loss') ? 'contract' : 'expand';
  const locks = isBackfill ? [] : open.filter(({ found }) => found.hazard === 'lock');
  const refusals = [
    ...locks.map(
      ({ statement, found }) =>
        `line ${statement.line}: ${found.message} (rule ${found.rule})${found.safe === null ? '' : `. Instead: ${found.safe}`}`,
    ),
    ...shapeOf(file, directives, statements, alone),
    ...statements.flatMap(({ statement, trace }) =>
      trace?.error == null || isBackfill ? [] : [`line ${statement.line}: fails on the scratch clone: ${trace.error}`],
    ),
  ];
  return { file, directives, phase, statements, alone, refusals, needsApproval: phase === 'contract' || some('manual') };
}

/** What no file may look like, whatever it does. */
function shapeOf(file: MigrationFile, directives: Directives, statements: readonly JudgedStatement[], alone: boolean): string[] {
  const control = statements.find(({ statement }) => statement.kind === 'TransactionStmt');
  const real = statements.filter(({ statement }) => statement.kind !== 'VariableSetStmt');
  const problems: string[] = [];
  for (const { statement } of statements)
    for (const one of [statement, ...statement.nested])
      problems.push(...forbiddenSettings(one).map((problem) => `line ${statement.line}: ${problem}`));
  if (control !== undefined)
    problems.push(`line ${control.statement.line}: every file is a transaction of its own; take BEGIN and COMMIT out`);
  if (alone && real.length > 1) problems.push('a statement that runs outside a transaction must stand alone in its file');
  for (const { statement } of statements)
    if (statement.kind === 'IndexStmt' && statement.tree['concurrent'] === true && statement.tree['idxname'] === undefined)
      problems.push(`line ${statement.line}: give the index a name, so that it can be found again when the build is cut off`);
  if (directives.backfill !== null) {
    const [first, ...more] = real;
    if (first === undefined || more.length > 0) problems.push('a backfill is one statement');
    if (!file.sql.includes(':from') || !file.sql.includes(':to'))
      problems.push('a backfill names its batch: WHERE key BETWEEN :from AND :to');
  }
  return problems;
}
