/*
 * Which line of a log says why a program ended. What runtimes print last is often not it: Node ends with its own version,
 * Go with its goroutines, Java with where it was.
 */

export interface CrashLine {
  /** `error`: recognised as what went wrong; `last`: only the last thing that the program said. */
  readonly kind: 'error' | 'last';
  readonly text: string;
}

/** Where a program was, as runtimes print it behind (or around) what went wrong. */
const TRACE =
  /^\s*at\s|^\s*#\d+\s|^\s+from \S+:\d+|^goroutine \d+|^\s+\S+\.go:\d+|^Node\.js v\d|^\s*thrown in .* on line|^\s*\.\.\. \d+ more|^-+ .*stack trace|^stack backtrace:|^\s*\d+: 0x/i;
/** Lines of runtimes and package managers that say nothing about the program. */
const NOISE =
  /^Bun v\d|^npm (?:ERR!|error|notice|warn)|ELIFECYCLE|^error Command failed|^exit status \d+$|^note: run with `RUST_BACKTRACE|^Stack trace:$|^[\s^~|{}[\](),;]*$/i;
const ERROR =
  /\b[\w$]*(?:Error|Exception|Exit|Interrupt)\b.*[:)]|^[\w$.]*(?:Error|Exception)$|^panic: |^fatal error: |\bFATAL\b|\bCRITICAL\b|panicked at |^Unhandled exception|^\*\* \(|^error(?:\[\w+\])?: |\b(?:[Ff]atal|[Pp]arse) error: |:in [`'].*\(\S+\)$/;
const CAUSE = /^\s*Caused by: /;
const TRACEBACK = /^Traceback \(most recent call last\):/;
/** How far above the last line an error may stand whose message or trace goes on to there. */
const LINES_ABOVE = 100;

/** The line that matters at the end of a log; null when nothing was said. */
export function crashLine(lines: readonly string[]): CrashLine | null {
  const last = lines.findLastIndex((line) => !isAside(line));
  if (last === -1) {
    const any = lines.findLast((line) => line.trim() !== '');
    return any === undefined ? null : { kind: 'last', text: any.trim() };
  }
  const at = errorAt(lines, last);
  const text = lines[at ?? last]?.trim() ?? '';
  const logged = errorInJson(text);
  if (logged !== null) return { kind: 'error', text: logged };
  return at === null ? { kind: 'last', text } : { kind: 'error', text: withMore(lines, at) };
}

/** Indented lines belong to what stands above them. */
function isAside(line: string): boolean {
  return TRACE.test(line) || NOISE.test(line) || /^\s/.test(line);
}

/** The error that the last line is, or belongs to. */
function errorAt(lines: readonly string[], last: number): number | null {
  const from = Math.max(0, last - LINES_ABOVE);
  // Python says the error last, and its name need not look like one.
  const traceback = lines.findLastIndex((line, i) => i >= from && i < last && TRACEBACK.test(line));
  if (traceback !== -1 && lines.slice(traceback + 1, last).every((line) => /^\s|^$/.test(line))) return last;
  if (CAUSE.test(lines[last] ?? ''))
    return lines.findLastIndex((line, i) => i < last && ERROR.test(line) && !CAUSE.test(line) && !/^\s/.test(line));
  if (isError(lines, last)) return last;
  // A message of several lines, or a trace whose lines look like others, ends with where it was.
  if (!lines.slice(last + 1).some((line) => TRACE.test(line)) && !/panicked at .*:$/.test(lines[last - 1] ?? '')) return null;
  const above = lines.findLastIndex((_, i) => i >= from && i < last && isError(lines, i));
  return above === -1 ? null : above;
}

function isError(lines: readonly string[], i: number): boolean {
  const line = lines[i] ?? '';
  return ERROR.test(line) && !TRACE.test(line) && !NOISE.test(line);
}

function withMore(lines: readonly string[], at: number): string {
  const head = lines[at]?.trim() ?? '';
  // Rust 1.73 and newer say the message on a line of its own.
  if (/panicked at .*:$/.test(head)) return `${head} ${lines[at + 1]?.trim() ?? ''}`.trim();
  const cause = lines.slice(at + 1).findLast((line) => CAUSE.test(line));
  return cause === undefined ? head : `${head} (${cause.trim()})`;
}

/** A structured log line of level error or worse (pino, bunyan, zap, structlog and the like). */
function errorInJson(line: string): string | null {
  if (!line.startsWith('{')) return null;
  try {
    const value = JSON.parse(line) as Record<string, unknown>;
    const level = value['level'] ?? value['severity'] ?? value['lvl'];
    const isBad = typeof level === 'number' ? level >= 50 : /^(?:error|fatal|critical|panic|alert|emergency)$/i.test(String(level));
    const err = value['err'] ?? value['error'] ?? value['exception'];
    const detail = typeof err === 'object' && err !== null ? (err as Record<string, unknown>)['message'] : err;
    const said = [value['msg'] ?? value['message'] ?? value['event'], detail].filter((one) => typeof one === 'string' && one !== '');
    return isBad && said.length > 0 ? [...new Set(said)].join(': ') : null;
  } catch {
    return null;
  }
}
