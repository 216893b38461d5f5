import { strictJson } from '../trouble.ts';
import { closures, type Lock, mustBeKnown, togetherOrWhole, wholeLock } from './lock.ts';

type Names = Readonly<Record<string, string>>;

interface Package {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly dependencies?: Names;
  readonly optionalDependencies?: Names;
  readonly peerDependencies?: Names;
}

/** Name → where it lies, of the packages in one `node_modules`. */
type Folder = ReadonlyMap<string, string>;

/**
 * `package-lock.json` of npm 7 and newer (lockfile versions 2 and 3). Older ones are taken whole.
 * @throws Error for what is no JSON, and for versions that are not known.
 */
export function npmLock(text: string): Lock {
  const { packages, lockfileVersion } = strictJson(text) as { packages?: Readonly<Record<string, Package>>; lockfileVersion?: unknown };
  mustBeKnown(lockfileVersion, [1, 2, 3]);
  if (typeof packages !== 'object') return wholeLock(text);
  const above = foldersAbove(packages);
  const installed = Object.entries(packages).filter(([place, one]) => one.link !== true && place.includes('node_modules/'));
  const ids = closures(
    installed.map(([place, one]) => {
      const folders = above(place);
      return {
        name: place,
        own: `${place.slice(place.lastIndexOf('node_modules/'))} ${one.version ?? ''} ${one.integrity ?? one.resolved ?? ''}`,
        dependsOn: namesOf(one).flatMap((name) => nearest(folders, name) ?? []),
      };
    }),
  );
  return {
    closure(folder, _name, wishes, optional) {
      const folders = above(folder === '.' ? '' : folder);
      return togetherOrWhole(
        text,
        [...wishes.keys()].map((name) => {
          const place = nearest(folders, name);
          return [ids.get(place ?? ''), place === null && optional?.has(name) !== true] as const;
        }),
      );
    },
  };
}

function namesOf(one: Package): string[] {
  return [one.dependencies, one.optionalDependencies, one.peerDependencies].flatMap((names) => Object.keys(names ?? {}));
}

/** The `node_modules` that Node looks into, seen from a folder: next to it, and next to each of the folders above. */
function foldersAbove(packages: Readonly<Record<string, Package>>): (from: string) => readonly Folder[] {
  const byBase = new Map<string, Map<string, string>>();
  for (const place of Object.keys(packages)) {
    const at = place.lastIndexOf('node_modules/');
    if (at < 0) continue;
    const base = at === 0 ? '' : place.slice(0, at - 1);
    const folder = byBase.get(base) ?? new Map<string, string>();
    byBase.set(base, folder.set(place.slice(at + 'node_modules/'.length), place));
  }
  return (from) => {
    const found: Folder[] = [];
    for (let base = from; ; base = above(base)) {
      const folder = byBase.get(base);
      if (folder !== undefined) found.push(folder);
      if (base === '') return found;
    }
  };
}

function nearest(folders: readonly Folder[], name: string): string | null {
  for (const folder of folders) {
    const place = folder.get(name);
    if (place !== undefined) return place;
  }
  return null;
}

function above(base: string): string {
  const nested = base.lastIndexOf('/node_modules/');
  if (nested >= 0) return base.slice(0, nested);
  if (base.startsWith('node_modules/')) return '';
  return base.includes('/') ? base.slice(0, base.lastIndexOf('/')) : '';
}
