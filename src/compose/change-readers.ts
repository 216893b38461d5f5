import { join } from 'node:path';
import { manifestReaders } from '../adapters/manifests/index.ts';
import { fileGraphMemory } from '../services/affected/graph-memory.ts';
import { gitHistory } from '../adapters/source/history.ts';
import type { Readers } from '../services/affected/workspace.ts';

/** What tells which app of a workspace is made from what. `version`: graphs kept by another one are not used. */
export function changeReaders(dir: string, version: string): Readers {
  return {
    history: gitHistory({ dir }),
    manifests: manifestReaders,
    memory: fileGraphMemory({ file: join(dir, '.sluice', 'cache', 'graph.json'), version }),
  };
}
