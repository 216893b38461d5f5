import type { ManifestGraph } from '../../ports/manifests.ts';
import type { Project } from '../../core/changes/project.ts';
import { type Draft, finished, type Reader, startReading } from './draft.ts';

/** The graph that these files make, for these readers. */
export function readGraph(readers: readonly Reader[], files: ReadonlyMap<string, string>, folders: readonly string[]): ManifestGraph {
  const { reading, wanted, unreadable } = startReading(files, folders);
  for (const folder of folders) reading.project(folder);
  for (const reader of readers) reader.find?.(reading);
  for (const reader of readers) reader.link?.(reading);
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
