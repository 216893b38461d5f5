import type { Plan } from '../../core/release/plan/plan.ts';

/** Where users reach the apps of a plan, without repeats. `url`: of the environment's edge; a route with a host of its own is named by that host. */
export function addressesOf(plan: Plan, url: string): readonly string[] {
  const all = plan.apps.flatMap(({ routes }) =>
    routes.map(({ host, pathPrefix }) => {
      const address = new URL(pathPrefix, url);
      if (host !== null) address.hostname = host;
      return address.href;
    }),
  );
  return [...new Set(all)];
}
