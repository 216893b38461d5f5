import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { Readable, type Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { StringDecoder } from 'node:string_decoder';
import { GUARD } from './guard.ts';

export interface GuardedRun {
  /** argv, found through `env.PATH`. */
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** File that gets the whole output, appended. */
  readonly log: string;
  readonly onLine: (line: string) => void;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export type GuardedEnd =
  | { readonly kind: 'exited'; readonly code: number | null; readonly signal: string | null }
  /** The command could not be started; `error` as the system names it. */
  | { readonly kind: 'notStarted'; readonly error: string }
  | { readonly kind: 'timedOut' }
  | { readonly kind: 'aborted' }
  /** The process that guards the build was itself killed. */
  | { readonly kind: 'lost' };

/** Between SIGTERM and SIGKILL, ms. */
const GRACE_MS = 2000;
/** Longest line that is passed on, characters. */
const MAX_LINE = 4000;

/**
 * Run a command in a process group of its own, until it ends, its time is up or the signal fires; whatever
 * it started has ended too when this returns, and ends when this process dies.
 * @throws what the log file throws (a full disk); the build is stopped first.
 */
export async function runGuarded(run: GuardedRun): Promise<GuardedEnd> {
  if (run.signal.aborted) return { kind: 'aborted' };
  const mark = `SLUICE_BUILD=${randomBytes(12).toString('hex')}`;
  const [markName = '', markValue = ''] = mark.split('=');
  const guard = spawn(
    process.execPath,
    ['--no-warnings', '--input-type=module', '--eval', GUARD, JSON.stringify({ argv: run.argv, graceMs: GRACE_MS, mark })],
    {
      cwd: run.cwd,
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      env: { ...run.env, [markName]: markValue },
    },
  );
  const log = createWriteStream(run.log, { flags: 'a' });
  let why: 'timedOut' | 'aborted' | null = null;
  let logError: unknown = null;
  const stop = (reason: 'timedOut' | 'aborted' | null): void => {
    why ??= reason;
    guard.stdin?.end();
  };
  guard.stdin?.on('error', () => undefined); // it has ended already
  log.on('error', (error) => {
    logError ??= error;
    stop(null);
    for (const stream of [guard.stdout, guard.stderr]) stream?.resume();
  });
  const told = listen(guard);
  collect(guard, log, run.onLine);
  const abort = (): void => stop('aborted');
  const timer = setTimeout(() => stop('timedOut'), run.timeoutMs);
  run.signal.addEventListener('abort', abort, { once: true });
  try {
    const end = (await ended(guard))
      ? await endOf(guard, told, why)
      : { kind: 'notStarted' as const, error: 'no process could be started' };
    log.end();
    await finished(log).catch(() => undefined);
    if (logError !== null) throw logError;
    return end;
  } finally {
    clearTimeout(timer);
    run.signal.removeEventListener('abort', abort);
    log.destroy();
  }
}

/** Whether it ever started. */
function ended(guard: ChildProcess): Promise<boolean> {
  return new Promise((resolve) => {
    guard.once('error', () => resolve(false)).once('exit', () => resolve(true));
  });
}

interface Told {
  readonly pid?: number;
  readonly code?: number | null;
  readonly signal?: string | null;
  readonly error?: string;
}

/** What the guard said on its own channel, gathered. */
function listen(guard: ChildProcess): () => Told {
  let text = '';
  channelOf(guard)?.on('data', (chunk: Buffer) => {
    text += chunk.toString('utf8');
  });
  return () => {
    const lines = text.split('\n').slice(0, -1);
    return lines.map((line): Told => JSON.parse(line)).reduce((all, one) => ({ ...all, ...one }), {});
  };
}

function channelOf(guard: ChildProcess): Readable | null {
  const channel = guard.stdio[3];
  return channel instanceof Readable ? channel : null;
}

async function endOf(guard: ChildProcess, listened: () => Told, why: 'timedOut' | 'aborted' | null): Promise<GuardedEnd> {
  // A guard that was killed could not end the build: its group would keep the channels open.
  if (isLost(listened())) killGroup(listened().pid);
  await closed(guard);
  const told = listened();
  if (isLost(told)) killGroup(told.pid);
  if (why !== null) return { kind: why };
  if (isLost(told)) return { kind: 'lost' };
  if (told.error !== undefined) return { kind: 'notStarted', error: told.error };
  return { kind: 'exited', code: told.code ?? null, signal: told.signal ?? null };
}

function isLost(told: Told): boolean {
  return told.code === undefined && told.signal === undefined && told.error === undefined;
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid === undefined) return;
    process.kill(-pid, 'SIGKILL');
  } catch {
    // it has ended already
  }
}

/** Both output channels into the log, and line by line to the listener. */
function collect(guard: ChildProcess, log: Writable, onLine: (line: string) => void): void {
  for (const stream of [guard.stdout, guard.stderr]) {
    if (stream === null) continue;
    const decoder = new StringDecoder('utf8');
    let rest = '';
    const pass = (text: string): void => {
      const lines = (rest + text).split(/\r?\n/);
      rest = (lines.pop() ?? '').slice(-MAX_LINE);
      for (const line of lines) onLine(line.slice(0, MAX_LINE));
    };
    stream.on('data', (chunk: Buffer) => {
      if (!log.destroyed && !log.write(chunk)) {
        stream.pause();
        log.once('drain', () => stream.resume());
      }
      pass(decoder.write(chunk));
    });
    stream.on('end', () => {
      pass(decoder.end());
      if (rest !== '') onLine(rest);
    });
  }
}

/** Until all it wrote has been read; a process that escaped cannot hold us up by keeping a channel open. */
async function closed(guard: ChildProcess): Promise<void> {
  const streams = [guard.stdout, guard.stderr, channelOf(guard)].filter((stream) => stream !== null);
  const all = Promise.all(streams.map((stream) => finished(stream).catch(() => undefined)));
  let timer: NodeJS.Timeout | undefined;
  const enough = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, GRACE_MS);
  });
  await Promise.race([all, enough]);
  clearTimeout(timer);
  for (const stream of [guard.stdout, guard.stderr]) stream?.destroy();
}
