import type pg from 'pg';
import type { ArchiverReading } from '../../../core/backup/archiver.ts';
import type { Manifest } from './manifest.ts';

/** What a copy of this server will need to know. Asks nothing that an ordinary role may not. */
export async function readServer(client: pg.Client): Promise<Manifest['server']> {
  const { rows } = await client.query<{ version: number; segment: string; checksums: string; superuser: string; system_id: string }>(
    `SELECT current_setting('server_version_num')::int AS version, pg_size_bytes(current_setting('wal_segment_size'))::text AS segment,
       current_setting('data_checksums') AS checksums, (SELECT rolname FROM pg_roles WHERE oid = 10) AS superuser,
       (SELECT system_identifier::text FROM pg_control_system()) AS system_id`,
  );
  const [row] = rows;
  if (row === undefined) throw new Error('the server said nothing of itself');
  return {
    major: Math.floor(row.version / 10_000),
    systemId: row.system_id,
    segmentBytes: Number(row.segment),
    checksums: row.checksums === 'on',
    superuser: row.superuser,
  };
}

/** How the archiving goes. What waits is known to superusers and pg_monitor only. */
export async function readArchiver(client: pg.Client): Promise<ArchiverReading> {
  const { rows } = await client.query<Row>(
    `SELECT current_setting('archive_mode') AS mode, failed_count::int AS failed,
       (extract(epoch FROM last_failed_time) * 1000)::float8 AS failed_at, last_failed_wal,
       (extract(epoch FROM last_archived_time) * 1000)::float8 AS archived_at
     FROM pg_stat_archiver`,
  );
  const [row] = rows;
  if (row === undefined) throw new Error('pg_stat_archiver is empty');
  const role = await client.query<{ name: string; may: boolean }>(
    "SELECT quote_ident(current_user) AS name, has_function_privilege('pg_ls_archive_statusdir()', 'EXECUTE') AS may",
  );
  const mayLook = role.rows[0]?.may === true;
  const waiting = mayLook
    ? await client.query<{ count: number; since: number | null }>(
        `SELECT count(*)::int AS count, (extract(epoch FROM min(modification)) * 1000)::float8 AS since
         FROM pg_ls_archive_statusdir() WHERE name ~ '^[0-9A-F]{24}[.]ready$'`,
      )
    : null;
  return {
    mode: row.mode === 'off' ? 'off' : 'on',
    failedCount: row.failed,
    lastFailedAt: row.failed_at,
    lastFailedSegment: row.last_failed_wal,
    lastArchivedAt: row.archived_at,
    waiting: waiting?.rows[0]?.count ?? 0,
    waitingSince: waiting?.rows[0]?.since ?? null,
    refused: mayLook ? null : `GRANT pg_monitor TO ${role.rows[0]?.name ?? ''}`,
  };
}

interface Row {
  readonly mode: string;
  readonly failed: number;
  readonly failed_at: number | null;
  readonly last_failed_wal: string | null;
  readonly archived_at: number | null;
}
