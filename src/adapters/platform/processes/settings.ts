import { z } from 'zod';
import type { RunSettings } from '../../../core/app/run.ts';
import type { SettingMistake } from '../../../ports/platform.ts';

const COUNT = 'a whole number from 1';

/** Settings of a version as plans record them, everything decided. */
const decided = z.object({
  /** argv; never passed through a shell. */
  command: z
    .array(z.string(), { error: 'a list of a program and its arguments' })
    .refine((words) => (words[0] ?? '') !== '', { error: 'a program and its arguments are needed' }),
  instances: z.int({ error: COUNT }).min(1, { error: COUNT }),
  listens: z.boolean({ error: 'true or false' }),
  drainMs: z.number({ error: 'a time from 0' }).min(0, { error: 'a time from 0' }),
});

export type ProcessSettings = z.output<typeof decided>;

export function processMistakes(settings: RunSettings): SettingMistake[] {
  const issues = decided.safeParse(settings).error?.issues ?? [];
  return issues.map(({ path, message }) => ({ path: path.map(String), message }));
}

/** Settings in which `processMistakes` finds none. */
export function processSettings(settings: RunSettings): ProcessSettings {
  return decided.parse(settings);
}
