import { randomUUID } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { OutsideError } from '../core/errors.ts';

/**
 * Replace a file so that a reader, or a crash at any moment, sees the old content or the new, never a part:
 * temporary file, fsync, rename, fsync of the folder. `meanwhile` runs beside the writing and is over before the file
 * is replaced; when it fails, nothing is.
 * @throws OutsideError DISK_FULL with nothing changed.
 */
export async function writeAtomic(
  path: string,
  data: string | Uint8Array,
  options: { readonly mode?: number; readonly meanwhile?: () => Promise<void> } = {},
): Promise<void> {
  const temporary = `${path}.${process.pid}.${randomUUID().slice(0, 8)}.tmp`;
  try {
    const results = await Promise.allSettled([writeSynced(temporary, data, options.mode ?? 0o644), options.meanwhile?.()]);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw diskError(error, path);
  }
  await syncFolder(dirname(path));
}

async function writeSynced(path: string, data: string | Uint8Array, mode: number): Promise<void> {
  const file = await open(path, 'wx', mode);
  try {
    await file.writeFile(data);
    await file.sync();
  } finally {
    await file.close();
  }
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
