// Requests that are not to begin before a time, and those that end unless they begin by one.
export const placements = `
  -- It waits for its first delivery: a fresh request that came in for later.
  ALTER TABLE sluice.schedule ADD COLUMN is_first boolean NOT NULL DEFAULT false;
  CREATE INDEX schedule_first ON sluice.schedule (queue, due_at, id) WHERE is_first;

  -- Ends as expired at that time, unless it has begun. The row goes once that is decided.
  CREATE TABLE sluice.expiries (
    id uuid PRIMARY KEY,
    queue smallint NOT NULL,
    expires_at bigint NOT NULL
  );
  CREATE INDEX expiries_by_time ON sluice.expiries (expires_at, id);
`;
