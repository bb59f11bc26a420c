import { firstSeqAt } from "../../core/request-id.ts";
import type { FinalState } from "../../core/request.ts";
import type { Store } from "./store.ts";

/** A request is accepted before it is finished, so none after the cut-off's sequence number can have expired. */
const SELECT_EXPIRED = `
  SELECT o.seq, o.queue, o.state, r.key FROM outcomes o JOIN requests r ON r.seq = o.seq
  WHERE o.seq > ? AND o.seq < ? AND o.finished_at < ? ORDER BY o.seq LIMIT ?`;
const DELETE_KEY = "DELETE FROM keys WHERE queue = ? AND key = ? AND seq = ?";
const DELETE_FAILURES = "DELETE FROM failures WHERE seq = ?";
const DELETE_REQUEST = "DELETE FROM requests WHERE seq = ?";
const DELETE_OUTCOME = "DELETE FROM outcomes WHERE seq = ?";
/** Small steps: what arrives meanwhile waits for one of them at most. */
const rowsPerStep = 200;

/**
 * Deletes the next few requests whose outcome is older than the retention, with their bodies, results and keys.
 * Gives back whether there may be more.
 */
export function prepareExpire({ db, queues, now }: Store, retentionMs: number): () => boolean {
  const selectExpired = db.prepare(SELECT_EXPIRED);
  const deleteKey = db.prepare(DELETE_KEY);
  const deleteFailures = db.prepare(DELETE_FAILURES);
  const deleteRequest = db.prepare(DELETE_REQUEST);
  const deleteOutcome = db.prepare(DELETE_OUTCOME);
  let passed = -1;

  return () => {
    const cutoff = now() - retentionMs;
    const rows = selectExpired.all(passed, firstSeqAt(cutoff), cutoff, rowsPerStep);
    for (const { seq, queue: no, state, key } of rows) {
      deleteRequest.run(seq as number);
      deleteOutcome.run(seq as number);
      deleteFailures.run(seq as number);
      if (key !== null) deleteKey.run(no as number, key as string, seq as number);
      queues.change(queues.numbered(no as number))[`expired_${state as FinalState}`] += 1;
      passed = seq as number;
    }
    if (rows.length === rowsPerStep) return true;
    passed = -1; // the next round starts over: late outcomes of early requests may have come of age
    return false;
  };
}
