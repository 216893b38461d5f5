import { randomBytes } from 'node:crypto';
import { chmod, lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** A new name for something unfinished, from which `removeAbandoned` can tell whose it was. */
export function unfinishedName(): string {
  return `${process.pid}-${randomBytes(6).toString('hex')}`;
}

/** Remove what processes that are gone have left unfinished in a folder. */
export async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const pid = Number.parseInt(name, 10);
    if (pid !== process.pid && !isAlive(pid)) await removeTree(join(folder, name));
  }
}

/** Remove a folder and all in it, read-only folders too. Nothing there is fine. */
export async function removeTree(path: string): Promise<void> {
  const found = await lstat(path).catch(missingIsNull);
  if (found === null) return;
  if (found.isDirectory()) await unseal(path);
  await rm(path, { recursive: true, force: true, maxRetries: 3, retryDelay: 50 });
}

export function isDiskFull(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** What the system calls an error (`ENOENT`), null for all others. */
export function errorCode(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}

/** Only root may empty a folder that is read-only. */
async function unseal(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const child of await readdir(folder, { withFileTypes: true })) if (child.isDirectory()) await unseal(join(folder, child.name));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

function missingIsNull(error: NodeJS.ErrnoException): null {
  if (error.code !== 'ENOENT') throw error;
  return null;
}
