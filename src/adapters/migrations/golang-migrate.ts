import type { MigrationFile } from '../../core/data/migrations/files.ts';
import { UserError } from '../../core/errors.ts';
import { migration, namesIn, textOf } from './files.ts';

const UP = /^(?<version>\d+)_(?<title>.*)\.up\.sql$/;

/**
 * golang-migrate: `1_name.up.sql`, with `1_name.down.sql`. `schema_migrations` has a single row, the version that the database is at:
 * every file up to it ran. A dirty version is refused.
 */
export async function golangMigrations(dir: string): Promise<MigrationFile[]> {
  const names = await namesIn(dir);
  const other = names.find((name) => name.endsWith('.sql') && !/^\d+_.*\.(up|down)\.sql$/.test(name));
  if (other !== undefined)
    throw new UserError(
      'MIGRATION_FORMAT',
      `${other} is neither an up nor a down migration of golang-migrate`,
      'Call it <version>_<name>.up.sql, or use the kind "sql".',
    );
  const up = names.filter((name) => UP.test(name)).toSorted((a, b) => versionOf(a) - versionOf(b));
  return Promise.all(
    up.map(async (name, i) => {
      const id = name.replace(/\.up\.sql$/, '');
      const down = names.find((one) => one.endsWith('.down.sql') && versionOf(one) === versionOf(name));
      const before = up[i - 1];
      return migration({
        id,
        path: name,
        sql: await textOf(dir, name),
        compensate: down === undefined ? null : await textOf(dir, down),
        bookkeeping: {
          table: 'public.schema_migrations',
          create: 'CREATE TABLE IF NOT EXISTS public.schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)',
          column: 'version',
          name: String(versionOf(name)),
          ran: 'version >= $1::bigint AND NOT dirty',
          insert:
            'WITH gone AS (DELETE FROM public.schema_migrations) INSERT INTO public.schema_migrations (version, dirty) VALUES ($1, false)',
          values: [String(versionOf(name))],
          strike:
            before === undefined
              ? 'DELETE FROM public.schema_migrations WHERE version = $1'
              : `UPDATE public.schema_migrations SET version = ${versionOf(before)} WHERE version = $1`,
          history: `WITH now AS (SELECT version, dirty FROM public.schema_migrations)
            SELECT version::text AS name, NULL AS checksum, CASE WHEN dirty THEN 'dirty: its run broke half-way' END AS problem FROM now
            UNION ALL SELECT f.name, NULL, NULL FROM unnest('{${up.map(versionOf).join(',')}}'::text[]) AS f(name) WHERE f.name::bigint < (SELECT max(version) FROM now)`,
        },
      });
    }),
  );
}

function versionOf(name: string): number {
  return Number(/^\d+/.exec(name)?.[0] ?? 0);
}
