import { mkdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { FencedError, OutsideError } from '../../../core/errors.ts';
import type { AppRef } from '../../../core/app/run.ts';
import { readJson, writeAtomic } from '../../../lib/atomic-file.ts';
import { type HeldLock, tryLock } from '../../../supervisor/lock.ts';
import { appPaths } from '../../../supervisor/paths.ts';

/** Held for a few small writes only; longer means that its owner hangs. */
const PATIENCE_MS = 20_000;
const LOOK_MS = 10;

/**
 * Do something as the only control plane for this app, with a fencing token not lower than any before.
 * @throws FencedError | OutsideError LOCK_BUSY
 */
export async function withFence<T>(
  dir: string,
  ref: AppRef,
  fence: number,
  wrote: (what: string) => void,
  work: () => Promise<T>,
): Promise<T> {
  const { folder, fence: file } = appPaths(dir, ref);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const lock = await waitForLock(folder, ref);
  try {
    wrote('app lock');
    const accepted = (await readJson<{ fence?: unknown }>(file))?.fence;
    if (typeof accepted === 'number' && fence < accepted) {
      throw new FencedError(`${ref.environment}/${ref.app}: fencing token ${fence} is lower than ${accepted}, which was accepted before`);
    }
    if (accepted !== fence) {
      await writeAtomic(file, JSON.stringify({ fence }), { mode: 0o600 });
      wrote('fence');
    }
    return await work();
  } finally {
    await lock.release();
  }
}

async function waitForLock(folder: string, ref: AppRef): Promise<HeldLock> {
  for (const until = Date.now() + PATIENCE_MS; Date.now() < until; await sleep(LOOK_MS)) {
    const lock = await tryLock(folder, 'app');
    if (lock !== null) return lock;
  }
  throw new OutsideError(
    'LOCK_BUSY',
    `${ref.environment}/${ref.app} is locked by another process of Sluice that does not let go`,
    'It is tried again; if it stays so, look for a stopped (SIGSTOP) control plane on this machine.',
  );
}
