// Requests and outcomes are written once. A request without a row in running, schedule or outcomes waits for its first
// delivery; that is all a backlog costs. Its state follows from the rows it has: see state.ts.
export const ledger = `
  CREATE TABLE sluice.queues (
    no smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    is_paused boolean NOT NULL DEFAULT false,
    -- Nothing before it waits for its first delivery; kept by the auditor.
    fresh_from uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    -- The broker's queue was lost: what waits from here on has yet to be put back.
    put_back_from uuid,
    expired_done bigint NOT NULL DEFAULT 0,
    expired_dead bigint NOT NULL DEFAULT 0,
    expired_cancelled bigint NOT NULL DEFAULT 0
  );

  CREATE TABLE sluice.requests (
    id uuid PRIMARY KEY,
    queue smallint NOT NULL,
    key text,
    content_type text NOT NULL,
    headers text,
    bytes integer NOT NULL,
    body bytea NOT NULL
  ) PARTITION BY RANGE (id);
  CREATE INDEX requests_by_queue ON sluice.requests (queue, id);
  CREATE TABLE sluice.requests_rest PARTITION OF sluice.requests DEFAULT;

  CREATE TABLE sluice.outcomes (
    id uuid PRIMARY KEY,
    queue smallint NOT NULL,
    state text NOT NULL CHECK (state IN ('done', 'dead', 'cancelled')),
    attempts integer NOT NULL,
    started_at bigint,
    finished_at bigint NOT NULL,
    token bigint,
    request_bytes integer,
    content_type text,
    result bytea,
    error_code text,
    error_message text
  ) PARTITION BY RANGE (id);
  CREATE INDEX outcomes_not_done ON sluice.outcomes (queue, state, id) WHERE state <> 'done';
  CREATE TABLE sluice.outcomes_rest PARTITION OF sluice.outcomes DEFAULT;

  -- The chain of what was accepted: see core/chain.ts. A link is named after its first request.
  CREATE TABLE sluice.links (
    id uuid PRIMARY KEY,
    last uuid NOT NULL,
    queue smallint NOT NULL,
    chain uuid NOT NULL,
    place integer NOT NULL,
    previous bytea NOT NULL,
    hash bytea NOT NULL,
    ids uuid[] NOT NULL
  ) PARTITION BY RANGE (id);
  CREATE TABLE sluice.links_rest PARTITION OF sluice.links DEFAULT;

  CREATE TABLE sluice.keys (
    queue smallint NOT NULL,
    key text NOT NULL,
    id uuid NOT NULL,
    fingerprint bytea NOT NULL,
    PRIMARY KEY (queue, key)
  );
  CREATE INDEX keys_by_id ON sluice.keys (id);

  -- Claims. Lost with a crash of the server, as whoever holds them may be: see settle.ts.
  CREATE UNLOGGED TABLE sluice.running (
    id uuid PRIMARY KEY,
    token bigint NOT NULL,
    member integer NOT NULL,
    queue smallint NOT NULL,
    attempts integer NOT NULL,
    crashes integer NOT NULL,
    started_at bigint NOT NULL,
    bytes integer NOT NULL
  ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
  CREATE SEQUENCE sluice.tokens;

  -- Its one row goes with a crash of the server, as those of running do.
  CREATE UNLOGGED TABLE sluice.intact (since timestamptz NOT NULL);

  -- What came back: from a retry, a hand-back, a replay or a dead worker. Kept until the outcome.
  CREATE TABLE sluice.schedule (
    id uuid PRIMARY KEY,
    queue smallint NOT NULL,
    due_at bigint NOT NULL,
    attempts integer NOT NULL,
    crashes integer NOT NULL,
    started_at bigint,
    -- Claims up to this one are void.
    token bigint NOT NULL,
    -- Whether its hint is in the outbox or beyond.
    is_hinted boolean NOT NULL
  );
  CREATE INDEX schedule_unhinted ON sluice.schedule (due_at) WHERE NOT is_hinted;
  CREATE INDEX schedule_by_queue ON sluice.schedule (queue, due_at);

  CREATE TABLE sluice.failures (
    id uuid NOT NULL,
    attempt integer NOT NULL,
    failed_at bigint NOT NULL,
    code text NOT NULL,
    message text NOT NULL,
    PRIMARY KEY (id, attempt)
  );

  -- What the broker has not confirmed yet: a row for each queue of a commit.
  CREATE TABLE sluice.outbox (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue smallint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('fresh', 'again', 'suspect')),
    ids uuid[] NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT clock_timestamp()
  );

  -- Each process counts in rows of its own, so that none waits for another; the sum is the truth.
  CREATE TABLE sluice.tallies (
    member integer NOT NULL,
    queue smallint NOT NULL,
    accepted bigint NOT NULL DEFAULT 0,
    done bigint NOT NULL DEFAULT 0,
    dead bigint NOT NULL DEFAULT 0,
    cancelled bigint NOT NULL DEFAULT 0,
    backlog_bytes bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (member, queue)
  ) WITH (fillfactor = 50);

  CREATE TABLE sluice.members (
    no integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Workers of this process by queue.
    workers jsonb NOT NULL DEFAULT '{}'
  ) WITH (fillfactor = 50);

  -- How far the move of a data folder into this ledger is.
  CREATE TABLE sluice.moves (
    folder bigint PRIMARY KEY,
    up_to bigint NOT NULL
  );

  CREATE FUNCTION sluice.claim(ids uuid[], are_suspects boolean, by_member integer, now_ms bigint)
  RETURNS TABLE (
    id uuid, verdict text, token bigint, attempts integer, queue text, key text, content_type text, headers text, body bytea
  )
  LANGUAGE plpgsql AS $$
  DECLARE
    last_before bigint := nextval('sluice.tokens');
    -- Read once: were a queue paused or resumed between the two statements, one would leave what the other does not know.
    paused smallint[] := ARRAY (SELECT q.no FROM sluice.queues q WHERE q.is_paused);
  BEGIN
    INSERT INTO sluice.running (id, token, member, queue, attempts, crashes, started_at, bytes)
    SELECT r.id, nextval('sluice.tokens'), by_member, r.queue, coalesce(s.attempts, 0), coalesce(s.crashes, 0), now_ms,
      r.bytes
    FROM unnest(ids) AS i (id)
    JOIN sluice.requests r ON r.id = i.id
    LEFT JOIN sluice.schedule s ON s.id = i.id
    WHERE r.queue <> ALL (paused) AND (s.id IS NULL OR s.due_at <= now_ms)
      AND (coalesce(s.crashes, 0) > 1) = are_suspects
      AND NOT EXISTS (SELECT FROM sluice.outcomes o WHERE o.id = i.id)
    ON CONFLICT DO NOTHING;
    -- A second statement, so that it sees what others committed while the first one waited for them.
    RETURN QUERY
      SELECT i.id,
        CASE
          WHEN r.queue = ANY (paused) THEN 'paused'
          WHEN n.id IS NULL THEN 'gone'
          WHEN o.id IS NOT NULL OR coalesce(s.attempts, 0) <> n.attempts OR coalesce(s.crashes, 0) <> n.crashes
            OR s.due_at > now_ms THEN 'void'
          ELSE 'claimed'
        END,
        n.token, n.attempts, q.name, r.key, r.content_type, r.headers, r.body
      FROM unnest(ids) AS i (id)
      LEFT JOIN sluice.running n ON n.id = i.id AND n.member = by_member AND n.token > last_before
      LEFT JOIN sluice.requests r ON r.id = i.id
      LEFT JOIN sluice.queues q ON q.no = r.queue
      LEFT JOIN sluice.outcomes o ON o.id = n.id
      LEFT JOIN sluice.schedule s ON s.id = n.id;
  END
  $$;
`;
