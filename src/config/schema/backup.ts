import { z } from 'zod';
import { matching, name, object, oneOf, positive, text, whole } from './parts.ts';

const ENV = /^[A-Za-z_][A-Za-z0-9_]*$/;
const fromEnv = object({
  fromEnv: matching(ENV, 'the name of a variable').describe("Name of a variable of the control plane's own environment; recorded nowhere."),
});

const s3 = object({
  s3: object({
    bucket: text('the name of a bucket').describe('Bucket.'),
    endpoint: text('an address such as "https://s3.eu-central-1.amazonaws.com"').describe(
      'Address of the service, also of MinIO and the like.',
    ),
    region: text('a region').optional().meta({ description: 'Region, as the service wants it signed.', default: 'us-east-1' }),
    prefix: text('a prefix').optional().describe('What every key begins with.'),
    accessKey: fromEnv.describe('Access key id.'),
    secretKey: fromEnv.describe('Secret access key.'),
  }).describe('A bucket of an S3-compatible service, addressed by path.'),
});
const STORE_ALLOWED = 'a folder, or { s3: { bucket, endpoint, … } }';
const store = z
  .union([text(STORE_ALLOWED), s3], { error: STORE_ALLOWED })
  .meta({ id: 'BackupStore', description: 'Where backups lie: a folder (from the root of the workspace, unless absolute), or a bucket.' });

const events = object({
  table: text('a table such as "shop.event"').describe('Append-only table, `schema.table`.'),
  position: text('a column').describe('Column that grows with each row.'),
}).describe('The event store in it: a drill compares its rows with those of the copy, one for one. It is restored first.');

const common = {
  every: positive.optional().meta({ description: 'Time between two backups.', default: '1d' }),
  full: positive.optional().meta({ description: 'Time between two full backups, where the adapter has partial ones.', default: '7d' }),
  keep: object({
    fulls: positive.optional().meta({ description: 'Full backups younger than this are kept.', default: '30d' }),
    pointInTime: positive.optional().meta({ description: 'Every moment younger than this can be restored.', default: '7d' }),
  })
    .optional()
    .describe('How long what is kept. Nothing goes before something newer has been verified.'),
  objectives: object({
    recoveryTime: positive.optional().meta({ description: 'From the incident until people can work again.', default: '4h' }),
    recoveryPoint: positive.optional().meta({ description: 'Age of the newest write that survives.', default: '1h' }),
  })
    .optional()
    .describe('What a drill is judged by.'),
  drillEvery: positive
    .optional()
    .meta({ description: 'A drill older than this is an alarm; the control plane holds one by itself a seventh before.', default: '35d' }),
  drills: oneOf(['scheduled', 'asked']).optional().meta({
    description: '`asked`: drills are only held when somebody asks (`sluice drill`), and are alarmed for all the same.',
    default: 'scheduled',
  }),
  heartbeat: positive.optional().meta({ description: 'Time between two rows that say how far a copy reaches.', default: '60s' }),
  scratch: text('a folder')
    .optional()
    .describe(
      "Folder for the copies of a drill; PostgreSQL's user must be able to enter it. Default: beside the database, or the temporary folder.",
    ),
  restoreOrder: whole(0, 'a whole number from 0')
    .optional()
    .describe('Place in the order of recovery; lower is earlier. Default: event stores 10, other databases 20, the rest 30.'),
};
const stores = {
  to: store.optional().meta({ description: 'Where the backups lie.', default: '.sluice/backups' }),
  copyTo: store.optional().describe('A second location, in another building: everything is copied there as well.'),
};
const database = {
  database: fromEnv
    .optional()
    .describe("Connection string of the database, direct and not through a pooler. Left out: the control plane's own."),
  events: events.optional(),
};
const programs = text('a folder')
  .optional()
  .describe("Folder of PostgreSQL's programs. Default: where Debian has them for the server's version.");

const ADAPTERS = ['embedded', 'pg_basebackup', 'pgbackrest', 'neon', 'file'] as const;

const backup = z
  .discriminatedUnion(
    'adapter',
    [
      object({
        adapter: z.literal('embedded').describe("The control plane's embedded cluster: SQL and file copies, nothing to install."),
        events: events.optional(),
        ...stores,
        ...common,
      }),
      object({
        adapter: z
          .literal('pg_basebackup')
          .describe('Any PostgreSQL that lets a role with REPLICATION in: pg_basebackup, and the log streamed by pg_receivewal.'),
        ...database,
        ...stores,
        programs,
        ...common,
      }),
      object({
        adapter: z.literal('pgbackrest').describe('pgBackRest (Debian: pgbackrest) on this machine, configured by its own file.'),
        ...database,
        stanza: text('a stanza').describe('Name of the stanza.'),
        configFile: text('a file').optional().meta({ description: 'Its configuration.', default: '/etc/pgbackrest/pgbackrest.conf' }),
        programs,
        ...common,
      }),
      object({
        adapter: z.literal('neon').describe('A Neon project: branches and snapshots of the platform, no files of our own.'),
        project: text('the id of a project').describe('Project id.'),
        branch: text('the id of a branch').describe('Branch that production works on, `br-…`.'),
        apiKey: fromEnv.describe('API key.'),
        databaseName: text('a database').optional().meta({ description: 'Database.', default: 'neondb' }),
        role: text('a role').optional().meta({ description: 'Role that looks into the copies.', default: 'neondb_owner' }),
        api: text('an address').optional().meta({ description: 'Address of the API.', default: 'https://console.neon.tech/api/v2' }),
        ...database,
        ...common,
      }),
      object({
        adapter: z.literal('file').describe('A file that a tool keeps: the state of Terraform or OpenTofu.'),
        file: text('a file').describe('The file, such as `infra/terraform.tfstate`.'),
        ...stores,
        ...common,
      }),
    ],
    { error: ADAPTERS.map((value) => `"${value}"`).join(', ') },
  )
  .meta({
    id: 'Backup',
    description: 'Backups of one source: how they are taken, where they lie, how long they are kept, and what a drill is judged by.',
  });

export const backups = z.record(name, backup, { error: 'an object of names and how each is backed up' }).meta({
  id: 'Backups',
  description:
    'What is backed up, by name. A name that is also that of a database gets a restore point before every release that changes its data.',
});

export type BackupConfig = z.input<typeof backup>;
export type BackupStoreConfig = z.input<typeof store>;
