import { folderOf, isTestData, unreadableNode } from '../../core/changes/project.ts';
import type { Draft, Started } from './draft.ts';

/** Manifests that may speak of every project below their folder: workspaces, and what their members inherit. */
const OF_MANY = /(?:^|\/)(?:package\.json|pnpm-workspace\.yaml|pyproject\.toml|Cargo\.toml|go\.mod|go\.work|nx\.json|lerna\.json)$/;
/** What a lockfile that cannot be read concerns is told by its closure, which is then the whole text. */
const LOCK = /(?:\.lockb?|[/.-]lock\.(?:json|yaml)|shrinkwrap\.json|go\.sum|go\.work\.sum|pylock(?:\.[\w-]+)?\.toml)$/;

/**
 * A file that cannot be read becomes a project of its own that reads the whole workspace, because its text might have
 * named any part of it; all that it may concern depend on that project. So everything affects them until it is mended.
 */
export function addDoubts({ reading, unreadable, doubts }: Started): void {
  for (const path of unreadable.keys()) {
    if (LOCK.test(path)) continue;
    const told = doubts.get(path) ?? new Set<Draft>();
    const owner = reading.owner(folderOf(path));
    // Manifests among test data are often broken on purpose. They are content of what lies around them, unless they are in use.
    if (told.size === 0 && isTestData(path) && !reading.folders.some((folder) => isTestData(`${folder}/`) && path.startsWith(`${folder}/`)))
      continue;
    const concerned = new Set(told);
    if (owner !== null) concerned.add(owner);
    if (OF_MANY.test(path)) for (const project of below(reading.projects.values(), folderOf(path))) concerned.add(project);
    const node = reading.shared(unreadableNode(path), path);
    node.inputs.push({ path: '.', via: path });
    for (const project of concerned) reading.depends(project, node.name, path);
  }
}

/** Projects of folders, not what several of them share. */
function below(projects: Iterable<Draft>, folder: string): Draft[] {
  return [...projects].filter(({ name, path }) => name === path && (folder === '.' || path.startsWith(`${folder}/`)));
}
