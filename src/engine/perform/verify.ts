import type { Health } from '../../core/app/run.ts';
import type { Effect } from '../../core/release/runbook/effects.ts';
import type { ReleaseEvent } from '../../core/release/state/events.ts';
import type { PerformContext } from '../runbook.ts';
import { targetOf } from './target.ts';
import type { PerformPorts } from './ports.ts';
import { splitterOf } from './traffic.ts';

/** A version that starts quickly should not wait for the next second: look often at first, ms. */
const EAGER_MS = 50;
const EAGER_FOR_MS = 3_000;

/** Look until it is healthy, cannot become so, or the time is over; always at least once. */
export async function performVerify(
  ports: PerformPorts,
  effect: Extract<Effect, { kind: 'verify' }>,
  context: PerformContext,
): Promise<ReleaseEvent[]> {
  const { app, version, until } = effect;
  const platform = ports.platform(app.platform);
  const target = targetOf(app, version, context);
  const startedAt = ports.clock.now();
  for (;;) {
    const said = await platform.health(target, context.signal);
    const health = splitterOf(app, platform) === 'instances' ? said : ofAll(said, version.run.instances);
    context.signal.throwIfAborted();
    if (health.state === 'healthy') {
      const { restarts } = health.evidence;
      return [{ type: 'VersionHealthy', app: app.app, version: version.id, restarts }];
    }
    const now = ports.clock.now();
    if (health.state === 'failed' || now >= until) {
      const reason =
        health.state === 'failed' ? health.reason : `not healthy within ${Math.round(app.deadlines.healthyMs / 1000)} s: ${health.reason}`;
      return [{ type: 'VersionUnhealthy', app: app.app, version: version.id, reason }];
    }
    const interval = now - startedAt < EAGER_FOR_MS ? EAGER_MS : (version.health?.intervalMs ?? 1_000);
    await ports.clock.sleep(Math.min(interval, Math.max(1, until - now)), context.signal);
    context.signal.throwIfAborted();
  }
}

/** Healthy rests on a look at every instance that was asked for: fewer are not there yet, and none says nothing. */
function ofAll(health: Health, wanted: number): Health {
  if (health.state !== 'healthy' || health.evidence.instances >= wanted) return health;
  return { state: 'waiting', reason: `${health.evidence.instances} of ${wanted} instances were asked` };
}
