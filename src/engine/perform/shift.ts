import type { Effect } from '../../core/release/runbook/effects.ts';
import type { ReleaseEvent } from '../../core/release/state/events.ts';
import type { PerformContext } from '../runbook.ts';
import type { PerformPorts } from './ports.ts';
import { shareInstances } from './share.ts';
import { applyAtEdge, assertWeights, refOf, splitterOf } from './traffic.ts';

/** Move traffic, and believe only what the data plane then shows. */
export async function performShift(
  ports: PerformPorts,
  effect: Extract<Effect, { kind: 'shift' }>,
  context: PerformContext,
): Promise<ReleaseEvent[]> {
  const { app, weights } = effect;
  const platform = ports.platform(app.platform);
  const splitter = splitterOf(app, platform);
  if (splitter === 'platform') {
    const seen = await platform.traffic?.shift(refOf(app, context), weights, context.fence);
    assertWeights(app, weights, seen ?? {});
  } else if (splitter === 'edge') {
    await applyAtEdge(ports, app, weights, context);
  }
  if (splitter === 'instances') return shareInstances(platform, effect, context, ports.clock);
  return [{ type: 'WeightsShifted', app: app.app, weights, toProve: splitter === 'edge' }];
}
