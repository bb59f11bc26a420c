// Who did what: see core/activity.ts. Each gateway notes the keys of its file with each start: they are kept once.
export const activity = `
  CREATE TABLE sluice.activity (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at bigint NOT NULL,
    what text NOT NULL,
    about text NOT NULL,
    requests bigint,
    key text,
    sender text,
    address text
  );
  CREATE UNIQUE INDEX activity_of_keys ON sluice.activity (about, what, at)
    WHERE what IN ('key-created', 'key-revoked');
`;
