// The same store on PostgreSQL: UNIQUE (stream, version) is the optimistic lock.
import { readFile } from 'node:fs/promises';

export async function postgresStore(url) {
  const { default: pg } = await import('pg');
  const pool = new pg.Pool({ connectionString: url, max: 5 });
  pool.on('error', (error) => console.error(`database: ${error.message}`));
  await createTables(pool);
  return {
    pool,
    async read(stream) {
      const { rows } = await pool.query('SELECT data FROM account_event WHERE stream = $1 ORDER BY version', [stream]);
      return rows.map((row) => row.data);
    },
    /** False when somebody else was faster. */
    async append(stream, after, events) {
      const versions = events.map((_event, index) => after + index + 1);
      try {
        await pool.query('INSERT INTO account_event (stream, version, data) SELECT $1, * FROM unnest($2::int[], $3::jsonb[])', [
          stream,
          versions,
          events.map((event) => JSON.stringify(event)),
        ]);
        return true;
      } catch (error) {
        if (error.code === '23505') return false;
        throw error;
      }
    },
    close: () => pool.end(),
  };
}

/**
 * Sluice brings the schema before the apps; who starts an instance by hand gets the first one from here. Instances start side
 * by side: the lock lets one of them make it.
 */
async function createTables(pool) {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await client.query("SELECT pg_advisory_xact_lock(hashtext('harbour.account_event'))");
    const { rows } = await client.query("SELECT to_regclass('account_event') IS NULL AS missing");
    if (rows[0].missing) await client.query(await readFile(new URL('migrations/001_accounts.sql', import.meta.url), 'utf8'));
    await client.query('COMMIT');
  } finally {
    client.release();
  }
}
