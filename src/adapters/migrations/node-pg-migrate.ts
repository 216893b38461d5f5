import type { MigrationFile } from '../../core/data/migrations/files.ts';
import { UserError } from '../../core/errors.ts';
import { migration, namesIn, section, textOf } from './files.ts';

const UP = /^--\s*up\s+migration[^\n]*\n/im;
const DOWN = /^--\s*down\s+migration[^\n]*(\n|$)/im;

/** node-pg-migrate with SQL files: `-- Up Migration`, `-- Down Migration`; `pgmigrations` is kept in step. */
export async function nodePgMigrateMigrations(dir: string): Promise<MigrationFile[]> {
  const names = await namesIn(dir);
  const program = names.find((name) => /\.(c|m)?[jt]s$/.test(name) && !name.endsWith('.d.ts'));
  if (program !== undefined)
    throw new UserError(
      'MIGRATION_NOT_SQL',
      `${program} is a program: what it will do cannot be judged before it does it`,
      'Write migrations as SQL (node-pg-migrate create --migration-file-language sql); turn this one into SQL with --dry-run.',
    );
  return Promise.all(
    names
      .filter((name) => name.endsWith('.sql'))
      .map(async (name) => {
        const text = await textOf(dir, name);
        const up = section(text, UP, DOWN) ?? { text, line: 1, mark: '' };
        const id = name.replace(/\.sql$/, '');
        return migration({
          id,
          path: name,
          sql: up.text,
          line: up.line,
          compensate: section(text, DOWN, /$^/)?.text ?? null,
          bookkeeping: {
            table: 'public.pgmigrations',
            create:
              'CREATE TABLE IF NOT EXISTS public.pgmigrations (id serial PRIMARY KEY, name varchar(255) NOT NULL, run_on timestamp NOT NULL)',
            column: 'name',
            name: id,
            insert: 'INSERT INTO public.pgmigrations (name, run_on) VALUES ($1, now())',
            values: [id],
          },
        });
      }),
  );
}
