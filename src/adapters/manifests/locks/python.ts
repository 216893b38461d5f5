import { parse } from 'smol-toml';
import { canonicalJson } from '../../../core/text/canonical.ts';
import { list, record, text as textOf } from '../values.ts';
import { closures, digest, type Lock, mustBeKnown, togetherOrWhole } from './lock.ts';

/** Names of Python packages are the same whatever their case, dashes, dots and underscores. */
export function pythonName(name: string): string {
  return name.toLowerCase().replaceAll(/[-_.]+/g, '-');
}

interface Package {
  readonly name: string;
  readonly own: string;
  readonly needs: readonly string[];
  /** Folder of a project of the workspace, relative to the lockfile; null for packages from outside. */
  readonly folder: string | null;
}

/**
 * `uv.lock` and `poetry.lock` (old ones do not say their version).
 * @throws Error for what is no TOML, and for versions that are not known.
 */
export function pythonLock(text: string): Lock {
  const lock = parse(text);
  mustBeKnown(lock['version'], [undefined, 1]);
  const poetry = record(lock['metadata'])['lock-version'];
  mustBeKnown(poetry === undefined ? undefined : textOf(poetry).replace(/\..*/, ''), [undefined, '1', '2']);
  const packages = list(lock['package']).map(packageOf);
  const byName = new Map<string, Package[]>();
  for (const one of packages) byName.set(one.name, [...(byName.get(one.name) ?? []), one]);
  const keysOf = (name: string): string[] =>
    (byName.get(name) ?? []).flatMap((one) => (one.folder === null ? [`${one.name} ${one.own}`] : []));
  const ids = closures(
    packages
      .filter((one) => one.folder === null)
      .map((one) => ({ name: `${one.name} ${one.own}`, own: `${one.name} ${one.own}`, dependsOn: one.needs.flatMap(keysOf) })),
  );
  return {
    closure(folder, name, wishes) {
      const own = packages.find((one) => one.folder === folder) ?? packages.find((one) => one.folder !== null && one.name === name);
      const needs = own?.needs ?? [...wishes.keys()].map(pythonName);
      return togetherOrWhole(
        text,
        needs.flatMap((need): (readonly [string | undefined, boolean])[] =>
          byName.has(need) ? keysOf(need).map((key) => [ids.get(key), true] as const) : [[undefined, true]],
        ),
      );
    },
  };
}

function packageOf(value: unknown): Package {
  const one = record(value);
  const source = record(one['source']);
  const folder = source['editable'] ?? source['virtual'] ?? (source['directory'] === undefined ? undefined : source['directory']);
  const files = [one['sdist'], ...list(one['wheels']), ...list(one['files'])].map((file) => textOf(record(file)['hash']));
  return {
    name: pythonName(textOf(one['name'])),
    own: digest(canonicalJson([textOf(one['version']), folder === undefined ? said(source) : '', files.toSorted()])),
    needs: [...new Set(needsOf(one).map(pythonName))],
    folder: typeof folder === 'string' && source['type'] === undefined ? folder.replace(/\/$/, '') || '.' : null,
  };
}

/** uv: lists of `{ name }`, also by extra and by group; poetry: an object of names. */
function needsOf(one: Readonly<Record<string, unknown>>): string[] {
  const lists = [
    one['dependencies'],
    ...Object.values(record(one['optional-dependencies'])),
    ...Object.values(record(one['dev-dependencies'])),
  ];
  const named = lists.flatMap((value) => list(value).map((need) => textOf(record(need)['name'])));
  return [...named, ...(Array.isArray(one['dependencies']) ? [] : Object.keys(record(one['dependencies'])))].filter((name) => name !== '');
}

function said(value: Readonly<Record<string, unknown>>): string {
  return Object.entries(value)
    .map(([key, item]) => `${key}=${typeof item === 'string' ? item : ''}`)
    .toSorted()
    .join(' ');
}
