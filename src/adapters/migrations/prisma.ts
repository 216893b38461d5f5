import { createHash, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { MigrationFile } from '../../core/data/migrations/files.ts';
import { migration, namesIn, textOf } from './files.ts';

/** Prisma Migrate: `<timestamp>_name/migration.sql`; `_prisma_migrations` is kept in step, so `prisma migrate deploy` finds nothing to do. */
export async function prismaMigrations(dir: string): Promise<MigrationFile[]> {
  const folders = (await namesIn(dir)).filter((name) => /^\d+/.test(name));
  const found = await Promise.all(
    folders.map(async (name) => {
      const inside = await namesIn(join(dir, name));
      if (!inside.includes('migration.sql')) return [];
      const sql = await textOf(join(dir, name), 'migration.sql');
      const down = inside.find((one) => one === 'down.sql' || one === 'compensate.sql');
      return [
        migration({
          id: name,
          path: `${name}/migration.sql`,
          sql,
          compensate: down === undefined ? null : await textOf(join(dir, name), down),
          bookkeeping: {
            table: 'public._prisma_migrations',
            create: `CREATE TABLE IF NOT EXISTS public._prisma_migrations (id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz,
              migration_name varchar(255) NOT NULL, logs text, rolled_back_at timestamptz, started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0)`,
            column: 'migration_name',
            name,
            done: 'finished_at IS NOT NULL AND rolled_back_at IS NULL',
            insert: `INSERT INTO public._prisma_migrations (id, checksum, finished_at, migration_name, started_at, applied_steps_count) VALUES ($1, $2, now(), $3, now(), 1)`,
            values: [randomUUID(), createHash('sha256').update(sql).digest('hex'), name],
          },
        }),
      ];
    }),
  );
  return found.flat();
}
