import type { z } from 'zod';
import type { Outline } from './checks.ts';
import { checkTogether } from './checks.ts';
import type { Mistake } from './problems.ts';
import { mistakesOf } from './problems.ts';
import type { Config } from './schema.ts';
import { configSchema } from './schema.ts';
import { withTemplates } from './templates.ts';

/** The configuration when there is nothing wrong with it, and all that is wrong with it otherwise. */
export type Checked =
  | { readonly config: Config; readonly mistakes: readonly [] }
  | { readonly config: null; readonly mistakes: readonly Mistake[] };

export function validate(read: unknown): Checked {
  const { value, mistakes } = withTemplates(read);
  const checked = validateFilled(value);
  return mistakes.length === 0 ? checked : { config: null, mistakes: [...mistakes, ...checked.mistakes] };
}

function validateFilled(value: unknown): Checked {
  const parsed = configSchema.safeParse(value);
  if (!parsed.success)
    return { config: null, mistakes: [...mistakesOf(parsed.error, value), ...checkTogether(withoutWrongParts(value), outlineOf(value))] };
  const mistakes = checkTogether(parsed.data, outlineOf(value));
  return mistakes.length === 0 ? { config: parsed.data, mistakes: [] } : { config: null, mistakes };
}

/** The apps and environments that are right in themselves: what does not fit together is said in the same go. */
function withoutWrongParts(value: unknown): Config {
  const { apps, environments, access } = configSchema.shape;
  const raw = isObject(value) ? value : {};
  const config = {
    workspace: 'unknown',
    apps: rightParts(apps, raw['apps']),
    ...(raw['access'] !== undefined && access.safeParse(raw['access']).success ? { access: raw['access'] } : {}),
    ...(raw['environments'] === undefined ? {} : { environments: rightParts(environments.unwrap(), raw['environments']) }),
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each part has been checked alone
  return config as Config;
}

function rightParts(schema: z.ZodType, part: unknown): Record<string, unknown> {
  const entries = Object.entries(isObject(part) ? part : {});
  return Object.fromEntries(entries.filter(([name, item]) => schema.safeParse({ [name]: item }).success));
}

/** Names, paths and dependencies, as far as they can be made out, also of apps that are wrong elsewhere. */
function outlineOf(value: unknown): Outline {
  const raw = isObject(value) ? value : {};
  const apps = isObject(raw['apps']) ? raw['apps'] : {};
  const environments = isObject(raw['environments']) ? raw['environments'] : {};
  return {
    apps: Object.entries(apps).map(([name, app]) => {
      const { path, dependsOn } = isObject(app) ? app : {};
      return {
        name,
        path: typeof path === 'string' ? path : null,
        dependsOn: Array.isArray(dependsOn) ? dependsOn.filter((other) => typeof other === 'string') : [],
      };
    }),
    overrides: Object.entries(environments).map(([name, environment]) => ({
      name,
      apps: isObject(environment) && isObject(environment['apps']) ? Object.keys(environment['apps']) : [],
    })),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
