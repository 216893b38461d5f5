import type { Annotation } from '../../../core/source-control/report-types.ts';

/** What GitHub takes, by its documentation; the description of its API does not enforce all of it. */
export const LIMITS = {
  annotationsPerRequest: 50,
  /** Ours: beyond this a person reads the report, not the margin. */
  annotations: 500,
  summary: 65_535,
  comment: 65_536,
  description: 140,
  annotationMessage: 65_536,
  annotationTitle: 255,
  payload: 65_536,
} as const;

/** Text cut to a length in UTF-16 units without splitting a character, and saying so. */
export function cut(text: string, most: number, said = '…'): string {
  if (text.length <= most) return text;
  const end = most - said.length;
  const splits = /[\uD800-\uDBFF]/.test(text.charAt(end - 1));
  return text.slice(0, splits ? end - 1 : end) + said;
}

export interface GithubAnnotation {
  readonly path: string;
  readonly start_line: number;
  readonly end_line: number;
  readonly annotation_level: Annotation['level'];
  readonly message: string;
  readonly title?: string;
}

/** The most severe first, in requests of as many as GitHub takes. */
export function annotationBatches(annotations: readonly Annotation[]): GithubAnnotation[][] {
  const rank = { failure: 0, warning: 1, notice: 2 } as const;
  const taken = annotations.toSorted((a, b) => rank[a.level] - rank[b.level]).slice(0, LIMITS.annotations);
  const all = taken.map(({ path, startLine, endLine, level, message, title }): GithubAnnotation => ({
    path,
    start_line: Math.max(1, startLine),
    end_line: Math.max(1, startLine, endLine),
    annotation_level: level,
    message: cut(message === '' ? '(no message)' : message, LIMITS.annotationMessage),
    ...(title === null ? {} : { title: cut(title, LIMITS.annotationTitle) }),
  }));
  const batches: GithubAnnotation[][] = [];
  for (let i = 0; i < all.length; i += LIMITS.annotationsPerRequest) batches.push(all.slice(i, i + LIMITS.annotationsPerRequest));
  return batches;
}

/** The summary within its limit, with what could not be shown in the margin. */
export function summaryOf(summary: string, annotations: number): string {
  const rest = annotations - LIMITS.annotations;
  const note = rest > 0 ? `\n\n${rest} more findings are not shown in the files: see the report.` : '';
  return cut(summary, LIMITS.summary - note.length, '\n\n…cut: the whole report is with the check.') + note;
}
