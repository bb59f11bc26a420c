// A schedule that outlives a step of the server's clock. Each wait says when it was asked for, so that one asked for by a
// clock that was ahead is seen and begins again; and what is hinted was due once, and may be claimed whatever the clock says.
export const clocks = `
  ALTER TABLE sluice.schedule
    ADD COLUMN stored_at bigint NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000)::bigint;
  CREATE INDEX schedule_unhinted_stored ON sluice.schedule (stored_at) WHERE NOT is_hinted;

  CREATE OR REPLACE FUNCTION sluice.claim(ids uuid[], are_suspects boolean, by_member integer, now_ms bigint)
  RETURNS TABLE (
    id uuid, verdict text, token bigint, attempts integer, queue text, key text, content_type text, headers text, body bytea
  )
  LANGUAGE plpgsql AS $$
  DECLARE
    last_before bigint := nextval('sluice.tokens');
    -- Read once: were a queue paused or resumed between the two statements, one would leave what the other does not know.
    paused smallint[] := ARRAY (SELECT q.no FROM sluice.queues q WHERE q.is_paused);
  BEGIN
    -- Waits for whoever moves rows out of the default partitions, before the next statement takes its snapshot: with one
    -- of before, it would look for them where they have not come yet.
    LOCK TABLE sluice.requests_rest, sluice.outcomes_rest IN ACCESS SHARE MODE;
    INSERT INTO sluice.running (id, token, member, queue, attempts, crashes, started_at, bytes)
    SELECT r.id, nextval('sluice.tokens'), by_member, r.queue, coalesce(s.attempts, 0), coalesce(s.crashes, 0), now_ms,
      r.bytes
    FROM unnest(ids) AS i (id)
    JOIN sluice.requests r ON r.id = i.id
    LEFT JOIN sluice.schedule s ON s.id = i.id
    WHERE r.queue <> ALL (paused) AND (s.id IS NULL OR s.is_hinted OR s.due_at <= now_ms)
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
            OR (s.due_at > now_ms AND NOT s.is_hinted) THEN 'void'
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
