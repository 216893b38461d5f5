import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive } from '../lib/process-identity.ts';
import { clearRemains, findLeaders } from './group.ts';
import type { VersionPaths } from './paths.ts';
import { readState, type InstanceState } from './records.ts';

/** What the supervisor knows of one instance; changed in place, written to `state.json` after each change. */
export type Instance = { -readonly [Key in keyof InstanceState]: InstanceState[Key] };

/**
 * The instances as an earlier supervisor left them. A process counts only with the start time that was recorded;
 * where the record is lost or damaged, running instances are found by the environment they were given.
 */
export async function adoptInstances(paths: VersionPaths, count: number): Promise<Instance[]> {
  const recorded = readState(paths.state)?.instances ?? [];
  const ids = new Set([
    ...Array.from({ length: count }, (_, i) => String(i)),
    ...recorded.map(({ id }) => id),
    ...namesIn(paths.instances),
  ]);
  const adopted: Instance[] = [];
  for (const id of ids) {
    const known = recorded.find((instance) => instance.id === id);
    adopted.push(known === undefined ? await foundInstance(paths, id) : await stillRunning(paths, known));
  }
  return adopted;
}

async function stillRunning(paths: VersionPaths, known: InstanceState): Promise<Instance> {
  const { process } = known;
  if (process === null) return { ...known, state: 'backoff', pending: true };
  if (await isAlive(process.pid, process.startTime)) return { ...known, state: 'running', pending: false };
  await clearRemains(process, join(paths.instances, known.id));
  return { ...known, process: null, state: 'backoff', pending: true, lastEnd: 'ended while nobody watched it' };
}

async function foundInstance(paths: VersionPaths, id: string): Promise<Instance> {
  const nothing = {
    id,
    port: null,
    process: null,
    startedAt: null,
    state: 'backoff',
    pending: true,
    starts: 0,
    quickEnds: 0,
    lastEnd: null,
  } as const;
  const [leader] = await findLeaders(join(paths.instances, id));
  if (leader === undefined) return { ...nothing };
  const { port, ...process } = leader;
  return { ...nothing, port, process, startedAt: Date.now(), state: 'running', pending: false, starts: 1 };
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
