import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres } from '../src/engine/postgres/embedded.ts';

declare module 'vitest' {
  interface ProvidedContext {
    postgresDirectory: string;
  }
}

/** One PostgreSQL per test run, started by the first test that asks for a database. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-test-'));
  // PostgreSQL may run as another user than we do.
  await chmod(dir, 0o711);
  project.provide('postgresDirectory', dir);
  return async () => {
    const { findEmbedded } = await import('../src/engine/postgres/embedded.ts');
    if ((await findEmbedded(dir))?.running === true) await (await startEmbeddedPostgres(dir)).stop('immediate');
    await rm(dir, { recursive: true, force: true });
  };
}

export interface TestDatabase {
  /** Connection string of a fresh, empty database. */
  readonly url: string;
  /** Close every connection to it and remove it. */
  drop(): Promise<void>;
}

/** A fresh database on the run's shared PostgreSQL. */
export async function testDatabase(): Promise<TestDatabase> {
  return createDatabase((await sharedServer()).url, '');
}

/** A fresh database that has an engine's tables already: an engine starts on it in a fraction of the time. */
export async function engineDatabase(): Promise<TestDatabase> {
  const { url } = await sharedServer();
  await onServer(url, async (client) => {
    await client.query('SELECT pg_advisory_lock(1)');
    const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [TEMPLATE]);
    if (found.rowCount === 0) await makeTemplate(url, client);
  });
  return createDatabase(url, `TEMPLATE ${TEMPLATE}`);
}

const TEMPLATE = 'engine_template';

async function makeTemplate(url: string, client: pg.Client): Promise<void> {
  const draft = await createDatabase(url, '');
  const { createEngine } = await import('../src/engine/engine.ts');
  const { fakePerformer, runbook } = await import('./engine/world.ts');
  await (await createEngine({ databaseUrl: draft.url, runbook, performer: fakePerformer() })).close();
  await client.query(`ALTER DATABASE ${new URL(draft.url).pathname.slice(1)} RENAME TO ${TEMPLATE}`);
}

async function sharedServer(): Promise<{ readonly url: string }> {
  const { inject } = await import('vitest');
  return startEmbeddedPostgres(inject('postgresDirectory'), { settings: { fsync: 'off', max_connections: '300' } });
}

async function createDatabase(serverUrl: string, how: string): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await onServer(serverUrl, (client) => client.query(`CREATE DATABASE ${name} ${how}`));
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    drop: async () => void (await onServer(serverUrl, (client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`))),
  };
}

/** Work on a connection of its own, which is closed afterwards. */
export async function onServer<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
