import type { ProjectionSourceConfig } from '../schema/projections.ts';
import { ms } from '../schema/values.ts';
import type { Config } from '../schema/workspace.ts';
import { resolveDatabases } from './data-migrations.ts';

/** One source in one environment, everything decided. */
export interface ProjectionSource {
  readonly name: string;
  /** Variable with the connection string. */
  readonly variable: string;
  readonly modules: readonly string[];
  readonly events: NonNullable<ProjectionSourceConfig['events']>;
  readonly readModels: string;
  readonly shards: number;
  readonly keepOldMs: number;
  readonly deadlineMs: number;
}

/** The sources that an environment has. @throws UserError `DATABASE_ADDRESS_MISSING` */
export function projectionSources(config: Config, environment: string): readonly ProjectionSource[] {
  return Object.entries(config.projections ?? {}).flatMap(([sourceName, given]): ProjectionSource[] => {
    const variable = variableOf(config, environment, given.database);
    if (variable === null) return [];
    return [
      {
        name: sourceName,
        variable,
        modules: given.modules,
        events: given.events ?? {},
        readModels: given.readModels ?? 'public',
        shards: given.shards ?? 1,
        keepOldMs: ms(given.keepOld ?? '7d'),
        deadlineMs: ms(given.deadline ?? '6h'),
      },
    ];
  });
}

/** Null: this environment has none. */
function variableOf(config: Config, environment: string, database: ProjectionSourceConfig['database']): string | null {
  if (typeof database === 'string') return resolveDatabases(config, environment).find((one) => one.name === database)?.direct ?? null;
  const { fromEnv: one } = database;
  return typeof one === 'string' ? one : (Object.entries(database).find(([key]) => key === environment)?.[1].fromEnv ?? null);
}
