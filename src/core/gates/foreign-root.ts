/** A tree that reports speak of and that is not here: a container's, another machine's. */
export interface ForeignRoot {
  /** Its folder there, `/app`. */
  readonly from: string;
  /** The folder of the workspace that it is; '' for the workspace itself. */
  readonly to: string;
}

export type Mapped =
  | { readonly kind: 'mapped'; readonly root: ForeignRoot; /** In the order of what was asked. */ readonly paths: readonly string[] }
  /** More than one folder would do. */
  | { readonly kind: 'ambiguous'; readonly roots: readonly ForeignRoot[] }
  | { readonly kind: 'none' };

/**
 * The one folder of the workspace that a foreign root can be: every path must be a file of it there, one of them at least two names deep,
 * because a lone `index.ts` is found in any repository. `asked`: for each file its whole paths there. Of several folders only
 * that of the app itself (`own`) is taken.
 */
export function mapForeignRoot(asked: readonly (readonly string[])[], files: ReadonlySet<string>, own: string): Mapped {
  const [first] = asked;
  if (first === undefined) return { kind: 'none' };
  const roots = new Map<string, { readonly root: ForeignRoot; readonly paths: readonly string[] }>();
  for (const root of first.flatMap((path) => rootsOf(path, files))) {
    const paths = asked.map((candidates) => candidates.map((path) => below(path, root)).find((path) => path !== null && files.has(path)));
    if (paths.every((path) => path != null) && asked.flat().some((path) => isDeep(path, root)))
      roots.set(JSON.stringify(root), { root, paths });
  }
  const fitting = [...roots.values()];
  const inApp = own === '.' ? [] : fitting.filter(({ paths }) => paths.every((path) => path.startsWith(`${own}/`)));
  const [one] = fitting.length === 1 ? fitting : inApp;
  if (one === undefined) return fitting.length === 0 ? { kind: 'none' } : { kind: 'ambiguous', roots: fitting.map(({ root }) => root) };
  return inApp.length > 1 && fitting.length > 1 ? { kind: 'ambiguous', roots: inApp.map(({ root }) => root) } : { kind: 'mapped', ...one };
}

/** A whole path as POSIX has it, wherever it was written; null for a relative one. */
export function wholePath(path: string): string | null {
  const plain = path
    .replace(/^file:\/\/(localhost)?/i, '')
    .replaceAll('\\', '/')
    .replace(/^\/?[a-z]:(?=\/)/i, '');
  return plain.startsWith('/') ? `/${namesOf(plain).join('/')}` : null;
}

/** Names on the way, without those that lead nowhere or back. */
function namesOf(path: string): string[] {
  return path
    .split('/')
    .reduce<string[]>((names, name) => (name === '' || name === '.' ? names : name === '..' ? names.slice(0, -1) : [...names, name]), []);
}

/** For each file of the same name: what stands before the names that both end in. */
function rootsOf(path: string, files: ReadonlySet<string>): ForeignRoot[] {
  const names = path.split('/');
  const last = `/${names.at(-1) ?? ''}`;
  return [...files].flatMap((file) => {
    if (!`/${file}`.endsWith(last)) return [];
    const theirs = file.split('/');
    let same = 0;
    while (same < Math.min(names.length - 1, theirs.length) && names.at(-1 - same) === theirs.at(-1 - same)) same += 1;
    return [{ from: names.slice(0, names.length - same).join('/'), to: theirs.slice(0, theirs.length - same).join('/') }];
  });
}

function below(path: string, { from, to }: ForeignRoot): string | null {
  if (!path.startsWith(`${from}/`)) return null;
  const rest = path.slice(from.length + 1);
  return to === '' ? rest : `${to}/${rest}`;
}

function isDeep(path: string, { from }: ForeignRoot): boolean {
  return path.startsWith(`${from}/`) && path.slice(from.length + 1).includes('/');
}
