// A request that a spool took in under a key which another request already had, with the same content: its id is one more
// of that request. Here it is the alias; `id` is the request's, as everywhere.
export const aliases = `
  CREATE TABLE sluice.aliases (
    alias uuid PRIMARY KEY,
    id uuid NOT NULL
  );
  CREATE INDEX aliases_by_id ON sluice.aliases (id);
`;
