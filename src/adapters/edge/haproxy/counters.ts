import { bucketOf } from '../../../core/analysis/histogram.ts';
import type { VersionCounters } from '../../../core/app/traffic.ts';
import { toldRoutes, type ToldRoutes } from '../../../core/edge/told-routes.ts';
import { createLost, type Lost } from './lost.ts';

/** How many versions an app no longer has keep their counters. */
const KEPT_COUNTERS = 20;
/** By how much the microsecond clock (which can be set) may differ from the steady one, ms. */
const CLOCK_SLACK_MS = 50;

interface Tally {
  requests: number;
  readonly byClass: Record<string, number>;
  readonly latency: Record<string, number>;
  /** By route, then by class. */
  routes: Record<string, Record<string, number>>;
}

/** Counters per version, fed with HAProxy's log lines. */
export interface Counters {
  /** From now on lines with this token belong to this version. */
  know(token: string, app: string, version: string): void;
  forget(app: string): void;
  begin: Lost['begin'];
  take(line: string): void;
  /** Count what HAProxy has not logged; see `lost.ts`. */
  settle(...counts: Parameters<Lost['settle']>): void;
  read(app: string): Record<string, VersionCounters>;
}

export function createCounters(): Counters {
  const lost = createLost();
  const apps = new Map<string, Map<string, Tally>>();
  const told = new Map<string, ToldRoutes>();
  const byToken = new Map<string, { readonly app: string; readonly version: string; readonly tally: Tally }>();

  function forgetOldest(app: string, versions: Map<string, Tally>): void {
    const oldest = versions.keys().next();
    if (versions.size <= KEPT_COUNTERS || oldest.done === true) return;
    versions.delete(oldest.value);
    for (const [token, known] of byToken) if (known.app === app && known.version === oldest.value) byToken.delete(token);
  }

  return {
    know(token, app, version) {
      const versions = apps.get(app) ?? new Map<string, Tally>();
      apps.set(app, versions);
      const tally = versions.get(version) ?? { requests: 0, byClass: {}, latency: {}, routes: {} };
      if (!versions.has(version)) {
        // With a version that was not here before, which routes there are shows anew.
        told.set(app, toldRoutes());
        for (const other of versions.values()) other.routes = {};
      }
      // Taken out and put back: the version used last is forgotten last.
      versions.delete(version);
      versions.set(version, tally);
      byToken.set(token, { app, version, tally });
      forgetOldest(app, versions);
    },
    forget(app) {
      apps.delete(app);
      told.delete(app);
      for (const [token, known] of byToken) if (known.app === app) byToken.delete(token);
    },
    begin: lost.begin,
    take(line) {
      const [token = '', status = '', ended = '', micros = '', millis = '', path = ''] = line.split(' ');
      const known = byToken.get(token);
      const tally = known?.tally;
      const outcome = outcomeOf(Number(status), ended);
      if (tally === undefined) return;
      tally.requests += 1;
      tally.byClass[outcome] = (tally.byClass[outcome] ?? 0) + 1;
      const bucket = bucketOf(latencyMs(Number(micros) / 1_000, Number(millis)));
      tally.latency[bucket] = (tally.latency[bucket] ?? 0) + 1;
      const route = path === '' ? null : (told.get(known?.app ?? '')?.nameOf(path, outcome) ?? null);
      if (route === null) return;
      const at = (tally.routes[route] ??= {});
      at[outcome] = (at[outcome] ?? 0) + 1;
    },
    settle(token, ...counts) {
      const tally = byToken.get(token)?.tally;
      const more = lost.settle(token, ...counts);
      if (tally === undefined || more === 0) return;
      tally.requests += more;
      tally.byClass['failed'] = (tally.byClass['failed'] ?? 0) + more;
    },
    read(app) {
      return Object.fromEntries(
        [...(apps.get(app) ?? [])].map(([id, { requests, byClass, latency, routes }]) => [
          id,
          { requests, byClass: { ...byClass }, latency: { ...latency }, routes: structuredClone(routes) },
        ]),
      );
    },
  };
}

/**
 * What became of a request, from its status and the first two flags of the termination state
 * (configuration.txt section 8.5). A client that left before there was an answer is no failure, but it has waited:
 * how long says what a version is like that never answers.
 */
export function outcomeOf(status: number, ended: string): string {
  if (status === 101) return '1xx';
  const [by = '-', phase = '-'] = ended;
  // The keeper has ended it, because the rest of the request did not come.
  if (by === 'K' && status < 200) return 'aborted';
  const isLate = by === 'C' || by === 'c';
  if (isLate && (phase !== 'D' || status < 200)) return 'aborted';
  // The version (S, s), or a proxy that could not take its answer (PH).
  if (by === 'S' || by === 's' || (by === 'P' && phase === 'H')) return 'failed';
  return status >= 200 && status < 600 ? `${Math.floor(status / 100)}xx` : 'failed';
}

function latencyMs(fine: number, steady: number): number {
  return Number.isFinite(fine) && Math.abs(fine - steady) <= CLOCK_SLACK_MS + steady * 0.01 ? fine : steady;
}
