import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { startEmbeddedPostgres } from '../../src/engine/postgres/embedded.ts';

/** Names of databases → connection strings. They are the apps' own, on the PostgreSQL that Sluice brings along. */
export async function makeDatabases<Name extends string>(dir: string, names: readonly Name[]): Promise<Readonly<Record<Name, string>>> {
  const { url } = await startEmbeddedPostgres(join(dir, '.sluice'));
  await onDatabase(url, async (client) => {
    for (const name of names) await client.query(`CREATE DATABASE ${name}`);
  });
  return Object.fromEntries(names.map((name) => [name, Object.assign(new URL(url), { pathname: `/${name}` }).href])) as Record<
    Name,
    string
  >;
}

/** Holders that have been there for long: what a backfill has to go through. */
export async function enterHolders(url: string, count: number): Promise<void> {
  const salt = randomBytes(3).toString('hex');
  await onDatabase(url, (client) =>
    client.query("INSERT INTO holder (account, name) SELECT 'old-' || $2 || g, 'captain ' || g FROM generate_series(1, $1::int) g", [
      count,
      salt,
    ]),
  );
}

/** How many holders there are, and how many of them have a display name. */
export async function countHolders(url: string): Promise<{ readonly all: number; readonly named: number }> {
  let counts = { all: 0, named: 0 };
  await onDatabase(url, async (client) => {
    const { rows } = await client.query<{ all: number; named: number }>(
      'SELECT count(*)::int AS all, count(display_name)::int AS named FROM holder',
    );
    counts = rows[0] ?? counts;
  });
  return counts;
}

async function onDatabase(url: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
