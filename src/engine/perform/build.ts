import type { Effect } from '../../core/release/runbook/effects.ts';
import type { ReleaseEvent } from '../../core/release/state/events.ts';
import { versionId } from '../../core/release/plan/plan.ts';
import { requireFit } from '../../ports/platform-fit.ts';
import type { PerformContext } from '../runbook.ts';
import type { PerformPorts } from './ports.ts';
import { splitterOf } from './traffic.ts';

export async function performBuild(
  ports: PerformPorts,
  effect: Extract<Effect, { kind: 'build' }>,
  context: PerformContext,
): Promise<ReleaseEvent[]> {
  const { app, commit } = effect;
  // A port that another program has, or a setting that cannot be followed, should not cost a build first.
  const platform = ports.platform(app.platform);
  const { env: _env, ...settings } = app.run;
  requireFit(platform, { app: app.app, settings });
  if (splitterOf(app, platform) === 'edge') await ports.edge(context.environment);
  const request = {
    app: app.app,
    path: app.path,
    commit,
    fingerprint: app.fingerprint,
    build: app.build,
    timeoutMs: app.deadlines.buildMs,
    onOutput: () => {},
  };
  const built = await ports.builder.build(request, context.signal);
  const { run, health } = app;
  const version = {
    id: versionId(built.artifact, run, health),
    artifact: built.artifact,
    commit: context.state.plan.source.dirty ? null : commit,
    run,
    health,
  };
  return [{ type: 'ArtifactBuilt', app: app.app, version, reused: built.reused, log: built.log }];
}
