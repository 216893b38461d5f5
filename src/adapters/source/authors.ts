import { SluiceError } from '../../core/errors.ts';
import { git } from './run.ts';

/** More than any release has; a first deploy of an old repository would otherwise list everybody who ever worked on it. */
const MOST_COMMITS = 5_000;

export interface ChangedBetween {
  /** Null: a first deploy. */
  readonly from: string | null;
  readonly to: string;
  /** Folders and files inside the workspace that it is made from. */
  readonly paths: readonly string[];
}

export interface Author {
  readonly name: string;
  readonly email: string;
}

/**
 * Who wrote the commits between two, as far as this clone has them. Of a first deploy, and where the older commit is
 * gone: who wrote the newest that touches these paths. Files at the workspace's root, such as lockfiles, count as well.
 */
export async function gitAuthors(dir: string, { from, to, paths }: ChangedBetween): Promise<readonly Author[]> {
  const where = ['--', ':(glob)*', ...paths.map((path) => `:(literal)${path}`)];
  const log = async (range: readonly string[]): Promise<readonly Author[]> => {
    const { output } = await git(dir, ['log', '--use-mailmap', '--format=%aN%x00%aE%x00', ...range, ...where], {});
    const parts = output.split('\0').map((part) => part.trim());
    const found: Author[] = [];
    for (let i = 0; i + 1 < parts.length; i += 2) found.push({ name: parts[i] ?? '', email: parts[i + 1] ?? '' });
    return [...new Map(found.map((one) => [`${one.name} ${one.email}`, one])).values()];
  };
  const newest = () => log(['--max-count=1', to]).catch(unknown);
  if (from === null) return newest();
  return log([`--max-count=${MOST_COMMITS}`, to, '--not', from]).catch((error: unknown) =>
    error instanceof SluiceError ? newest() : unknown(error),
  );
}

/** A snapshot of uncommitted work is no commit and has no author. */
function unknown(error: unknown): readonly Author[] {
  if (error instanceof SluiceError) return [];
  throw error;
}
