import type { CommandDefinition } from './_session.ts';
import { dbCompensate } from './db-compensate.ts';
import { dbContract } from './db-contract.ts';
import { dbMigrate } from './db-migrate.ts';
import { dbPlan } from './db-plan.ts';
import { dbStatus } from './db-status.ts';
import { dbProjections } from './db-projections.ts';
import { dbRebuild } from './db-rebuild.ts';
import { dbVerify } from './db-verify.ts';

/** What `sluice help` says about `sluice db`. */
export const DB_GROUP = 'Schema and data of an environment: migrations, projections';

/** The commands below `sluice db`, in the order in which they are shown; each in its own file `db-<name>.ts`. */
export const DB_COMMANDS: readonly CommandDefinition[] = [
  dbPlan,
  dbMigrate,
  dbStatus,
  dbContract,
  dbCompensate,
  dbProjections,
  dbRebuild,
  dbVerify,
];
