import { crc32 } from 'node:zlib';
import type { MigrationFile } from '../../core/data/migrations/files.ts';
import { UserError } from '../../core/errors.ts';
import { migration, namesIn, textOf } from './files.ts';

const VERSIONED = /^V(?<version>[\d._]+?)__(?<title>.+)\.sql$/;
const UNDO = /^U(?<version>[\d._]+?)__.+\.sql$/;

/**
 * Flyway: `V1.2__name.sql` in the order of versions, `U1.2__name.sql` takes one back; `flyway_schema_history` is kept in step, and refuses by
 * name what failed, was edited, is missing, or would run out of order. Repeatable files and placeholders are refused, because what they
 * run is not what stands in them.
 */
export async function flywayMigrations(dir: string): Promise<MigrationFile[]> {
  const names = (await namesIn(dir)).filter((name) => /\.(sql|java|class)$/.test(name));
  const foreign = names.find((name) => !VERSIONED.test(name) && !UNDO.test(name));
  if (foreign !== undefined)
    throw new UserError(
      'MIGRATION_FORMAT',
      foreign.startsWith('R__')
        ? `${foreign} is repeatable: it runs again whenever it changes, which a record of what ran once cannot hold`
        : `${foreign} is no versioned migration of Flyway in SQL`,
      'Write it as V<version>__<name>.sql.',
    );
  const versioned = names.filter((name) => VERSIONED.test(name)).toSorted((a, b) => compare(versionOf(a), versionOf(b)));
  return Promise.all(
    versioned.map(async (name) => {
      const sql = await textOf(dir, name);
      const placeholder = /\$\{[^}]+\}/.exec(sql)?.[0];
      if (placeholder !== undefined)
        throw new UserError(
          'MIGRATION_FORMAT',
          `${name} has the placeholder ${placeholder}, whose value is not known here`,
          'Write the value out.',
        );
      const version = versionOf(name);
      const undo = names.find((one) => UNDO.test(one) && versionOf(one) === version);
      const checksum = String(flywayChecksum(sql));
      const title = VERSIONED.exec(name)?.groups?.['title']?.replaceAll('_', ' ') ?? '';
      return migration({
        id: `${version}__${VERSIONED.exec(name)?.groups?.['title'] ?? ''}`,
        path: name,
        sql,
        compensate: undo === undefined ? null : await textOf(dir, undo),
        bookkeeping: {
          table: 'public.flyway_schema_history',
          create: `CREATE TABLE IF NOT EXISTS public.flyway_schema_history (installed_rank integer NOT NULL CONSTRAINT flyway_schema_history_pk PRIMARY KEY, version varchar(50),
            description varchar(200) NOT NULL, type varchar(20) NOT NULL, script varchar(1000) NOT NULL, checksum integer, installed_by varchar(100) NOT NULL,
            installed_on timestamp NOT NULL DEFAULT now(), execution_time integer NOT NULL, success boolean NOT NULL)`,
          column: 'version',
          name: version,
          done: "success AND type NOT IN ('DELETE', 'UNDO_SQL')",
          insert: `INSERT INTO public.flyway_schema_history (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success)
            SELECT coalesce(max(installed_rank), 0) + 1, $1, $2, 'SQL', $3, $4::integer, current_user, 0, true FROM public.flyway_schema_history`,
          values: [version, title, name, checksum],
          checksum,
          // A baseline stands for every version up to its own.
          ran: `success AND (version = $1 AND type <> 'UNDO_SQL' OR type = 'BASELINE' AND string_to_array(version, '.')::bigint[] >= string_to_array($1, '.')::bigint[])`,
          history: `SELECT v.name, h.checksum::text AS checksum, CASE WHEN NOT h.success THEN 'failed' END AS problem FROM public.flyway_schema_history h
            CROSS JOIN LATERAL (SELECT h.version AS name WHERE h.type <> 'BASELINE' UNION ALL
              SELECT f.name FROM unnest('{${versioned.map(versionOf).join(',')}}'::text[]) AS f(name)
              WHERE h.type = 'BASELINE' AND string_to_array(f.name, '.')::bigint[] <= string_to_array(h.version, '.')::bigint[]) v
            WHERE h.version IS NOT NULL AND h.type NOT IN ('UNDO_SQL', 'DELETE', 'SCHEMA')`,
        },
      });
    }),
  );
}

/** `V1_2__name.sql` → `1.2` */
function versionOf(name: string): string {
  const text = (VERSIONED.exec(name) ?? UNDO.exec(name))?.groups?.['version'] ?? '';
  return text
    .split(/[._]/)
    .map((part) => part.replace(/^0+(?=\d)/, ''))
    .join('.');
}

function compare(a: string, b: string): number {
  const [x, y] = [a, b].map((version) => version.split('.').map(Number)) as [number[], number[]];
  const at = Array.from({ length: Math.max(x.length, y.length) }, (_, i) => (x[i] ?? 0) - (y[i] ?? 0)).find(
    (difference) => difference !== 0,
  );
  return at ?? 0;
}

/** As Flyway counts it: the CRC32 of the lines without their ends, as a signed number. */
export function flywayChecksum(sql: string): number {
  const lines = sql.split(/\r\n|\r|\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines.reduce((sum, line) => crc32(line, sum), 0) | 0;
}
