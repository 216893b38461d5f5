// The same store on PostgreSQL: UNIQUE (stream, version) is the optimistic lock.
export async function postgresStore(url) {
  const { default: pg } = await import('pg');
  const pool = new pg.Pool({ connectionString: url, max: 5 });
  pool.on('error', (error) => console.error(`database: ${error.message}`));
  await pool.query(`CREATE TABLE IF NOT EXISTS account_event (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    txid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    stream text NOT NULL, version int NOT NULL, data jsonb NOT NULL, at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (stream, version))`);
  return {
    async read(stream) {
      const { rows } = await pool.query('SELECT data FROM account_event WHERE stream = $1 ORDER BY version', [stream]);
      return rows.map((row) => row.data);
    },
    async append(stream, expected, events) {
      const values = events.map((event, index) => [stream, expected + index + 1, JSON.stringify(event)]);
      try {
        await pool.query('INSERT INTO account_event (stream, version, data) SELECT * FROM unnest($1::text[], $2::int[], $3::jsonb[])', [
          values.map((value) => value[0]),
          values.map((value) => value[1]),
          values.map((value) => value[2]),
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
