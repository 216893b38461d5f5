// The same store on PostgreSQL: UNIQUE (stream, version) is the optimistic lock.
export async function postgresStore(url) {
  const { default: pg } = await import('pg');
  const pool = new pg.Pool({ connectionString: url, max: 5 });
  pool.on('error', (error) => console.error(`database: ${error.message}`));
  await createTable(pool);
  return {
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

/** Instances start side by side: the lock lets one of them create the table. */
async function createTable(pool) {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await client.query("SELECT pg_advisory_xact_lock(hashtext('harbour.account_event'))");
    await client.query(`CREATE TABLE IF NOT EXISTS account_event (
      position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      txid xid8 NOT NULL DEFAULT pg_current_xact_id(),
      stream text NOT NULL, version int NOT NULL, data jsonb NOT NULL, at timestamptz NOT NULL DEFAULT now(),
      UNIQUE (stream, version))`);
    await client.query('COMMIT');
  } finally {
    client.release();
  }
}
