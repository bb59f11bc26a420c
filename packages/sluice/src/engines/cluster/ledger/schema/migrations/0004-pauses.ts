// Since when a queue stands still: what every gateway tells alike. Of a pause from before it is only known that it was
// there when the ledger was migrated.
export const pauses = `
  ALTER TABLE sluice.queues
    ADD COLUMN paused_at bigint,
    -- When the last of its workers left, or the queue was made.
    ADD COLUMN left_at bigint NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000)::bigint;
  UPDATE sluice.queues SET paused_at = left_at WHERE is_paused;

  -- By queue, what else its workers show than their count.
  ALTER TABLE sluice.members ADD COLUMN attending jsonb NOT NULL DEFAULT '{}';
`;
