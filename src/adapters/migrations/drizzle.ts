import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import type { MigrationFile } from '../../core/data/migrations/files.ts';
import { UserError } from '../../core/errors.ts';
import { migration, namesIn, textOf } from './files.ts';

const journalSchema = z.object({ entries: z.array(z.object({ idx: z.number(), when: z.number(), tag: z.string() })) });

/** drizzle-kit: `0000_name.sql` in the order of `meta/_journal.json`; `drizzle.__drizzle_migrations` is kept in step. */
export async function drizzleMigrations(dir: string): Promise<MigrationFile[]> {
  if ((await namesIn(dir)).length === 0) return [];
  const journal = journalSchema.safeParse(parse(await textOf(join(dir, 'meta'), '_journal.json')));
  if (!journal.success)
    throw new UserError(
      'MIGRATION_FORMAT',
      'meta/_journal.json is not what drizzle-kit writes',
      'Make it anew with `drizzle-kit generate`.',
    );
  return Promise.all(
    journal.data.entries.map(async ({ tag, when }) => {
      const sql = await textOf(dir, `${tag}.sql`);
      const hash = createHash('sha256').update(sql).digest('hex');
      return migration({
        id: tag,
        path: `${tag}.sql`,
        sql: sql.replaceAll('--> statement-breakpoint', ''),
        bookkeeping: {
          table: 'drizzle.__drizzle_migrations',
          create:
            'CREATE SCHEMA IF NOT EXISTS drizzle; CREATE TABLE IF NOT EXISTS drizzle.__drizzle_migrations (id serial PRIMARY KEY, hash text NOT NULL, created_at bigint)',
          column: 'hash',
          name: hash,
          insert: 'INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ($1, $2)',
          values: [hash, String(when)],
        },
      });
    }),
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
