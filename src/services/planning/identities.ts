import type { EnvValue, RunSpec } from '../../core/app/run.ts';

/** Tells one value of a variable from another, without telling the value; null: it has none. */
export type Identity = (name: string, environment: string) => string | null;

/**
 * The same apps, with a note beside each `{ fromEnv }` which value is meant, so that a changed one makes another version: it is
 * deployed, and a hold on the version that failed with the old value does not keep it back.
 */
export function withIdentities<App extends { readonly run: RunSpec }>(
  apps: readonly App[],
  environment: string,
  identity: Identity | undefined,
): App[] {
  const valued = (value: EnvValue): EnvValue => {
    if (typeof value === 'string' || identity === undefined) return value;
    const known = identity(value.fromEnv, environment);
    return known === null ? { fromEnv: value.fromEnv } : { fromEnv: value.fromEnv, identity: known };
  };
  return apps.map((app) => ({
    ...app,
    run: { ...app.run, env: Object.fromEntries(Object.entries(app.run.env).map(([name, value]) => [name, valued(value)])) },
  }));
}
