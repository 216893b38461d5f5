import { appendFileSync, copyFileSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { readRange, sizeOf } from './tail.ts';

/**
 * Keep a log that others have open for appending below `maxBytes`: copy, then truncate, since the writers keep
 * their descriptor. What is written in the microseconds between the two is lost. Keeps `files` old ones, `.1`
 * the newest; it appears complete, so that who follows the log can read on in it.
 */
export function rotateLog(path: string, maxBytes: number, files: number): boolean {
  if (sizeOf(path) <= maxBytes) return false;
  if (files > 0) keepCopy(path, files);
  truncateSync(path);
  return true;
}

function keepCopy(path: string, files: number): void {
  const copy = `${path}.copy`;
  copyFileSync(path, copy);
  // The writers went on meanwhile; what came in is short and quickly added.
  for (let done = sizeOf(copy); done < sizeOf(path); done = sizeOf(copy)) appendFileSync(copy, readRange(path, done, sizeOf(path)));
  rmSync(`${path}.${files}`, { force: true });
  for (let n = files - 1; n >= 1; n--) {
    if (statSync(`${path}.${n}`, { throwIfNoEntry: false }) !== undefined) renameSync(`${path}.${n}`, `${path}.${n + 1}`);
  }
  renameSync(copy, `${path}.1`);
}
