import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { NotLookedAt } from '../../core/secret-scan/content.ts';
import type { SecretFinding } from '../../core/secret-scan/rule.ts';
import type { ScanOptions, Scanner } from '../../core/secret-scan/scan.ts';
import { writeAtomic } from '../../lib/atomic-file.ts';
import { blobsOf } from './blobs.ts';
import { git, pathsOf } from './git.ts';
import { readFileOf } from './read.ts';

export interface Scanned {
  readonly findings: readonly SecretFinding[];
  /** Looked at now. */
  readonly files: number;
  /** Left out because the same content was clean before. */
  readonly cached: number;
  readonly bytes: number;
  /** Never left out unsaid. */
  readonly skipped: readonly Skipped[];
  /** Rules that did not get through a file in time. */
  readonly undecided: readonly { readonly path: string; readonly rules: readonly string[] }[];
}

export interface Skipped {
  readonly path: string;
  readonly reason: NotLookedAt;
}

interface Entry {
  readonly path: string;
  readonly blob: string;
  readonly mode: string;
  /** The file may differ from the blob: git says so, or was told not to look. */
  readonly isOther: boolean;
}

/** Everything that is tracked, or would be taken by `git add`. `cache`: file that remembers clean blobs of this set of rules. */
export async function scanTree(dir: string, scanner: Scanner, cache: string | null): Promise<Scanned> {
  const [entries, untracked] = await Promise.all([
    entriesOf(dir),
    git(dir, ['ls-files', '--others', '--exclude-standard', '-z']).then(pathsOf),
  ]);
  const clean = cache === null ? new Set<string>() : await readClean(cache);
  const nowClean = new Set<string>();
  const book = bookOf(scanner);
  const known = (blob: string, path: string): boolean => {
    if (!clean.has(blob) || !scanner.dependsOnContentAlone(path)) return false;
    nowClean.add(blob);
    return true;
  };
  let cached = 0;
  const look = (path: string, bytes: Uint8Array, length: number, blob: string | null): void => {
    if (book.look(path, bytes, length) && cache !== null && blob !== null && scanner.dependsOnContentAlone(path)) nowClean.add(blob);
  };
  /** Content that is in the index and not, or no longer, in a file: it goes into the next commit all the same. */
  const staged: Entry[] = [];
  for (const entry of entries()) {
    const { path, blob, mode, isOther } = entry;
    if (mode === '120000' || mode === '160000') book.skip(path, mode === '120000' ? 'symlink' : 'submodule');
    else if (scanner.isLeftOut(path)) book.skip(path, 'leftOut');
    else if (!isOther && known(blob, path)) cached += 1;
    else {
      const read = readFileOf(join(dir, path));
      if (read === null || isOther) staged.push(entry);
      if (read !== null && 'reason' in read) book.skip(path, read.reason);
      else if (read !== null) look(path, read.bytes, read.length, isOther ? null : blob);
    }
  }
  for (const path of untracked) {
    const read = scanner.isLeftOut(path) ? ({ reason: 'leftOut' } as const) : readFileOf(join(dir, path));
    if (read !== null && 'reason' in read) book.skip(path, read.reason);
    else if (read !== null) look(path, read.bytes, read.length, null);
  }
  const rest = staged.filter(({ blob, path }) => !known(blob, path));
  let at = 0;
  for await (const content of blobsOf(
    dir,
    rest.map((one) => one.blob),
  )) {
    const { path = '', blob = '' } = rest[at] ?? {};
    at += 1;
    if (content === null) book.skip(path, 'tooLarge');
    else look(path, content, content.length, blob);
  }
  if (cache !== null && (nowClean.size !== clean.size || [...nowClean].some((blob) => !clean.has(blob)))) {
    await mkdir(dirname(cache), { recursive: true });
    await writeAtomic(cache, [...nowClean].join('\n'));
  }
  return { ...book.scanned(), cached };
}

/** Everything of the index: mode, blob and path of each entry. */
async function entriesOf(dir: string): Promise<() => Iterable<Entry>> {
  const [staged, changed] = await Promise.all([
    git(dir, ['ls-files', '-v', '--stage', '-z']),
    git(dir, ['diff-files', '--name-only', '-z', '--relative']),
  ]);
  const isChanged = new Set(pathsOf(changed));
  const lines = pathsOf(staged);
  return function* entries() {
    for (const line of lines) {
      const [, tag = '', mode = '', blob = '', path = ''] = /^(\S) (\d{6}) ([0-9a-f]{40,64}) \d\t([\s\S]+)$/.exec(line) ?? [];
      // A small letter, or S, marks what git was told not to compare (assume-unchanged, skip-worktree).
      if (path !== '') yield { path, blob, mode, isOther: tag !== 'H' || isChanged.has(path) };
    }
  };
}

/** What has been looked at, and what was not. */
export function bookOf(scanner: Scanner) {
  const findings: SecretFinding[] = [];
  const seen = new Set<string>();
  const skipped = new Map<string, Skipped>();
  const undecided = new Map<string, { path: string; rules: readonly string[] }>();
  let [files, bytes] = [0, 0];
  return {
    skip: (path: string, reason: NotLookedAt) => void skipped.set(`${path} ${reason}`, { path, reason }),
    /** Whether it was looked at and nothing was found. */
    look(path: string, content: Uint8Array, length: number, options: ScanOptions = {}): boolean {
      const found = scanner.scan(path, content, length, options);
      for (const one of found.findings) {
        const place = `${one.path} ${one.line} ${one.column} ${one.rule} ${one.mark}`;
        if (!seen.has(place)) findings.push(one);
        seen.add(place);
      }
      if (found.undecided.length > 0) undecided.set(path, { path, rules: found.undecided });
      if (found.reason !== null) skipped.set(`${path} ${found.reason}`, { path, reason: found.reason });
      else {
        files += 1;
        bytes += length;
      }
      return found.findings.length === 0 && found.reason === null && found.undecided.length === 0;
    },
    scanned: (): Scanned => ({
      findings,
      files,
      cached: 0,
      bytes,
      skipped: [...skipped.values()],
      undecided: [...undecided.values()],
    }),
  };
}

async function readClean(cache: string): Promise<Set<string>> {
  const text = await readFile(cache, 'utf8').catch(() => '');
  return new Set(text.split('\n').filter((line) => line !== ''));
}
