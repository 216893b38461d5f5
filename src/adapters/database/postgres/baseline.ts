import type pg from 'pg';
import { needsNoTransaction } from '../../../core/data/migrations/classify.ts';
import { schemaDifferences } from '../../../core/data/migrations/differences.ts';
import type { MigrationFile } from '../../../core/data/migrations/files.ts';
import { UserError } from '../../../core/errors.ts';
import { readCatalog } from './catalog.ts';
import type { Scratch } from './clone.ts';
import { ensureLedger, readLedger, writeState } from './ledger.ts';
import type { Limits } from './limits.ts';
import { parseStatements } from './parse.ts';
import { runFile } from './runner.ts';

/** Record files as run, once an empty database on which they ran has nothing that this one lacks. @returns ids recorded now. */
export async function recordBaseline(
  client: pg.Client,
  files: readonly MigrationFile[],
  by: string,
  scratch: Scratch,
  limits: Limits,
): Promise<string[]> {
  for (const file of files) await replay(scratch.client, file, limits);
  await client.query('SET jit = off');
  const differences = schemaDifferences(await readCatalog(scratch.client), await readCatalog(client));
  if (differences.length > 0)
    throw new UserError(
      'MIGRATION_BASELINE_DIFFERS',
      `the database is not what these files make: ${differences.slice(0, 10).join('; ')}${differences.length > 10 ? `; and ${differences.length - 10} more` : ''}`,
      'Name the last file that has run with --through; bring the database to what the files say, or correct the files.',
    );
  const known = new Set((await readLedger(client)).filter(({ state }) => state !== 'compensated').map(({ id }) => id));
  const open = files.filter(({ id }) => !known.has(id));
  await ensureLedger(client);
  await client.query('BEGIN');
  try {
    for (const { id, checksum } of open) await writeState(client, { id, checksum, phase: 'expand', by, release: null }, 'baseline');
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
  return open.map(({ id }) => id);
}

async function replay(client: pg.Client, file: MigrationFile, limits: Limits): Promise<void> {
  try {
    const statements = await parseStatements(file.sql, file.path, file.line);
    if (file.noTransaction || statements.some(needsNoTransaction)) {
      for (const { sql } of statements) await client.query(sql);
    } else {
      await client.query('BEGIN');
      await runFile(client, file, limits);
      await client.query('COMMIT');
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      'MIGRATION_BASELINE_UNTRIED',
      `${file.path} does not run on an empty database, so that nothing can be compared with it: ${(error as Error).message}`,
      'Write a first file that makes the schema as it is (pg_dump --schema-only), and begin with that.',
      error,
    );
  }
  await client.query('DISCARD ALL');
  await client.query('SET jit = off');
}
