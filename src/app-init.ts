import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeAtomic } from './adapters/_shared/atomic-file.ts';
import { lookAround, readExisting } from './adapters/init/look.ts';
import { propose, type Proposal, type Proposals, TARGETS } from './core/init/propose.ts';

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
