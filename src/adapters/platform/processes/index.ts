import { resolve } from 'node:path';
import type { Clock } from '../../../ports/clock.ts';
import type { Platform } from '../../../ports/platform.ts';
import { accessOf } from './access.ts';
import type { Context } from './context.ts';
import { ensureVersion } from './ensure.ts';
import { healthOf } from './health.ts';
import { DEFAULT_LIMITS, type Limits } from '../../../supervisor/limits.ts';
import { logsOf } from './logs.ts';
import { observeApp } from './observe.ts';
import { removeAll } from './remove-all.ts';
import { retireVersion } from './retire.ts';
import { PROCESSES } from './what.ts';
import { shareVersion } from './share.ts';
import { SUPERVISOR_ENTRY } from './start-supervisor.ts';
import { systemClock } from './system-clock.ts';

export interface ProcessesOptions {
  /** Folder for everything of this platform; made when needed. Only one machine may use it. */
  readonly dir: string;
  /** Where artifacts come from. */
  readonly artifacts: { folder(digest: string): Promise<string> };
  /** The control plane's environment, for `{ fromEnv }` and PATH, HOME, LANG, TZ, TMPDIR. Default: this process's. */
  readonly env?: NodeJS.ProcessEnv;
  /** Where the values of `{ fromEnv }` come from in an environment. Default: `env`. */
  readonly values?: (environment: string) => NodeJS.ProcessEnv;
  readonly clock?: Clock;
  readonly limits?: Partial<Limits>;
  /** Another entry point for supervisors (tests that let them die at chosen moments). */
  readonly supervisorEntry?: URL;
  /** Called after each write to the outside with its name; what it throws cuts the call off there (tests). */
  readonly onWrite?: (what: string) => void;
}

/**
 * App versions as processes of this machine, each version under a small supervisor of its own that outlives the
 * control plane. Our edge splits the traffic between them.
 */
export function processesPlatform(options: ProcessesOptions): Platform {
  const context: Context = {
    // Whole, since it is handed to other processes.
    dir: resolve(options.dir),
    artifacts: options.artifacts,
    env: options.env ?? process.env,
    values: options.values ?? (() => options.env ?? process.env),
    clock: options.clock ?? systemClock,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    supervisorEntry: options.supervisorEntry ?? SUPERVISOR_ENTRY,
    wrote: options.onWrite ?? (() => {}),
  };
  return {
    ...PROCESSES,
    access: () => accessOf(context),
    ensure: (target, signal) => ensureVersion(context, target, signal),
    observe: (ref) => observeApp(context.dir, ref),
    health: (target, signal) => healthOf(context, target, signal),
    share: (target, instances, signal) => shareVersion(context, target, instances, signal),
    retire: (ref, version, drainMs, fence) => retireVersion(context, ref, version, drainMs, fence),
    removeAll: (scope, drainMs, fence) => removeAll(context, scope, drainMs, fence),
    logs: (ref, logOptions) => logsOf(context, ref, logOptions),
  };
}
