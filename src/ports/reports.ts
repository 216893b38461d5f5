import type { Format, ReportContent, ReportProblem } from '../core/gates/contents.ts';

/** Reads one format of reports. Foreign data: whatever stands in it, the answer is what it says or why it cannot count. */
export interface ReportReader {
  readonly format: Format;
  /**
   * Never throws because of what is read, ends on any input, and never answers with less than the whole report says:
   * damage of any kind is a problem.
   */
  read(chunks: AsyncIterable<Uint8Array>, context: ReadContext): Promise<ReadAnswer>;
}

export type ReadAnswer = { readonly content: ReportContent } | { readonly problem: ReportProblem };

export interface ReadContext {
  /** Server to ask with what the report names, for formats that are answers of a server. */
  readonly server: string | null;
  /** A secret for that server; goes to no message. */
  readonly token: string | null;
  readonly signal: AbortSignal;
}
