// What waits in the log of a queue: what lies after its cursor and has no other place. Most queues know no other place at
// acceptance; whether what follows the cursor may have one is told by the last sequence number that had.
import type { QueueRow } from "./queue-ledger.ts";

/** For `r` in requests after the cursor of a queue in which everything is accepted into the log. */
export const IN_LOG = "NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.seq = r.seq)";

/** For `r` in requests after the cursor of any queue. */
export const IN_LOG_AMONG_OTHERS = `${IN_LOG}
  AND NOT EXISTS (SELECT 1 FROM scheduled s WHERE s.seq = r.seq)
  AND NOT EXISTS (SELECT 1 FROM running n WHERE n.seq = r.seq)
  AND NOT EXISTS (SELECT 1 FROM lined l WHERE l.queue = r.queue AND l.seq = r.seq)`;

/** For `l` in lined: it has no row elsewhere that says more of its state. */
export const WAITS_IN_LINE = `NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.seq = l.seq)
  AND NOT EXISTS (SELECT 1 FROM scheduled s WHERE s.seq = l.seq)
  AND NOT EXISTS (SELECT 1 FROM running n WHERE n.seq = l.seq)`;

export function hasOthers({ placed, cursor }: QueueRow): boolean {
  return placed > cursor;
}
