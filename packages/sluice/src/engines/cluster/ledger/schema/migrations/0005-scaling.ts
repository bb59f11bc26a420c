// What a queue's scaling asked for last: it outlives the process that asked.
export const scaling = `
  ALTER TABLE sluice.queues ADD COLUMN replicas_asked integer;
`;
