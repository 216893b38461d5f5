import type { ManifestGraph } from '../../ports/manifests.ts';
import type { Project } from '../../core/changes/project.ts';
import { addDoubts } from './doubts.ts';
import { type Draft, finished, type Reader, startReading } from './draft.ts';
import { addOutside } from './outside.ts';

/** The graph that these files make, for these readers. `broken`: files whose text could not be had, with the reason. */
export function readGraph(
  readers: readonly Reader[],
  files: ReadonlyMap<string, string>,
  folders: readonly string[],
  broken: ReadonlyMap<string, string>,
): ManifestGraph {
  const started = startReading(files, folders, broken);
  const { reading, wanted, unreadable } = started;
  for (const folder of folders) reading.project(folder);
  for (const reader of readers) reader.find?.(reading);
  for (const reader of readers) reader.link?.(reading);
  addOutside(reading);
  addDoubts(started);
  return {
    projects: finishedAll(reading.projects),
    wanted: [...wanted].filter((path) => !files.has(path)),
    unreadable: [...unreadable].map(([path, reason]) => ({ path, reason })),
  };
}

function finishedAll(drafts: ReadonlyMap<string, Draft>): Map<string, Project> {
  const projects = new Map<string, Project>();
  for (const [name, draft] of drafts) projects.set(name, finished(draft));
  return projects;
}
