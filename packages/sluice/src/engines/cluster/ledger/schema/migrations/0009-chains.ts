// A digest of each body beside its id in the chain, and which places of a chain retention has removed: see core/chain.ts.
// Links from before have no digests, and retention removed them without a note.
export const chains = `
  ALTER TABLE sluice.links ADD COLUMN digests bytea;

  CREATE TABLE sluice.expired_places (
    chain uuid PRIMARY KEY,
    places int4multirange NOT NULL
  );
`;
