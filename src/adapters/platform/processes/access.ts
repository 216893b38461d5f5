import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { allListeners } from '../../../lib/sockets.ts';
import type { Access } from '../../../ports/access.ts';
import type { Context } from './context.ts';

/** Whether versions can be kept here, and whether it can be told whose port an answer comes from. */
export async function accessOf({ dir }: Context): Promise<Access> {
  const folder = await nearest(dir);
  const isWritable = await access(folder, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!isWritable)
    return {
      status: 'fail',
      message: `${folder} cannot be written, so no version can be started`,
      hint: `Give the user of Sluice write access to ${folder}.`,
    };
  if (allListeners() === null)
    return {
      status: 'warn',
      message: 'the sockets of this machine cannot be read: whose port an answer comes from is not known',
      hint: 'Health then rests on the answer alone. It needs /proc, which containers may hide.',
    };
  return { status: 'ok', message: `versions run as processes of this machine, in ${dir}`, hint: null };
}

/** The folder itself, or the nearest one above it that is there: the first version makes the rest. */
async function nearest(dir: string): Promise<string> {
  const isThere = await stat(dir).then(
    (found) => found.isDirectory(),
    () => false,
  );
  return isThere || dirname(dir) === dir ? dir : nearest(dirname(dir));
}
