import { parse } from 'smol-toml';
import { list, record, text as textOf } from '../values.ts';
import { closures, type Lock, together } from './lock.ts';

/** `Cargo.lock`, versions 1 to 4. */
export function cargoLock(text: string): Lock {
  const packages = list(parse(text)['package']).map((one) => {
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
      return together(
        (own?.dependencies ?? []).map((said) => {
          const found = find(said);
          return found === undefined ? undefined : ids.get(keyOf(found));
        }),
      );
    },
  };
}
