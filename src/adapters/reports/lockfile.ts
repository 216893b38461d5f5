import { npmLockSchema } from './schema.ts';
import { checked } from './whole.ts';

export interface LockedPackage {
  readonly name: string;
  readonly version: string;
}

/** Whether this is a package lock of npm, to be asked about, rather than an answer. */
export function isNpmLock(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'lockfileVersion' in value;
}

/** What npm installs, each name and version once. @throws Unreadable */
export function lockedPackages(value: unknown): LockedPackage[] {
  const { packages } = checked(npmLockSchema, value);
  const found = new Map<string, LockedPackage>();
  for (const [path, { version, name, link }] of Object.entries(packages)) {
    const at = path.lastIndexOf('node_modules/');
    if (at < 0 || link === true || version === undefined) continue;
    const own = name ?? path.slice(at + 'node_modules/'.length);
    found.set(`${own}@${version}`, { name: own, version });
  }
  return [...found.values()];
}
