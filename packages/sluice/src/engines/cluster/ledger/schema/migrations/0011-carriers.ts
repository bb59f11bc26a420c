// The outbox hands out its own rows: what a member has taken is in nobody else's hands until it ends or the member is gone.
export const carriers = `
  ALTER TABLE sluice.outbox ADD COLUMN taken_by integer;
  CREATE INDEX outbox_free ON sluice.outbox (queue, (kind <> 'fresh'), no) WHERE taken_by IS NULL;
  CREATE INDEX outbox_taken ON sluice.outbox (queue, taken_by) WHERE taken_by IS NOT NULL;

  -- Whether RabbitMQ may hold hints of it: they are put back once no worker can take them from there.
  ALTER TABLE sluice.queues ADD COLUMN is_at_rabbitmq boolean NOT NULL DEFAULT true;
  ALTER TABLE sluice.queues ALTER COLUMN is_at_rabbitmq SET DEFAULT false;
`;
