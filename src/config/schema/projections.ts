import { z } from 'zod';
import { duration, flag, matching, name, object, oneOf, text, whole } from './parts.ts';

const ENV = /^[A-Za-z_][A-Za-z0-9_]*$/;
const IDENTIFIER = /^[a-z_][a-z0-9_]{0,62}$/;
const fromEnv = object({
  fromEnv: matching(ENV, 'the name of a variable').describe("Name of a variable of the control plane's own environment; recorded nowhere."),
});
const column = (what: string) => text('a column').optional().describe(`Column with ${what}.`);
const optionalColumn = (what: string) => text('a column').nullable().optional().describe(`Column with ${what}; null: there is none.`);

const DATABASE_ALLOWED = 'the name of one of databases, { fromEnv: "NAME" }, or one for each environment';

const events = object({
  kind: oneOf(['sluice', 'emmett', 'message-db', 'marten', 'custom'])
    .optional()
    .meta({ description: 'Whose tables these are. Single columns may still be named.', default: 'sluice' }),
  table: text('a table, such as "event" or "store.event"').optional().describe('Table with the events.'),
  position: column('the place in the whole log'),
  stream: column('the name of the stream'),
  version: column('the place in the stream'),
  type: optionalColumn('the type; otherwise it is `type` in the data'),
  schema: optionalColumn('the schema version'),
  at: optionalColumn('the time'),
  data: column('the data'),
  txid: optionalColumn('the transaction (xid8, DEFAULT pg_current_xact_id()); otherwise gaps in the positions are waited for'),
  where: text('an SQL condition').optional().describe('Which rows count, as SQL.'),
  sequence: text('a sequence').optional().describe('Sequence that positions come from, where it does not belong to the column.'),
  contiguous: flag.optional().meta({ description: 'Whether versions of a stream follow one another without holes.', default: true }),
});

const source = object({
  database: z
    .union([name, fromEnv, z.record(name, fromEnv, { error: DATABASE_ALLOWED })], { error: DATABASE_ALLOWED })
    .describe(
      'Where the events are: the name of one of `databases`, or a connection string, direct and not through a pooler, for all environments or for each.',
    ),
  modules: z
    .array(text('a file, such as "accounts/projections/balance.ts"'), { error: 'a list of files' })
    .min(1, { error: 'at least one file' })
    .describe('Modules in the workspace, each with one projection as its default export.'),
  events: events.optional().describe('Where the events are. Left out: a table `event` as docs/projections.md has it.'),
  readModels: matching(IDENTIFIER, 'a schema of the database')
    .optional()
    .meta({ description: 'Schema for the read models.', default: 'public' }),
  shards: whole(1, 'a whole number from 1')
    .max(16, { error: 'at most 16' })
    .optional()
    .meta({ description: 'Parts that are built side by side.', default: 1 }),
  keepOld: duration
    .optional()
    .meta({ description: 'How long the version before is kept up to date, so that going back is a switch.', default: '7d' }),
  deadline: duration.optional().meta({ description: 'Longest time that the rebuilds of one release may take.', default: '6h' }),
}).meta({ id: 'Projections', description: 'Read models that are made from the events of one database.' });

export const projections = z.record(name, source, { error: 'an object of names and where their events are' });

export type ProjectionSourceConfig = z.input<typeof source>;
