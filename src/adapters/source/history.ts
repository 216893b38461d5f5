import { posix } from 'node:path';
import { SluiceError, UserError } from '../../core/errors.ts';
import type { Changed, Entry, History } from '../../ports/history.ts';
import { namedLines } from './listing.ts';
import { git, type Ran, type RunExtra } from './run.ts';
import { idsOfPaths, objectsOf } from './trees.ts';

/** Trees are compared as they are: no moves guessed, nothing left out, whatever the user's settings say. */
const RAW = ['--raw', '-z', '--no-renames', '--no-abbrev', '--no-ext-diff', '--ignore-submodules=none', '--relative'];

/** The workspace's history, read through the `git` command. Works in shallow and sparse clones. */
export function gitHistory({ dir }: { readonly dir: string }): History {
  const run = (args: readonly string[], extra: RunExtra = {}): Promise<Ran> => git(dir, args, extra);
  let prefix: Promise<string> | null = null;
  const workspacePrefix = (): Promise<string> => (prefix ??= run(['rev-parse', '--show-prefix']).then(({ output }) => output.trim()));

  return {
    async resolve(name) {
      const known = await commitOf(run, name);
      if (known !== null) return known;
      const fetched = await fetchOne(run, name);
      if (fetched !== null) return fetched;
      throw new UserError(
        'COMMIT_UNKNOWN',
        `${name} is no commit of this clone of the repository.`,
        'Name a commit, a branch or a tag, or fetch it first: git fetch origin.',
      );
    },

    async list(at, names) {
      const found: Entry[] = [];
      const lines = namedLines(names, (line) => found.push(...entry(line)));
      // The whole listing, looked through here, costs git less than a comparison of every path with every pattern.
      await run(['ls-tree', '-r', '-z', at], { onOutput: lines.take });
      return found;
    },

    async below(at, folders) {
      const { output } = await run(['ls-tree', '-r', '-z', at, '--', ...folders.map((folder) => (folder === '.' ? '.' : `${folder}/`))]);
      return output.split('\0').flatMap(entry);
    },

    async ids(at, paths) {
      if (paths.length === 0) return [];
      const before = await workspacePrefix();
      return idsOfPaths(
        run,
        at,
        paths.map((path) => inRepository(before, path)),
      );
    },

    async texts(ids) {
      if (ids.length === 0) return [];
      const { bytes } = await run(['cat-file', '--batch', '--buffer'], { input: `${ids.join('\n')}\n` });
      return objectsOf(bytes, ids.length).map((one) => (one?.type === 'blob' ? bytes.toString('utf8', one.start, one.end) : null));
    },

    async changed(from, to) {
      const { output } = await run(['diff', ...RAW, from, to]);
      return entries(output);
    },
  };
}

type Runner = (args: readonly string[], extra?: RunExtra) => Promise<Ran>;

async function commitOf(run: Runner, name: string): Promise<string | null> {
  if (name === '' || name.startsWith('-')) return null;
  const { code, output } = await run(['rev-parse', '--verify', '--quiet', `${name}^{commit}`], { accept: [1, 128] });
  return code === 0 ? output.trim() : null;
}

/**
 * A commit that a shallow clone lacks, fetched alone, without its history: two trees are compared, nothing between them
 * is needed. A full clone that lacks a commit gets it as git always does, so that it stays a full clone.
 */
async function fetchOne(run: Runner, name: string): Promise<string | null> {
  try {
    const id = /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(name) ? name : await askRemote(run, name);
    if (id === null) return null;
    const shallow = (await run(['rev-parse', '--is-shallow-repository'])).output.trim() === 'true';
    const depth = shallow ? ['--depth', '1'] : [];
    await run(['-c', 'gc.auto=0', 'fetch', '--quiet', '--no-tags', '--no-write-fetch-head', ...depth, 'origin', id]);
    return await commitOf(run, id);
  } catch (error) {
    // No remote, no network, or it has no such commit: it stays unknown.
    if (error instanceof SluiceError) return null;
    throw error;
  }
}

async function askRemote(run: Runner, name: string): Promise<string | null> {
  const short = name.replace(/^origin\//, '');
  if (!/^[\w./-]+$/.test(short) || short.startsWith('-')) return null;
  const { output } = await run(['ls-remote', 'origin', `refs/heads/${short}`, `refs/tags/${short}^{}`, `refs/tags/${short}`]);
  return /^[0-9a-f]{40,64}/.exec(output)?.[0] ?? null;
}

function inRepository(prefix: string, path: string): string {
  const joined = posix.join(prefix, path).replace(/\/+$/, '');
  return joined === '.' ? '' : joined;
}

/** `:<mode> <mode> <id> <id> <status>\0<path>\0`, again and again. */
function entries(output: string): Changed[] {
  const parts = output.split('\0');
  const found: Changed[] = [];
  for (let i = 0; i + 1 < parts.length; i += 2) {
    const fields = (parts[i] ?? '').split(' ');
    found.push({ path: parts[i + 1] ?? '', id: fields[4] === 'D' ? null : (fields[3] ?? null) });
  }
  return found;
}

/** A line of `git ls-tree`. */
function entry(line: string): Entry[] {
  const tab = line.indexOf('\t');
  return tab < 0 ? [] : [{ id: line.slice(0, tab).split(' ')[2] ?? '', path: line.slice(tab + 1) }];
}
