// Requests are written once and never changed. What waits is what lies after the queue's cursor; the other
// states have a row of their own, so that accepting writes one row and a backlog costs nothing to keep.
export const requests = `
  CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  INSERT INTO meta VALUES ('generation', 0);

  CREATE TABLE queues (
    no INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    is_paused INTEGER NOT NULL DEFAULT 0,
    cursor INTEGER NOT NULL DEFAULT -1,
    accepted INTEGER NOT NULL DEFAULT 0,
    running INTEGER NOT NULL DEFAULT 0,
    scheduled INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL DEFAULT 0,
    dead INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0,
    expired_done INTEGER NOT NULL DEFAULT 0,
    expired_dead INTEGER NOT NULL DEFAULT 0,
    expired_cancelled INTEGER NOT NULL DEFAULT 0,
    backlog_bytes INTEGER NOT NULL DEFAULT 0
  ) STRICT;

  CREATE TABLE requests (
    seq INTEGER PRIMARY KEY,
    random BLOB NOT NULL,
    queue INTEGER NOT NULL,
    key TEXT,
    content_type TEXT NOT NULL,
    headers TEXT,
    bytes INTEGER NOT NULL,
    body BLOB NOT NULL
  ) STRICT;
  CREATE INDEX requests_by_queue ON requests (queue, seq);

  -- The chain of what was accepted: see core/chain.ts. A link goes with its requests, when all of them have expired.
  CREATE TABLE links (
    first_seq INTEGER PRIMARY KEY,
    last_seq INTEGER NOT NULL,
    queue INTEGER NOT NULL,
    chain BLOB NOT NULL,
    place INTEGER NOT NULL,
    previous BLOB NOT NULL,
    hash BLOB NOT NULL,
    ids BLOB NOT NULL
  ) STRICT;
  CREATE INDEX links_by_queue ON links (queue, first_seq);

  CREATE TABLE keys (
    queue INTEGER NOT NULL,
    key TEXT NOT NULL,
    seq INTEGER NOT NULL,
    fingerprint BLOB NOT NULL,
    PRIMARY KEY (queue, key)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE running (
    seq INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    token INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    bytes INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE scheduled (
    seq INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    started_at INTEGER
  ) STRICT;
  CREATE INDEX scheduled_by_due ON scheduled (queue, due_at, seq);
  CREATE INDEX scheduled_suspects ON scheduled (queue, crashes) WHERE crashes > 1;

  CREATE TABLE failures (
    seq INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    failed_at INTEGER NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (seq, attempt)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE outcomes (
    seq INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('done', 'dead', 'cancelled')),
    attempts INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER NOT NULL,
    content_type TEXT,
    result BLOB,
    error_code TEXT,
    error_message TEXT
  ) STRICT;
  CREATE INDEX outcomes_by_state ON outcomes (queue, state, seq);
`;
