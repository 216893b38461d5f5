import { randomUUID } from 'node:crypto';
import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';

/** One start of one control-plane process. */
export interface Identity {
  readonly host: string;
  /** Where process ids mean the same: this boot of this machine (and container). */
  readonly machine: string;
  readonly pid: number;
  /** Tells a process from a later one that was given the same id. */
  readonly processStart: string;
  readonly startedAt: number;
}

export async function whoAmI(now: number): Promise<Identity> {
  return {
    host: hostname(),
    machine: await thisMachine(),
    pid: process.pid,
    processStart: (await startOf(process.pid)) ?? randomUUID(),
    startedAt: now,
  };
}

async function thisMachine(): Promise<string> {
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')).trim();
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '');
  return `${hostname()} ${boot} ${namespace}`.trim();
}

/** Start time of a process in clock ticks since boot; null when there is no such process or no way to know. */
async function startOf(pid: number): Promise<string | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  // The second field is the program's name in brackets and may hold spaces.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
  if (fields === undefined || fields[0] === 'Z' || fields[0] === 'X') return null;
  return fields[19] ?? null;
}

/** Whether that process is certainly gone: only for processes of the same machine. */
export async function isGone(pid: number, processStart: string): Promise<boolean> {
  if (process.platform === 'linux') return (await startOf(pid)) !== processStart;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
