// Who leads what, as rows: a term that grows with each new leader, and an expiry by this server's clock. A leader that is cut
// off is replaced once its term has expired, whatever becomes of its connection; what it does later is of an old term.
export const leaders = `
  CREATE TABLE sluice.leaders (
    scope text PRIMARY KEY,
    term bigint NOT NULL DEFAULT 0,
    -- The life of a process that leads.
    holder uuid,
    renewed_at timestamptz NOT NULL DEFAULT '-infinity',
    expires_at timestamptz NOT NULL DEFAULT '-infinity'
  ) WITH (fillfactor = 50);

  -- The server's process that the last beat came by: when it is gone, the member is likely to be.
  ALTER TABLE sluice.members ADD COLUMN backend integer;
`;
