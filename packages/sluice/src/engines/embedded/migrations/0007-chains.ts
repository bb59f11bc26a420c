// A digest of each body beside its id in the chain, and which places of a chain retention has removed: see core/chain.ts.
// Links from before have no digests, and retention removed them without a note.
export const chains = `
  ALTER TABLE links ADD COLUMN digests BLOB;

  -- From a place up to, and without, another; ranges that touch are one.
  CREATE TABLE expired_places (
    chain BLOB NOT NULL,
    from_place INTEGER NOT NULL,
    to_place INTEGER NOT NULL,
    PRIMARY KEY (chain, from_place)
  ) STRICT, WITHOUT ROWID;
`;
