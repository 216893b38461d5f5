import { processesPlatform } from './processes/index.ts';

/** Every platform there is, by the name apps ask for. A test compares it with this folder. */
export const platforms = {
  processes: processesPlatform,
} as const;

export type PlatformName = keyof typeof platforms;
