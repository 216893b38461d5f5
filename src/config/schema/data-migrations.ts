import { z } from 'zod';
import type { PlannedMigration } from '../../core/data/migrations/phases.ts';
import { UserError } from '../../core/errors.ts';
import type { Config } from './workspace.ts';
import { matching, name, object, oneOf, PATH_ALLOWED, positive, text } from './parts.ts';
import { ms } from './values.ts';

const fromEnv = object({
  fromEnv: matching(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of a variable').describe(
    "Name of a variable of the control plane's own environment; recorded nowhere.",
  ),
});
const POOLED_ALLOWED = '{ fromEnv: "NAME" }, or false where there is no pooler';

/** Where a database is, and how it is treated; an environment may say it otherwise. */
const place = {
  direct: fromEnv.optional().describe('Address of PostgreSQL itself, not of a pooler: migrations, locks and what a session keeps need it.'),
  pooled: z
    .union([z.literal(false), fromEnv], { error: POOLED_ALLOWED })
    .optional()
    .describe('Address that the apps use, through a pooler. False: there is none.'),
  scratch: fromEnv
    .optional()
    .describe('A server on which scratch databases may be made, where the role has no CREATEDB on the database itself.'),
  rollbackWindow: positive.optional().meta({
    description: 'A version that had traffic within this time may be gone back to: what it needs is not taken away.',
    default: '7d',
  }),
  lockTimeout: positive.optional().meta({ description: 'Longest wait for one lock; others queue behind it for as long.', default: '50ms' }),
  lockBudget: positive
    .optional()
    .meta({ description: 'All tries for one lock together; then it is given up, and who holds it is named.', default: '5m' }),
  statementTimeout: positive.optional().meta({ description: 'Longest time one statement in a transaction may take.', default: '1m' }),
  buildWait: positive.optional().meta({ description: 'Longest time an index build waits for older transactions.', default: '10m' }),
};
const overrides = object(place);

const database = object({
  migrations: object({
    path: text(PATH_ALLOWED).describe('Folder of the migrations in the workspace.'),
    kind: oneOf(['sql', 'dbmate', 'node-pg-migrate', 'prisma', 'drizzle', 'flyway', 'golang-migrate'])
      .optional()
      .meta({ description: "How they are written. The tool's own table is kept in step.", default: 'sql' }),
  }).describe('The migrations of the database.'),
  apps: z.array(name, { error: 'a list of app names' }).describe('Apps that use the database: what their versions need is not taken away.'),
  appendOnly: z
    .array(text('a table such as "shop.event"'), { error: 'a list of tables' })
    .optional()
    .describe('Tables of events: rows in them are never changed or removed. Those of tools that are known need not be named.'),
  ...place,
});

export const databases = z
  .record(name, database, { error: 'an object of database names and their settings' })
  .meta({ id: 'Databases', description: 'PostgreSQL databases whose schema moves with the code, by name.' });
export const databaseOverrides = z.record(name, overrides, { error: 'an object of database names and what differs here' });

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
