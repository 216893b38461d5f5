import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { OutsideError } from '../../../core/errors.ts';
import { PART_OF } from '../../../core/app/part-of.ts';
import { diskError } from '../../../lib/atomic-file.ts';
import { selfCommand } from '../../../lib/spawn-self.ts';
import type { Supervision } from '../../../supervisor/crew.ts';
import { lockOwner } from '../../../supervisor/lock.ts';
import type { VersionPaths } from '../../../supervisor/paths.ts';
import { SUPERVISOR_LOCK } from '../../../supervisor/supervise.ts';

/** The entry beside this file, as source or built. */
export const SUPERVISOR_ENTRY = new URL(
  import.meta.url.endsWith('.ts') ? '../../../supervisor/main.ts' : '../../../supervisor/main.js',
  import.meta.url,
);

export interface StartedSupervisor {
  /** Exit code once it has ended, null while it runs. */
  exitCode(): number | null;
}

/** Start a supervisor that outlives us: own session, no descriptor of ours. */
export function startSupervisor(
  paths: VersionPaths,
  supervision: Supervision,
  env: Readonly<Record<string, string>>,
  entry: URL,
): StartedSupervisor {
  const log = openLog(paths);
  let child: ChildProcess;
  try {
    const [program = process.execPath, ...args] = selfCommand(entry);
    child = spawn(program, args, { cwd: '/', env: { ...env, [PART_OF]: paths.folder }, detached: true, stdio: ['pipe', log, log] });
  } finally {
    closeSync(log);
  }
  let code: number | null = null;
  child.once('error', () => (code = -1));
  child.once('exit', (exit) => (code = exit ?? -1));
  // It may die before it has read everything; that shows in its exit code.
  child.stdin?.on('error', () => {});
  child.stdin?.end(JSON.stringify(supervision));
  child.unref();
  return { exitCode: () => code };
}

export async function supervisorAlive(paths: VersionPaths): Promise<boolean> {
  return (await supervisorOf(paths)) !== null;
}

/** Identity of the supervisor that runs now. */
export async function supervisorOf(paths: VersionPaths): Promise<{ readonly pid: number; readonly startTime: string } | null> {
  try {
    return await lockOwner(paths.folder, SUPERVISOR_LOCK);
  } catch {
    // No folder: never started here.
    return null;
  }
}

/** Tell the supervisor, if there is one, that there is news; it would see by itself a little later. */
export async function nudgeSupervisor(paths: VersionPaths): Promise<void> {
  const supervisor = await supervisorOf(paths);
  if (supervisor === null) return;
  try {
    process.kill(supervisor.pid, 'SIGHUP');
  } catch {
    // It has just ended.
  }
}

export function supervisorFailed(paths: VersionPaths, what: string): OutsideError {
  const log = join(paths.logs, 'supervisor.log');
  return new OutsideError(
    'SUPERVISOR_FAILED',
    `the supervisor of ${paths.folder} ${what}${lastLine(log)}`,
    `It is tried again; its own log is ${log}.`,
  );
}

function openLog(paths: VersionPaths): number {
  try {
    mkdirSync(paths.logs, { recursive: true, mode: 0o700 });
    return openSync(join(paths.logs, 'supervisor.log'), 'a', 0o600);
  } catch (error) {
    throw diskError(error, paths.logs);
  }
}

function lastLine(log: string): string {
  try {
    const line = readFileSync(log, 'utf8')
      .trimEnd()
      .split('\n')
      .findLast((text) => /error/i.test(text));
    return line === undefined ? '' : ` (${line.trim().slice(0, 200)})`;
  } catch {
    return '';
  }
}
