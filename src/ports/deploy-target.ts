import { artifactOf } from '../core/app/artifact.ts';
import type { AppRef } from '../core/app/run.ts';
import type { VersionRef } from '../core/release/plan/plan.ts';
import type { DeployTarget } from './platform.ts';

/** A recorded version as a platform is asked for it. */
export function deployTarget(
  ref: AppRef,
  { id, artifact, run, health }: VersionRef,
  more: Pick<DeployTarget, 'fence' | 'routed'>,
): DeployTarget {
  const { env, ...settings } = run;
  const { environment, app } = ref;
  return { environment, app, version: id, artifact: artifactOf(artifact), settings, env, health, ...more };
}
