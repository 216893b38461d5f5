import { readdir, readFile, readlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Workspace } from './workspace.ts';

/**
 * Processes that work in or for the workspace: their folder, command line or variables name it. Command lines, for people.
 * Needs /proc; elsewhere nothing is found.
 */
export async function processesOf({ dir }: Workspace): Promise<readonly string[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const command = await read(`/proc/${pid}/cmdline`);
      const folder = await readlink(`/proc/${pid}/cwd`).catch(() => '');
      const belongs = command.includes(dir) || folder.startsWith(dir) || (await read(`/proc/${pid}/environ`)).includes(`=${dir}`);
      return belongs ? [`${pid} ${command.replaceAll('\0', ' ').slice(0, 120)}`] : [];
    }),
  );
  return found.flat();
}

export async function waitUntilNone(workspace: Workspace, ms: number): Promise<boolean> {
  for (const deadline = Date.now() + ms; Date.now() < deadline; await sleep(100))
    if ((await processesOf(workspace)).length === 0) return true;
  return false;
}

function read(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}
