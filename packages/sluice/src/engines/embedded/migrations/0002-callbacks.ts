// Requests that want a callback, and how far that is. The row comes with the request and says nothing of its outcome:
// whether there is one follows from the other tables, so that no way to an outcome can forget the callback.
export const callbacks = `
  CREATE TABLE callbacks (
    seq INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    url TEXT NOT NULL,
    -- Replays so far: an outcome for each.
    round INTEGER NOT NULL DEFAULT 0,
    -- Whether the callback for this round's outcome has been accepted.
    is_told INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX callbacks_untold ON callbacks (seq) WHERE is_told = 0;
`;
