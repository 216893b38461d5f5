import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import type { Reading } from '../../core/analysis/reading.ts';
import type { MetricSource } from '../../ports/metric-source.ts';
import { isLinearPattern, linearPattern, PATTERN_WANTED } from '../../lib/linear-pattern.ts';
import { advanced, doubted, NOTHING, unreadable } from './counters.ts';
import { errorsMayBeAbsent, filled, settingsOf } from './settings.ts';

export interface LogSourceOptions {
  /** Folder that relative ones in the settings are in: the workspace. */
  readonly dir: string;
  /** Where a version's `*.log` files are, unless the settings say so. */
  readonly folder: string;
  readonly now: () => number;
}

const pattern = z.string().refine(isLinearPattern, PATTERN_WANTED);
const schema = z.strictObject({
  kind: z.literal('logs'),
  /** Lines that say that something was done. */
  requests: pattern,
  /** Those among them that say that it went wrong. */
  errors: pattern,
  /** Its first group is how long it took, ms. */
  latency: pattern.optional(),
  folder: z.string().optional(),
  bucketsMs: z.unknown().optional(),
  errorsMayBeAbsent,
});

/** Read at one look, at most; the rest comes with the next. */
const BYTES_MAX = 32 * 1024 * 1024;
const CHUNK = 1024 * 1024;
/** At the end of each file, where a line that says of an error is looked for as an analysis begins. */
const EARLIER_BYTES = 4 * 1024 * 1024;
/** Told in the cursor once such a line was seen. No file has this name: theirs begin with a version. */
const ERRORS_SEEN = 'errors';

/** Lines in the log files of a version, each counted once, wherever the looking was cut off. */
export function logSource({ dir, folder, now }: LogSourceOptions): MetricSource {
  return {
    kind: 'logs',
    check: (settings) => void settingsOf('logs', schema, settings),
    async start() {},
    async collect(query, previous, signal) {
      const settings = settingsOf('logs', schema, query.settings);
      const at = now();
      const cursor: Record<string, number> = {};
      const versions: Record<string, Reading['versions'][string]> = {};
      let isVouched = settings.errorsMayBeAbsent || previous?.cursor?.[ERRORS_SEEN] === 1;
      for (const version of query.versions) {
        const path = resolve(dir, filled(settings.folder ?? folder, query, version));
        const files = await logsIn(path);
        const before = previous?.versions[version];
        if (files.length === 0) {
          if (before !== undefined) versions[version] = before;
          continue;
        }
        const tally = tallyOf(settings);
        for (const name of files) {
          const key = `${version}/${name}`;
          const from = previous === null ? null : Number(previous.cursor?.[key] ?? 0);
          if (from === null && !isVouched) await readEnd(join(path, name), (line) => tally.take(line), signal);
          cursor[key] = await readOn(join(path, name), from, (line) => tally.take(line), signal);
        }
        isVouched ||= tally.counted().errors > 0;
        versions[version] = previous === null ? advanced(undefined, NOTHING) : advanced(before, tally.counted());
      }
      const told = Object.entries(versions).map(([version, counters]) => [version, doubted(counters, isVouched)] as const);
      return { epoch: 'logs', at, versions: Object.fromEntries(told), cursor: isVouched ? { ...cursor, [ERRORS_SEEN]: 1 } : cursor };
    },
    async stop() {},
  };
}

async function logsIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => name.endsWith('.log')).toSorted();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw unreadable(`the folder ${folder}: ${(error as Error).message}`, error);
  }
}

function tallyOf(settings: { readonly requests: string; readonly errors: string; readonly latency?: string | undefined }) {
  const isRequest = linearPattern(settings.requests);
  const isError = linearPattern(settings.errors);
  const took = settings.latency === undefined ? null : linearPattern(settings.latency);
  const latency = new Map<number, number>();
  let [requests, errors] = [0, 0];
  return {
    take(line: string) {
      if (!isRequest.test(line)) return;
      requests += 1;
      if (isError.test(line)) errors += 1;
      const said = took?.firstGroup(line)?.trim() ?? '';
      const ms = Number(said);
      // An empty group is no time, though Number takes it for 0.
      if (said !== '' && Number.isFinite(ms) && ms >= 0) latency.set(ms, (latency.get(ms) ?? 0) + 1);
    },
    counted: () => ({ requests, errors, latency }),
  };
}

/** Whole lines from an offset on (null: only find the end); returns up to where. A file that has become shorter begins anew. */
async function readOn(path: string, from: number | null, take: (line: string) => void, signal: AbortSignal): Promise<number> {
  const { size } = await stat(path);
  if (from === null) return size;
  if (size >= from) return readFile(path, from, size, take, signal);
  // What was written between the last look and the rotation is in the file beside it.
  const rotated = await stat(`${path}.1`).catch(() => null);
  if (rotated !== null && rotated.size > from) await readFile(`${path}.1`, from, rotated.size, take, signal);
  return readFile(path, 0, size, take, signal);
}

/** Lines that were there before: of what the pattern of errors may match, and never counted. */
async function readEnd(path: string, take: (line: string) => void, signal: AbortSignal): Promise<void> {
  const { size } = await stat(path);
  await readFile(path, Math.max(0, size - EARLIER_BYTES), size, take, signal);
}

async function readFile(path: string, from: number, size: number, take: (line: string) => void, signal: AbortSignal): Promise<number> {
  const file = await open(path, 'r');
  try {
    return await readLines(file, from, Math.min(size, from + BYTES_MAX), take, signal);
  } finally {
    await file.close();
  }
}

async function readLines(
  file: FileHandle,
  from: number,
  until: number,
  take: (line: string) => void,
  signal: AbortSignal,
): Promise<number> {
  let [offset, done] = [from, from];
  let rest = Buffer.alloc(0);
  while (offset < until) {
    signal.throwIfAborted();
    const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(CHUNK, until - offset)), 0, undefined, offset);
    if (bytesRead === 0) break;
    offset += bytesRead;
    rest = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
    const end = rest.lastIndexOf(0x0a) + 1;
    for (const line of rest.subarray(0, end).toString('utf8').split('\n')) if (line !== '') take(line);
    done += end;
    rest = rest.subarray(end);
  }
  return done;
}
