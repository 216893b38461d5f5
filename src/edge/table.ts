import { bucketOf } from '../core/analysis/histogram.ts';
import { endsOf, type PlaceKey } from '../core/edge/assign.ts';
import { findRoute, routeTable, type RouteTable } from '../core/edge/routes.ts';
import type { EdgeIntent, EdgeObservation, EdgeStats, Endpoint, Sticky, VersionCounters } from '../core/app/traffic.ts';
import { toldRoutes, type ToldRoutes } from '../core/edge/told-routes.ts';

/** One version as the data path sees it: where it listens, and what it has done. */
export interface LiveVersion {
  readonly id: string;
  weight: number;
  endpoints: readonly Endpoint[];
  /** Round robin. */
  turn: number;
  inFlight: number;
  requests: number;
  readonly byClass: Record<string, number>;
  readonly latency: Record<string, number>;
  /** Of the app, and what this version has done at each. */
  told: ToldRoutes;
  routes: Record<string, Record<string, number>>;
}

export interface LiveApp {
  readonly name: string;
  readonly sticky: Sticky;
  /** Finds the value of the header by which users are known, in the header lines of a request. */
  readonly userHeader: RegExp | null;
  readonly versions: readonly LiveVersion[];
  /** Where each version's part of the places ends; see `core/edge/assign.ts`. */
  readonly ends: readonly number[];
  /** The one version with all the traffic, if there is one: users need not be told apart. */
  readonly only: LiveVersion | null;
}

/** How many retired versions of an app keep their counters. */
const KEPT_COUNTERS = 20;

/** What the edge does now: intents turned into something quick to look up, with counters that live on across changes. */
export interface Table {
  /** Decides, with a user's name, which place they have. */
  readonly key: PlaceKey;
  apply(intent: EdgeIntent): void;
  remove(app: string): void;
  intents(): readonly EdgeIntent[];
  find(host: string, target: string): LiveApp | null;
  observe(app: string): EdgeObservation | null;
  stats(app: string, at: number): EdgeStats;
}

export function createTable(epoch: string, key: PlaceKey): Table {
  const intents = new Map<string, EdgeIntent>();
  const apps = new Map<string, LiveApp>();
  const known = new Map<string, Map<string, LiveVersion>>();
  let routes: RouteTable<LiveApp> = new Map();

  function live(app: string, id: string, told: ToldRoutes): LiveVersion {
    const versions = known.get(app) ?? new Map<string, LiveVersion>();
    known.set(app, versions);
    const version = versions.get(id) ?? {
      id,
      weight: 0,
      endpoints: [],
      turn: 0,
      inFlight: 0,
      requests: 0,
      byClass: {},
      latency: {},
      told,
      routes: {},
    };
    // Last in the order of the map: the ones used longest ago are forgotten first.
    versions.delete(id);
    versions.set(id, version);
    if (version.told !== told) Object.assign(version, { told, routes: {} });
    return version;
  }

  /** With a version that was not here before, which routes there are shows anew. */
  function toldBy({ app, versions }: EdgeIntent): ToldRoutes {
    const before = known.get(app);
    const isNew = versions.some(({ id }) => before?.get(id) === undefined);
    return (isNew ? undefined : before?.get(versions[0]?.id ?? '')?.told) ?? toldRoutes();
  }

  function forgetOld(app: string, kept: readonly LiveVersion[]): void {
    const versions = known.get(app) ?? new Map<string, LiveVersion>();
    for (const [id, version] of versions) {
      if (versions.size <= KEPT_COUNTERS) return;
      if (!kept.includes(version) && version.inFlight === 0) versions.delete(id);
    }
  }

  function reroute(): void {
    routes = routeTable(
      [...intents.values()].flatMap((intent) => intent.routes.map((route) => [route, apps.get(intent.app) as LiveApp] as const)),
    );
  }

  return {
    key,
    apply(intent) {
      const told = toldBy(intent);
      const versions = intent.versions.map(({ id, weight, endpoints }) => Object.assign(live(intent.app, id, told), { weight, endpoints }));
      intents.set(intent.app, intent);
      apps.set(intent.app, liveApp(intent, versions));
      forgetOld(intent.app, versions);
      reroute();
    },
    remove(app) {
      intents.delete(app);
      apps.delete(app);
      known.delete(app);
      reroute();
    },
    intents: () => [...intents.values()],
    find: (host, target) => findRoute(routes, host, target),
    observe(app) {
      const intent = intents.get(app);
      const versions = apps.get(app)?.versions;
      if (intent === undefined || versions === undefined) return null;
      return {
        app,
        fence: intent.fence,
        versions: versions.map(({ id, weight, endpoints, inFlight }) => ({ id, weight, endpoints, inFlight })),
      };
    },
    stats(app, at) {
      const versions = [...(known.get(app)?.values() ?? [])].map((version): [string, VersionCounters] => [
        version.id,
        {
          requests: version.requests,
          byClass: { ...version.byClass },
          latency: { ...version.latency },
          routes: structuredClone(version.routes),
        },
      ]);
      return { epoch, at, versions: Object.fromEntries(versions) };
    },
  };
}

function liveApp(intent: EdgeIntent, versions: readonly LiveVersion[]): LiveApp {
  const { sticky } = intent;
  const name = sticky.by === 'header' ? sticky.header.replace(/[^A-Za-z0-9-]/g, '\\$&') : null;
  return {
    name: intent.app,
    sticky,
    userHeader: name === null ? null : new RegExp(`(?:^|\\r\\n)${name}:([^\\r]*)`, 'i'),
    versions,
    ends: endsOf(versions.map(({ weight }) => weight)),
    only: versions.find(({ weight }) => weight === 100) ?? null,
  };
}

/** A request has ended: what it asked for, its status class, `failed` or `aborted`, and how long the version took. */
export function countRequest(version: LiveVersion, target: string, outcome: string, tookMs: number): void {
  version.requests += 1;
  version.byClass[outcome] = (version.byClass[outcome] ?? 0) + 1;
  const bucket = bucketOf(tookMs);
  version.latency[bucket] = (version.latency[bucket] ?? 0) + 1;
  const route = version.told.nameOf(target, outcome);
  if (route === null) return;
  const at = (version.routes[route] ??= {});
  at[outcome] = (at[outcome] ?? 0) + 1;
}
