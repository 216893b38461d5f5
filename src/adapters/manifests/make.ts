import { folderOf } from '../../core/changes/project.ts';
import type { Draft, Reader, Reading } from './draft.ts';
import { pathFrom } from './draft.ts';

/** Makefiles, and what they include. */
export const makeReader: Reader = {
  names: ['Makefile', 'makefile', 'GNUmakefile'],
  link(reading) {
    for (const { path, folder } of reading.named('Makefile', 'makefile', 'GNUmakefile')) {
      const project = reading.owner(folder);
      // make reads what is included relative to where it was started, however deep the inclusion.
      if (project !== null) follow(reading, project, path, folder, new Set());
    }
  },
};

function follow(reading: Reading, project: Draft, path: string, folder: string, seen: Set<string>): void {
  if (seen.has(path)) return;
  seen.add(path);
  if (reading.isUnreadable(path)) reading.doubt(project, path);
  for (const line of (reading.text(path) ?? '').split('\n')) {
    const written = /^\s*(?:-include|sinclude|include)\s+([^#]+)/.exec(line)?.[1] ?? '';
    for (const word of written.split(/\s+/)) {
      const target = word === '' || word.includes('$') ? null : pathFrom(folder, word);
      if (target === null) continue;
      const owner = reading.owner(folderOf(target));
      if (owner !== null && owner !== project) reading.depends(project, owner.path, path);
      else reading.reads(project, target, path);
      follow(reading, project, target, folder, seen);
    }
  }
}
