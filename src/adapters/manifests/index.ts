import type { ManifestGraph, Manifests } from '../../ports/manifests.ts';
import { cargoReader } from './cargo.ts';
import { dockerReader } from './docker.ts';
import { finished, type Reader, startReading } from './draft.ts';
import { goReader } from './go.ts';
import { makeReader } from './make.ts';
import { nodeReader } from './node.ts';
import { pythonReader } from './python.ts';
import { typescriptReader } from './typescript.ts';

/** Every kind of manifest that is understood; TypeScript after Node, as it asks for what that found. */
export const readers: readonly Reader[] = [nodeReader, pythonReader, goReader, cargoReader, typescriptReader, dockerReader, makeReader];

/** Finds projects by reading manifests. */
export const manifestReaders: Manifests = {
  names: readers.flatMap((reader) => reader.names),
  graph: (files, folders) => readGraph(readers, files, folders),
};

function readGraph(all: readonly Reader[], files: ReadonlyMap<string, string>, folders: readonly string[]): ManifestGraph {
  const { reading, wanted, unreadable } = startReading(files, folders);
  for (const folder of folders) reading.project(folder);
  for (const reader of all) reader.find?.(reading);
  for (const reader of all) reader.link?.(reading);
  return {
    projects: new Map([...reading.projects].map(([name, draft]) => [name, finished(draft)])),
    wanted: [...wanted].filter((path) => !files.has(path)),
    unreadable: [...unreadable].map(([path, reason]) => ({ path, reason })),
  };
}
