import { below, type Indented, readIndented, textOf } from './indented.ts';
import { closures, type Lock, mustBeKnown, togetherOrWhole } from './lock.ts';

/**
 * `yarn.lock`, of classic yarn and of yarn 2 and newer.
 * @throws Error for versions that are not known.
 */
export function yarnLock(text: string): Lock {
  const all = readIndented(text);
  if (all['__metadata'] !== undefined) mustBeKnown(textOf(below(all, '__metadata'), 'version'), ['4', '5', '6', '7', '8']);
  else mustBeKnown(/^# yarn lockfile v(\d+)/m.exec(text)?.[1], ['1']);
  const entries = Object.entries(all).filter((entry): entry is [string, Indented] => isPackage(entry));
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
    closure: (_folder, _name, wishes, optional) =>
      togetherOrWhole(
        text,
        [...wishes].map(([name, range]) => [ids.get(find(name, range) ?? ''), optional?.has(name) !== true] as const),
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
