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

/** A fresh database on the run's shared PostgreSQL. `settings` apply to the server that the first caller starts. */
export async function testDatabase(): Promise<TestDatabase> {
  const { inject } = await import('vitest');
  const server = await startEmbeddedPostgres(inject('postgresDirectory'), { settings: { fsync: 'off', max_connections: '300' } });
  const name = `test_${randomBytes(6).toString('hex')}`;
  await onServer(server.url, `CREATE DATABASE ${name}`);
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => onServer(server.url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
}

async function onServer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
