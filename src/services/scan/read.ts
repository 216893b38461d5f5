import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import type { NotLookedAt } from '../../core/secret-scan/content.ts';

/** Larger files are made by machines. */
export const MOST_BYTES = 16 * 1024 * 1024;

/** One for all files; what was read into it counts until the next one is read. */
let buffer = new Uint8Array(256 * 1024);

/** What was read, why nothing was, or null where there is nothing. */
export type ReadFile = { readonly bytes: Uint8Array; readonly length: number } | { readonly reason: NotLookedAt } | null;

/** A file of the workspace. Links are not followed, because they may lead out of it, and a pipe is not waited for. */
export function readFileOf(path: string): ReadFile {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    return { reason: code === 'ELOOP' ? 'symlink' : 'unreadable' };
  }
  try {
    let length = readSync(file, buffer, 0, buffer.length, 0);
    if (length === 0 && !fstatSync(file).isFile()) return { reason: 'unreadable' };
    if (length === buffer.length) {
      const { size } = fstatSync(file);
      if (size > MOST_BYTES) return { reason: 'tooLarge' };
      if (size > buffer.length) {
        buffer = new Uint8Array(Math.min(MOST_BYTES, size * 2));
        length = readSync(file, buffer, 0, buffer.length, 0);
      }
    }
    return { bytes: buffer, length };
  } catch {
    return { reason: 'unreadable' };
  } finally {
    closeSync(file);
  }
}
