// What a clock that steps back must not undo, and how far the store is.
export const clocks = `
  -- When the due time was set: after the clock has stepped back it still tells how long the wait was meant to be.
  ALTER TABLE scheduled ADD COLUMN scheduled_at INTEGER NOT NULL DEFAULT 0;
  UPDATE scheduled SET scheduled_at = min(coalesce(started_at, due_at), due_at);

  -- Rises with every change of the row. The sum over all queues is the position of the store: see mark.ts.
  ALTER TABLE queues ADD COLUMN changes INTEGER NOT NULL DEFAULT 0;

  -- The highest sequence number that retention has deleted.
  INSERT INTO meta VALUES ('expired_seq', -1);

  -- Earlier versions accepted requests behind a queue's cursor once the clock had stepped back; nobody delivered those.
  INSERT INTO scheduled (seq, queue, due_at, attempts, crashes, scheduled_at)
    SELECT r.seq, r.queue, 0, 0, 0, 0 FROM requests r JOIN queues q ON q.no = r.queue
    WHERE r.seq <= q.cursor
      AND NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.seq = r.seq)
      AND NOT EXISTS (SELECT 1 FROM running n WHERE n.seq = r.seq)
      AND NOT EXISTS (SELECT 1 FROM scheduled s WHERE s.seq = r.seq);
  UPDATE queues SET scheduled = (SELECT count(*) FROM scheduled s WHERE s.queue = queues.no);
`;
