import { Option } from 'commander';

/** Options that several commands share, so that they mean the same everywhere. */
export const environmentOption = (): Option =>
  new Option('-e, --env <name>', 'environment (or SLUICE_ENV; otherwise development, or the only one there is)');
export const appOption = (): Option => new Option('--app <name>', 'only this app');
export const yesOption = (): Option => new Option('-y, --yes', 'do not ask for confirmation');
export const timeoutOption = (): Option =>
  new Option('--timeout <duration>', 'stop following after this long and exit with 124; the release goes on (90s, 10m, 1h)');
const waitOption = (): Option =>
  new Option('--wait', 'keep following through a pause that waits for a person, also where nobody can be asked');
export const detachOption = (): Option => new Option('--detach', 'do not follow the release');
export const watchOption = (): Option => new Option('-w, --watch', 'follow the release until it is over');
const eventsOption = (): Option => new Option('--events', 'with --json: also one JSON line per event, as they happen, before the result');
export const reasonOption = (): Option => new Option('--reason <text>', 'why, for the audit log');

export const breakGlassOption = (): Option =>
  new Option('--break-glass <reason>', "an emergency: set approval rule, window and checks aside for one other person's word");

/** How a release is followed. */
export interface FollowOptions {
  readonly timeout?: string;
  readonly wait?: boolean;
  readonly events?: boolean;
}

export const followOptions = (): Option[] => [timeoutOption(), waitOption(), eventsOption()];

/** Options that every command takes. */
export const COMMON = (): Option[] => [
  new Option('--json', 'print one JSON object on stdout instead of text'),
  new Option('--no-input', 'never ask anything; what would have to be asked is an error'),
  new Option('-C, --workspace <dir>', 'workspace to work on (otherwise the nearest folder upwards with a sluice.config.*)'),
];

export interface CommonOptions {
  readonly json?: boolean;
  readonly input: boolean;
  readonly workspace?: string;
}
