// Requests that want a callback, and how far that is. The row comes with the request and says nothing of its outcome:
// whether there is one follows from the other tables, so that no way to an outcome can forget the callback.
export const callbacks = `
  CREATE TABLE sluice.callbacks (
    id uuid PRIMARY KEY,
    queue smallint NOT NULL,
    url text NOT NULL,
    -- Replays so far: an outcome for each.
    round integer NOT NULL DEFAULT 0,
    -- Whether the callback for this round's outcome has been accepted.
    is_told boolean NOT NULL DEFAULT false
  );
  CREATE INDEX callbacks_untold ON sluice.callbacks (id) WHERE NOT is_told;
`;
