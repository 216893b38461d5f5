import type { PlannedMigration } from '../../core/data/migrations/phases.ts';
import { UserError } from '../../core/errors.ts';
import { ms } from '../schema/values.ts';
import type { Config } from '../schema/workspace.ts';

export interface ResolvedDatabase {
  readonly name: string;
  readonly environment: string;
  readonly path: string;
  readonly kind: string;
  readonly apps: readonly string[];
  readonly appendOnly: readonly string[];
  /** Names of variables; `pooled: null`: there is no pooler. */
  readonly direct: string;
  readonly pooled: string | null;
  readonly scratch: string | null;
  readonly rollbackWindowMs: number;
  /** The environment has an approval rule: who agrees is recorded there, and a word alone does not count. */
  readonly needsRecord: boolean;
  readonly limits: {
    readonly lockTimeoutMs: number;
    readonly lockBudgetMs: number;
    readonly statementTimeoutMs: number;
    readonly buildWaitMs: number;
  };
}

/**
 * The databases of one environment.
 * @throws UserError `DATABASE_ADDRESS_MISSING` where one of the two addresses is not named.
 */
export function resolveDatabases(config: Config, environment: string): ResolvedDatabase[] {
  const here = config.environments?.[environment]?.databases ?? {};
  return Object.entries(config.databases ?? {}).map(([key, general]) => {
    const own = { ...general, ...here[key] };
    const { direct, pooled } = own;
    if (direct === undefined || pooled === undefined) {
      const missing = direct === undefined ? 'direct' : 'pooled';
      throw new UserError(
        'DATABASE_ADDRESS_MISSING',
        `database ${key} has no ${missing} address in ${environment}`,
        `Name the variable that has it: databases.${key}.${missing}: { fromEnv: "NAME" }${missing === 'pooled' ? ', or false where there is no pooler' : ''}.`,
      );
    }
    return {
      name: key,
      environment,
      path: general.migrations.path,
      kind: general.migrations.kind ?? 'sql',
      apps: general.apps,
      appendOnly: general.appendOnly ?? [],
      direct: direct.fromEnv,
      pooled: pooled === false ? null : pooled.fromEnv,
      scratch: own.scratch?.fromEnv ?? null,
      needsRecord: config.environments?.[environment]?.approval !== undefined,
      rollbackWindowMs: ms(own.rollbackWindow ?? '7d'),
      limits: {
        lockTimeoutMs: ms(own.lockTimeout ?? '50ms'),
        lockBudgetMs: ms(own.lockBudget ?? '5m'),
        statementTimeoutMs: ms(own.statementTimeout ?? '1m'),
        buildWaitMs: ms(own.buildWait ?? '10m'),
      },
    };
  });
}

/** @throws UserError `MIGRATION_REFUSED` with all that stands against these files. */
export function refuse(database: string, planned: readonly PlannedMigration[]): void {
  const refusals = planned.flatMap(({ file, refusals: some }) => some.map((one) => `${file.path}, ${one}`));
  if (refusals.length === 0) return;
  throw new UserError(
    'MIGRATION_REFUSED',
    `migrations of ${database} may not run as they are: ${refusals.join('; ')}`,
    'Rewrite them as shown, or, where the table is small: -- sluice: allow <rule> because <reason>. `sluice db plan` shows all of it.',
  );
}

/** @throws UserError `APPROVAL_NEEDED` where some of these files reach beyond the schema, and nobody else has agreed. */
export function refuseUnapproved(database: string, planned: readonly PlannedMigration[]): void {
  const alone = planned.filter(({ needsApproval }) => needsApproval);
  if (alone.length === 0) return;
  throw new UserError(
    'APPROVAL_NEEDED',
    `${alone.map(({ file }) => file.id).join(', ')} of ${database} reaches beyond the schema, and needs the word of somebody else`,
    'Run it ahead: sluice db migrate --approved-by NAME, who is not you; or release to an environment with an `approval` rule; or, looked at: -- sluice: allow 24 because <reason>.',
  );
}
