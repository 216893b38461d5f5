import type { PlannedApp, VersionRef } from '../../core/release/plan/plan.ts';
import type { DeployTarget } from '../../ports/platform.ts';
import type { PerformContext } from '../runbook.ts';
import { refOf } from './traffic.ts';

export function targetOf(app: PlannedApp, version: VersionRef, context: PerformContext): DeployTarget {
  const { id, artifact, run, health } = version;
  return { ...refOf(app, context), version: id, artifact, run, health, routed: app.routes.length > 0, fence: context.fence };
}
