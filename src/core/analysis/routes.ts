import type { ArmRead, SampleRead } from './arms.ts';
import { MOST_ROUTES } from '../edge/told-routes.ts';
import { addToClasses, NO_CLASSES } from './classes.ts';
import { logOddsE, type Hits, type Line } from './sequential/binary.ts';
import { logAddExp, logSumExp } from './sequential/numbers.ts';
import { startFail, type FailProcess } from './sequential/process.ts';

/**
 * Routes are looked at one by one, because an endpoint with 0.3 % of the traffic that is broken altogether moves no rate of all
 * traffic by more than a good version may. What is looked for in each is coarse, so that its few requests tell it.
 */
const BROKEN: Line = { slope: 2, shift: 0.2 };
/** Odds ratios beyond that line, for errors and for answers refused alike. */
const ODDS: readonly number[] = [5, 100];
const KINDS = ['errors', 'refused'] as const;
type Kind = (typeof KINDS)[number];
export const ROUTE_ALTERNATIVES = KINDS.length * ODDS.length;

/** Requests of the old version without which its shares are guessed. */
const LEAST_HISTORY = 20;
const USUAL_SHARE = 0.01;

/** Requests, and how many of them were errors and refused (3xx, 4xx, and those that clients gave up). */
type Counted = readonly [n: number, errors: number, refused: number];
const NOTHING: Counted = [0, 0, 0];
const NONE_OPEN = { candidate: NOTHING, baseline: NOTHING };
/** The old version's requests that wait for one of the candidate: those from long before it are another time. */
const MOST_OPEN = 20;

/** What is kept of one route. Plain JSON. */
interface Route extends FailProcess {
  readonly candidate: Counted;
  readonly baseline: Counted;
  /** Requests of either to which none of the other has come yet. */
  readonly open: { readonly candidate: Counted; readonly baseline: Counted };
  /** By alternative, how much the newest requests say that it is broken now, whatever it was before; nats, not below 0. */
  readonly lately: readonly number[];
}

export type Routes = Readonly<Record<string, Route>>;

/** From how much on the newest requests of a route speak against passing. */
const UNCLEAN = 5;
/** No more is kept of it, so that a few good answers end it. */
const MOST_LATELY = 12;
/** No evidence is kept below this, nats, which is a stake of so little on a change that begins later, and short to store. */
const LEAST_KEPT = -20;

/** How evidence is added to a process: by whichever pace and noise a judge knows. */
type Put = (process: FailProcess, evidence: readonly number[]) => FailProcess;

/** The routes after one more look; undefined while the source has told only one, which is all traffic, or none. */
export function watchRoutes(routes: Routes | undefined, { strata }: SampleRead, put: Put): Routes | undefined {
  if (routes === undefined && (strata === null || strata.size < 2)) return undefined;
  const next: Record<string, Route> = {};
  const known = routes ?? {};
  const names = Object.keys(known);
  for (const name of strata?.keys() ?? []) if (names.length < MOST_ROUTES && known[name] === undefined) names.push(name);
  for (const name of names) {
    const arms = strata?.get(name);
    const [mine, theirs] = [countedOf(arms?.candidate ?? null), countedOf(arms?.baseline ?? null)];
    next[name] = routeAfter(known[name] ?? freshRoute(), mine, theirs, put);
  }
  return next;
}

function freshRoute(): Route {
  return {
    ...startFail(ROUTE_ALTERNATIVES),
    candidate: NOTHING,
    baseline: NOTHING,
    open: NONE_OPEN,
    lately: new Array<number>(ROUTE_ALTERNATIVES).fill(0),
  };
}

function countedOf(arm: ArmRead | null): Counted {
  if (arm === null) return NOTHING;
  return [arm.requests, arm.errors, addToClasses(NO_CLASSES, arm).of.reduce((sum, count) => sum + count, 0)];
}

function plus(a: Counted, b: Counted): Counted {
  return [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
}

function minus(a: Counted, b: Counted): Counted {
  return [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
}

function routeAfter(route: Route, mine: Counted, theirs: Counted, put: Put): Route {
  const open = { candidate: plus(route.open.candidate, mine), baseline: plus(route.open.baseline, theirs) };
  // Whether a block ends depends on how many requests came, and not on what became of them.
  const isBlock = open.candidate[0] > 0 && open.baseline[0] > 0;
  const evidence = isBlock ? evidenceOf(open.candidate, open.baseline, minus(route.baseline, route.open.baseline)) : [];
  const { log, gain } = put(route, evidence);
  return {
    log: log.map((one) => Math.max(LEAST_KEPT, Math.floor(1000 * one) / 1000)),
    gain,
    candidate: plus(route.candidate, mine),
    baseline: plus(route.baseline, theirs),
    open: isBlock || open.baseline[0] > MOST_OPEN ? NONE_OPEN : open,
    lately: route.lately.map((sum, g) => within(sum + (evidence[g] ?? 0))),
  };
}

/** Short to store, too. */
function within(nats: number): number {
  return Math.round(1000 * Math.min(MOST_LATELY, Math.max(0, nats))) / 1000;
}

/** Log-evidence of one block that the route is broken in the candidate: for each kind, for each odds ratio. */
function evidenceOf(mine: Counted, theirs: Counted, known: Counted): number[] {
  const evidence = new Array<number>(ROUTE_ALTERNATIVES).fill(0);
  for (const i of KINDS.keys()) {
    const predicted = known[0] < LEAST_HISTORY ? USUAL_SHARE : (hitsOf(known, i).k + 0.5) / (known[0] + 1);
    logOddsE(evidence, i * ODDS.length, BROKEN, predicted, ODDS, hitsOf(mine, i), hitsOf(theirs, i));
  }
  return evidence;
}

function hitsOf(counted: Counted, kind: number): Hits {
  return { n: counted[0], k: counted[kind + 1] ?? 0 };
}

/**
 * Log-evidence that some route is broken, `held` back stake counting as 1: the mean over all that there may be. The mean of
 * e-variables is one, however they depend on one another, so routes may overlap.
 */
export function routeEvidence(routes: Routes | undefined, held: number): number {
  const each = Object.values(routes ?? {});
  const kept = held > 0 ? Math.log(held) : -Infinity;
  const logs = each.map((route) => logSumExp(route.log.map((log) => logAddExp(log, kept))) - Math.log(ROUTE_ALTERNATIVES));
  const unknown = MOST_ROUTES - each.length;
  return logSumExp(unknown > 0 ? [...logs, Math.log(unknown)] : logs) - Math.log(MOST_ROUTES);
}

/** In one sentence what is wrong with the route that has the most evidence. */
export function brokenRoute(routes: Routes | undefined): string {
  let best: { readonly name: string; readonly route: Route; readonly g: number } | null = null;
  for (const [name, route] of Object.entries(routes ?? {}))
    for (const [g, log] of route.log.entries()) if (best === null || log > (best.route.log[best.g] ?? -Infinity)) best = { name, route, g };
  return best === null ? 'a route is broken' : said(best.name, best.route, kindOf(best.g));
}

function kindOf(alternative: number): Kind {
  return KINDS[Math.floor(alternative / ODDS.length)] ?? 'errors';
}

/** Why the newest requests of some route speak against passing, in one sentence; null: they do not. */
export function uncleanRoute(routes: Routes | undefined): string | null {
  for (const [name, route] of Object.entries(routes ?? {})) {
    const g = route.lately.findIndex((sum) => sum >= UNCLEAN);
    if (g >= 0) return `${said(name, route, kindOf(g))}, the newest ones among them`;
  }
  return null;
}

function said(name: string, { candidate, baseline }: Route, kind: Kind): string {
  const share = (counted: Counted) => {
    const { n, k } = hitsOf(counted, KINDS.indexOf(kind));
    return `${k} of ${n} requests`;
  };
  const what = kind === 'errors' ? 'fail' : 'are answered 3xx or 4xx, or given up,';
  return `${share(candidate)} to ${name} ${what} with the new version, against ${share(baseline)} with the old one`;
}
