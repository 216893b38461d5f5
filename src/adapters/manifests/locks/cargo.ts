import { parse } from 'smol-toml';
import { list, record, text as textOf } from '../values.ts';
import { closures, digest, type Lock, mustBeKnown, togetherOrWhole } from './lock.ts';

/**
 * `Cargo.lock`, versions 1 to 4 (1 and 2 do not say so).
 * @throws Error for what is no TOML, and for versions that are not known.
 */
export function cargoLock(text: string): Lock {
  const lock = parse(text);
  mustBeKnown(lock['version'], [undefined, 1, 2, 3, 4]);
  const packages = list(lock['package']).map((one) => {
    const { name, version, source, checksum, dependencies } = record(one);
    return {
      name: textOf(name),
      version: textOf(version),
      source: textOf(source),
      checksum: textOf(checksum),
      dependencies: list(dependencies).map(textOf),
    };
  });
  const byName = new Map<string, typeof packages>();
  for (const one of packages) byName.set(one.name, [...(byName.get(one.name) ?? []), one]);
  const keyOf = (one: (typeof packages)[number]): string => `${one.name} ${one.version} ${one.source}`;
  /** `name`, `name version` or `name version (source)`, as far as it takes to say which one. */
  const find = (said: string): (typeof packages)[number] | undefined => {
    const [name = '', version] = said.split(' ');
    const all = byName.get(name) ?? [];
    return version === undefined ? all[0] : (all.find((one) => one.version === version && said.includes(one.source)) ?? all[0]);
  };
  const outside = packages.filter((one) => one.source !== '');
  const ids = closures(
    outside.map((one) => ({
      name: keyOf(one),
      own: `${keyOf(one)} ${one.checksum}`,
      dependsOn: one.dependencies.flatMap((said) => {
        const found = find(said);
        return found === undefined ? [] : [keyOf(found)];
      }),
    })),
  );
  return {
    closure(_folder, name) {
      const own = (byName.get(name ?? '') ?? []).find((one) => one.source === '');
      if (own === undefined) return digest(text);
      return togetherOrWhole(
        text,
        own.dependencies.map((said) => {
          const found = find(said);
          return [found === undefined ? undefined : ids.get(keyOf(found)), found === undefined] as const;
        }),
      );
    },
  };
}
