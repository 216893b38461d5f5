import { SluiceError } from '../../core/errors.ts';
import type { Effect } from '../../core/release/runbook/effects.ts';
import type { ReleaseEvent } from '../../core/release/state/events.ts';
import type { PlannedApp, VersionRef } from '../../core/release/plan/plan.ts';
import type { Platform } from '../../ports/platform.ts';
import type { PerformContext } from '../runbook.ts';
import { shareOf } from './share.ts';
import { targetOf } from './target.ts';
import type { PerformPorts } from './ports.ts';
import { applyAtEdge, refOf, splitterOf } from './traffic.ts';

/** Start the version; where our edge splits traffic, tell it too, at weight 0, so that `Sluice-Version` reaches it. */
export async function performDeploy(
  ports: PerformPorts,
  effect: Extract<Effect, { kind: 'deploy' }>,
  context: PerformContext,
): Promise<ReleaseEvent[]> {
  const { app, version, weights } = effect;
  const platform = ports.platform(app.platform);
  if (app.strategy.kind === 'recreate') await stopOthers(platform, app, version, context);
  if (splitterOf(app, platform) === 'instances') await shareOf(platform, app, version, [], context);
  else await platform.ensure(targetOf(app, version, context), context.signal);
  if (splitterOf(app, platform) === 'edge' && Object.keys(weights).length > 0) {
    await applyAtEdge(ports, app, { ...weights, [version.id]: weights[version.id] ?? 0 }, context).catch(unlessGone);
  }
  return [{ type: 'VersionDeployed', app: app.app, version: version.id }];
}

/** Where the stable version has no running copy, there is nothing to put the new one beside: a correction must get out all the same. */
function unlessGone(error: unknown): void {
  if (!(error instanceof SluiceError) || error.code !== 'VERSION_GONE') throw error;
}

/** It must not run twice: not beside its old version, nor beside what an earlier release could not clean up. */
async function stopOthers(platform: Platform, app: PlannedApp, version: VersionRef, context: PerformContext): Promise<void> {
  const ref = refOf(app, context);
  const others = (await platform.observe(ref)).filter((other) => other.version !== version.id);
  for (const other of others) await platform.retire(ref, other.version, version.run.drainMs, context.fence);
}
