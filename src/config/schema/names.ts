import type { Config, EnvironmentConfig } from './workspace.ts';

/* What is asked of a configuration before anything else; imports nothing, so that a quick answer stays quick. */

/** Environments of a configuration that names none. */
const USUAL_ENVIRONMENTS = ['development', 'staging', 'production'] as const;

export function environmentNames(config: Pick<Config, 'environments'>): string[] {
  return config.environments === undefined ? [...USUAL_ENVIRONMENTS] : Object.keys(config.environments);
}

export function environmentOf(config: Pick<Config, 'environments'>, name: string): EnvironmentConfig {
  return config.environments?.[name] ?? {};
}

/** `./apps/web/` → `apps/web` */
export function normalPath(path: string): string {
  const parts = path
    .replaceAll('\\', '/')
    .split('/')
    .filter((part) => part !== '' && part !== '.');
  return parts.length === 0 ? '.' : parts.join('/');
}
