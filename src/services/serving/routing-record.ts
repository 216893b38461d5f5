import type { EdgeRoute, Sticky } from '../../core/app/traffic.ts';
import type { Engine, ManifestApp } from '../../engine/face.ts';

/** How the release that made a version stable routed it. */
export interface Routing {
  readonly routes: readonly EdgeRoute[];
  readonly sticky: Sticky;
}

/** Looks up how apps that run are routed: in the plan of their release, which never changes, and not in a working tree. Null: not known. */
export function routingRecord(engine: Pick<Engine, 'release'>): (app: ManifestApp) => Promise<Routing | null> {
  const known = new Map<string, Routing>();
  return async ({ app, release }) => {
    if (release === null) return null;
    const key = `${release}/${app}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    const planned = (await engine.release(release))?.plan.apps.find((one) => one.app === app);
    if (planned === undefined) return null;
    const routing = { routes: planned.routes, sticky: planned.sticky };
    known.set(key, routing);
    return routing;
  };
}
