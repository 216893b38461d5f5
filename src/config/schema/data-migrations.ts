import { z } from 'zod';
import { matching, name, object, oneOf, PATH_ALLOWED, positive, text } from './parts.ts';

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
