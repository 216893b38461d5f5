import type { CommandDefinition } from './_session.ts';

/** What `sluice help` says about `sluice db`. */
export const DB_GROUP = 'Schema and data of an environment: migrations, projections';

/** The commands below `sluice db`, in the order in which they are shown; each in its own file `db-<name>.ts`. */
export const DB_COMMANDS: readonly CommandDefinition[] = [];
