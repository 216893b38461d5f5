import { UserError } from '../core/errors.ts';
import type { DeployTarget, Platform } from './platform.ts';

/**
 * Refuse what a platform cannot run, before anything is built or written. The artifact is left out where it is not built yet.
 * @throws UserError `PLATFORM_ARTIFACT_UNFIT`, `PLATFORM_SETTINGS_INVALID` with every mistake
 */
export function requireFit(
  { name, capabilities, check }: Pick<Platform, 'name' | 'capabilities' | 'check'>,
  { app, artifact, settings }: Pick<DeployTarget, 'app' | 'settings'> & Partial<Pick<DeployTarget, 'artifact'>>,
): void {
  if (artifact !== undefined && !capabilities.artifacts.includes(artifact.kind))
    throw new UserError(
      'PLATFORM_ARTIFACT_UNFIT',
      `${app} was built as ${artifact.kind}; ${name} takes ${capabilities.artifacts.join(', ')}`,
      'Deploy it to a platform that takes it, or build it again for this one.',
    );
  const mistakes = check(settings).map(({ path, message }) => `run.${path.join('.')}: ${message}`);
  if (mistakes.length > 0)
    throw new UserError(
      'PLATFORM_SETTINGS_INVALID',
      `${app} cannot run on ${name}: ${mistakes.join('; ')}`,
      'Correct its settings, and deploy again.',
    );
}
