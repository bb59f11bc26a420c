// Requests with an order key, a group or an urgency stand in lines until the feeder hands them out: see leader/feeder.ts. Only the
// feeder changes what is in `lined`; others add to it. What it has to know of requests that it has handed out, the ledger notes for it.
export const lines = `
  -- What is set of its lines, once a request has stood in one; null before.
  ALTER TABLE sluice.queues ADD COLUMN lines jsonb;

  -- 0: it stands in no line. 1: it stands in one, and nobody can claim it. 2: the feeder has handed it out.
  ALTER TABLE sluice.schedule ADD COLUMN in_line smallint NOT NULL DEFAULT 0;
  DROP INDEX sluice.schedule_unhinted;
  CREATE INDEX schedule_unhinted ON sluice.schedule (due_at) WHERE NOT is_hinted AND in_line <> 1;
  CREATE INDEX schedule_again ON sluice.schedule (queue, due_at, id) WHERE is_hinted AND NOT is_first;

  CREATE TABLE sluice.lined (
    id uuid PRIMARY KEY,
    -- Its place within its order key.
    no bigint GENERATED ALWAYS AS IDENTITY,
    queue smallint NOT NULL,
    grp text NOT NULL,
    urgency smallint NOT NULL,
    order_key text,
    -- Since when it waits, in milliseconds.
    since bigint NOT NULL,
    due_at bigint NOT NULL,
    is_again boolean NOT NULL DEFAULT false,
    -- new: not looked at yet; behind: another one of its order key has the turn; later: not due; ready; handed.
    state text NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'behind', 'later', 'ready', 'handed'))
  ) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
  CREATE INDEX lined_new ON sluice.lined (no) WHERE state = 'new';
  CREATE INDEX lined_later ON sluice.lined (due_at) WHERE state = 'later';
  CREATE INDEX lined_ready ON sluice.lined (queue, is_again, grp, urgency, since, id) WHERE state = 'ready';
  CREATE INDEX lined_behind ON sluice.lined (queue, order_key, no) WHERE state = 'behind';
  -- One at a time, whatever the feeder believes.
  CREATE UNIQUE INDEX lined_turn ON sluice.lined (queue, order_key)
    WHERE order_key IS NOT NULL AND state IN ('later', 'ready', 'handed');

  -- Order keys that a dead request keeps from going on.
  CREATE TABLE sluice.held_orders (
    queue smallint NOT NULL,
    order_key text NOT NULL,
    id uuid NOT NULL UNIQUE,
    -- Those before it go on.
    no bigint NOT NULL,
    since bigint NOT NULL,
    PRIMARY KEY (queue, order_key, id)
  );

  CREATE TABLE sluice.groups (
    queue smallint NOT NULL,
    grp text NOT NULL,
    -- What was said of it at run time.
    settings jsonb,
    -- As of a moment ago.
    backlog bigint NOT NULL DEFAULT 0,
    in_flight bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (queue, grp)
  );
  CREATE INDEX groups_by_backlog ON sluice.groups (queue, backlog);

  -- Of requests whose turn within their order key does not follow from their ids: they were replayed, or came through a spool.
  CREATE TABLE sluice.turns (
    id uuid PRIMARY KEY,
    -- The last time; null if it never was.
    replayed_at bigint,
    -- When it took its place in its line; null before, and where its queue has none.
    turn_at bigint
  );
  CREATE INDEX turns_by_time ON sluice.turns (coalesce(turn_at, replayed_at), id);

  -- What the feeder does not know yet: of a request (left: it has its outcome; back: it stands in line again; replayed), of
  -- an order key that was released, or of what was said of a queue or a group.
  CREATE TABLE sluice.line_events (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('left', 'back', 'replayed', 'released', 'said')),
    id uuid,
    queue smallint,
    name text,
    -- Of a replayed one: its place within its order key.
    place bigint
  ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

  -- Every statement that ends a request deletes its row of the schedule; every one that gives a claim back changes the row's token.
  CREATE FUNCTION sluice.note_left() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO sluice.line_events (kind, id) SELECT 'left', id FROM gone WHERE in_line > 0;
    RETURN NULL;
  END
  $$;
  CREATE TRIGGER left_line AFTER DELETE ON sluice.schedule REFERENCING OLD TABLE AS gone FOR EACH STATEMENT
    EXECUTE FUNCTION sluice.note_left();

  CREATE FUNCTION sluice.note_back() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    NEW.in_line := 1;
    NEW.is_hinted := false;
    INSERT INTO sluice.line_events (kind, id) VALUES ('back', NEW.id);
    RETURN NEW;
  END
  $$;
  CREATE TRIGGER back_in_line BEFORE UPDATE ON sluice.schedule FOR EACH ROW
    WHEN (OLD.in_line = 2 AND NEW.token <> OLD.token) EXECUTE FUNCTION sluice.note_back();
`;
