import type { EdgeIntent, EdgeRoute, EdgeVersion } from '../ports/edge.ts';
import { STICKY_COOKIE } from '../ports/edge.ts';

/** Apps by route: a host match beats any host, then the longest path prefix wins. */
export type RouteTable = readonly { readonly route: EdgeRoute; readonly app: string }[];

export function routeTable(intents: Iterable<EdgeIntent>): RouteTable {
  const rows = [...intents].flatMap((intent) => intent.routes.map((route) => ({ route, app: intent.app })));
  return rows.toSorted((a, b) => Number(b.route.host !== null) - Number(a.route.host !== null) || b.route.pathPrefix.length - a.route.pathPrefix.length);
}

/** The app that serves this host and path, null when none does. */
export function appFor(table: RouteTable, hostHeader: string, target: string): string | null {
  const host = hostHeader.replace(/:\d+$/, '').toLowerCase();
  const query = target.indexOf('?');
  const path = query === -1 ? target : target.slice(0, query);
  for (const { route, app } of table) {
    if (route.host !== null && route.host.toLowerCase() !== host) continue;
    if (isBelow(path, route.pathPrefix)) return app;
  }
  return null;
}

/** `/api` covers `/api` and `/api/x`, not `/apix`. */
function isBelow(path: string, prefix: string): boolean {
  if (prefix === '/' || path === prefix) return true;
  return path.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`);
}

/**
 * A user's place in [0, 100), the same for ever for one app: FNV-1a with MurmurHash3's final mix, so that
 * ids that differ in one character land far apart.
 */
export function bucketOfUser(app: string, user: string): number {
  let hash = 0x811c9dc5;
  for (const text of [app, '\0', user]) {
    for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (((hash ^ (hash >>> 16)) >>> 0) / 4294967296) * 100;
}

/**
 * The version for a place in [0, 100). The last version takes the low end, so that raising its weight only ever
 * adds users to it (invariant 7).
 */
export function versionAt<V extends Pick<EdgeVersion, 'weight'>>(versions: readonly V[], place: number): V | null {
  let upTo = 0;
  for (let index = versions.length - 1; index >= 0; index -= 1) {
    const version = versions[index] as V;
    upTo += version.weight;
    if (version.weight > 0 && place < upTo) return version;
  }
  return versions.find((version) => version.weight > 0) ?? null;
}

/** Value of our sticky cookie in a Cookie header, null when it has none. */
export function stickyCookieIn(cookie: string): string | null {
  const at = cookie.indexOf(`${STICKY_COOKIE}=`);
  if (at === -1) return null;
  if (at > 0 && cookie[at - 1] !== ' ' && cookie[at - 1] !== ';') return null;
  const start = at + STICKY_COOKIE.length + 1;
  const end = cookie.indexOf(';', start);
  const value = cookie.slice(start, end === -1 ? undefined : end).trim();
  return value === '' ? null : value;
}
