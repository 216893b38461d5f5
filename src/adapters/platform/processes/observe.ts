import { readdir } from 'node:fs/promises';
import type { Artifact } from '../../../core/app/artifact.ts';
import type { Endpoint } from '../../../core/app/traffic.ts';
import type { ObservedInstance, ObservedVersion } from '../../../ports/platform.ts';
import type { AppRef } from '../../../core/app/run.ts';
import { isAlive } from '../../../lib/process-identity.ts';
import { appPaths, type VersionPaths, versionPaths } from '../../../supervisor/paths.ts';
import { type InstanceState, readState, readWanted } from '../../../supervisor/records.ts';
import { supervisorAlive } from './start-supervisor.ts';

export async function observeApp(dir: string, ref: AppRef): Promise<ObservedVersion[]> {
  const versions = await Promise.all((await versionsOf(dir, ref)).map((version) => observeVersion(versionPaths(dir, ref, version))));
  return versions.filter((version) => version !== null);
}

/** Names of the versions that have a folder (a retired one keeps its logs there). */
export function versionsOf(dir: string, ref: AppRef): Promise<string[]> {
  return foldersIn(appPaths(dir, ref).folder);
}

/** Names of the folders in a folder, but ours, which begin with a dot; none where it is not there. */
export async function foldersIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.flatMap((entry) => (entry.isDirectory() && !entry.name.startsWith('.') ? [entry.name] : [])).toSorted();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

/** Null when the version is not there: never started, or retired with nothing left running. */
export async function observeVersion(paths: VersionPaths): Promise<ObservedVersion | null> {
  const wanted = readWanted(paths.wanted);
  const state = readState(paths.state);
  if (wanted === null && state === null) return null;
  const supervised = await supervisorAlive(paths);
  const instances = await Promise.all((state?.instances ?? []).map((instance) => observeInstance(instance, supervised)));
  if (wanted?.state === 'retired' && !supervised && instances.every(({ state: seen }) => seen === 'stopped')) return null;
  return {
    version: wanted?.version ?? paths.folder.split('/').at(-1) ?? '',
    artifact: folderOf(wanted?.artifact || state?.artifact),
    instances,
    endpoints: endpointsOf(state?.instances ?? [], instances),
  };
}

async function observeInstance(instance: InstanceState, supervised: boolean): Promise<ObservedInstance> {
  const { id, process } = instance;
  if (process !== null && (await isAlive(process.pid, process.startTime)))
    return { id, state: 'running', detail: detailOf(instance, process.pid) };
  return { id, state: supervised && instance.state !== 'stopped' ? 'backoff' : 'stopped', detail: detailOf(instance, null) };
}

function detailOf({ starts, lastEnd }: InstanceState, pid: number | null): string | null {
  const again = starts - 1;
  const known = [
    ...(pid === null ? [] : [`pid ${pid}`]),
    ...(again > 0 ? [`started again ${again === 1 ? 'once' : `${again} times`}`] : []),
    ...(lastEnd === null ? [] : [`last end: ${lastEnd}`]),
  ];
  return known.length === 0 ? null : known.join(', ');
}

/** Records that were damaged name no artifact. */
function folderOf(digest: string | undefined): Artifact | null {
  return digest === undefined || digest === '' ? null : { kind: 'folder', digest };
}

/**
 * An instance that is started again keeps its endpoint: it comes back at the same port, and nobody would tell
 * the edge then. One that stays down has none.
 */
function endpointsOf(states: readonly InstanceState[], observed: readonly ObservedInstance[]): Endpoint[] {
  return states.flatMap(({ port }, i) => (port === null || observed[i]?.state === 'stopped' ? [] : [{ host: '127.0.0.1', port }]));
}
