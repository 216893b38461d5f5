import { isUnrouted, unserved } from '../core/edge/served.ts';
import { type EdgeRoute, VERSION_HEADER } from '../core/app/traffic.ts';
import { askHttp } from './ask-http.ts';

/** One request as a user would send it, through the edge's public listener. */
export interface RouteQuestion {
  /** Where users reach the edge, such as `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly route: EdgeRoute;
  /** Host header for a route of any host, for apps that answer only to their own names. Left out: the edge's address. */
  readonly host?: string | undefined;
  /** Ask for this version, whatever its weight. Left out: as users do. */
  readonly version?: string | undefined;
  readonly timeoutMs: number;
}

export interface RouteLook {
  /** What was asked, for people: `shop.example/api`. */
  readonly asked: string;
  /** Whether the edge knows the route; null where it did not say. */
  readonly isRouted: boolean | null;
  /** Null: there was no answer. */
  readonly status: number | null;
  /** Why users are not served, as the end of a sentence that begins with what was asked; null when they are. */
  readonly trouble: string | null;
}

/** Ask one route once. Never throws but the signal's reason. */
export async function askRoute({ url, route, host, version, timeoutMs }: RouteQuestion, signal: AbortSignal): Promise<RouteLook> {
  const at = new URL(url);
  const name = route.host ?? host;
  const headers = {
    'user-agent': 'sluice-probe',
    ...(name === undefined ? {} : { host: name }),
    ...(version === undefined ? {} : { [VERSION_HEADER]: version }),
  };
  const address = at.hostname.replace(/^\[|\]$/g, '');
  const answer = await askHttp({ address, port: Number(at.port || 80), path: route.pathPrefix, headers, timeoutMs }, signal);
  const look = (status: number | null, trouble: string | null): RouteLook => ({
    asked: shownRoute(route),
    isRouted: null,
    status,
    trouble,
  });
  switch (answer.kind) {
    case 'answer':
      return { ...look(answer.status, unserved(answer.status, answer.text)), isRouted: !isUnrouted(answer.status, answer.text) };
    case 'refused':
      return look(null, `is not served: nothing listens at ${at.host} (${answer.code})`);
    case 'silent':
      return look(null, `is not answered within ${Math.round(timeoutMs / 100) / 10} s`);
    case 'closed':
      return look(null, 'is not answered: the connection was closed');
    case 'notHttp':
      return look(null, `is answered with ${answer.what} at ${at.host}`);
  }
}

function shownRoute({ host, pathPrefix }: EdgeRoute): string {
  return `${host ?? ''}${pathPrefix}`;
}
