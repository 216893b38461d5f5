import type { Affected, Cause, Hop } from './affected.ts';
import { explain } from './affected.ts';
import type { ProjectGraph } from './project.ts';
import { appOfNode, isTestData, unreadableOfNode } from './project.ts';

/** Why a project is affected, one phrase for a plan; null when it is not. `since`: the commit it is compared with. */
export function reasonOf(graph: ProjectGraph, affected: Affected, name: string, since: string): string | null {
  const found = explain(graph, affected, name);
  if (found === null) return null;
  const own = graph.get(name)?.path;
  const doubted = found.hops.flatMap((hop) => unreadableOfNode(hop.to) ?? [])[0];
  if (doubted !== undefined) return `${doubted} cannot be read, so any change may concern it (${causeWords(found.cause)})`;
  // An app and the project in its folder are one thing to a reader.
  const hops = found.hops.filter((hop) => graph.get(hop.to)?.path !== own);
  const [first] = hops;
  if (first === undefined) return ownReason(found.cause, own ?? '', since);
  const way = hops.map((hop) => shortName(hop.to)).join(' → ');
  return `depends on ${way}${hops.length > 1 || appOfNode(first.to) === null ? `, ${causeWords(found.cause)}` : ''}`;
}

function ownReason(cause: Cause, path: string, since: string): string {
  const inside = cause.files.some((file) => path === '.' || file === path || file.startsWith(`${path}/`));
  return inside ? `source changed since ${since.slice(0, 7)}` : causeWords(cause);
}

/** `package-lock.json changed`, `lockfile changed` */
export function causeWords({ files, also }: Cause): string {
  const [first, ...others] = files;
  if (first !== undefined) return `${first}${others.length === 0 ? '' : ` and ${others.length} more`} changed`;
  if (also.includes('added')) return 'new';
  if (also.includes('moved')) return 'moved';
  if (also.includes('lockfile')) return 'what its lockfile resolves changed';
  if (also.includes('settings')) return 'settings changed';
  return 'dependencies changed';
}

/** `apps/web → packages/ui (apps/web/package.json)` */
export function hopWords({ from, to, via }: Hop): string {
  return `${shortName(from)} → ${shortName(to)} (${via})`;
}

export function shortName(name: string): string {
  const unreadable = unreadableOfNode(name);
  return unreadable === null ? (appOfNode(name) ?? name) : `${unreadable}, which cannot be read and may name anything`;
}

/** A file that could not be read, and why. */
interface Unreadable {
  readonly path: string;
  readonly reason: string;
}

const NAMED = 10;

/** What a person should know of files that could not be read, one sentence each; those of test data are wrong on purpose. */
export function unreadableNotices(unreadable: readonly Unreadable[]): string[] {
  const told = unreadable.filter(({ path }) => !isTestData(path));
  const rest = told.length - NAMED;
  return [
    ...told.slice(0, NAMED).map(({ path, reason }) => `${path} cannot be read (${reason}): whatever it may concern counts as affected.`),
    ...(rest > 0 ? [`${rest} more manifests and lockfiles cannot be read; --json names them.`] : []),
  ];
}
