import { execFile, spawn } from 'node:child_process';
import { posix } from 'node:path';
import { OutsideError, UserError } from '../../core/errors.ts';
import type { Base, UnknownBase } from '../../core/gates/base.ts';
import type { SourceFile } from '../../core/gates/duplication.ts';
import type { NewLines } from '../../core/gates/new-lines.ts';
import { newLinesOf } from '../../core/gates/new-lines.ts';
import type { RunGit } from './base.ts';
import { commitOf, isShallow, UNSHALLOW, usualBase } from './base.ts';

/** What gates need of the workspace's git repository. Commits may also be tree ids. Paths are inside the workspace. */
export interface History {
  files(commit: string): Promise<readonly string[]>;
  read(commit: string, paths: readonly string[], signal: AbortSignal): Promise<SourceFile[]>;
  /** Lines of `commit` that `base` does not have; a base that is not known is handed back. @throws UserError COMMIT_UNKNOWN */
  newLines(base: Base, commit: string): Promise<NewLines | UnknownBase>;
  /** Ids of what stands at these paths, folders and files alike; null where nothing does. */
  ids(commit: string, paths: readonly string[]): Promise<(string | null)[]>;
  /** What a change is compared with when nothing is said: where the branch left the default one; on that one itself, the commit before. */
  usualBase(): Promise<Base>;
  /** Full id of a commit by any name git knows. @throws UserError COMMIT_UNKNOWN */
  commit(name: string): Promise<string>;
}

const LARGEST_OUTPUT = 512 * 1024 * 1024;

export function gitHistory(dir: string): History {
  const run: RunGit = (args, accept = []) => git(dir, args, accept);
  let prefix: Promise<string> | null = null;
  const inside = async (path: string): Promise<string> => {
    prefix ??= run(['rev-parse', '--show-prefix']).then((text) => text.trim());
    const joined = posix.join(await prefix, path);
    return joined === '.' || joined === './' ? '' : joined.replace(/\/$/, '');
  };
  const known = async (id: string): Promise<boolean> =>
    (await run(['rev-parse', '--verify', '--quiet', `${id}^{tree}`], [1, 128])).trim() !== '';
  const history: History = {
    async files(commit) {
      const output = await run(['ls-tree', '-r', '-z', '--name-only', `${commit}:${await inside('.')}`]);
      return output.split('\0').filter((name) => name !== '');
    },
    async read(commit, paths, signal) {
      const names = await Promise.all(paths.map(async (path) => `${commit}:${await inside(path)}`));
      const texts = await blobs(dir, names, signal);
      return paths.flatMap((path, i) => (texts[i] == null ? [] : [{ path, text: texts[i] }]));
    },
    async newLines(base, commit) {
      if (base.kind === 'unknown') return base;
      const from = base.kind === 'none' ? (await run(['hash-object', '-t', 'tree', '/dev/null'])).trim() : base.commit;
      if (base.kind === 'commit' && !(await known(from))) {
        // A shallow clone has the branch's end alone, and the one commit is enough; a full clone must stay a full one.
        const depth = (await isShallow(run)) ? ['--depth', '1'] : [];
        await run(['fetch', '--quiet', ...depth, 'origin', from], [1, 128]);
        if (!(await known(from))) throw await unknownCommit(run, from);
      }
      const options = [
        '--unified=0',
        '--no-color',
        '--no-ext-diff',
        '--no-textconv',
        '--find-renames',
        '--src-prefix=a/',
        '--dst-prefix=b/',
        '--relative',
      ];
      return newLinesOf(await run(['-c', 'core.quotePath=false', 'diff', ...options, from, commit, '--', '.']));
    },
    ids: async (commit, paths) =>
      Promise.all(
        paths.map(
          async (path) => (await run(['rev-parse', '--verify', '--quiet', `${commit}:${await inside(path)}`], [1, 128])).trim() || null,
        ),
      ),
    usualBase: () => usualBase(run),
    async commit(name) {
      const found = await commitOf(run, name);
      if (found === null) throw await unknownCommit(run, name);
      return found;
    },
  };
  // All apps of one run ask the same, and ids never mean anything else later.
  return { ...history, files: lastAnswer(history.files), newLines: lastAnswer(history.newLines) };
}

/** The same question twice in a row is asked once. */
function lastAnswer<A extends readonly unknown[], R>(ask: (...question: A) => Promise<R>): (...question: A) => Promise<R> {
  let last: { readonly question: A; readonly answer: Promise<R> } | null = null;
  return (...question) => {
    if (last !== null && last.question.every((part, i) => part === question[i])) return last.answer;
    const answer = ask(...question);
    const mine = { question, answer };
    last = mine;
    answer.catch(() => {
      if (last === mine) last = null;
    });
    return answer;
  };
}

async function unknownCommit(run: RunGit, name: string): Promise<UserError> {
  if (name.trim() === '') return new UserError('COMMIT_UNKNOWN', 'No commit is named.', 'Say which commit; a variable may be empty.');
  if (/^0+$/.test(name))
    return new UserError('COMMIT_UNKNOWN', 'There is no commit of that name: a build gives it for a new branch.', 'Leave --since out.');
  const fix = (await isShallow(run)) ? UNSHALLOW : `Fetch it: git fetch origin ${name.slice(0, 80)}.`;
  return new UserError('COMMIT_UNKNOWN', `${name.slice(0, 80)} is not in this clone of the repository.`, fix);
}

/**
 * Inherited GIT_* (as inside a hook) would point at some other repository or index. History is read as it was written:
 * replacements and grafts would give a commit other parents.
 */
function environment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_') || name.startsWith('GIT_CONFIG_'));
  return { ...Object.fromEntries(kept), LC_ALL: 'C', GIT_TERMINAL_PROMPT: '0', GIT_NO_REPLACE_OBJECTS: '1', GIT_GRAFT_FILE: '/dev/null' };
}

function git(dir: string, args: readonly string[], accept: readonly number[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('git', [...args], { cwd: dir, env: environment(), maxBuffer: LARGEST_OUTPUT, encoding: 'utf8' }, (error, output, errors) => {
      if (error === null) return resolve(output);
      if (typeof error.code === 'number' && accept.includes(error.code)) return resolve('');
      const said = errors.trim().split('\n').at(-1) ?? error.message;
      reject(
        new OutsideError(
          'SOURCE_FAILED',
          `git ${args.find((arg) => /^[a-z]/.test(arg)) ?? ''} failed: ${said}`,
          `Run git status in ${dir}.`,
          error,
        ),
      );
    });
  });
}

/** Contents of many objects from one process; null for what is not there. */
async function blobs(dir: string, names: readonly string[], signal: AbortSignal): Promise<(string | null)[]> {
  if (names.length === 0) return [];
  const child = spawn('git', ['cat-file', '--batch'], { cwd: dir, env: environment(), stdio: ['pipe', 'pipe', 'ignore'], signal });
  child.on('error', () => undefined);
  child.stdin.on('error', () => undefined);
  child.stdin.end(names.map((name) => `${name}\n`).join(''));
  const chunks: Buffer[] = [];
  for await (const chunk of child.stdout) chunks.push(chunk as Buffer);
  signal.throwIfAborted();
  const all = Buffer.concat(chunks);
  const found: (string | null)[] = [];
  for (let at = 0; at < all.length;) {
    const end = all.indexOf(10, at);
    const match = /^[0-9a-f]+ (\w+) (\d+)$/.exec(all.toString('utf8', at, end));
    const size = Number(match?.[2] ?? -1);
    found.push(match?.[1] === 'blob' ? all.toString('utf8', end + 1, end + 1 + size) : null);
    at = size < 0 ? end + 1 : end + 1 + size + 1;
  }
  return found;
}
