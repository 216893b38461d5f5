import type { ManifestGraph } from '../../ports/manifests.ts';
import { finished, type Reader, startReading } from './draft.ts';

/** The graph that these files make, for these readers. */
export function readGraph(readers: readonly Reader[], files: ReadonlyMap<string, string>, folders: readonly string[]): ManifestGraph {
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
