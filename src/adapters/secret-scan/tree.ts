import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { SecretFinding } from '../../core/secret-scan/rule.ts';
import type { Scanner } from '../../core/secret-scan/scan.ts';
import { writeAtomic } from '../_shared/atomic-file.ts';
import { git, pathsOf } from './git.ts';

export interface Scanned {
  readonly findings: readonly SecretFinding[];
  readonly files: number;
  /** Left out because the same content was clean before. */
  readonly cached: number;
  readonly bytes: number;
  /** Not looked at: too large, or not to be read. Never left out unsaid. */
  readonly skipped: readonly string[];
}

/** Larger files are made by machines. */
const MOST_BYTES = 16 * 1024 * 1024;

/** Everything that is tracked, or would be taken by `git add`. `cache`: file that remembers clean blobs of this set of rules. */
export async function scanTree(dir: string, scanner: Scanner, cache: string | null): Promise<Scanned> {
  const [staged, changed, untracked] = await Promise.all([
    git(dir, ['ls-files', '--stage', '-z']),
    git(dir, ['diff-files', '--name-only', '-z', '--relative']),
    git(dir, ['ls-files', '--others', '--exclude-standard', '-z']),
  ]);
  const isChanged = new Set(pathsOf(changed));
  const clean = cache === null ? new Set<string>() : await readClean(cache);
  const [findings, skipped, nowClean]: [SecretFinding[], string[], string[]] = [[], [], []];
  let [files, cached, bytes] = [0, 0, 0];
  const look = (path: string, blob: string | null): void => {
    if (blob !== null && clean.has(blob)) {
      cached += 1;
      nowClean.push(blob);
      return;
    }
    const length = readInto(join(dir, path));
    if (length === null) return;
    if (length < 0) {
      skipped.push(path);
      return;
    }
    files += 1;
    bytes += length;
    const found = scanner.scan(path, buffer, length);
    findings.push(...found);
    if (found.length === 0 && blob !== null) nowClean.push(blob);
  };
  for (const line of pathsOf(staged)) {
    const entry = /^(\d{6}) ([0-9a-f]{40,64}) \d\t([\s\S]+)$/.exec(line);
    const [, mode, blob = '', path = ''] = entry ?? [];
    // Links and submodules have no content of their own.
    if (mode?.startsWith('100') === true) look(path, isChanged.has(path) ? null : blob);
  }
  for (const path of pathsOf(untracked)) look(path, null);
  if (cache !== null && (files > 0 || nowClean.length !== clean.size)) {
    await mkdir(dirname(cache), { recursive: true });
    await writeAtomic(cache, nowClean.join('\n'));
  }
  return { findings, files, cached, bytes, skipped };
}

async function readClean(cache: string): Promise<Set<string>> {
  const text = await readFile(cache, 'utf8').catch(() => '');
  return new Set(text.split('\n').filter((line) => line !== ''));
}

let buffer = new Uint8Array(256 * 1024);

/** Length read into the one buffer that all files share; null: gone meanwhile; -1: too large or not to be read. */
function readInto(path: string): number | null {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT' ? null : -1;
  }
  try {
    let length = readSync(file, buffer, 0, buffer.length, 0);
    if (length === buffer.length) {
      const { size } = fstatSync(file);
      if (size > MOST_BYTES) return -1;
      if (size > buffer.length) {
        buffer = new Uint8Array(Math.min(MOST_BYTES, size * 2));
        length = readSync(file, buffer, 0, buffer.length, 0);
      }
    }
    return length;
  } catch {
    return -1;
  } finally {
    closeSync(file);
  }
}
