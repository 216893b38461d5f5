import { OutsideError, UserError } from '../../core/errors.ts';
import type { Effect } from '../../core/release/runbook/effects.ts';
import type { ReleaseEvent } from '../../core/release/state/events.ts';
import type { PlannedApp, VersionRef } from '../../core/release/plan/plan.ts';
import type { PerformContext } from '../runbook.ts';
import { stopCollecting } from './collect.ts';
import type { PerformPorts } from './ports.ts';
import { applyAtEdge, edgeKey, refOf, splitterOf, weightsOf } from './traffic.ts';

const LOOK_MS = 50;

/** See at the data plane that nobody is sent there, let the last requests end, then stop it (invariant 3). */
export async function performRetire(
  ports: PerformPorts,
  effect: Extract<Effect, { kind: 'retire' }>,
  context: PerformContext,
): Promise<ReleaseEvent[]> {
  const { app, version, keep } = effect;
  const platform = ports.platform(app.platform);
  const ref = refOf(app, context);
  const recreating = app.strategy.kind === 'recreate';
  const splitter = recreating ? 'nobody' : splitterOf(app, platform);
  if (splitter === 'edge') await leaveEdge(ports, app, version, keep, context);
  if (splitter === 'platform') {
    const weight = (await platform.traffic?.read(ref))?.[version.id] ?? 0;
    if (weight > 0 && keep !== null) throw stillServing(app, version, weight);
  }
  await platform.retire(ref, version.id, version.run.drainMs, context.fence);
  // The app is reserved for this release: whatever else still runs was left behind by one that could not clean up.
  const leftOver = (await platform.observe(ref)).filter((other) => other.version !== keep?.id && other.version !== version.id);
  for (const other of leftOver) await platform.retire(ref, other.version, version.run.drainMs, context.fence);
  await stopCollecting(ports, app, version, context);
  return [{ type: 'VersionRetired', app: app.app, version: version.id }];
}

async function leaveEdge(
  ports: PerformPorts,
  app: PlannedApp,
  version: VersionRef,
  keep: VersionRef | null,
  context: PerformContext,
): Promise<void> {
  const key = edgeKey(refOf(app, context));
  if (keep === null) return unroute(ports, key, context);
  const edge = await ports.edge(context.environment);
  const before = await edge.observe(key);
  if (before === null) return;
  const weight = weightsOf(before)[version.id] ?? 0;
  if (weight > 0) throw stillServing(app, version, weight);
  await drained(ports, key, version, context);
  await applyAtEdge(ports, app, { [keep.id]: 100 }, context);
}

/** Where no edge was ever started, or its port is another program's, nobody is sent anywhere: there is nothing to wait for. */
async function unroute(ports: PerformPorts, key: string, context: PerformContext): Promise<void> {
  try {
    const edge = await ports.servingEdge(context.environment);
    if (edge !== null && (await edge.observe(key)) !== null) await edge.remove(key, context.fence);
  } catch (error) {
    if (!(error instanceof UserError) || error.code !== 'EDGE_PORT_TAKEN') throw error;
  }
}

/** Wait for the requests under way, at most the app's drain time: then they are cut by the stop. */
async function drained(ports: PerformPorts, key: string, version: VersionRef, context: PerformContext): Promise<void> {
  const edge = await ports.edge(context.environment);
  const until = ports.clock.now() + version.run.drainMs;
  while (ports.clock.now() < until) {
    const seen = await edge.observe(key);
    const inFlight = seen?.versions.find(({ id }) => id === version.id)?.inFlight ?? 0;
    if (inFlight === 0) return;
    await ports.clock.sleep(LOOK_MS, context.signal);
    context.signal.throwIfAborted();
  }
}

function stillServing(app: PlannedApp, version: VersionRef, weight: number): OutsideError {
  return new OutsideError(
    'STILL_SERVING',
    `${app.app}: version ${version.id} still has ${weight} % of the traffic at the data plane; it is not stopped`,
  );
}
