import { join } from 'node:path';
import { type PlatformParts, platforms } from '../adapters/platform/index.ts';
import type { AppRef } from '../core/app/run.ts';
import { UserError } from '../core/errors.ts';
import type { LogLine, LogOptions, Platform } from '../ports/platform.ts';

/** The platforms of one workspace. */
export interface PlatformRegistry {
  readonly all: readonly Platform[];
  /** @throws UserError `PLATFORM_UNKNOWN` */
  of(name: string): Platform;
  /** Newest log lines of an app, from the platform that `recorded` names; null: from the one that has versions of it. */
  logs(ref: AppRef, options: LogOptions, recorded: () => Promise<string | null>): AsyncIterable<LogLine>;
  /** End what runs on this machine; what runs elsewhere goes on, because it serves users without it. */
  stopLocal(drainMs: number, fence: number): Promise<void>;
}

/** The folder of `processes` is called `apps`, because earlier versions knew no other platform. */
const FOLDERS: Readonly<Record<string, string>> = { processes: 'apps' };

/** Every platform that is registered, each with a folder of its own below `dir`. */
export function createPlatforms(parts: PlatformParts, kinds = platforms): PlatformRegistry {
  const all = Object.entries(kinds).map(([name, create]) => create({ ...parts, dir: platformFolder(parts.dir, name) }));
  const of = (name: string): Platform => {
    const found = all.find((platform) => platform.name === name);
    if (found !== undefined) return found;
    throw new UserError('PLATFORM_UNKNOWN', `there is no platform ${name}`, `Known: ${all.map((platform) => platform.name).join(', ')}.`);
  };
  return {
    all,
    of,
    async *logs(ref, options, recorded) {
      const name = await recorded();
      yield* (name === null ? await withVersions(all, ref) : of(name)).logs(ref, options);
    },
    async stopLocal(drainMs, fence) {
      await Promise.all(all.filter(({ capabilities }) => capabilities.isLocal).map((platform) => platform.removeAll({}, drainMs, fence)));
    },
  };
}

/** An app whose first release is not over yet stands in no manifest. Where no version is, the first platform may still have its log. */
async function withVersions([first, ...rest]: readonly Platform[], ref: AppRef): Promise<Platform> {
  if (first === undefined) throw new UserError('PLATFORM_UNKNOWN', 'no platform is registered', null);
  for (const platform of [first, ...rest]) if ((await platform.observe(ref)).length > 0) return platform;
  return first;
}

export function platformFolder(dir: string, name: string): string {
  return join(dir, FOLDERS[name] ?? join('platforms', name));
}
