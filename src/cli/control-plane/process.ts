import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';

/**
 * When a process was started, in a form that only fits that one process: a pid is given to another one
 * later on. Null when there is no such process.
 */
export async function startTimeOf(pid: number): Promise<string | null> {
  if (process.platform === 'linux') {
    try {
      const text = await readFile(`/proc/${pid}/stat`, 'utf8');
      // The name before the last ")" may hold anything, also spaces and brackets. State Z: ended, not yet collected.
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      return fields[0] === 'Z' ? null : (fields[19] ?? null);
    } catch {
      return null;
    }
  }
  return new Promise((resolve) => {
    execFile('ps', ['-o', 'lstart=', '-p', String(pid)], (error, output) => resolve(error === null ? output.trim() || null : null));
  });
}

/** Whether exactly this process still runs. */
export async function isRunning(pid: number, startTime: string): Promise<boolean> {
  return (await startTimeOf(pid)) === startTime;
}
