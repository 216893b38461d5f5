import type { ReportProblem } from '../../core/gates/contents.ts';
import type { ReadAnswer } from '../../ports/reports.ts';

/** Why a report cannot count; thrown within readers only. */
export class Unreadable extends Error {
  readonly kind: ReportProblem['kind'];
  constructor(kind: ReportProblem['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}

export function damaged(message: string): Unreadable {
  return new Unreadable('damaged', message);
}

/** What went wrong as an answer. A mistake in a reader is damage too: it must not pass. */
export function problemOf(error: unknown): ReadAnswer {
  if (error instanceof Unreadable) return { problem: { kind: error.kind, message: error.message } };
  const said = error instanceof Error ? error.message : String(error);
  return { problem: { kind: 'damaged', message: `it could not be read: ${said.slice(0, 300)}` } };
}

/** Larger reports of formats that are read as a whole are refused, bytes. */
const LARGEST = 256 * 1024 * 1024;

export async function gather(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > LARGEST) throw damaged('it is larger than 256 MB.');
    parts.push(chunk);
  }
  if (size === 0) throw new Unreadable('empty', 'the file is empty.');
  return Buffer.concat(parts);
}
