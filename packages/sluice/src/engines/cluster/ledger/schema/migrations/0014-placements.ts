// Requests that are not to begin before a time. Each has a row in the schedule from the start.
export const placements = `
  -- It waits for its first delivery: a fresh request that came in for later.
  ALTER TABLE sluice.schedule ADD COLUMN is_first boolean NOT NULL DEFAULT false;
  CREATE INDEX schedule_first ON sluice.schedule (queue, due_at, id) WHERE is_first;
`;
