import { join } from 'node:path';
import { UserError } from '../core/errors.ts';
import type { AppRef } from '../core/app/run.ts';

/**
 * The folders of the platform. Names that begin with a dot are ours, so that no environment, app or version
 * can have one:
 *
 *     <dir>/.ports/<port>              who has reserved this port
 *     <dir>/<env>/<app>/.fence.json    highest fencing token accepted for the app
 *     <dir>/<env>/<app>/<version>/     see `VersionPaths`
 */
export interface AppPaths {
  readonly folder: string;
  readonly fence: string;
}

export interface VersionPaths {
  readonly folder: string;
  /** What the control plane wants: settings of the version, running or retired. */
  readonly wanted: string;
  /** What the supervisor has: its identity and its instances. */
  readonly state: string;
  /** Made in one piece: `made.json` (of what, in which boot) and `files`, the working folder of the app. */
  readonly release: string;
  readonly files: string;
  /** `<instance>.log`, rotated to `<instance>.log.1` and on; `supervisor.log`. Outlives the version. */
  readonly logs: string;
  /** `<instance>/`: a private folder each, handed over as SLUICE_INSTANCE_DIR. */
  readonly instances: string;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$/;

export function appPaths(dir: string, ref: AppRef): AppPaths {
  const folder = join(dir, checked('environment', ref.environment), checked('app', ref.app));
  return { folder, fence: join(folder, '.fence.json') };
}

export function versionPaths(dir: string, ref: AppRef, version: string): VersionPaths {
  return pathsIn(join(appPaths(dir, ref).folder, checked('version', version)));
}

export function pathsIn(folder: string): VersionPaths {
  const release = join(folder, 'release');
  return {
    folder,
    wanted: join(folder, 'wanted.json'),
    state: join(folder, 'state.json'),
    release,
    files: join(release, 'files'),
    logs: join(folder, 'logs'),
    instances: join(folder, 'instances'),
  };
}

export function portsFolder(dir: string): string {
  return join(dir, '.ports');
}

function checked(what: string, name: string): string {
  if (NAME.test(name)) return name;
  throw new UserError(
    'NAME_INVALID',
    `the ${what} name ${JSON.stringify(name)} cannot be a folder name`,
    'Use letters, digits, ".", "_", "+" and "-", beginning with a letter or digit (at most 128).',
  );
}
