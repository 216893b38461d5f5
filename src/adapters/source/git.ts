import { copyFile, mkdtemp, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { UserError } from '../../core/errors.ts';
import type { SourceControl, SourceHead } from '../../ports/source.ts';
import { git, type Ran, type Run, type RunExtra } from './run.ts';

export interface GitSourceOptions {
  /** Root of the workspace: a git repository or a folder inside one. */
  readonly dir: string;
  /** Folder names at the workspace's root that are never part of it. */
  readonly exclude?: readonly string[];
}

/** The workspace's git repository, read through the `git` command. Works in shallow and sparse clones. */
export function gitSource(options: GitSourceOptions): SourceControl {
  const exclude = options.exclude ?? ['.sluice'];
  const run = (args: readonly string[], extra: RunExtra = {}): Promise<Ran> => git(options.dir, args, extra);
  let place: Promise<Place> | null = null;
  const whereabouts = (): Promise<Place> => {
    place ??= findPlace(run).catch((error: unknown) => {
      place = null;
      throw error;
    });
    return place;
  };
  const inWorkspace = (prefix: string, names = exclude): string[] => [
    '--',
    '.',
    ...names.map((name) => `:(exclude,top,literal)${prefix}${name}`),
  ];
  /** Of the excluded names, those that git does not ignore anyway: named in an exclusion, an ignored one makes `git add` fail. */
  const excludedByUs = async (): Promise<string[]> => {
    if (exclude.length === 0) return [];
    const ignored = (await run(['check-ignore', '--', ...exclude], { accept: [1] })).output.split('\n');
    return exclude.filter((name) => !ignored.includes(name));
  };

  return {
    async head(): Promise<SourceHead> {
      const { prefix } = await whereabouts();
      const [commit, branch, status] = await Promise.all([
        run(['rev-parse', '--verify', '--quiet', 'HEAD^{commit}'], { accept: [1] }),
        run(['symbolic-ref', '--quiet', '--short', 'HEAD'], { accept: [1] }),
        run(['--no-optional-locks', 'status', '--porcelain=v1', '-z', '--no-renames', '--untracked-files=normal', ...inWorkspace(prefix)]),
      ]);
      return {
        commit: commit.output.trim() || null,
        branch: branch.output.trim() || null,
        uncommitted: status.output
          .split('\0')
          .filter((line) => line.length > 3)
          .map((line) => posix.relative(prefix, line.slice(3))),
      };
    },

    async snapshot(): Promise<string> {
      const { prefix, index } = await whereabouts();
      return withTemporary(async (folder) => {
        // A copy of the index keeps git's knowledge of unchanged files, so that only changed ones are read.
        const env = { GIT_INDEX_FILE: join(folder, 'index') };
        await copyIndex(index, env.GIT_INDEX_FILE);
        await run(['-c', 'advice.addEmbeddedRepo=false', 'add', '--all', ...inWorkspace(prefix, await excludedByUs())], { env });
        return (await run(['write-tree'], { env })).output.trim();
      });
    },

    async trees(at, paths) {
      const { prefix } = await whereabouts();
      await mustExist(run, at);
      const names = paths.map((path) => `${at}:${inside(prefix, path)}`);
      const { output } = await run(['cat-file', '--batch-check=%(objecttype) %(objectname)'], {
        input: names.map((name) => `${name}\n`).join(''),
      });
      const lines = output.split('\n');
      return new Map(paths.map((path, i) => [path, /^tree ([0-9a-f]{40,64})$/.exec(lines[i] ?? '')?.[1] ?? null]));
    },

    async export(at, path, into, signal) {
      const tree = (await this.trees(at, [path])).get(path) ?? null;
      if (tree === null) {
        throw new UserError(
          'PATH_NOT_COMMITTED',
          `There is no folder ${path} in ${at.slice(0, 12)}.`,
          `Commit it: git add ${path} && git commit`,
        );
      }
      await withTemporary(async (folder) => {
        const env = { GIT_INDEX_FILE: join(folder, 'index'), GIT_WORK_TREE: into };
        const extra: RunExtra = signal === undefined ? { env } : { env, signal };
        await run(['read-tree', tree], extra);
        // What is committed, byte for byte: no line ends of the machine it happens to be built on.
        await run(['-c', 'core.autocrlf=false', '-c', 'core.fsmonitor=false', 'checkout-index', '--all', '--force', '--quiet'], extra);
      });
    },
  };
}

/**
 * The copy is as old as the index, as that is how git knows which files may have changed since within one tick of the
 * clock; a copy of now would hide them. None is there before the first `git add`.
 */
async function copyIndex(index: string, copy: string): Promise<void> {
  try {
    const { atime, mtimeMs } = await stat(index);
    await copyFile(index, copy);
    await utimes(copy, atime, Math.floor(mtimeMs) / 1000);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

interface Place {
  /** Path of the workspace inside the repository, '' or ending in '/'. */
  readonly prefix: string;
  readonly index: string;
}

async function findPlace(run: Run): Promise<Place> {
  const { output } = await run(['rev-parse', '--path-format=absolute', '--show-prefix', '--git-path', 'index']);
  const [prefix = '', index = ''] = output.split('\n');
  return { prefix, index };
}

/** `apps/web` of a workspace at `examples/shop/` → `examples/shop/apps/web`; '' is the whole repository. */
function inside(prefix: string, path: string): string {
  const joined = posix.join(prefix, path).replace(/\/+$/, '');
  return joined === '.' ? '' : joined;
}

async function mustExist(run: Run, at: string): Promise<void> {
  const id = /^[0-9a-f]{4,64}$/.test(at) ? at : '';
  const { code } = id === '' ? { code: 1 } : await run(['cat-file', '-e', `${id}^{tree}`], { accept: [1, 128] });
  if (code === 0) return;
  const shallow = (await run(['rev-parse', '--is-shallow-repository'])).output.trim() === 'true';
  throw new UserError(
    'COMMIT_UNKNOWN',
    `${at.slice(0, 12) || 'The commit'} is not in this clone of the repository.`,
    shallow ? `The clone is shallow: git fetch --depth 1 origin ${at}` : `Fetch it (git fetch --all), or deploy another commit.`,
  );
}

async function withTemporary<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-git-'));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
