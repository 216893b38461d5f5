import type { Platform } from '../../ports/platform.ts';
import { processesPlatform } from './processes/index.ts';

/** What composition has for a platform; each takes of it what it needs. */
export interface PlatformParts {
  /** Folder of this platform alone, for what it keeps on this machine; made when needed. */
  readonly dir: string;
  /** Where artifacts come from. */
  readonly artifacts: { folder(digest: string): Promise<string> };
  /** Where the values of `{ fromEnv }` come from in an environment. */
  readonly values: (environment: string) => NodeJS.ProcessEnv;
}

/** Every platform there is, by the name apps ask for. A test compares it with this folder, and asks for a contract of each. */
export const platforms: Readonly<Record<string, (parts: PlatformParts) => Platform>> = {
  processes: processesPlatform,
};
