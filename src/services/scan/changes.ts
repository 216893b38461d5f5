import { UserError } from '../../core/errors.ts';
import { textIn } from '../../core/secret-scan/content.ts';
import type { Scanner } from '../../core/secret-scan/scan.ts';
import { blobsOf } from './blobs.ts';
import { git } from './git.ts';
import { bookOf, type Scanned } from './tree.ts';

/** What of history is scanned: what is about to be committed, or what lies between two commits (`base..head`, or a base alone). */
export type Changes = { readonly kind: 'staged' } | { readonly kind: 'range'; readonly range: string };

const EMPTY_TREE = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';

const FORMAT: readonly string[] = [
  '--unified=0',
  '--inter-hunk-context=0',
  '--full-index',
  '--no-color',
  '--no-ext-diff',
  '--no-textconv',
  '--no-renames',
  // T: what was a link, and is a file.
  '--diff-filter=AMT',
  '--relative',
  '--src-prefix=a/',
  '--dst-prefix=b/',
];

/**
 * New lines only, of every commit of a range, also those of merged branches: what was added and taken away again is still in the history.
 * @throws UserError `SCAN_GIT_FAILED`, `SCAN_HISTORY_MISSING`, `SCAN_NO_COMMITS`.
 */
export async function scanChanges(dir: string, scanner: Scanner, changes: Changes): Promise<Scanned> {
  const output = changes.kind === 'staged' ? await stagedPatch(dir) : await rangePatch(dir, rangeOf(changes.range));
  const book = bookOf(scanner);
  const seen = new Set<string>();
  const binaries: Added[] = [];
  for (const added of addedIn(output)) {
    if (added.link) book.skip(added.path, 'symlink');
    else if (added.binary !== null) binaries.push(added);
    else book.look(added.path, added.text, added.text.length, { isNew: true, lineOf: (line) => added.lines[line - 1] ?? line });
  }
  await lookAtBinaries(dir, binaries, book);
  const scanned = book.scanned();
  // The same secret of one file in several commits is one.
  const findings = scanned.findings.filter((found) => {
    const place = `${found.path} ${found.mark} ${found.rule}`;
    return !seen.has(place) && seen.add(place);
  });
  return { ...scanned, findings };
}

async function stagedPatch(dir: string): Promise<Buffer> {
  return git(dir, ['diff', '--cached', ...FORMAT, ...((await hasCommit(dir)) ? [] : [EMPTY_TREE])]);
}

async function rangePatch(dir: string, range: string): Promise<Buffer> {
  const commits = (await git(dir, ['rev-list', range]))
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '');
  if (commits.length === 0)
    throw new UserError(
      'SCAN_NO_COMMITS',
      `there is no commit in ${range}, so nothing was looked at`,
      'Name a base that lies before what is new.',
    );
  const isShallow = (await git(dir, ['rev-parse', '--is-shallow-repository'])).toString('utf8').trim() === 'true';
  if (isShallow && (await git(dir, ['rev-list', '--max-parents=0', range])).length > 0)
    throw new UserError(
      'SCAN_HISTORY_MISSING',
      `the clone is shallow, and commits of ${range} are not in it`,
      'Fetch the history: git fetch --unshallow (with actions/checkout: fetch-depth: 0).',
    );
  return git(dir, ['log', '--patch', '--format=', '--diff-merges=first-parent', ...FORMAT, range]);
}

/**
 * Git shows no lines of what it takes for binary: UTF-16, and whatever attributes call so. Content is looked at by what is in it; of
 * a file that was there before, only the lines that are new.
 */
async function lookAtBinaries(dir: string, binaries: readonly Added[], book: ReturnType<typeof bookOf>): Promise<void> {
  const ids = binaries.flatMap(({ binary }) =>
    binary === null ? [] : [binary.after, ...(/^0+$/.test(binary.before) ? [] : [binary.before])],
  );
  const contents = blobsOf(dir, ids);
  const next = async (): Promise<Buffer | null> => (await contents.next()).value ?? null;
  for (const { path, binary } of binaries) {
    const after = await next();
    const before = binary !== null && !/^0+$/.test(binary.before) ? await next() : null;
    if (after === null) {
      book.skip(path, 'tooLarge');
      continue;
    }
    const { text, lines } = newLinesIn(after, before);
    book.look(path, text, text.length, { isNew: true, lineOf: (line) => lines[line - 1] ?? line });
  }
}

/** Lines of text that were not there before, whatever its encoding; what is no text as it is. */
function newLinesIn(after: Buffer, before: Buffer | null): { readonly text: Uint8Array; readonly lines: readonly number[] } {
  const now = textIn(after, after.length);
  if ('reason' in now) return { text: after, lines: [] };
  const then = before === null ? null : textIn(before, before.length);
  const old = new Set(then === null || 'reason' in then ? [] : linesOf(then));
  const fresh = linesOf(now).flatMap((line, i) => (old.has(line) ? [] : [{ line, number: i + 1 }]));
  return { text: Buffer.from(fresh.map((one) => `${one.line}\n`).join(''), 'latin1'), lines: fresh.map((one) => one.number) };
}

function linesOf({ bytes, length }: { readonly bytes: Uint8Array; readonly length: number }): string[] {
  return Buffer.from(bytes.subarray(0, length)).toString('latin1').split('\n');
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
  /** Blobs of a file whose lines git does not show. */
  readonly binary: { readonly before: string; readonly after: string } | null;
  readonly link: boolean;
}

/** The added lines of a patch, file by file. Bytes stay bytes: files need not be text of any one encoding. */
function* addedIn(patch: Buffer): Generator<Added> {
  let file = emptyFile();
  const finished = (): Added[] => {
    const { path, parts, lines, blobs, isBinary, mode } = file;
    if (path === null || (parts.length === 0 && !isBinary) || mode === '160000') return [];
    return [{ path, text: Buffer.concat(parts), lines, binary: isBinary ? blobs : null, link: mode === '120000' }];
  };
  for (let at = 0; at < patch.length;) {
    const found = patch.indexOf(10, at);
    const end = found < 0 ? patch.length : found + 1;
    const line = patch.subarray(at, end);
    at = end;
    if (file.left > 0 && line[0] === 0x2b) {
      file.parts.push(line.subarray(1));
      file.lines.push(file.next);
      file.next += 1;
      file.left -= 1;
      continue;
    }
    if (file.left > 0 && line[0] === 0x5c) continue;
    const text = line.subarray(0, 8192).toString('utf8').replace(/\n$/, '');
    if (text.startsWith('diff --git ')) {
      yield* finished();
      file = emptyFile();
    } else readHeader(text, file);
  }
  yield* finished();
}

function emptyFile() {
  return {
    path: null as string | null,
    parts: [] as Buffer[],
    lines: [] as number[],
    blobs: null as Added['binary'],
    isBinary: false,
    mode: '',
    /** Number of the next added line, and how many of the hunk are to come. */
    next: 0,
    left: 0,
  };
}

function readHeader(text: string, file: ReturnType<typeof emptyFile>): void {
  const hunk = /^@@ -\d+(?:,\d+)? \+(\d+)(?:,(\d+))? @@/.exec(text);
  const index = /^index ([0-9a-f]{40,64})\.\.([0-9a-f]{40,64})(?: (\d{6}))?$/.exec(text);
  const mode = /^new (?:file )?mode (\d{6})$/.exec(text);
  if (hunk !== null) {
    file.next = Number(hunk[1]);
    file.left = Number(hunk[2] ?? 1);
  } else if (index !== null) {
    file.blobs = { before: index[1] ?? '', after: index[2] ?? '' };
    file.mode = index[3] ?? file.mode;
  } else if (mode !== null) file.mode = mode[1] ?? '';
  else if (text.startsWith('+++ ')) file.path = pathIn(text.slice(4));
  else if (text.startsWith('Binary files ') && text.endsWith(' differ')) {
    file.path = pathIn(text.slice(text.lastIndexOf(' and ') + ' and '.length, -' differ'.length));
    file.isBinary = file.path !== null;
  }
}

/** `b/path`, or `"b/path"` where git had to quote it. */
function pathIn(text: string): string | null {
  const plain = text.replace(/\t$/, '');
  if (plain === '/dev/null') return null;
  const unquoted = plain.startsWith('"') ? plain.slice(1, -1).replaceAll(/\\(.)/g, '$1') : plain;
  return unquoted.replace(/^b\//, '');
}
