// Requests that have a place of their own instead of one in the log, and those that expire.
export const placements = `
  -- The last sequence number that was accepted with a place of its own. Up to there what follows the cursor may not be in the log.
  ALTER TABLE queues ADD COLUMN placed INTEGER NOT NULL DEFAULT -1;

  -- Whether it waits for the time before which it does not begin: it does not come back.
  ALTER TABLE scheduled ADD COLUMN is_first INTEGER NOT NULL DEFAULT 0;
  DROP INDEX scheduled_by_due;
  CREATE INDEX scheduled_by_due ON scheduled (queue, is_first, due_at, seq);

  -- When a request expires unless it has begun. A row goes once that is decided.
  CREATE TABLE expiries (
    seq INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX expiries_by_time ON expiries (expires_at);
`;
