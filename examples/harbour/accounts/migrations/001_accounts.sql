-- Events are only ever added: UNIQUE (stream, version) is the optimistic lock, and by txid read models see them in the order of commits.
CREATE TABLE account_event (
  position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  txid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  stream text NOT NULL, version int NOT NULL, data jsonb NOT NULL, at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (stream, version));
CREATE INDEX account_event_txid ON account_event (txid, position);
CREATE TABLE holder (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account text NOT NULL UNIQUE, name text);
