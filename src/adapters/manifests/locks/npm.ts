import { closures, type Lock, together, wholeLock, type Wishes } from './lock.ts';

interface Package {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly dependencies?: Wishes;
  readonly optionalDependencies?: Wishes;
  readonly peerDependencies?: Wishes;
}

/** `package-lock.json` of npm 7 and newer (lockfile versions 2 and 3). Older ones are taken whole. */
export function npmLock(text: string): Lock {
  const { packages } = JSON.parse(text) as { packages?: Readonly<Record<string, Package>> };
  if (packages === undefined) return wholeLock(text);
  const installed = Object.entries(packages).filter(([place, one]) => place.includes('node_modules/') && one.link !== true);
  const ids = closures(
    installed.map(([place, one]) => ({
      name: place,
      own: `${place.slice(place.lastIndexOf('node_modules/'))} ${one.version ?? ''} ${one.integrity ?? one.resolved ?? ''}`,
      dependsOn: namesOf(one).flatMap((name) => resolve(packages, place, name) ?? []),
    })),
  );
  return {
    closure: (folder, _name, wishes) =>
      together(Object.keys(wishes).map((name) => ids.get(resolve(packages, folder === '.' ? '' : folder, name) ?? ''))),
  };
}

function namesOf(one: Package): string[] {
  return [one.dependencies, one.optionalDependencies, one.peerDependencies].flatMap((names) => Object.keys(names ?? {}));
}

/** Where Node finds a package, seen from a folder: next to it, or next to one of the folders above. */
function resolve(packages: Readonly<Record<string, Package>>, from: string, name: string): string | null {
  for (let base = from; ; base = above(base)) {
    const place = base === '' ? `node_modules/${name}` : `${base}/node_modules/${name}`;
    if (packages[place] !== undefined) return place;
    if (base === '') return null;
  }
}

function above(base: string): string {
  const nested = base.lastIndexOf('/node_modules/');
  if (nested >= 0) return base.slice(0, nested);
  if (base.startsWith('node_modules/')) return '';
  return base.includes('/') ? base.slice(0, base.lastIndexOf('/')) : '';
}
