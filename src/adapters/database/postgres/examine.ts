import type pg from 'pg';
import type { Statement } from '../../../core/data/migrations/ast.ts';
import type { Catalog } from '../../../core/data/migrations/catalog.ts';
import { createJudge, type JudgedStatement } from '../../../core/data/migrations/classify.ts';
import { readCatalog } from './catalog.ts';
import { traceStatement } from './trace.ts';

export interface ExamineOptions {
  /** Files in the order in which they would run. */
  readonly files: readonly (readonly Statement[])[];
  /** A scratch clone that may be changed; null: judge by the text alone. */
  readonly scratch: pg.Client | null;
  /** The schema as it is, where it is known but there is no clone to try things on. */
  readonly known: Catalog | null;
  readonly appendOnly: readonly string[];
  readonly serverMajor: number;
  /** False: leave the clone as it was, as far as the statements allow it; for single statements. */
  readonly keep?: boolean;
}

/** What each statement would do, by rules and by trace. Changes the scratch clone, nothing else. */
export async function examine(options: ExamineOptions): Promise<JudgedStatement[][]> {
  const { scratch } = options;
  // Compiling the look at the catalog takes longer than looking.
  await scratch?.query('SET jit = off');
  const start = scratch === null ? options.known : await readCatalog(scratch);
  const judge = createJudge({ start, appendOnly: options.appendOnly, serverMajor: options.serverMajor });
  let catalog = start;
  const files: JudgedStatement[][] = [];
  for (const statements of options.files) {
    judge.begin();
    const judged: JudgedStatement[] = [];
    for (const statement of statements) {
      const trace = scratch === null || catalog === null ? null : await traceStatement(scratch, statement, catalog, options.keep);
      judged.push(judge.judge(statement, catalog, trace));
      if (trace !== null) catalog = trace.after;
    }
    files.push(judged);
  }
  return files;
}
