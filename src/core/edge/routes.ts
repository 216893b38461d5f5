import type { EdgeRoute } from '../app/traffic.ts';
import { normalRoute } from './intent.ts';

/** Routes ready to be searched: host (`*` for any) → prefixes with their targets, longest first. */
export type RouteTable<T> = ReadonlyMap<string, readonly { readonly prefix: string; readonly target: T }[]>;

export function routeTable<T>(entries: Iterable<readonly [EdgeRoute, T]>): RouteTable<T> {
  const table = new Map<string, { prefix: string; target: T }[]>();
  for (const [route, target] of entries) {
    const { host, pathPrefix } = normalRoute(route);
    const list = table.get(host ?? '*') ?? [];
    list.push({ prefix: pathPrefix, target });
    table.set(host ?? '*', list);
  }
  for (const list of table.values()) list.sort((a, b) => b.prefix.length - a.prefix.length);
  return table;
}

/**
 * Target of a request: a host match beats any host, then the longest prefix wins. A prefix ends at a path
 * segment: `/api` takes `/api`, `/api/x` and `/api?x`, not `/apix`.
 * @param host value of the Host header, with or without port.
 * @param target request target in origin form, with or without query.
 */
export function findRoute<T>(table: RouteTable<T>, host: string, target: string): T | null {
  return findIn(table.get(bareHost(host)), target) ?? findIn(table.get('*'), target);
}

function findIn<T>(list: readonly { readonly prefix: string; readonly target: T }[] | undefined, target: string): T | null {
  if (list === undefined) return null;
  for (const entry of list) if (covers(entry.prefix, target)) return entry.target;
  return null;
}

function covers(prefix: string, target: string): boolean {
  if (prefix === '/') return true;
  if (!target.startsWith(prefix)) return false;
  const next = target.charCodeAt(prefix.length);
  return Number.isNaN(next) || next === 47 || next === 63;
}

/** Host without port, in lower case; an IPv6 literal keeps its brackets. */
function bareHost(host: string): string {
  const colon = host.lastIndexOf(':');
  const bare = colon > host.lastIndexOf(']') ? host.slice(0, colon) : host;
  return bare.toLowerCase();
}
