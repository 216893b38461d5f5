import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { killGroup, startTimeOf } from '../lib/process-identity.ts';
import { pidsOf } from '../lib/sockets.ts';
import type { ProcessIdentity } from './records.ts';

/*
 * An instance is a process group: its leader and whatever that started and did not move elsewhere. The kernel
 * gives nobody the leader's pid while the group has a member; so a stranger with that pid means that our group
 * is gone, and while the leader is gone its members are told from strangers by SLUICE_INSTANCE_DIR in the
 * environment they inherited.
 */

const ON_LINUX = process.platform === 'linux';
/** How long a process may take to go after SIGKILL; one that hangs in the kernel is not waited for. */
const REMAINS_MS = 2_000;

/** Whether any process of the instance still runs (zombies do not). */
export async function groupAlive(leader: ProcessIdentity, instanceFolder: string): Promise<boolean> {
  const now = await startTimeOf(leader.pid);
  if (now === leader.startTime) return true;
  if (now !== null || !someoneInGroup(leader.pid)) return false;
  return ON_LINUX ? membersLeft(leader.pid, instanceFolder).length > 0 : true;
}

/** Signal every process of the instance, and nobody else even when its pid has been recycled. */
export async function signalGroup(leader: ProcessIdentity, instanceFolder: string, signal: NodeJS.Signals): Promise<void> {
  const now = await startTimeOf(leader.pid);
  if (now === leader.startTime || (now === null && !ON_LINUX)) {
    await killGroup(leader.pid, leader.startTime, signal);
  } else if (now === null && someoneInGroup(leader.pid)) {
    for (const pid of membersLeft(leader.pid, instanceFolder)) tryKill(pid, signal);
  }
}

/** End at once what a dead leader left behind; it may still hold the port. */
export async function clearRemains(leader: ProcessIdentity, instanceFolder: string): Promise<void> {
  for (const until = Date.now() + REMAINS_MS; Date.now() < until && (await groupAlive(leader, instanceFolder)); await sleep(10)) {
    await signalGroup(leader, instanceFolder, 'SIGKILL');
  }
}

/**
 * Leaders of the instance that run although no record names them (the record was lost or damaged), with the
 * port they were given.
 */
export async function findLeaders(instanceFolder: string): Promise<(ProcessIdentity & { readonly port: number | null })[]> {
  if (!ON_LINUX) return [];
  const found: (ProcessIdentity & { port: number | null })[] = [];
  for (const pid of pidsOf()) {
    const environment = environmentOf(pid);
    if (!environment.includes(`SLUICE_INSTANCE_DIR=${instanceFolder}`) || statOf(pid)?.group !== pid) continue;
    const startTime = await startTimeOf(pid);
    const port = environment.find((entry) => entry.startsWith('PORT='))?.slice('PORT='.length);
    if (startTime !== null) found.push({ pid, startTime, port: port === undefined ? null : Number(port) });
  }
  return found;
}

/**
 * Every process of an instance that can be known: its group, what has left the group with the environment that it was
 * given, and what any of these started. Empty elsewhere than on Linux.
 */
export function membersOf(leader: ProcessIdentity, instanceFolder: string): readonly number[] {
  if (!ON_LINUX) return [];
  const all = pidsOf().flatMap((pid) => {
    const stat = statOf(pid);
    return stat === null || stat.dead ? [] : [{ pid, ...stat }];
  });
  const members = new Set(all.flatMap(({ pid, group }) => (group === leader.pid || isMarked(pid, instanceFolder) ? [pid] : [])));
  for (let before = -1; before !== members.size;) {
    before = members.size;
    for (const { pid, parent } of all) if (members.has(parent)) members.add(pid);
  }
  return [...members];
}

function isMarked(pid: number, instanceFolder: string): boolean {
  return environmentOf(pid).includes(`SLUICE_INSTANCE_DIR=${instanceFolder}`);
}

function membersLeft(group: number, instanceFolder: string): number[] {
  return pidsOf().filter((pid) => {
    const stat = statOf(pid);
    return stat !== null && stat.group === group && !stat.dead && isMarked(pid, instanceFolder);
  });
}

function someoneInGroup(group: number): boolean {
  try {
    return process.kill(-group, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

function tryKill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself in the meantime.
  }
}

function statOf(pid: number): { readonly group: number; readonly parent: number; readonly dead: boolean } | null {
  const stat = read(`/proc/${pid}/stat`);
  // After the command name, which is in parentheses and may contain anything: state, parent, group.
  const [state, parent, group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return group === undefined ? null : { group: Number(group), parent: Number(parent), dead: state === 'Z' || state === 'X' };
}

function environmentOf(pid: number): string[] {
  return read(`/proc/${pid}/environ`).split('\0');
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
