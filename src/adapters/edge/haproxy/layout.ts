import { createHash } from 'node:crypto';
import { normalRoute } from '../../../core/edge/intent.ts';
import type { EdgeIntent, EdgeRoute, Endpoint } from '../../../core/app/traffic.ts';
import type { KeeperState } from './schema.ts';

/**
 * How an intent is laid out in HAProxy: three maps, read for every request and changed while it runs, and one
 * backend per version, into which servers are put while it runs.
 *
 *   routes.map     `host/path/`      → app key
 *   versions.map   `appKey:HEX(id)`  → token            (the version header)
 *   splits.map     appKey            → `mode|upTo:token|upTo:token…`, `upTo` in 1/100 %
 *
 * All weights of an app are ONE map entry, so that no request ever sees a mixture of two intents.
 */
export interface Layout {
  readonly routes: ReadonlyMap<string, string>;
  readonly versions: ReadonlyMap<string, string>;
  readonly splits: ReadonlyMap<string, string>;
  /** Backend → server name → address and port. */
  readonly servers: ReadonlyMap<string, ReadonlyMap<string, Address>>;
  /** Header names by which users are told apart. */
  readonly headers: readonly string[];
}

export interface Address {
  readonly ip: string;
  readonly port: number;
}

export const MAPS = ['routes', 'versions', 'splits'] as const;
export type MapName = (typeof MAPS)[number];

/** Key of an app in the maps: nothing in it needs quoting, and it salts the users' places. */
export function appKey(app: string): string {
  return `a${createHash('sha256').update(app).digest('hex').slice(0, 16)}`;
}

/** A prefix ends at a path segment: both the key and what is looked up end with `/`. */
export function routeKey(route: EdgeRoute): string {
  const { host, pathPrefix } = normalRoute(route);
  return `${host ?? '*'}${pathPrefix === '/' ? '' : pathPrefix}/`;
}

export function versionKey(app: string, id: string): string {
  return `${appKey(app)}:${Buffer.from(id).toString('hex').toUpperCase()}`;
}

/** The backend of a token. */
export function backendOf(token: string): string {
  return token.slice(0, token.indexOf('.'));
}

export function serialOf(token: string): number {
  return Number(token.slice(token.indexOf('.') + 1));
}

/** A server's name says which endpoint it is, so that endpoints can be read back. */
export function serverName({ host, port }: Endpoint): string {
  return `e${Buffer.from(host).toString('hex')}_${port}`;
}

export function endpointOf(name: string): Endpoint | null {
  const match = /^e((?:[0-9a-f]{2})+)_(\d+)$/.exec(name);
  return match === null ? null : { host: Buffer.from(match[1] ?? '', 'hex').toString(), port: Number(match[2]) };
}

/** `mode|upTo:token…`: the last version first, so that raising its weight only ever adds users to it. */
export function encodeSplit(intent: EdgeIntent, tokens: Readonly<Record<string, string>>): string {
  const weighted = intent.versions.filter(({ weight }) => weight > 0).toReversed();
  let upTo = 0;
  const parts = weighted.map(({ id, weight }) => `${(upTo += Math.round(weight * 100))}:${tokens[id]}`);
  return [weighted.length > 1 ? modeOf(intent) : 'n', ...parts].join('|');
}

/** Token → weight, from what HAProxy holds. */
export function decodeSplit(split: string): Map<string, number> {
  const weights = new Map<string, number>();
  let before = 0;
  for (const part of split.split('|').slice(1)) {
    const [upTo = '', token = ''] = part.split(':');
    weights.set(token, (Number(upTo) - before) / 100);
    before = Number(upTo);
  }
  return weights;
}

function modeOf({ sticky }: EdgeIntent): string {
  if (sticky.by === 'cookie') return 'c';
  return sticky.by === 'none' ? 'n' : `h:${sticky.header.toLowerCase()}`;
}

/** Everything HAProxy should hold. */
export function layoutOf(state: KeeperState): Layout {
  const routes = new Map<string, string>();
  const versions = new Map<string, string>();
  const splits = new Map<string, string>();
  const servers = new Map<string, Map<string, Address>>();
  const headers = new Set<string>();
  for (const [app, { intent, tokens, addresses }] of Object.entries(state.apps)) {
    if (intent === null) continue;
    for (const route of intent.routes) routes.set(routeKey(route), appKey(app));
    for (const { id, endpoints } of intent.versions) {
      const token = tokens[id] ?? '';
      versions.set(versionKey(app, id), token);
      servers.set(backendOf(token), new Map(endpoints.map((at) => [serverName(at), { ip: addresses[at.host] ?? at.host, port: at.port }])));
    }
    splits.set(appKey(app), encodeSplit(intent, tokens));
    if (intent.sticky.by === 'header') headers.add(intent.sticky.header.toLowerCase());
  }
  return { routes, versions, splits, servers, headers: [...headers].toSorted() };
}

/** Content of a map file. */
export function mapText(map: ReadonlyMap<string, string>): string {
  return [...map].map(([key, value]) => `${key} ${value}\n`).join('');
}
