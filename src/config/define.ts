import type { Config } from './schema/workspace.ts';

/** The configuration as it is; being called gives editors its type. */
export function defineConfig(config: Config): Config {
  return config;
}
