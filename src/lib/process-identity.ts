import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * When a process started, as a text that only it has: boot id and start tick from `/proc` (proc(5), field 22
 * of `stat`), elsewhere what `ps` says. Null when there is no such process (or only its zombie).
 */
export async function startTimeOf(pid: number): Promise<string | null> {
  if (!Number.isInteger(pid) || pid <= 0) return null;
  if (process.platform === 'linux') return linuxStartTime(pid);
  try {
    const { stdout } = await run('ps', ['-o', 'stat=,lstart=', '-p', String(pid)]);
    const text = stdout.trim();
    return text === '' || text.startsWith('Z') ? null : text.replace(/^\S+\s+/, '');
  } catch {
    return null;
  }
}

/** Read at once: the kernel answers from memory, sooner than a thread could be asked to wait for it. */
function linuxStartTime(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name is in parentheses and may itself contain spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return null;
    boot ??= bootId();
    return `${boot}/${fields[19]}`;
  } catch {
    return null;
  }
}

let boot: string | undefined;

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return 'boot';
  }
}

/** Whether the very process that had this pid at that start time still runs. */
export async function isAlive(pid: number, startTime: string): Promise<boolean> {
  return (await startTimeOf(pid)) === startTime;
}

/**
 * Signal a process group by its leader, unless the pid has been recycled. A leader that is gone while others
 * of its group live on is signalled too, as long as no stranger has its pid.
 * @returns whether a signal was sent.
 */
export async function killGroup(pid: number, startTime: string, signal: NodeJS.Signals): Promise<boolean> {
  const now = await startTimeOf(pid);
  if (now !== null && now !== startTime) return false;
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    return false;
  }
}
