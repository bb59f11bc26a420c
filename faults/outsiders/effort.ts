// How long the suite against outsiders tries: CI plays it short, `npm run test:outsiders` in full.
export const isFull = process.env["SLUICE_OUTSIDERS"] === "full";
