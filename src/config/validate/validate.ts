import type { z } from 'zod';
import type { Outline } from './across-fields.ts';
import { checkTogether } from './across-fields.ts';
import type { Mistake } from './problems.ts';
import { mistakesOf } from './problems.ts';
import type { Config } from '../schema/workspace.ts';
import { configSchema } from '../schema/workspace.ts';
import { withTemplates } from './templates.ts';

/** The configuration when there is nothing wrong with it, and all that is wrong with it otherwise. */
export type Checked =
  | { readonly config: Config; readonly mistakes: readonly [] }
  | { readonly config: null; readonly mistakes: readonly Mistake[] };

export function validate(read: unknown): Checked {
  const odd = unusable(read);
  if (odd.length > 0) return { config: null, mistakes: odd };
  const { value, mistakes } = withTemplates(read);
  const checked = validateFilled(value);
  return mistakes.length === 0 ? checked : { config: null, mistakes: [...mistakes, ...checked.mistakes] };
}

/** Deeper than any configuration; what is deeper would exhaust the stack of those who walk it. */
const DEEPEST = 100;

/**
 * What no schema sees: a key that disappears as soon as an object is copied, and data without an end.
 */
function unusable(read: unknown): Mistake[] {
  const mistakes: Mistake[] = [];
  let level: { readonly value: unknown; readonly path: readonly PropertyKey[] }[] = [{ value: read, path: [] }];
  for (let depth = 0; level.length > 0; depth += 1) {
    const [first] = level;
    if (depth > DEEPEST && first !== undefined)
      return [{ path: first.path.slice(0, 3), message: `lies more than ${DEEPEST} levels deep, or contains itself.` }];
    level = level.flatMap(({ value, path }) => {
      if (typeof value !== 'object' || value === null) return [];
      return Object.entries(value).flatMap(([key, item]) => {
        const at = [...path, Array.isArray(value) ? Number(key) : key];
        if (key !== '__proto__') return [{ value: item, path: at }];
        mistakes.push({ path: at, message: 'nothing can be called "__proto__".' });
        return [];
      });
    });
    if (level.length > MOST) return [{ path: [], message: `has more than ${MOST} values on one level.` }];
  }
  return mistakes;
}

/** Aliases that refer to each other's lists multiply: ten lines of YAML can stand for a thousand million values. */
const MOST = 200_000;

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
