import { type UnknownBase, unknownBaseText } from './base.ts';
import type { ContentKind, ReadReport, ReportContent } from './contents.ts';
import type { SourceFile } from './duplication.ts';
import type { NewLines } from './new-lines.ts';
import type { GateResult } from './report.ts';

/** Everything that gates judge by. */
export interface Material {
  /** Paths in them are inside the workspace already. */
  readonly reports: readonly ReadReport[];
  /** New lines of the app, or why they cannot be known. */
  readonly newLines: NewLines | UnknownBase;
  /** The app's own sources. */
  readonly sources: readonly SourceFile[];
  /** Metrics as they were when all gates last passed. */
  readonly previous: Readonly<Record<string, number>>;
  /** ms since epoch */
  readonly now: number;
}

export function contentsOf<Kind extends ContentKind>(
  reports: readonly ReadReport[],
  kind: Kind,
): Extract<ReportContent, { readonly kind: Kind }>[] {
  return reports.flatMap((report) =>
    'content' in report && report.content.kind === kind ? [report.content as Extract<ReportContent, { readonly kind: Kind }>] : [],
  );
}

/** Places that a gate's details name at most. */
const DETAILS = 20;

export function gate(
  name: string,
  result: GateResult['result'],
  message: string,
  more: { value?: number | null; limit?: number | null; details?: readonly string[] } = {},
): GateResult {
  const details = more.details ?? [];
  const rest = details.length - DETAILS;
  return {
    gate: name,
    result,
    message,
    value: more.value ?? null,
    limit: more.limit ?? null,
    details: rest > 0 ? [...details.slice(0, DETAILS), `and ${rest} more`] : details,
  };
}

/** `12.3 %`; never rounded to the other side of a limit. */
export function percent(value: number): string {
  return `${Math.floor(value * 10) / 10} %`;
}

/** The same for what must stay below. */
export function percentUp(value: number): string {
  return `${Math.ceil(Number((value * 10).toFixed(9))) / 10} %`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/**
 * A gate of new things whose base is not known: it passes only where no choice of new lines could fail it (`isSure`), for the
 * reason given, and fails otherwise.
 */
export function gateWithoutBase(
  name: string,
  base: UnknownBase,
  isSure: boolean,
  because: string,
  limit: number | null = null,
): GateResult {
  return isSure ? gate(name, 'passed', because, { limit }) : gate(name, 'failed', unknownBaseText(base), { limit });
}
