// Who has sent with keys: a key is stored with its sender as one text, and is found for every sender that is known here.
export const senders = `
  CREATE TABLE sluice.senders (name text PRIMARY KEY);
`;
