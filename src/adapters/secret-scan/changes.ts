import type { SecretFinding } from '../../core/secret-scan/rule.ts';
import type { Scanner } from '../../core/secret-scan/scan.ts';
import { git } from './git.ts';
import type { Scanned } from './tree.ts';

/** What of history is scanned: what is about to be committed, or what lies between two commits (`base..head`, or a base alone). */
export type Changes = { readonly kind: 'staged' } | { readonly kind: 'range'; readonly range: string };

const EMPTY_TREE = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';

/**
 * New lines only, of every commit of a range: what was added and taken away again is still in the history.
 * @throws UserError `SCAN_GIT_FAILED`.
 */
export async function scanChanges(dir: string, scanner: Scanner, changes: Changes): Promise<Scanned> {
  const format = [
    '--unified=0',
    '--no-color',
    '--no-ext-diff',
    '--no-textconv',
    '--no-renames',
    '--diff-filter=AM',
    '--relative',
    '--src-prefix=a/',
    '--dst-prefix=b/',
  ];
  const output =
    changes.kind === 'staged'
      ? await git(dir, ['diff', '--cached', ...format, ...((await hasCommit(dir)) ? [] : [EMPTY_TREE])])
      : await git(dir, ['log', '--patch', '--format=', '--first-parent', '-m', ...format, rangeOf(changes.range)]);
  const findings: SecretFinding[] = [];
  const seen = new Set<string>();
  let [files, bytes] = [0, 0];
  for (const { path, text, lines } of addedIn(output)) {
    files += 1;
    bytes += text.length;
    for (const found of scanner.scan(path, text, text.length, { isNew: true, lineOf: (line) => lines[line - 1] ?? line })) {
      const place = `${found.path} ${found.mark} ${found.rule}`;
      if (!seen.has(place)) findings.push(found);
      seen.add(place);
    }
  }
  return { findings, files, cached: 0, bytes, skipped: [] };
}

/** A range is never an option. */
function rangeOf(range: string): string {
  const text = range.includes('..') ? range : `${range}..HEAD`;
  return text.startsWith('-') ? `./${text}` : text;
}

async function hasCommit(dir: string): Promise<boolean> {
  return (await git(dir, ['rev-parse', '--verify', '--quiet', 'HEAD'], { accept: [1] })).length > 0;
}

interface Added {
  readonly path: string;
  /** Added lines, one after another. */
  readonly text: Uint8Array;
  /** Line of the file that each is. */
  readonly lines: readonly number[];
}

/** The added lines of a patch, file by file. Bytes stay bytes: files need not be text of any one encoding. */
function* addedIn(patch: Buffer): Generator<Added> {
  let path: string | null = null;
  let lines: number[] = [];
  let parts: Buffer[] = [];
  let next = 0;
  let left = 0;
  const finished = (): Added | null => (path === null || parts.length === 0 ? null : { path, text: Buffer.concat(parts), lines });
  for (let at = 0; at < patch.length;) {
    const found = patch.indexOf(10, at);
    const end = found < 0 ? patch.length : found + 1;
    const line = patch.subarray(at, end);
    at = end;
    if (left > 0 && line[0] === 0x2b) {
      parts.push(line.subarray(1));
      lines.push(next);
      next += 1;
      left -= 1;
      continue;
    }
    if (left > 0 && line[0] === 0x5c) continue;
    const text = line.subarray(0, 4096).toString('utf8').replace(/\n$/, '');
    const hunk = /^@@ -\d+(?:,\d+)? \+(\d+)(?:,(\d+))? @@/.exec(text);
    if (hunk !== null) {
      next = Number(hunk[1]);
      left = Number(hunk[2] ?? 1);
    } else if (text.startsWith('diff --git ')) {
      const done = finished();
      if (done !== null) yield done;
      [path, lines, parts, left] = [null, [], [], 0];
    } else if (text.startsWith('+++ ')) {
      path = pathIn(text.slice(4));
    }
  }
  const done = finished();
  if (done !== null) yield done;
}

/** `b/path`, or `"b/path"` where git had to quote it. */
function pathIn(text: string): string | null {
  const plain = text.replace(/\t$/, '');
  if (plain === '/dev/null') return null;
  const unquoted = plain.startsWith('"') ? plain.slice(1, -1).replaceAll(/\\(.)/g, '$1') : plain;
  return unquoted.replace(/^b\//, '');
}
