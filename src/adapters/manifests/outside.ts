import { folderOf } from '../../core/changes/project.ts';
import type { Draft, Reading } from './draft.ts';
import { pathFrom } from './draft.ts';

/** Manifests whose every path counts. A lockfile says nothing of its own, and a Makefile's recipes serve more than the build. */
const SPEAKING =
  /^(?:package\.json|project\.json|pyproject\.toml|setup\.(?:py|cfg)|requirements.*\.(?:txt|in)|Cargo\.toml|(?:tsconfig.*|jsconfig)\.json)$/;
/** `../../scripts/build.mjs`, wherever it stands: in a script, a list, a table of paths. */
const UPWARD = /(?<![\w./\\-])(?:\.\.\/)+[\w@*.-][\w@*./-]*/g;

/**
 * A manifest that names a path above its own folder, in whatever key, says that its project is made from what is there:
 * `extends`, `include`, `paths`, `patch`, `file:`, a script that runs `../../scripts/x`. Keys that no reader knows count so too.
 */
export function addOutside(reading: Reading): void {
  for (const [path, text] of reading.files) {
    if (!text.includes('../') || path.includes('node_modules/')) continue;
    const folder = folderOf(path);
    if (!SPEAKING.test(path.slice(path.lastIndexOf('/') + 1))) continue;
    const project = reading.owner(folder);
    if (project !== null) for (const [written] of text.matchAll(UPWARD)) addPath(reading, project, folder, written, path);
  }
}

function addPath(reading: Reading, project: Draft, folder: string, written: string, via: string): void {
  const target = pathFrom(folder, written);
  if (target === null || isAround(target, project.path)) return;
  const owner = reading.owner(target.includes('*') ? folderOf(target.slice(0, target.indexOf('*'))) : target);
  if (owner === project) return;
  if (owner === null) reading.reads(project, target, via);
  else reading.depends(project, owner.path, via);
}

/** The workspace, or a folder that the project lies in: naming it names a place to start from, not content. */
function isAround(target: string, path: string): boolean {
  return target === '.' || target === path || path.startsWith(`${target}/`);
}
