/** Where a write stands in the write-ahead log, as PostgreSQL says it: `16/B374D848`. */
export type Lsn = string;

const SEGMENT = /^[0-9A-F]{24}$/;
const HISTORY = /^[0-9A-F]{8}\.history$/;
/** Segments of one 4 GB "file" of the log: PostgreSQL's names count them in hexadecimal, two parts of 8 digits. */
const FILE_BYTES = 0x1_0000_0000n;

export function parseLsn(text: Lsn): bigint {
  const [high = '', low = ''] = text.split('/');
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`);
}

export function isSegment(name: string): boolean {
  return SEGMENT.test(name);
}

export function isHistory(name: string): boolean {
  return HISTORY.test(name);
}

export function timelineOf(name: string): number {
  return Number.parseInt(name.slice(0, 8), 16);
}

/** Number of a segment, counted from the beginning of the log, whatever its timeline. */
export function segmentNumber(name: string, segmentBytes: number): number {
  const perFile = Number(FILE_BYTES / BigInt(segmentBytes));
  return Number.parseInt(name.slice(8, 16), 16) * perFile + Number.parseInt(name.slice(16), 16);
}

export function segmentName(timeline: number, number: number, segmentBytes: number): string {
  const perFile = Number(FILE_BYTES / BigInt(segmentBytes));
  return [timeline, Math.floor(number / perFile), number % perFile]
    .map((part) => part.toString(16).toUpperCase().padStart(8, '0'))
    .join('');
}

/** Number of the segment that holds this place. */
export function segmentAt(lsn: Lsn, segmentBytes: number): number {
  return Number(parseLsn(lsn) / BigInt(segmentBytes));
}

/**
 * Segments that are not there between a place and the newest that is: PostgreSQL would end its recovery at the first of
 * them, without a word. Each number counts as there when any timeline has it.
 * `until`: a place that must be reached, even if nothing newer is there.
 */
export function missingSegments(
  present: Iterable<string>,
  from: { readonly timeline: number; readonly lsn: Lsn },
  segmentBytes: number,
  until: Lsn | null = null,
): string[] {
  const numbers = new Set<number>();
  for (const name of present) if (isSegment(name) && timelineOf(name) >= from.timeline) numbers.add(segmentNumber(name, segmentBytes));
  const first = segmentAt(from.lsn, segmentBytes);
  const last = [...numbers].reduce((a, b) => Math.max(a, b), until === null ? first : lastByteSegment(until, segmentBytes));
  const missing: string[] = [];
  for (let number = first; number <= last; number += 1)
    if (!numbers.has(number)) missing.push(segmentName(from.timeline, number, segmentBytes));
  return missing;
}

/** A place at the very beginning of a segment has its last byte in the one before. */
function lastByteSegment(lsn: Lsn, segmentBytes: number): number {
  const at = parseLsn(lsn);
  return Number((at === 0n ? 0n : at - 1n) / BigInt(segmentBytes));
}

/** `a, b, c and 4 more`: what people read of a long list of names. */
export function someOf(names: readonly string[], most = 3): string {
  const rest = names.length - most;
  return names.slice(0, most).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}
