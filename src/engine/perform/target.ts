import type { PlannedApp, VersionRef } from '../../core/release/plan/plan.ts';
import { deployTarget } from '../../ports/deploy-target.ts';
import type { DeployTarget } from '../../ports/platform.ts';
import type { PerformContext } from '../runbook.ts';
import { refOf } from './traffic.ts';

export function targetOf(app: PlannedApp, version: VersionRef, context: PerformContext): DeployTarget {
  return deployTarget(refOf(app, context), version, { routed: app.routes.length > 0, fence: context.fence });
}
