import type { AppConfig, AppOverrides } from '../schema/workspace.ts';

type Run = Exclude<NonNullable<AppConfig['run']>, string | readonly string[]>;
type Build = Exclude<NonNullable<AppConfig['build']>, string | readonly string[]>;
type Health = Exclude<NonNullable<AppConfig['health']>, string>;
type Smoke = Exclude<NonNullable<AppConfig['smoke']>, string>;

/** An app's settings with the short forms written out, so that they can be merged key by key. */
export interface ExpandedApp extends Omit<AppOverrides, 'run' | 'build' | 'health' | 'smoke' | 'env'> {
  run?: Run;
  build?: Build;
  health?: Health;
  smoke?: Smoke;
}

export function expand(app: AppOverrides): ExpandedApp {
  const { run, build, health, smoke, env, ...rest } = app;
  const running = run === undefined ? undefined : typeof run === 'string' || Array.isArray(run) ? { command: run } : run;
  const variables = env === undefined && running?.env === undefined ? undefined : { ...env, ...running?.env };
  return {
    ...rest,
    ...(running === undefined && variables === undefined
      ? {}
      : { run: { ...running, ...(variables === undefined ? {} : { env: variables }) } }),
    ...(build === undefined ? {} : { build: typeof build === 'string' || Array.isArray(build) ? { command: build } : build }),
    ...(health === undefined ? {} : { health: typeof health === 'string' ? { path: health } : health }),
    ...(smoke === undefined ? {} : { smoke: typeof smoke === 'string' ? { paths: [smoke] } : smoke }),
  };
}

/** Keys whose value is one thing, never merged: what the override says replaces it. */
const WHOLE: ReadonlySet<string> = new Set(['strategy', 'sticky']);

/** `over` on top of `base`: objects key by key, everything else replaced. Both come from the schema and fit together. */
export function merge<T>(base: T, over: unknown, key = ''): T {
  if (over === undefined) return base;
  if (!isObject(base) || !isObject(over) || WHOLE.has(key) || isReference(base) || isReference(over)) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the schema has checked that it fits
    return over as T;
  }
  const merged: Record<string, unknown> = { ...base };
  for (const [name, value] of Object.entries(over)) merged[name] = merge(merged[name], value, name);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the schema has checked that it fits
  return merged as T;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value of one variable. */
function isReference(value: Record<string, unknown>): boolean {
  return typeof value['fromEnv'] === 'string' && Object.keys(value).length === 1;
}
