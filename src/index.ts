export { defineConfig } from './config/define.ts';
export type { AppConfig, Config, EnvironmentConfig } from './config/schema/workspace.ts';
