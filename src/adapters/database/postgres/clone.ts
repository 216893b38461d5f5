import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { UserError } from '../../../core/errors.ts';
import { schemaStatements } from './schema-dump.ts';

/** A database with the schema of another one and none of its rows, to try statements on. */
export interface Scratch {
  readonly client: pg.Client;
  /** What could not be copied, one sentence each: the trace may say too little there. */
  readonly missing: readonly string[];
  drop(): Promise<void>;
}

/** Begins the name of every scratch database; what a crash left behind is found by it. */
const PREFIX = 'sluice_scratch_';
const STALE_MS = 3_600_000;

/**
 * Copy the schema `source` sees into a new database on the server at `serverUrl`; null: it stays empty.
 * @throws UserError `SCRATCH_NOT_ALLOWED` when the role may not create databases there.
 */
export async function createScratch(source: pg.ClientBase | null, serverUrl: string): Promise<Scratch> {
  const name = `${PREFIX}${Date.now()}_${randomBytes(4).toString('hex')}`;
  const admin = await connect(serverUrl);
  try {
    await sweep(admin);
    await admin.query(`CREATE DATABASE ${name} TEMPLATE template0`).catch((error: unknown) => {
      if ((error as { code?: string }).code !== '42501') throw error;
      const role = decodeURIComponent(new URL(serverUrl).username);
      throw new UserError(
        'SCRATCH_NOT_ALLOWED',
        `role ${role} may not create the scratch database that migrations are tried on`,
        `ALTER ROLE ${role} CREATEDB, or name another server in databases.<name>.scratch.`,
      );
    });
  } catch (error) {
    await admin.end().catch(() => {});
    throw error;
  }
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  let client: pg.Client | null = null;
  const drop = async (): Promise<void> => {
    await client?.end().catch(() => {});
    await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`).catch(() => {});
    await admin.end().catch(() => {});
  };
  try {
    client = await connect(url.href);
    return { client, missing: source === null ? [] : await copySchema(source, client), drop };
  } catch (error) {
    await drop();
    throw error;
  }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: 'sluice scratch', connectionTimeoutMillis: 10_000 });
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** Scratch databases whose maker died more than an hour ago. */
async function sweep(admin: pg.Client): Promise<void> {
  const { rows } = await admin.query<{ datname: string }>(
    'SELECT datname FROM pg_database d WHERE datname LIKE $1 AND pg_get_userbyid(datdba) = current_user AND NOT EXISTS (SELECT 1 FROM pg_stat_activity a WHERE a.datname = d.datname)',
    [`${PREFIX}%`],
  );
  for (const { datname } of rows) {
    if (!/^sluice_scratch_\d+_[0-9a-f]+$/.test(datname) || Date.now() - Number(datname.split('_')[2]) < STALE_MS) continue;
    await admin.query(`DROP DATABASE IF EXISTS ${datname}`).catch(() => {});
  }
}

/**
 * Statements wait for each other (a view for its tables, a default for its function): those that fail are tried again
 * after the others, until a round brings nothing new.
 */
async function copySchema(source: pg.ClientBase, target: pg.Client): Promise<string[]> {
  const { settings, statements } = await schemaStatements(source);
  await target.query('SET check_function_bodies = off');
  let open = statements;
  let failures: string[] = [];
  while (open.length > 0) {
    const { left, errors } = await tryAll(target, open);
    failures = errors;
    if (left.length === open.length) break;
    open = left;
  }
  for (const setting of settings) await target.query(setting).catch(() => {});
  await target.query('RESET check_function_bodies');
  return open.length === 0 ? [] : failures;
}

async function tryAll(target: pg.Client, statements: readonly string[]): Promise<{ left: string[]; errors: string[] }> {
  // Nearly always they all work, and then one round trip is enough.
  const all = await target.query(`BEGIN;${statements.join(';\n')};\nCOMMIT`).catch(() => null);
  if (all !== null) return { left: [], errors: [] };
  await target.query('ROLLBACK');
  const left: string[] = [];
  const errors: string[] = [];
  await target.query('BEGIN');
  for (const statement of statements) {
    await target.query('SAVEPOINT one');
    try {
      await target.query(statement);
      await target.query('RELEASE SAVEPOINT one');
    } catch (error) {
      await target.query('ROLLBACK TO SAVEPOINT one');
      left.push(statement);
      errors.push(`${statement.slice(0, 80).replaceAll(/\s+/g, ' ')}: ${(error as Error).message}`);
    }
  }
  await target.query('COMMIT');
  return { left, errors };
}
