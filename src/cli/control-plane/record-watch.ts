import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { controlPlanePath } from './local.ts';

const LOOK_MS = 1_000;
/** A look may meet the moment in which the record is replaced: two in a row count. */
const LOOKS = 2;
/** Without its folder the database may be gone, and ending in good order may take for ever, ms. */
const END_MS = 8_000;

/**
 * Calls `gone` once when the folder of a control plane was deleted or replaced, or (`alone`: no other one may run here) its record
 * was: nobody can find it any more, and what it would write goes nowhere. The process then has a few seconds to end by itself.
 * @returns to be called when it ends for another reason.
 */
export async function watchRecord(workspace: string, alone: boolean, gone: () => void): Promise<() => void> {
  const folder = join(workspace, '.sluice');
  const mine = await identityOf(folder);
  let missed = 0;
  const timer = setInterval(() => {
    void (async () => {
      const isThere = (await identityOf(folder)) === mine && (!alone || (await identityOf(controlPlanePath(workspace))) !== null);
      missed = isThere ? 0 : missed + 1;
      if (missed !== LOOKS) return;
      clearInterval(timer);
      setTimeout(() => process.exit(1), END_MS).unref();
      gone();
    })();
  }, LOOK_MS).unref();
  return () => clearInterval(timer);
}

async function identityOf(path: string): Promise<string | null> {
  const found = await stat(path, { bigint: true }).catch(() => null);
  return found === null ? null : `${found.dev}/${found.ino}`;
}
