import { z } from 'zod';
import { DURATION, parseDuration, splitArgv } from './values.ts';

/* Pieces of the configuration's schema. Each `error` text says what is allowed; `problems.ts` says what was found instead. */

/** Marks a message that lists the keys an object may have, for `problems.ts`. */
export const KEYS = 'keys: ';

export function object<Shape extends z.ZodRawShape>(shape: Shape): z.ZodObject<Shape, z.core.$strict> {
  const keys = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? KEYS + keys.join(', ') : `an object with ${keys.join(', ')}`),
  });
}

export const text = (allowed: string): z.ZodString => z.string({ error: allowed }).min(1, { error: allowed });
export const matching = (pattern: RegExp, allowed: string): z.ZodString => z.string({ error: allowed }).regex(pattern, { error: allowed });
export const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z.enum(values, { error: values.map((value) => `"${value}"`).join(', ') });
export const flag = z.boolean({ error: 'true or false' });
export const whole = (least: number, allowed: string): z.ZodNumber =>
  z.number({ error: allowed }).int({ error: allowed }).min(least, { error: allowed });

export const DURATION_ALLOWED = 'a time such as "250ms", "30s", "5m", "2h", or a number of milliseconds';
export const duration = z
  .union([matching(DURATION, DURATION_ALLOWED), whole(0, DURATION_ALLOWED)], { error: DURATION_ALLOWED })
  .meta({ id: 'Duration', description: 'A time: "250ms", "30s", "5m", "2h", "1d", or a number of milliseconds.' });
export const positive = duration.refine((value) => (parseDuration(value) ?? 1) > 0, { error: `${DURATION_ALLOWED}, longer than nothing` });

export const ARGV_ALLOWED =
  'a command as a list of arguments, such as ["node", "server.js"], or one line that is split at spaces (no shell reads it)';
export const argv = z
  .union(
    [
      z
        .array(z.string({ error: 'text' }), { error: ARGV_ALLOWED })
        .refine((words) => (words[0] ?? '') !== '', { error: `${ARGV_ALLOWED}; not an empty one` }),
      z
        .string({ error: ARGV_ALLOWED })
        .refine((line) => (splitArgv(line)?.[0] ?? '') !== '', { error: `${ARGV_ALLOWED}; not an empty one, and every quote closed` }),
    ],
    { error: ARGV_ALLOWED },
  )
  .meta({
    id: 'Command',
    description: 'A command: a list of arguments, or one line split at spaces with \'…\' and "…" holding together. Never read by a shell.',
  });

const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const envName = matching(ENV_NAME, 'the name of a variable: letters, digits and _, not beginning with a digit');
export const buildEnv = z.record(envName, z.string({ error: 'text' }), { error: 'an object of variable names and their text' });
const envValue = z.union(
  [
    z.string({ error: 'text' }),
    object({
      fromEnv: envName.describe(
        'Name of a variable whose value comes from `.env` files or from the shell that deploys: [secrets.md](secrets.md). It is in no plan, event or answer.',
      ),
    }),
  ],
  {
    error: 'text, or { fromEnv: "NAME" }',
  },
);
export const env = z
  .record(envName, envValue, { error: 'an object of variable names and their values' })
  .meta({ id: 'Variables', description: 'Variables by name: text, or `{ fromEnv: "NAME" }` for what must not stand in a file.' });

export const PATH_ALLOWED = 'a folder inside the workspace, such as "apps/web"';
// Every object has a `constructor`, so that something is found by that name wherever nothing is.
const NAME = /^(?!constructor$)[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/;
const NAME_ALLOWED = 'a name of lower-case letters, digits and -, beginning with a letter (at most 63), and not "constructor"';
export const name = matching(NAME, NAME_ALLOWED);

export const urlPath = (what: string): z.ZodString => matching(/^\/\S*$/, `${what}, such as "/up"`);
