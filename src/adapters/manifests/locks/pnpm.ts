import { below, type Indented, readIndented, textOf } from './indented.ts';
import { closures, type Lock, mustBeKnown, togetherOrWhole } from './lock.ts';

const KINDS = ['dependencies', 'devDependencies', 'optionalDependencies'] as const;

const VERSIONS = ['5.1', '5.2', '5.3', '5.4', '5.4-inlineSpecifiers', '6.0', '6.1', '9.0'];

/**
 * `pnpm-lock.yaml` of pnpm 7 to 10 (lockfile versions 5.4, 6 and 9).
 * @throws Error for versions that are not known, and for several documents in one file.
 */
export function pnpmLock(text: string): Lock {
  const lock = readIndented(text);
  mustBeKnown(lock['lockfileVersion'], VERSIONS);
  if (/\n---\s/.test(text)) throw new Error('it holds several documents');
  const packages = below(lock, 'packages');
  const snapshots = below(lock, 'snapshots');
  const importers = lock['importers'] === undefined ? { '.': lock } : below(lock, 'importers');
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
        // The whole key, because it names the patch that the package gets.
        own: `${key} ${textOf(below(packages, plain), 'resolution') || textOf(gets, 'resolution')}`,
        dependsOn: ['dependencies', 'optionalDependencies'].flatMap((kind) =>
          Object.entries(below(gets, kind)).flatMap(([name, version]) => (typeof version === 'string' ? (find(name, version) ?? []) : [])),
        ),
      };
    }),
  );
  return {
    closure(folder, _name, wishes, optional) {
      const importer = below(importers, folder);
      const said = new Map(KINDS.flatMap((kind) => Object.entries(below(importer, kind))));
      const unsaid = [...wishes.keys()].filter((name) => !said.has(name) && optional?.has(name) !== true);
      return togetherOrWhole(text, [
        ...unsaid.map(() => [undefined, true] as const),
        ...[...said].map(([name, one]) => {
          const version = versionOf(one);
          return [ids.get(find(name, version) ?? ''), !version.startsWith('link:')] as const;
        }),
      ]);
    },
  };
}

function versionOf(said: string | Indented): string {
  return typeof said === 'string' ? said : textOf(said, 'version');
}
