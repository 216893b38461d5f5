import type { Effect } from '../../core/release/effects.ts';
import type { ReleaseEvent } from '../../core/release/events.ts';
import { versionId } from '../../core/release/plan.ts';
import type { PerformContext } from '../runbook.ts';
import type { PerformPorts } from './ports.ts';

export async function performBuild(
  ports: PerformPorts,
  effect: Extract<Effect, { kind: 'build' }>,
  context: PerformContext,
): Promise<ReleaseEvent[]> {
  const { app, commit } = effect;
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
