import type { DatabaseSync } from "node:sqlite";

/** Every table that holds sequence numbers, and every mark that outlives their rows. */
const LAST_SEQ = `
  SELECT max(seq) AS seq FROM (
    SELECT max(seq) AS seq FROM requests
    UNION ALL SELECT max(seq) FROM outcomes
    UNION ALL SELECT max(seq) FROM running
    UNION ALL SELECT max(seq) FROM scheduled
    UNION ALL SELECT max(seq) FROM failures
    UNION ALL SELECT max(seq) FROM callbacks
    UNION ALL SELECT max(cursor) FROM queues
    UNION ALL SELECT value FROM meta WHERE name = 'expired_seq'
    UNION ALL SELECT max(last_seq) FROM queues q
      JOIN links l ON l.first_seq = (SELECT max(first_seq) FROM links WHERE queue = q.no)
  )`;

/**
 * The highest sequence number that the store has ever handed out. The clock may stand behind it: what is accepted next
 * goes above it all the same, or it would wait behind its queue's cursor for ever.
 */
export function lastSeqOf(db: DatabaseSync): number {
  return (db.prepare(LAST_SEQ).get()?.["seq"] as number | null) ?? -1;
}
