import { askRoute, type RouteLook } from '../../lib/ask-route.ts';
import { OutsideError } from '../../core/errors.ts';
import type { Effect } from '../../core/release/runbook/effects.ts';
import type { ReleaseEvent, RouteEvidence } from '../../core/release/state/events.ts';
import type { Edge } from '../../ports/edge.ts';
import type { EdgeStats } from '../../core/app/traffic.ts';
import type { PerformContext } from '../runbook.ts';
import type { PerformPorts } from './ports.ts';
import { edgeKey, refOf, weightsOf } from './traffic.ts';

const LOOK_MS = 250;
const ANSWER_MS = 5_000;
/** The edge may count an answer a moment after it was sent, ms. */
const COUNT_MS = 2_000;

/**
 * Ask every route of the app through the edge's public listener, as a user would: the version by its header, and without it where
 * it has all traffic. Again and again until all are answered by the app, or `until` has passed; always at least once.
 */
export async function performProbe(
  ports: PerformPorts,
  effect: Extract<Effect, { kind: 'probe' }>,
  context: PerformContext,
): Promise<ReleaseEvent[]> {
  const { app, version, until } = effect;
  for (;;) {
    const looks = await look(ports, effect, context);
    context.signal.throwIfAborted();
    const bad = looks.find(({ trouble }) => trouble !== null);
    if (bad === undefined) {
      const routes = looks.map(({ asked, pinned, status }): RouteEvidence => ({ route: asked, pinned, status: status ?? 0 }));
      return [{ type: 'RoutesProven', app: app.app, version: version.id, routes }];
    }
    const now = ports.clock.now();
    if (now >= until) {
      const reason = `${bad.asked} ${bad.trouble}, when asked through the edge${bad.pinned ? ' for this version' : ''}`;
      return [{ type: 'RoutesBroken', app: app.app, version: version.id, reason }];
    }
    await ports.clock.sleep(Math.min(LOOK_MS, Math.max(1, until - now)), context.signal);
    context.signal.throwIfAborted();
  }
}

type Look = RouteLook & { readonly pinned: boolean };

async function look(ports: PerformPorts, { app, version }: Extract<Effect, { kind: 'probe' }>, context: PerformContext): Promise<Look[]> {
  const { environment, signal } = context;
  const [edge, url] = await Promise.all([ports.edge(environment), ports.edgeUrl(environment)]);
  if (url === null) throw new OutsideError('EDGE_NOT_STARTED', `the edge of ${environment} has no address yet`);
  const observed = await edge.observe(edgeKey(refOf(app, context)));
  const hasAll = observed !== null && weightsOf(observed)[version.id] === 100;
  const looks: Look[] = [];
  for (const route of app.routes) {
    const question = { url, route, host: version.health?.host, timeoutMs: version.health?.timeoutMs ?? ANSWER_MS };
    looks.push({ ...(await askRoute({ ...question, version: version.id }, signal)), pinned: true });
    if (hasAll) looks.push({ ...(await counted(ports, edge, context, app.app, () => askRoute(question, signal))), pinned: false });
  }
  return looks;
}

/** An answer counts only if it was the edge's: another program may have taken its address. */
async function counted(
  ports: PerformPorts,
  edge: Edge,
  context: PerformContext,
  app: string,
  ask: () => Promise<RouteLook>,
): Promise<RouteLook> {
  const key = edgeKey({ environment: context.environment, app });
  const before = await edge.stats(key);
  const answer = await ask();
  if (answer.trouble !== null) return answer;
  for (const until = ports.clock.now() + COUNT_MS; ;) {
    const after = await edge.stats(key);
    if (after.epoch !== before.epoch || requestsIn(after) > requestsIn(before)) return answer;
    if (ports.clock.now() >= until)
      return { ...answer, trouble: `is answered with ${answer.status}, but not by the edge, which has seen no such request` };
    await ports.clock.sleep(LOOK_MS / 5, context.signal);
    context.signal.throwIfAborted();
  }
}

function requestsIn({ versions }: EdgeStats): number {
  return Object.values(versions).reduce((sum, { requests }) => sum + requests, 0);
}
