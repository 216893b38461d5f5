import type { Base, UnknownBase } from '../../core/gates/base.ts';

/** Runs git in the repository; an exit code that is accepted answers ''. */
export type RunGit = (args: readonly string[], accept?: readonly number[]) => Promise<string>;

/** Names that the default branch has, the most telling first: the first one that is there is believed. */
const DEFAULT_BRANCHES: readonly string[] = ['origin/HEAD', 'origin/main', 'origin/master', 'main', 'master'];

/**
 * What a change is compared with when nothing is said: where the branch left the default one; on that one itself, the
 * commit before. Parents are read from the commit itself, because a shallow clone and a graft make a commit look like the first one.
 */
export async function usualBase(run: RunGit): Promise<Base> {
  const head = await commitOf(run, 'HEAD');
  if (head === null) return { kind: 'none', why: 'Nothing is committed yet.' };
  const trunk = await defaultBranch(run);
  if (trunk === null)
    return (await run(['remote'])) === ''
      ? commitBefore(run, head)
      : unknown(
          run,
          'None of the branches that are usually the default one is in this clone.',
          'Say --since COMMIT, or have git ask: git remote set-head origin --auto.',
        );
  if (trunk.commit === head) return commitBefore(run, head);
  const fork = (await run(['merge-base', head, trunk.commit], [1, 128])).trim();
  if (fork === '') return unknown(run, `HEAD and ${trunk.name} have no commit in common here.`, `Say --since COMMIT.`);
  if (await isCutOff(run, fork, [head, trunk.commit]))
    return unknown(
      run,
      `The history between HEAD and ${trunk.name} is cut off, so where the branch began is not certain.`,
      'Say --since COMMIT.',
    );
  return fork === head ? commitBefore(run, head) : { kind: 'commit', commit: fork };
}

/** Full id of a commit by any name git knows; null where it is not there. */
export async function commitOf(run: RunGit, name: string): Promise<string | null> {
  if (name === '' || name.startsWith('-')) return null;
  return (await run(['rev-parse', '--verify', '--quiet', `${name}^{commit}`], [1, 128])).trim() || null;
}

/** Whether only a part of the history was fetched. */
export async function isShallow(run: RunGit): Promise<boolean> {
  return (await run(['rev-parse', '--is-shallow-repository'])).trim() === 'true';
}

/** How a shallow clone gets its history. */
export const UNSHALLOW = 'Fetch the history: git fetch --unshallow (with actions/checkout: fetch-depth: 0).';

async function commitBefore(run: RunGit, head: string): Promise<Base> {
  const [header = ''] = (await run(['cat-file', 'commit', head])).split('\n\n', 1);
  const parent = /^parent ([0-9a-f]{40,64})$/m.exec(header)?.[1];
  if (parent === undefined) return { kind: 'none', why: 'This is the first commit.' };
  if ((await commitOf(run, parent)) !== null) return { kind: 'commit', commit: parent };
  return unknown(run, `The commit before ${head.slice(0, 12)} is not in this clone.`, `Fetch it: git fetch origin ${parent}.`);
}

async function unknown(run: RunGit, why: string, fix: string): Promise<UnknownBase> {
  return (await isShallow(run)) ? { kind: 'unknown', why: `${why} The clone is shallow.`, fix: UNSHALLOW } : { kind: 'unknown', why, fix };
}

async function defaultBranch(run: RunGit): Promise<{ readonly name: string; readonly commit: string } | null> {
  for (const name of DEFAULT_BRANCHES) {
    const commit = await commitOf(run, name);
    if (commit !== null) return { name, commit };
  }
  return null;
}

/** Whether a shallow clone lacks parents of what lies between a common commit and the tips: then a later common one may exist. */
async function isCutOff(run: RunGit, fork: string, tips: readonly string[]): Promise<boolean> {
  if (!(await isShallow(run))) return false;
  return (await run(['rev-list', '--max-parents=0', ...tips, `^${fork}`])) !== '';
}
