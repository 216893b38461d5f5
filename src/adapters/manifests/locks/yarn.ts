import { below, type Indented, readIndented, textOf } from './indented.ts';
import { closures, type Lock, together } from './lock.ts';

/** `yarn.lock`, of classic yarn and of yarn 2 and newer. */
export function yarnLock(text: string): Lock {
  const entries = Object.entries(readIndented(text)).filter((entry): entry is [string, Indented] => isPackage(entry));
  const byWish = new Map<string, string>();
  for (const [key] of entries) for (const wish of wishesOf(key)) byWish.set(wish, key);
  const find = (name: string, range: string): string | null =>
    [`${name}@${range}`, `${name}@npm:${range}`].map((wish) => byWish.get(wish)).find((key) => key !== undefined) ?? null;
  const ids = closures(
    entries.map(([key, one]) => ({
      name: key,
      own: `${textOf(one, 'resolution') || nameOf(key)} ${textOf(one, 'version')} ${textOf(one, 'checksum') || textOf(one, 'integrity') || textOf(one, 'resolved')}`,
      dependsOn: ['dependencies', 'optionalDependencies'].flatMap((kind) =>
        Object.entries(below(one, kind)).flatMap(([name, range]) => (typeof range === 'string' ? (find(unquote(name), range) ?? []) : [])),
      ),
    })),
  );
  return {
    closure: (_folder, _name, wishes) =>
      together(
        [...wishes].map(([name, range]) => {
          const key = find(name, range);
          return key === null ? undefined : ids.get(key);
        }),
      ),
  };
}

/** Projects of the workspace are not packages: what they bring along is a matter of the graph. */
function isPackage([key, value]: [string, string | Indented]): boolean {
  return key !== '__metadata' && typeof value === 'object' && !textOf(value, 'resolution').includes('@workspace:');
}

function wishesOf(key: string): string[] {
  return key.split(/,\s*/).map(unquote);
}

function nameOf(key: string): string {
  const [first = ''] = wishesOf(key);
  return first.slice(0, first.lastIndexOf('@') || undefined);
}

function unquote(text: string): string {
  return text.replaceAll(/^["']|["']$/g, '');
}
