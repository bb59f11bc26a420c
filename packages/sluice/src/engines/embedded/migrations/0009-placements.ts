// Requests that have a place of their own instead of one in the log, and those that expire.
export const placements = `
  -- The last sequence number that was accepted with a place of its own. Up to there what follows the cursor may not be in the log.
  ALTER TABLE queues ADD COLUMN placed INTEGER NOT NULL DEFAULT -1;

  -- What becomes of it when it is due. 0: it comes back, before the log. 1: it begins for the first time. 2: it goes to its line.
  -- 3: it is in its line, or would be but for another one of its order key.
  ALTER TABLE scheduled ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;
  DROP INDEX scheduled_by_due;
  CREATE INDEX scheduled_by_due ON scheduled (queue, kind, due_at, seq);

  -- When a request expires unless it has begun. A row goes once that is decided.
  CREATE TABLE expiries (
    seq INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX expiries_by_time ON expiries (expires_at);

  -- Requests with an order key, a group or an urgency, until they have their outcome: see lines.ts.
  CREATE TABLE lined (
    queue INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    grp TEXT NOT NULL,
    urgency INTEGER NOT NULL,
    -- Where it stands in its line.
    place INTEGER NOT NULL,
    order_key TEXT,
    -- Where it stands among those of its order key.
    turn INTEGER NOT NULL,
    -- 0: it runs, is scheduled, or another one of its order key goes before it. 1: it can begin. 2: it can come back. 3: it is dead,
    -- and holds its order key.
    ready INTEGER NOT NULL,
    PRIMARY KEY (queue, seq)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX lined_fresh ON lined (queue, grp, urgency, place) WHERE ready = 1;
  CREATE INDEX lined_again ON lined (queue, grp, urgency, place) WHERE ready = 2;
  CREATE INDEX lined_held ON lined (queue, order_key) WHERE ready = 3;
  CREATE INDEX lined_orders ON lined (queue, order_key, turn) WHERE order_key IS NOT NULL;

  -- When a request was replayed last.
  CREATE TABLE replays (
    seq INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    at INTEGER NOT NULL,
    -- Where it stands since among those of its order key; null where it stands in no line.
    turn INTEGER
  ) STRICT;

  -- What was said of a group at run time.
  CREATE TABLE group_settings (
    queue INTEGER NOT NULL,
    grp TEXT NOT NULL,
    settings TEXT NOT NULL,
    PRIMARY KEY (queue, grp)
  ) STRICT, WITHOUT ROWID;
`;
