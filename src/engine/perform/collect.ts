import { sampleBetween } from '../../core/analysis/from-counters.ts';
import { EDGE_SOURCE } from '../../core/analysis/reading.ts';
import type { Effect } from '../../core/release/runbook/effects.ts';
import type { ReleaseEvent } from '../../core/release/state/events.ts';
import type { PlannedApp, VersionRef } from '../../core/release/plan/plan.ts';
import type { PerformContext } from '../runbook.ts';
import type { PerformPorts } from './ports.ts';

/** One block of what users got since the last look. A source that cannot be read is an error sample: never a good one, never a bad one. */
export async function performCollect(
  ports: PerformPorts,
  effect: Extract<Effect, { kind: 'collect' }>,
  context: PerformContext,
): Promise<ReleaseEvent[]> {
  const { app, candidate, baseline, previous, since, analysis, source: settings = EDGE_SOURCE } = effect;
  const of = analysis === undefined ? {} : { analysis };
  try {
    const source = ports.metrics(settings.kind);
    const versions = [candidate, ...(baseline === null ? [] : [baseline])];
    const query = { environment: context.environment, app: app.app, versions, settings };
    if (previous === null) await source.start(query);
    const reading = await source.collect(query, previous, context.signal);
    const sample = previous === null ? null : sampleBetween(previous, reading, candidate, baseline);
    return [{ type: 'SampleCollected', app: app.app, sample, reading, ...of }];
  } catch (error) {
    context.signal.throwIfAborted();
    const message = error instanceof Error ? error.message : String(error);
    const sample = { fromAt: since, at: ports.clock.now(), candidate: null, baseline: null, error: message };
    return [{ type: 'SampleCollected', app: app.app, sample, reading: null, ...of }];
  }
}

/** A version is gone, and with it whatever its sources keep of it. */
export async function stopCollecting(ports: PerformPorts, app: PlannedApp, version: VersionRef, context: PerformContext): Promise<void> {
  const { strategy } = app;
  if (strategy.kind !== 'canary' && strategy.kind !== 'blueGreen') return;
  const policies = [...(strategy.analysis === null ? [] : [strategy.analysis]), ...(strategy.analyses ?? []).map((one) => one.policy)];
  for (const { source } of policies)
    if (source !== undefined)
      await ports.metrics(source.kind).stop({ environment: context.environment, app: app.app, versions: [version.id], settings: source });
}
