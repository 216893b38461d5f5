import type { Clock } from '../../../ports/clock.ts';
import type { Supervision } from '../../../supervisor/crew.ts';
import { inheritedEnvironment } from './environment.ts';
import type { Limits } from '../../../supervisor/limits.ts';
import { portsFolder, type VersionPaths } from '../../../supervisor/paths.ts';
import { type StartedSupervisor, startSupervisor } from './start-supervisor.ts';

/** What every call of the platform works with. */
export interface Context {
  readonly dir: string;
  readonly artifacts: { folder(digest: string): Promise<string> };
  /** The control plane's environment. */
  readonly env: NodeJS.ProcessEnv;
  /** Where the values of `{ fromEnv }` come from in an environment. */
  readonly values: (environment: string) => NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly supervisorEntry: URL;
  /** Called after each write to the outside. */
  readonly wrote: (what: string) => void;
}

/** How often a file of a supervisor is looked at while waiting for it, ms. */
export const LOOK_MS = 15;

export function beginSupervision(context: Context, paths: VersionPaths, program: Supervision['program']): StartedSupervisor {
  const supervision: Supervision = { folder: paths.folder, portsFolder: portsFolder(context.dir), program, limits: context.limits };
  const started = startSupervisor(paths, supervision, inheritedEnvironment(context.env), context.supervisorEntry);
  context.wrote('supervisor');
  return started;
}
