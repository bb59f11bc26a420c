// Who did what: see core/activity.ts. A gateway notes the keys of its file with each start: they are kept once.
export const activity = `
  CREATE TABLE activity (
    no INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    what TEXT NOT NULL,
    about TEXT NOT NULL,
    requests INTEGER,
    key TEXT,
    sender TEXT,
    address TEXT
  ) STRICT;
  CREATE UNIQUE INDEX activity_of_keys ON activity (about, what, at) WHERE what IN ('key-created', 'key-revoked');
`;
