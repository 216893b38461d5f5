import { SluiceError, UserError } from '../../core/errors.ts';
import type { Entry, History } from '../../ports/history.ts';
import { differing } from './differing.ts';
import { filesNamed } from './listing.ts';
import { gitObjects, idOf, type Objects, type Take } from './objects.ts';
import { git, type Ran, type RunExtra } from './run.ts';
import { idsOfPaths } from './trees.ts';

/** For so many texts another process pays. */
const MANY = 100;

/** The workspace's history, read through the `git` command. Works in shallow and sparse clones. */
export function gitHistory({ dir }: { readonly dir: string }): History {
  const run = (args: readonly string[], extra: RunExtra = {}): Promise<Ran> => git(dir, args, extra);
  const objects = gitObjects(dir);

  return {
    async resolve(name) {
      const known = await commitNamed(objects, name);
      if (known !== null) return known;
      const fetched = await fetchOne(run, name);
      if (fetched !== null) return fetched;
      throw new UserError(
        'COMMIT_UNKNOWN',
        `${name} is no commit of this clone of the repository.`,
        'Name a commit, a branch or a tag, or fetch it first: git fetch origin.',
      );
    },

    list: (at, names) => (names.length === 0 ? Promise.resolve([]) : filesNamed(run, at, names)),

    async below(at, folders) {
      const { output } = await run(['ls-tree', '-r', '-z', at, '--', ...folders.map((folder) => (folder === '.' ? '.' : `${folder}/`))]);
      return output.split('\0').flatMap(entry);
    },

    ids: (at, paths) => (paths.length === 0 ? Promise.resolve([]) : idsOfPaths(objects, at, paths)),

    async texts(ids) {
      const texts = ids.map((): string | null => null);
      const take: Take = (object, i) => {
        if (object?.type === 'blob') texts[i] = object.bytes.toString('utf8', object.start, object.end);
      };
      if (ids.length < MANY || !(await (await import('./many.ts')).manyObjects(dir, ids, take))) await objects.each(ids, take);
      return texts;
    },

    changed: (from, to) => differing(objects, from, to),
  };
}

async function commitNamed(objects: Objects, name: string): Promise<string | null> {
  if (name === '' || name.startsWith('-')) return null;
  let id: string | null = null;
  await objects.each([`${name}^{commit}`], (commit) => (id = commit === null ? null : idOf(commit)));
  return id;
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

/** A line of `git ls-tree`. */
function entry(line: string): Entry[] {
  const tab = line.indexOf('\t');
  return tab < 0 ? [] : [{ id: line.slice(0, tab).split(' ')[2] ?? '', path: line.slice(tab + 1) }];
}
