import { bucketOf } from '../core/analysis/histogram.ts';
import type { EdgeIntent, EdgeObservation, EdgeStats, Endpoint, Sticky, VersionCounters } from '../ports/edge.ts';
import { appFor, routeTable, type RouteTable, versionAt } from './routing.ts';

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
}

export interface LiveApp {
  readonly name: string;
  readonly sticky: Sticky;
  readonly versions: readonly LiveVersion[];
  /** More than one version gets traffic, so that users must be told apart. */
  readonly isSplit: boolean;
}

/** How many retired versions of an app keep their counters. */
const KEPT_COUNTERS = 20;

/** What the edge does now: intents turned into something quick to look up, with counters that live on across changes. */
export interface Table {
  apply(intent: EdgeIntent): void;
  remove(app: string): void;
  intents(): readonly EdgeIntent[];
  find(host: string, target: string): LiveApp | null;
  observe(app: string): EdgeObservation | null;
  stats(app: string, at: number): EdgeStats;
  /** A request has ended: its status class or `failed`, and how long it took. */
  count(version: LiveVersion, outcome: string, tookMs: number): void;
}

export function createTable(epoch: string): Table {
  const intents = new Map<string, EdgeIntent>();
  const apps = new Map<string, LiveApp>();
  const known = new Map<string, Map<string, LiveVersion>>();
  let routes: RouteTable = [];

  function live(app: string, id: string): LiveVersion {
    const versions = known.get(app) ?? new Map<string, LiveVersion>();
    known.set(app, versions);
    const version = versions.get(id) ?? { id, weight: 0, endpoints: [], turn: 0, inFlight: 0, requests: 0, byClass: {}, latency: {} };
    versions.delete(id);
    versions.set(id, version);
    return version;
  }

  function forgetOld(app: string, kept: ReadonlySet<string>): void {
    const versions = known.get(app);
    for (const [id, version] of versions ?? []) {
      if ((versions?.size ?? 0) <= KEPT_COUNTERS) return;
      if (!kept.has(id) && version.inFlight === 0) versions?.delete(id);
    }
  }

  return {
    apply(intent) {
      intents.set(intent.app, intent);
      const versions = intent.versions.map(({ id, weight, endpoints }) => Object.assign(live(intent.app, id), { weight, endpoints }));
      apps.set(intent.app, { name: intent.app, sticky: intent.sticky, versions, isSplit: versions.filter(({ weight }) => weight > 0).length > 1 });
      forgetOld(intent.app, new Set(versions.map(({ id }) => id)));
      routes = routeTable(intents.values());
    },
    remove(app) {
      intents.delete(app);
      apps.delete(app);
      known.delete(app);
      routes = routeTable(intents.values());
    },
    intents: () => [...intents.values()],
    find(host, target) {
      const name = appFor(routes, host, target);
      return name === null ? null : (apps.get(name) ?? null);
    },
    observe(app) {
      const intent = intents.get(app);
      const versions = apps.get(app)?.versions;
      if (intent === undefined || versions === undefined) return null;
      return { app, fence: intent.fence, versions: versions.map(({ id, weight, endpoints, inFlight }) => ({ id, weight, endpoints, inFlight })) };
    },
    stats(app, at) {
      const versions = [...(known.get(app)?.values() ?? [])].map((version): [string, VersionCounters] => [
        version.id,
        { requests: version.requests, byClass: { ...version.byClass }, latency: { ...version.latency } },
      ]);
      return { epoch, at, versions: Object.fromEntries(versions) };
    },
    count(version, outcome, tookMs) {
      version.requests += 1;
      version.byClass[outcome] = (version.byClass[outcome] ?? 0) + 1;
      const bucket = bucketOf(tookMs);
      version.latency[bucket] = (version.latency[bucket] ?? 0) + 1;
    },
  };
}

/** The version of an app for a place in [0, 100). */
export function pickVersion(app: LiveApp, place: number): LiveVersion | null {
  return versionAt(app.versions, place);
}
