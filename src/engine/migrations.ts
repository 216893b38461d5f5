import { UserError } from '../core/errors.ts';
import type { Database } from './postgres/database.ts';

/** Serialises control planes that start at once. */
const LOCK = 7_256_001;

/** Our schema, one entry a version; entries are never changed once released, only added. */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE sluice.event (
    position bigint PRIMARY KEY,
    stream text NOT NULL,
    version bigint NOT NULL,
    type text NOT NULL,
    schema int NOT NULL,
    at bigint NOT NULL,
    data jsonb NOT NULL,
    hash text NOT NULL,
    UNIQUE (stream, version)
  );
  CREATE FUNCTION sluice.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    RAISE EXCEPTION 'sluice.event is append-only: % refused', TG_OP;
  END $$;
  CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON sluice.event FOR EACH ROW EXECUTE FUNCTION sluice.refuse_change();
  CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON sluice.event FOR EACH STATEMENT EXECUTE FUNCTION sluice.refuse_change();

  -- One row: the end of the log. Locking it is what makes positions visible in order.
  CREATE TABLE sluice.head (single boolean PRIMARY KEY DEFAULT true CHECK (single), position bigint NOT NULL, hash text NOT NULL) WITH (fillfactor = 10);
  INSERT INTO sluice.head VALUES (true, 0, '');

  -- Each event: stream, version, type, schema, at, data, digest. A version that is taken already is an error.
  CREATE FUNCTION sluice.append(events jsonb, origin text) RETURNS bigint LANGUAGE plpgsql AS $$
  DECLARE
    last bigint;
    chain text;
    event jsonb;
    touched text[] := '{}';
  BEGIN
    SELECT position, hash INTO STRICT last, chain FROM sluice.head FOR UPDATE;
    FOR event IN SELECT * FROM jsonb_array_elements(events) LOOP
      last := last + 1;
      chain := 'sha256:' || encode(sha256(convert_to(chain || E'\\n' || last || E'\\n' || (event->>'digest'), 'UTF8')), 'hex');
      INSERT INTO sluice.event (position, stream, version, type, schema, at, data, hash)
      VALUES (last, event->>'stream', (event->>'version')::bigint, event->>'type', (event->>'schema')::int, (event->>'at')::bigint, event->'data', chain);
      IF NOT event->>'stream' = ANY (touched) THEN touched := touched || (event->>'stream'); END IF;
    END LOOP;
    UPDATE sluice.head SET position = last, hash = chain;
    PERFORM pg_notify('sluice_event', last || ' ' || origin || ' ' || stream) FROM unnest(touched) AS stream;
    RETURN last;
  END $$;

  -- Read models: rebuilt from the log at any time.
  CREATE TABLE sluice.release (
    id text PRIMARY KEY,
    environment text NOT NULL,
    apps text[] NOT NULL,
    requested_at bigint NOT NULL,
    requested_position bigint NOT NULL,
    ended_at bigint,
    data jsonb NOT NULL
  );
  CREATE INDEX release_newest ON sluice.release (requested_position DESC);
  CREATE INDEX release_in_environment ON sluice.release (environment, requested_position DESC);
  CREATE INDEX release_of_app ON sluice.release USING gin (apps);
  CREATE INDEX release_active ON sluice.release (requested_position DESC) WHERE ended_at IS NULL;
  CREATE TABLE sluice.environment (name text PRIMARY KEY);
  CREATE TABLE sluice.environment_app (environment text NOT NULL, app text NOT NULL, data jsonb NOT NULL, PRIMARY KEY (environment, app));

  -- Working state of control planes.
  CREATE SEQUENCE sluice.fence;
  CREATE TABLE sluice.control_plane (
    id text PRIMARY KEY,
    executor text NOT NULL,
    host text NOT NULL,
    machine text NOT NULL,
    pid int NOT NULL,
    process_start text NOT NULL,
    started_at bigint NOT NULL,
    seen_at bigint NOT NULL,
    beats bigint NOT NULL DEFAULT 0
  );
  -- Every release that is not closed. holder: the control plane at work on it, null while it only waits.
  CREATE TABLE sluice.active (
    release text PRIMARY KEY,
    holder text,
    fence bigint NOT NULL DEFAULT 0,
    wake_at bigint
  ) WITH (fillfactor = 50);
  CREATE INDEX active_due ON sluice.active (wake_at) WHERE holder IS NULL AND wake_at IS NOT NULL;
  CREATE INDEX active_held ON sluice.active (holder) WHERE holder IS NOT NULL;
  -- Releases that something has happened to from outside: to be looked at by whoever comes first.
  CREATE TABLE sluice.wake (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, release text NOT NULL);
  CREATE INDEX wake_of ON sluice.wake (release);
  CREATE TABLE sluice.reservation (environment text NOT NULL, app text NOT NULL, release text NOT NULL, PRIMARY KEY (environment, app));
  CREATE INDEX reservation_of ON sluice.reservation (release);
  -- Who waits for apps, in the order of request.
  CREATE TABLE sluice.waiting (release text PRIMARY KEY, environment text NOT NULL, place bigint NOT NULL, apps text[] NOT NULL);
  CREATE INDEX waiting_in ON sluice.waiting (environment, place);
  `,
];

/**
 * Bring the schema up to date. Safe with several starting at once.
 * @throws UserError SCHEMA_NEWER
 */
export async function migrate(database: Database): Promise<void> {
  await database.transaction(async (sql) => {
    await sql.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
    await sql.query('CREATE SCHEMA IF NOT EXISTS sluice');
    await sql.query('CREATE TABLE IF NOT EXISTS sluice.schema_version (version int NOT NULL)');
    const found = await sql.query<{ version: number }>('SELECT version FROM sluice.schema_version');
    const version = found.rows[0]?.version ?? 0;
    if (version > MIGRATIONS.length) {
      throw new UserError(
        'SCHEMA_NEWER',
        `The database is at schema ${version}; this Sluice knows ${MIGRATIONS.length}.`,
        'Upgrade Sluice to the version that wrote it, or newer.',
      );
    }
    if (version === MIGRATIONS.length) return;
    for (const migration of MIGRATIONS.slice(version)) await sql.query(migration);
    await sql.query('DELETE FROM sluice.schema_version');
    await sql.query('INSERT INTO sluice.schema_version VALUES ($1)', [MIGRATIONS.length]);
  });
}
