import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { LogLine, LogOptions } from '../../../ports/platform.ts';
import type { AppRef } from '../../../core/app/run.ts';
import type { Context } from './context.ts';
import { versionsOf } from './observe.ts';
import { versionPaths } from '../../../supervisor/paths.ts';
import { lastLines, LINE_BYTES_MAX, readRange, sizeOf } from '../../../supervisor/tail.ts';

const FOLLOW_MS = 100;
/** What is read of one file at one look; the rest comes with the next. */
const READ_BYTES = 1024 * 1024;

interface Source {
  readonly version: string;
  readonly instance: string;
  readonly path: string;
}

interface Followed extends Source {
  /** Read up to here. */
  offset: number;
  /** The rotated file beside it, to notice that there is a new one. */
  rotated: string;
  /** Begun line. */
  rest: Buffer;
}

/**
 * Apps write straight into their files, without a time per line. So lines of one instance are in order, and
 * instances follow each other by when they last wrote, the newest last; each gets its share of `lines`.
 */
export async function* logsOf(context: Context, ref: AppRef, options: LogOptions): AsyncGenerator<LogLine> {
  const followed = new Map<string, Followed>();
  const sources = await sourcesOf(context, ref, options.version);
  for (const source of sources) followed.set(source.path, follow(source, 0));
  for (const [source, count] of shares(sources, options.lines)) {
    const { lines, end } = lastLines(source.path, count, options.follow);
    followed.set(source.path, follow(source, end));
    for (const line of lines) yield { version: source.version, instance: source.instance, line };
  }
  while (options.follow && options.signal?.aborted !== true) {
    for (const source of await sourcesOf(context, ref, options.version)) {
      const known = followed.get(source.path) ?? follow(source, 0);
      followed.set(source.path, known);
      for (const line of news(known)) yield { version: source.version, instance: source.instance, line };
    }
    await context.clock.sleep(FOLLOW_MS, options.signal);
  }
}

/** Log files of the app, the one written last at the end. */
async function sourcesOf(context: Context, ref: AppRef, only: string | undefined): Promise<Source[]> {
  const found: (Source & { readonly at: number })[] = [];
  for (const version of await versionsOf(context.dir, ref)) {
    if (only !== undefined && version !== only) continue;
    const { logs } = versionPaths(context.dir, ref, version);
    for (const name of namesIn(logs)) {
      const instance = /^(\d+)\.log$/.exec(name)?.[1];
      const path = join(logs, name);
      if (instance !== undefined) found.push({ version, instance, path, at: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0 });
    }
  }
  return found.toSorted((a, b) => a.at - b.at);
}

/** How many lines to show of each: equal shares, and what one does not fill goes to those written later. */
function shares(sources: readonly Source[], lines: number): [Source, number][] {
  let left = lines;
  const available = sources.map((source) => ({ source, count: lastLines(source.path, lines, false).lines.length, share: 0 }));
  for (
    let open = available.filter(({ count }) => count > 0);
    left > 0 && open.length > 0;
    open = open.filter(({ count, share }) => share < count)
  ) {
    const each = Math.max(1, Math.floor(left / open.length));
    for (const entry of open.toReversed()) {
      const more = Math.min(each, entry.count - entry.share, left);
      entry.share += more;
      left -= more;
    }
  }
  return available.map(({ source, share }) => [source, share]);
}

function follow(source: Source, offset: number): Followed {
  return { ...source, offset, rotated: identityOf(`${source.path}.1`), rest: Buffer.alloc(0) };
}

/** Whole lines written since the last look, across a rotation. */
function news(followed: Followed): string[] {
  const old = `${followed.path}.1`;
  const rotated = identityOf(old);
  let fresh: Buffer = Buffer.alloc(0);
  // Copied, and cut too: what we had not read yet is in the copy.
  if (rotated !== followed.rotated && sizeOf(followed.path) < sizeOf(old)) {
    fresh = readRange(old, followed.offset, sizeOf(old));
    Object.assign(followed, { rotated, offset: 0 });
  }
  const size = sizeOf(followed.path);
  if (size < followed.offset) followed.offset = 0;
  const to = Math.min(size, followed.offset + READ_BYTES);
  const bytes = Buffer.concat([followed.rest, fresh, readRange(followed.path, followed.offset, to)]);
  followed.offset = to;
  const cut = bytes.length > LINE_BYTES_MAX && !bytes.includes(10) ? bytes.length : bytes.lastIndexOf(10) + 1;
  followed.rest = Buffer.from(bytes.subarray(cut));
  const text = bytes.subarray(0, cut).toString('utf8');
  return text === '' ? [] : text.replace(/\n$/, '').split('\n');
}

function identityOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? '' : `${stat.ino}/${stat.mtimeMs}`;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
