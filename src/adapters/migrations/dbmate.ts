import type { MigrationFile } from '../../core/data/migrations/files.ts';
import { UserError } from '../../core/errors.ts';
import { migration, namesIn, section, textOf } from './files.ts';

const UP = /^--\s*migrate:up\b[^\n]*\n/m;
const DOWN = /^--\s*migrate:down\b[^\n]*(\n|$)/m;

/** dbmate: `20250101000000_name.sql` with `-- migrate:up` and `-- migrate:down`; `schema_migrations` is kept in step. */
export async function dbmateMigrations(dir: string): Promise<MigrationFile[]> {
  const names = (await namesIn(dir)).filter((name) => /^\d+.*\.sql$/.test(name));
  return Promise.all(
    names.map(async (name) => {
      const text = await textOf(dir, name);
      const up = section(text, UP, DOWN);
      if (up === null)
        throw new UserError('MIGRATION_FORMAT', `${name} has no "-- migrate:up"`, 'dbmate files begin with it; or use the kind "sql".');
      const version = /^\d+/.exec(name)?.[0] ?? '';
      return migration({
        id: name.replace(/\.sql$/, ''),
        path: name,
        sql: up.text,
        line: up.line,
        compensate: section(text, DOWN, /$^/)?.text ?? null,
        noTransaction: /transaction:\s*false/.test(up.mark),
        bookkeeping: {
          table: 'public.schema_migrations',
          create: 'CREATE TABLE IF NOT EXISTS public.schema_migrations (version varchar(128) PRIMARY KEY)',
          column: 'version',
          name: version,
          insert: 'INSERT INTO public.schema_migrations (version) VALUES ($1)',
          values: [version],
        },
      });
    }),
  );
}
