// Since when a queue is paused. Of a pause from before it is only known that it was there when the store was migrated.
export const pauses = `
  ALTER TABLE queues ADD COLUMN paused_at INTEGER;
  UPDATE queues SET paused_at = unixepoch() * 1000 WHERE is_paused = 1;
`;
