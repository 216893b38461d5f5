import type { ManifestGraph } from '../../ports/manifests.ts';
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

/** The graph that these files make. */
export function readGraph(files: ReadonlyMap<string, string>, folders: readonly string[]): ManifestGraph {
  const { reading, wanted, unreadable } = startReading(files, folders);
  for (const folder of folders) reading.project(folder);
  for (const reader of readers) reader.find?.(reading);
  for (const reader of readers) reader.link?.(reading);
  return {
    projects: new Map([...reading.projects].map(([name, draft]) => [name, finished(draft)])),
    wanted: [...wanted].filter((path) => !files.has(path)),
    unreadable: [...unreadable].map(([path, reason]) => ({ path, reason })),
  };
}
