import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeAtomic } from '../lib/atomic-file.ts';
import { lookAround, readExisting } from '../services/init/look.ts';
import { gitSource } from '../adapters/source/git.ts';
import { changeReaders } from './change-readers.ts';
import { createPlanner } from '../services/planning/planner.ts';
import { SluiceError } from '../core/errors.ts';
import { propose, type Proposal, type Proposals, TARGETS } from '../core/init/propose.ts';

/** What `sluice init` would write into a folder; nothing is written. */
export async function proposeFiles(dir: string): Promise<Proposals> {
  const [look, existing] = await Promise.all([lookAround(dir), readExisting(dir, TARGETS)]);
  return propose(look, existing);
}

/** @throws OutsideError `DISK_FULL`. */
export async function writeProposal(dir: string, { path, text }: Proposal): Promise<void> {
  const target = join(dir, path);
  await mkdir(dirname(target), { recursive: true });
  await writeAtomic(target, text);
}

/**
 * Plans a first deploy with the configuration as it lies there, as `sluice plan` does before anything has run. Null: it
 * plans; otherwise what stands in the way. Nothing is deployed, and no control plane is needed.
 */
export async function planTrouble(dir: string, version: string): Promise<string | null> {
  const planner = createPlanner({ dir, source: gitSource({ dir }), readers: changeReaders(dir, version) });
  try {
    const [environment = 'development'] = await planner.environments();
    const plan = await planner.plan({ environment, manifest: { environment, apps: {} } });
    return plan.apps.length === 0 ? 'There is nothing to deploy.' : null;
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    return [error.message, error.hint ?? ''].join(' ').trim();
  }
}
