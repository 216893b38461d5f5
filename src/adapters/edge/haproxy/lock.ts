import { randomUUID } from 'node:crypto';
import { link, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readJson } from '../../../lib/atomic-file.ts';
import { isAlive, startTimeOf } from '../../../lib/process-identity.ts';

const holderSchema = z.object({ pid: z.int(), startTime: z.string() });

/**
 * Become the one keeper of a folder: `keeper.lock.<n>` with the highest n says who it is. The lock of a dead one
 * is never taken away, only outnumbered: `link` lets exactly one process make the next.
 * @returns false when another lives.
 */
export async function becomeKeeper(dir: string): Promise<boolean> {
  const startTime = (await startTimeOf(process.pid)) ?? '';
  const mine = join(dir, `keeper.${randomUUID()}.tmp`);
  await writeFile(mine, JSON.stringify({ pid: process.pid, startTime }), { mode: 0o600 });
  try {
    for (;;) {
      const held = await generations(dir);
      const highest = held.at(-1) ?? 0;
      if (highest > 0 && (await isHeld(lockPath(dir, highest)))) return false;
      const next = highest + 1;
      if (!(await tryLink(mine, lockPath(dir, next)))) continue;
      // Somebody may have gone further while we looked at an old list.
      if ((await generations(dir)).at(-1) !== next) {
        await rm(lockPath(dir, next), { force: true });
        continue;
      }
      for (const old of held) await rm(lockPath(dir, old), { force: true });
      return true;
    }
  } finally {
    await rm(mine, { force: true });
  }
}

function lockPath(dir: string, generation: number): string {
  return join(dir, `keeper.lock.${generation}`);
}

async function generations(dir: string): Promise<number[]> {
  const names = await readdir(dir);
  return names
    .flatMap((name) => (/^keeper\.lock\.(\d+)$/.test(name) ? [Number(name.slice('keeper.lock.'.length))] : []))
    .toSorted((a, b) => a - b);
}

async function isHeld(path: string): Promise<boolean> {
  const holder = holderSchema.safeParse(await readJson(path));
  return holder.success && isAlive(holder.data.pid, holder.data.startTime);
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
