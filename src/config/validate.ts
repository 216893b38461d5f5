import type { z } from 'zod';
import { checkTogether } from './checks.ts';
import type { Mistake } from './problems.ts';
import { mistakesOf } from './problems.ts';
import type { Config } from './schema.ts';
import { configSchema } from './schema.ts';

/** The configuration when there is nothing wrong with it, and all that is wrong with it otherwise. */
export type Checked = { readonly config: Config; readonly mistakes: readonly [] } | { readonly config: null; readonly mistakes: readonly Mistake[] };

export function validate(value: unknown): Checked {
  const parsed = configSchema.safeParse(value);
  const mistakes = parsed.success ? [] : mistakesOf(parsed.error, value);
  const whole = parsed.success ? parsed.data : withoutWrongParts(value);
  if (whole !== null) mistakes.push(...checkTogether(whole, namesOf(value, 'apps')));
  const [first] = mistakes;
  if (first === undefined && parsed.success) return { config: parsed.data, mistakes: [] };
  return { config: null, mistakes };
}

/**
 * The apps and environments that are right in themselves, so that what does not fit together is said
 * in the same go as what is wrong in single values.
 */
function withoutWrongParts(value: unknown): Config | null {
  if (!isObject(value)) return null;
  const { apps, environments } = configSchema.shape;
  const config = {
    workspace: 'unknown',
    apps: rightParts(apps, value['apps']),
    ...(value['environments'] === undefined ? {} : { environments: rightParts(environments.unwrap(), value['environments']) }),
  };
  return config as Config;
}

function rightParts(schema: z.ZodType, part: unknown): Record<string, unknown> {
  const entries = Object.entries(isObject(part) ? part : {});
  return Object.fromEntries(entries.filter(([name, item]) => schema.safeParse({ [name]: item }).success));
}

function namesOf(value: unknown, key: string): string[] {
  const part = isObject(value) ? value[key] : null;
  return isObject(part) ? Object.keys(part) : [];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
