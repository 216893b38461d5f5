import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { open, readdir, readFile } from 'node:fs/promises';
import type { Watchdog } from './watchdog.ts';

export interface Command {
  /** argv, found through `env.PATH`. */
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** File that gets the whole output; written anew. */
  readonly log: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly watchdog: Watchdog;
}

export type CommandEnd =
  | { readonly kind: 'exited'; readonly code: number | null; readonly signal: string | null }
  /** It could not be started; `error` as the system names it. */
  | { readonly kind: 'notStarted'; readonly error: string }
  | { readonly kind: 'timedOut' }
  | { readonly kind: 'aborted' };

/** Between SIGTERM and SIGKILL, ms. */
const GRACE_MS = 2000;
const MARK = 'SLUICE_CHECK_RUN';

/**
 * Run a command in a process group of its own until it ends, its time is up or the signal fires. Its output goes straight
 * into the log, none of it through us. What it left running in its group has ended when this returns; when it was
 * stopped, also what had moved to another group.
 */
export async function runCommand(command: Command): Promise<CommandEnd> {
  if (command.signal.aborted) return { kind: 'aborted' };
  const log = await open(command.log, 'w');
  const mark = randomBytes(12).toString('hex');
  try {
    const child = spawn(command.argv[0] ?? '', command.argv.slice(1), {
      cwd: command.cwd,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      env: { ...command.env, [MARK]: mark },
    });
    const ended = new Promise<CommandEnd>((resolve) => {
      child.once('error', (error: NodeJS.ErrnoException) => resolve({ kind: 'notStarted', error: error.code ?? error.message }));
      child.once('exit', (code, signal) => resolve({ kind: 'exited', code, signal }));
    });
    const group = child.pid;
    if (group === undefined) return await ended;
    command.watchdog.watch(group);
    try {
      return await within(ended, group, mark, command);
    } finally {
      send(-group, 'SIGKILL');
      command.watchdog.forget(group);
    }
  } finally {
    await log.close();
  }
}

async function within(ended: Promise<CommandEnd>, group: number, mark: string, { timeoutMs, signal }: Command): Promise<CommandEnd> {
  let timer: NodeJS.Timeout | undefined;
  let abort = (): void => {};
  const cut = new Promise<'timedOut' | 'aborted'>((resolve) => {
    timer = setTimeout(() => resolve('timedOut'), timeoutMs);
    abort = () => resolve('aborted');
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    const first = await Promise.race([ended, cut]);
    if (typeof first !== 'string') return first;
    await stop(ended, group, mark);
    return { kind: first };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

async function stop(ended: Promise<CommandEnd>, group: number, mark: string): Promise<void> {
  send(-group, 'SIGTERM');
  let timer: NodeJS.Timeout | undefined;
  const grace = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, GRACE_MS);
  });
  await Promise.race([ended, grace]);
  clearTimeout(timer);
  send(-group, 'SIGKILL');
  // Twice: one may have forked while the first look was under way.
  for (let look = 0; look < 2; look += 1) for (const pid of await strays(mark)) send(pid, 'SIGKILL');
  await ended;
}

/** Processes that left the group, known by a variable that descendants inherit (where /proc shows it). */
async function strays(mark: string): Promise<number[]> {
  const names = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    names.map(async (name) => {
      const environment = await readFile(`/proc/${name}/environ`, 'latin1').catch(() => '');
      return environment.split('\0').includes(`${MARK}=${mark}`) ? [Number(name)] : [];
    }),
  );
  return found.flat();
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // it has ended already
  }
}
