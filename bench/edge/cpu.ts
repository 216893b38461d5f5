import { readdir, readFile } from 'node:fs/promises';

/** A clock tick of `/proc`, ms (USER_HZ is 100 on every Linux). */
const TICK_MS = 10;

/** Processor time these processes and their children have used, ms; null where there is no `/proc`. */
export async function cpuMs(pids: readonly number[]): Promise<number | null> {
  const entries = await readdir('/proc').catch(() => null);
  if (entries === null) return null;
  let ticks = 0;
  for (const entry of entries.filter((name) => /^\d+$/.test(name))) {
    const stat = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => null);
    if (stat === null) continue;
    // The command name is in parentheses and may itself contain spaces: state, parent, …, user and system time.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (pids.includes(Number(entry)) || pids.includes(Number(fields[1]))) ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks * TICK_MS;
}
