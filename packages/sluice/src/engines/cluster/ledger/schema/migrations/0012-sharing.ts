// What processes without Redis share through the ledger: the tokens of a queue's rate, and what changed for who watches. A
// crash of the server may lose all of it.
export const sharing = `
  CREATE UNLOGGED TABLE sluice.rates (
    queue smallint PRIMARY KEY,
    -- When the bucket was empty, in microseconds since 2026.
    empty_at float8 NOT NULL,
    -- What the last one got.
    taken integer NOT NULL
  ) WITH (fillfactor = 10);

  CREATE UNLOGGED TABLE sluice.notices (
    -- A snapshot tells which transactions it sees: whoever reads again reads what its last one did not see.
    xid xid8 PRIMARY KEY DEFAULT pg_current_xact_id(),
    origin text NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    lines text NOT NULL
  ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

  -- One row: until when somebody reads notices.
  CREATE UNLOGGED TABLE sluice.watched (
    no smallint PRIMARY KEY,
    until timestamptz NOT NULL
  ) WITH (fillfactor = 10);

  -- Of processes of earlier versions each has both.
  ALTER TABLE sluice.members ADD COLUMN carriers jsonb NOT NULL DEFAULT '{"rabbitmq": true, "redis": true}';
`;
