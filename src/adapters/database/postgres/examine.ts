import type pg from 'pg';
import type { Statement } from '../../../core/data/migrations/ast.ts';
import type { Catalog } from '../../../core/data/migrations/catalog.ts';
import { createJudge, type JudgedStatement, needsNoTransaction } from '../../../core/data/migrations/classify.ts';
import { readCatalog } from './catalog.ts';
import type { Limits } from './limits.ts';
import { withBodies } from './parse.ts';
import { createTracer } from './trace.ts';

export interface ExamineOptions {
  /** Files in the order in which they would run. */
  readonly files: readonly (readonly Statement[])[];
  /** A scratch clone that may be changed; null: judge by the text alone. */
  readonly scratch: pg.Client | null;
  /** What the clone lacks of the schema, the statements that would have made it. */
  readonly missing?: readonly string[];
  /** Indexes of the schema, `schema.name`, that an earlier build left invalid. */
  readonly invalid?: readonly string[];
  /** What to do where there is no clone though there should be one; null or left out: none is expected. */
  readonly untried?: string | null;
  /** The schema as it is, where it is known but there is no clone to try things on. */
  readonly known: Catalog | null;
  readonly appendOnly: readonly string[];
  readonly serverMajor: number;
  readonly limits?: Limits;
  /** Whether a file runs outside a transaction whatever its statements are. */
  readonly isAlone?: (file: number) => boolean;
  /** What the runner writes down about a file at its end. */
  readonly finish?: (client: pg.Client, file: number) => Promise<void>;
  /** False: leave the clone as it was, as far as the statements allow it; for single statements. */
  readonly keep?: boolean;
}

/** What each statement would do, by rules and by trace. Changes the scratch clone, nothing else. */
export async function examine(options: ExamineOptions): Promise<JudgedStatement[][]> {
  const { scratch, finish } = options;
  // Compiling the look at the catalog takes longer than looking.
  await scratch?.query('SET jit = off');
  const start = scratch === null ? options.known : await readCatalog(scratch);
  const { appendOnly, serverMajor, missing = [], untried = null } = options;
  const judge = createJudge({ start, appendOnly, serverMajor, missing, untried });
  const tracer = scratch === null ? null : await createTracer(scratch, options.keep, options.limits, options.invalid);
  let catalog = start;
  const files: JudgedStatement[][] = [];
  for (const [i, statements] of options.files.entries()) {
    judge.begin();
    // Each file is a session of its own, which begins where every session does.
    if (catalog !== null && start !== null) catalog = { ...catalog, searchPath: start.searchPath, timeZone: start.timeZone };
    await tracer?.begin(options.isAlone?.(i) === true || statements.some(needsNoTransaction));
    const judged: JudgedStatement[] = [];
    for (const written of statements) {
      const statement = catalog === null ? written : withBodies(written, catalog);
      const trace = tracer === null || catalog === null ? null : await tracer.run(statement, catalog);
      judged.push(judge.judge(statement, catalog, trace));
      if (trace !== null) catalog = trace.after;
    }
    const error = (await tracer?.end(finish === undefined ? null : (client) => finish(client, i))) ?? null;
    const last = judged.at(-1);
    if (error !== null && last?.trace?.error === null)
      judged.splice(-1, 1, { ...last, trace: { ...last.trace, error: `as the file ends: ${error}` } });
    files.push(judged);
  }
  return files;
}
