import type { EdgeIntent, EdgeRoute } from '../app/traffic.ts';

/** Why an intent can never be carried out, or null. Guards invariant 2: weights sum to 100, and a share needs someone to take it. */
export function problemOf(intent: EdgeIntent): string | null {
  const { versions } = intent;
  if (versions.length === 0) return 'it names no version';
  const tenths = versions.map(({ weight }) => weight * 10);
  const odd = versions.find(({ weight }) => !(weight >= 0 && weight <= 100) || Math.abs(weight * 10 - Math.round(weight * 10)) > 1e-6);
  if (odd !== undefined) return `version ${odd.id} has weight ${odd.weight}; weights are 0 to 100 with at most one decimal`;
  const sum = tenths.reduce((total, part) => total + Math.round(part), 0);
  if (sum !== 1000) return `its weights sum to ${sum / 10}, not 100`;
  const twice = versions.find(({ id }, i) => versions.findIndex((other) => other.id === id) !== i);
  if (twice !== undefined) return `it names version ${twice.id} twice`;
  const starved = versions.find(({ weight, endpoints }) => weight > 0 && endpoints.length === 0);
  if (starved !== undefined) return `version ${starved.id} has weight ${starved.weight} but no endpoint`;
  const wrong = intent.routes.find(({ pathPrefix }) => !pathPrefix.startsWith('/'));
  return wrong === undefined ? null : `the path prefix ${wrong.pathPrefix} does not start with /`;
}

/** The same route however it is written: host without case, no slash at the end. */
export function normalRoute({ host, pathPrefix }: EdgeRoute): EdgeRoute {
  return { host: host === null ? null : host.toLowerCase(), pathPrefix: pathPrefix.replace(/\/+$/, '') || '/' };
}

function sameRoute(a: EdgeRoute, b: EdgeRoute): boolean {
  const [one, two] = [normalRoute(a), normalRoute(b)];
  return one.host === two.host && one.pathPrefix === two.pathPrefix;
}

/** A route of the intent that another app has already, with that app; null when all are free. */
export function takenRoute(intent: EdgeIntent, others: Iterable<EdgeIntent>): { route: EdgeRoute; app: string } | null {
  for (const other of others) {
    if (other.app === intent.app) continue;
    const route = intent.routes.find((wanted) => other.routes.some((has) => sameRoute(wanted, has)));
    if (route !== undefined) return { route, app: other.app };
  }
  return null;
}
