import type { PlannedBackup } from '../../core/release/preparations/backup.ts';
import { environmentNames, environmentOf } from '../../config/resolve/resolve.ts';
import type { Config } from '../../config/schema/workspace.ts';

/** Four hours, as long as recovery may take by default: the first restore point of a source may need a full backup. */
const DEADLINE_MS = 14_400_000;

/**
 * Restore points before a release that changes the data of these databases: of each that `backups` has by its name.
 * A source that is the database of another environment is none of this one. Undefined: there is none to make.
 */
export function restorePointsOf(config: Config, environment: string, databases: readonly string[]): PlannedBackup | undefined {
  const found = databases.filter((database) => isBackedUp(config, environment, database));
  return found.length === 0 ? undefined : { databases: found, deadlineMs: DEADLINE_MS };
}

function isBackedUp(config: Config, environment: string, database: string): boolean {
  const source = config.backups?.[database];
  if (source === undefined || source.adapter === 'file') return false;
  const variable = 'database' in source ? source.database?.fromEnv : undefined;
  if (variable === undefined || variablesOf(config, environment, database).includes(variable)) return true;
  const elsewhere = environmentNames(config).filter((name) => name !== environment);
  return !elsewhere.some((name) => variablesOf(config, name, database).includes(variable));
}

/** Variables that hold the addresses of a database in an environment. */
function variablesOf(config: Config, environment: string, database: string): string[] {
  const { direct, pooled } = { ...config.databases?.[database], ...environmentOf(config, environment).databases?.[database] };
  return [direct, pooled].flatMap((address) => (address === undefined || address === false ? [] : [address.fromEnv]));
}
