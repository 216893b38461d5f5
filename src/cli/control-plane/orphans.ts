import { readdirSync, readFileSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OutsideError } from '../../core/errors.ts';
import { PART_OF } from '../../core/app/part-of.ts';
import { isRunning, startTimeOf } from './process.ts';

/** A process of a workspace that its records may not name any more. */
export interface Orphan {
  readonly pid: number;
  readonly startTime: string;
}

interface Patience {
  /** Time from SIGTERM to SIGKILL, ms. */
  readonly drainMs: number;
  /** Time from SIGKILL until it is said that something stays, ms. */
  readonly killMs: number;
}

const PATIENCE: Patience = { drainMs: 10_000, killMs: 5_000 };

/**
 * Processes that belong to a workspace by the environment that Sluice gave them, whether or not `.sluice` still knows them: apps,
 * supervisors, edges, the embedded database, a control plane. Empty elsewhere than on Linux, and without those of other users.
 */
async function orphansOf(workspace: string): Promise<readonly Orphan[]> {
  const folders = [workspace, await realpath(workspace).catch(() => workspace)].map((folder) => join(folder, '.sluice'));
  const found: Orphan[] = [];
  for (const pid of pids()) {
    if (pid === process.pid || !belongs(environmentOf(pid), folders)) continue;
    const startTime = await startTimeOf(pid);
    if (startTime !== null) found.push({ pid, startTime });
  }
  return found;
}

/** Whether an environment says that its process is part of one of these folders. */
export function belongs(environment: readonly string[], folders: readonly string[]): boolean {
  return environment.some((entry) => {
    const [name, value] = [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)];
    if (name !== PART_OF && name !== 'SLUICE_INSTANCE_DIR') return false;
    return folders.some((folder) => value === folder || value.startsWith(`${folder}/`));
  });
}

/**
 * End what is left of a workspace, asked first and then made to. A supervisor may start its app again while it is being ended, so
 * it is looked until nothing is left.
 * @returns how many were ended. @throws OutsideError ORPHANS_LEFT
 */
export async function endOrphans(workspace: string, { drainMs, killMs }: Patience = PATIENCE): Promise<number> {
  const ended = new Set<string>();
  const since = Date.now();
  for (;;) {
    const left = await orphansOf(workspace);
    if (left.length === 0) return ended.size;
    const waitedMs = Date.now() - since;
    if (waitedMs > drainMs + killMs)
      throw new OutsideError(
        'ORPHANS_LEFT',
        `these processes of the workspace do not end: ${left.map(({ pid }) => pid).join(', ')}`,
        'End them by hand; one that survives SIGKILL hangs in the kernel.',
      );
    for (const { pid, startTime } of left) {
      const isNew = !ended.has(`${pid}/${startTime}`);
      ended.add(`${pid}/${startTime}`);
      // Looked at again just before: the pid may have been given to another program.
      if ((isNew || waitedMs > drainMs) && (await isRunning(pid, startTime))) tryKill(pid, waitedMs > drainMs ? 'SIGKILL' : 'SIGTERM');
    }
    await sleep(50);
  }
}

function tryKill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has just ended.
  }
}

function pids(): number[] {
  try {
    return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
  } catch {
    return [];
  }
}

function environmentOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
