import type { MigrationFile } from '../../core/data/migrations/files.ts';
import { migration, namesIn, textOf } from './files.ts';

/** A folder of `001_name.sql`, each with an optional `001_name.compensate.sql` (or `.down.sql`) beside it. */
export async function plainMigrations(dir: string): Promise<MigrationFile[]> {
  const names = (await namesIn(dir)).filter((name) => name.endsWith('.sql'));
  const forward = names.filter((name) => !/\.(compensate|down)\.sql$/.test(name));
  return Promise.all(
    forward.map(async (name) => {
      const id = name.replace(/(\.up)?\.sql$/, '');
      const back = names.find((one) => one === `${id}.compensate.sql` || one === `${id}.down.sql`);
      return migration({ id, path: name, sql: await textOf(dir, name), compensate: back === undefined ? null : await textOf(dir, back) });
    }),
  );
}
