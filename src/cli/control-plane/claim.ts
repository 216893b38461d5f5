import { link, readdir, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { workspaceFolder } from '../../lib/own-folder.ts';
import { OutsideError, UserError } from '../../core/errors.ts';
import { controlPlanePath, readControlPlane } from './local.ts';
import { isRunning, startTimeOf } from './process.ts';

const CLAIM = /^control-plane\.claim\.(\d+)$/;

/**
 * Make this process the one control plane of the workspace. The claim with the highest number counts, as
 * long as the process that made it runs; nothing has to be given back, so a crash leaves nothing behind.
 * Numbers only grow: a process that takes a number which has been overtaken sees the higher one and loses.
 * @throws UserError `CONTROL_PLANE_RUNNING`.
 */
export async function claim(workspace: string): Promise<void> {
  const dir = workspaceFolder(workspace);
  const startTime = await startTimeOf(process.pid);
  if (startTime === null)
    throw new OutsideError(
      'PROCESS_UNREADABLE',
      'it cannot be found out when this process was started',
      'Sluice needs /proc (Linux) or ps.',
    );
  const own = join(dir, `control-plane.claim.tmp-${process.pid}`);
  await writeFile(own, JSON.stringify({ pid: process.pid, startTime }), { mode: 0o600 });
  try {
    for (;;) {
      const highest = Math.max(0, ...(await claims(dir)));
      if (highest > 0) await refuseRunning(dir, highest);
      const mine = highest + 1;
      // A link appears with its content or not at all, and only once.
      const isMine = await link(own, join(dir, name(mine))).then(
        () => true,
        (error: NodeJS.ErrnoException) => {
          if (error.code === 'EEXIST') return false;
          throw error;
        },
      );
      if (!isMine) continue;
      if (Math.max(...(await claims(dir))) > mine) continue;
      for (const old of await claims(dir)) if (old < mine) await unlink(join(dir, name(old))).catch(() => {});
      return;
    }
  } finally {
    await rm(own, { force: true });
  }
}

async function claims(dir: string): Promise<number[]> {
  return (await readdir(dir)).flatMap((file) => {
    const match = CLAIM.exec(file);
    return match === null ? [] : [Number(match[1])];
  });
}

async function refuseRunning(dir: string, number: number): Promise<void> {
  const holder = await readFile(join(dir, name(number)), 'utf8').then(
    (text) => JSON.parse(text) as { pid: number; startTime: string },
    () => null,
  );
  if (holder === null || holder.pid === process.pid || !(await isRunning(holder.pid, holder.startTime))) return;
  throw new UserError(
    'CONTROL_PLANE_RUNNING',
    `this workspace has a control plane already (pid ${holder.pid})`,
    '`sluice status` talks to it; `sluice down` ends it.',
  );
}

function name(number: number): string {
  return `control-plane.claim.${number}`;
}

/** Tell the clients of this workspace where its control plane is. Only this user may read it: it holds the token. */
export async function announce(
  workspace: string,
  what: { readonly url: string; readonly token: string; readonly version: string },
): Promise<void> {
  const path = controlPlanePath(workspace);
  const startTime = await startTimeOf(process.pid);
  const temporary = `${path}.tmp-${process.pid}`;
  await rm(temporary, { force: true });
  await writeFile(
    temporary,
    `${JSON.stringify({ url: what.url, pid: process.pid, startTime, token: what.token, version: what.version }, null, 2)}\n`,
    { mode: 0o600, flag: 'wx' },
  );
  await rename(temporary, path);
}

/** The opposite, as it ends: from now on nobody should find it. */
export async function withdraw(workspace: string): Promise<void> {
  if ((await readControlPlane(workspace))?.pid === process.pid) await rm(controlPlanePath(workspace), { force: true });
}
