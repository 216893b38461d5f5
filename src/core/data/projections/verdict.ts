import type { ExpectedDifferences } from './definition.ts';
import type { Columns } from './shape.ts';

/** Rows that two versions have at the same point of the log, compared column by column. */
export interface Comparison {
  readonly rowsBefore: number;
  readonly rowsAfter: number;
  /** Order-independent checksums over the columns that must be equal; where rows may come and go, of the rows that both have. */
  readonly checksumBefore: string;
  readonly checksumAfter: string;
  /** Some keys that differ, with the columns; empty when none do. */
  readonly sample: readonly Difference[];
}

export interface Difference {
  readonly key: string;
  readonly columns: readonly string[];
  readonly before: string | null;
  readonly after: string | null;
}

/** Rows made anew from their events alone, held against the stored ones. */
export interface Refold {
  readonly rows: number;
  readonly events: number;
  readonly differing: readonly Difference[];
}

export interface Verdict {
  readonly passed: boolean;
  /** One sentence each; empty when passed. */
  readonly reasons: readonly string[];
  /** What is known to differ and was declared. */
  readonly expected: readonly string[];
}

/** The columns of the new version that must be as they were in the old one. */
export function comparable(before: Columns, after: Columns, changes: ExpectedDifferences | undefined): string[] {
  return Object.keys(after).filter((name) => before[name] === after[name] && changes?.columns?.includes(name) !== true);
}

export interface Evidence {
  /** Null: there was no version before it. */
  readonly comparison: Comparison | null;
  readonly refold: Refold | null;
  readonly changes: ExpectedDifferences | undefined;
  /** Events that could not be applied. */
  readonly deadLetters: number;
  /** Whether there are events at all: without any, an empty read model is right. */
  readonly hasEvents: boolean;
}

/** No data is never success: what nothing could be held against has not passed. */
export function verdictOf({ comparison, refold, changes, deadLetters, hasEvents }: Evidence): Verdict {
  const reasons: string[] = [];
  const expected: string[] = [];
  if (comparison !== null) {
    const rowsDiffer = comparison.rowsBefore !== comparison.rowsAfter;
    if (rowsDiffer && changes?.rows === true)
      expected.push(`${comparison.rowsBefore} rows before, ${comparison.rowsAfter} now: ${changes.reason}`);
    else if (rowsDiffer) reasons.push(`the version before has ${comparison.rowsBefore} rows, this one ${comparison.rowsAfter}`);
    const valuesDiffer = comparison.checksumBefore !== comparison.checksumAfter;
    if (valuesDiffer && comparison.sample.length > 0) reasons.push(`rows differ where they must not: ${describe(comparison.sample)}`);
    else if (valuesDiffer) reasons.push('the checksums differ');
    if (changes?.columns !== undefined && changes.columns.length > 0) expected.push(`${changes.columns.join(', ')}: ${changes.reason}`);
  }
  if (refold !== null && refold.differing.length > 0) reasons.push(`rows are not what their events say: ${describe(refold.differing)}`);
  if (hasEvents && (refold === null || refold.rows === 0) && (comparison === null || comparison.rowsAfter === 0))
    reasons.push('there was nothing to hold it against');
  if (deadLetters > 0) reasons.push(`${deadLetters} events could not be applied`);
  return { passed: reasons.length === 0, reasons, expected };
}

function describe(sample: readonly Difference[]): string {
  const [first] = sample;
  if (first === undefined) return '';
  const others = sample.length > 1 ? ` and ${sample.length - 1} more` : '';
  return `${first.key} (${first.columns.join(', ') || 'the whole row'}): ${first.before ?? 'nothing'} → ${first.after ?? 'nothing'}${others}`;
}
