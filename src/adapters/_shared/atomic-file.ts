import { randomUUID } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { OutsideError } from '../../core/errors.ts';

/**
 * Replace a file so that a reader, or a crash at any moment, sees the old content or the new, never a part:
 * temporary file, fsync, rename, fsync of the folder.
 * @throws OutsideError DISK_FULL with nothing changed.
 */
export async function writeAtomic(path: string, data: string | Uint8Array, options: { readonly mode?: number } = {}): Promise<void> {
  const temporary = `${path}.${process.pid}.${randomUUID().slice(0, 8)}.tmp`;
  try {
    const file = await open(temporary, 'wx', options.mode ?? 0o644);
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw diskError(error, path);
  }
  await syncFolder(dirname(path));
}

/** JSON content of a file; null when it is not there or damaged (a half-written file of another tool, for example). */
export async function readJson<T = unknown>(path: string): Promise<T | null> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T;
  } catch {
    return null;
  }
}

/** Turns "no space left" into an error that says what to do; anything else is handed back as it is. */
export function diskError(error: unknown, path: string): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  return new OutsideError(
    'DISK_FULL',
    `no space left to write ${path}`,
    'Free some space (old releases and logs are under .sluice/) and run the command again.',
    error,
  );
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
