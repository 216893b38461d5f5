import { sampleBetween } from '../../core/analysis/from-counters.ts';
import type { Reading } from '../../core/analysis/reading.ts';
import type { Effect } from '../../core/release/effects.ts';
import type { ReleaseEvent } from '../../core/release/events.ts';
import type { PerformContext } from '../runbook.ts';
import type { PerformPorts } from './ports.ts';
import { edgeKey, refOf } from './traffic.ts';

/** One block of what users got since the last look. A source that cannot be read is an error sample: never a good one, never a bad one. */
export async function performCollect(
  ports: PerformPorts,
  effect: Extract<Effect, { kind: 'collect' }>,
  context: PerformContext,
): Promise<ReleaseEvent[]> {
  const { app, candidate, baseline, previous, since } = effect;
  try {
    const edge = await ports.edge(context.environment);
    const stats = await edge.stats(edgeKey(refOf(app, context)));
    const reading = onlyOf(stats, [candidate, ...(baseline === null ? [] : [baseline])]);
    const sample = previous === null ? null : sampleBetween(previous, reading, candidate, baseline);
    return [{ type: 'SampleCollected', app: app.app, sample, reading }];
  } catch (error) {
    context.signal.throwIfAborted();
    const message = error instanceof Error ? error.message : String(error);
    const sample = { fromAt: since, at: ports.clock.now(), candidate: null, baseline: null, error: message };
    return [{ type: 'SampleCollected', app: app.app, sample, reading: null }];
  }
}

function onlyOf(stats: Reading, versions: readonly string[]): Reading {
  const kept = Object.entries(stats.versions).filter(([id]) => versions.includes(id));
  return { ...stats, versions: Object.fromEntries(kept) };
}
