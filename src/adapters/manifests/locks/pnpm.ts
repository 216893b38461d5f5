import { below, type Indented, readIndented, textOf } from './indented.ts';
import { closures, type Lock, together, wholeLock } from './lock.ts';

const KINDS = ['dependencies', 'devDependencies', 'optionalDependencies'] as const;

/** `pnpm-lock.yaml` of pnpm 7 to 10 (lockfile versions 5.4, 6 and 9). */
export function pnpmLock(text: string): Lock {
  const lock = readIndented(text);
  const packages = below(lock, 'packages');
  const snapshots = below(lock, 'snapshots');
  const importers = lock['importers'] === undefined ? { '.': lock } : below(lock, 'importers');
  if (lock['lockfileVersion'] === undefined) return wholeLock(text);
  // Version 9 says in two places what 6 said in one: what a package is, and what it gets.
  const keys = new Set([...Object.keys(packages), ...Object.keys(snapshots)]);
  const find = (name: string, version: string): string | null =>
    [`${name}@${version}`, `/${name}@${version}`, `/${name}/${version}`, version, `/${version}`].find((key) => keys.has(key)) ?? null;
  const ids = closures(
    [...keys].map((key) => {
      const plain = key.replace(/\(.*$/, '');
      const gets = { ...below(packages, key), ...below(snapshots, key) };
      return {
        name: key,
        own: `${plain} ${textOf(below(packages, plain), 'resolution') || textOf(gets, 'resolution')}`,
        dependsOn: ['dependencies', 'optionalDependencies'].flatMap((kind) =>
          Object.entries(below(gets, kind)).flatMap(([name, version]) => (typeof version === 'string' ? (find(name, version) ?? []) : [])),
        ),
      };
    }),
  );
  return {
    closure(folder) {
      const importer = below(importers, folder);
      return together(
        KINDS.flatMap((kind) => Object.entries(below(importer, kind)).map(([name, said]) => ids.get(find(name, versionOf(said)) ?? ''))),
      );
    },
  };
}

function versionOf(said: string | Indented): string {
  return typeof said === 'string' ? said : textOf(said, 'version');
}
