import { askRoute } from '../../lib/ask-route.ts';
import type { Edges } from '../../ports/edges.ts';
import type { Engine, ManifestApp } from '../../engine/face.ts';
import type { Routing } from './routing-record.ts';
import type { ServedApp } from './served-app.ts';

const ASK_MS = 2_000;

export interface ServedParts {
  readonly engine: Pick<Engine, 'manifest'>;
  readonly edges: Pick<Edges, 'url'>;
  routing(app: ManifestApp): Promise<Routing | null>;
  /** What the caretaker found and could not mend, by `environment/app`. */
  troubles(): ReadonlyMap<string, string>;
}

/** What users of an environment get now: every route of every app that is out, asked through the edge as a user would. */
export async function servedApps(parts: ServedParts, environment: string): Promise<readonly ServedApp[]> {
  const { apps } = await parts.engine.manifest(environment);
  const out = Object.values(apps).filter(({ stable }) => stable !== null);
  const served = await Promise.all(out.map((app) => servedApp(parts, environment, app)));
  return served.filter((one) => one !== null);
}

async function servedApp(parts: ServedParts, environment: string, app: ManifestApp): Promise<ServedApp | null> {
  const known = parts.troubles().get(`${environment}/${app.app}`) ?? null;
  const routing = await parts.routing(app);
  if (routing !== null && routing.routes.length === 0) return null;
  if (routing === null) return { app: app.app, routes: [], trouble: known ?? 'it is not known how it is routed' };
  const url = await parts.edges.url(environment);
  if (url === null) return { app: app.app, routes: [], trouble: 'not routed: no edge has been started here' };
  const host = app.stable?.health?.host;
  const looks = await Promise.all(
    routing.routes.map((route) => askRoute({ url, route, host, timeoutMs: ASK_MS }, new AbortController().signal)),
  );
  const routes = looks.map(({ asked, status, trouble }) => ({ route: asked, status, trouble }));
  const bad = routes.find(({ trouble }) => trouble !== null);
  return { app: app.app, routes, trouble: bad === undefined ? known : `${bad.route} ${bad.trouble}` };
}
