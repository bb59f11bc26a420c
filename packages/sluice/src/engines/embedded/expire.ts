import { firstSeqAt } from "../../core/request-id.ts";
import type { FinalState } from "../../core/request.ts";
import type { Store } from "./store.ts";

/** A request is accepted before it is finished, so none after the cut-off's sequence number can have expired. */
const SELECT_OLD = `
  SELECT first_seq, last_seq, queue, length(ids) / 16 AS count FROM links
  WHERE first_seq > ? AND first_seq < ? ORDER BY first_seq LIMIT ?`;
const COUNT_OUTCOMES = `
  SELECT state, count(*) AS count FROM outcomes
  WHERE seq BETWEEN :first AND :last AND queue = :queue AND finished_at < :cutoff GROUP BY state`;
const DELETE_KEYS = `
  DELETE FROM keys WHERE (queue, key) IN (
    SELECT queue, key FROM requests WHERE queue = :queue AND seq BETWEEN :first AND :last AND key IS NOT NULL
  ) AND seq BETWEEN :first AND :last`;
const DELETE_FAILURES = `
  DELETE FROM failures WHERE seq IN (SELECT seq FROM requests WHERE queue = :queue AND seq BETWEEN :first AND :last)`;
/** A request stays until its callback has been made. */
const SELECT_UNTOLD = `
  SELECT 1 FROM callbacks WHERE is_told = 0 AND seq BETWEEN :first AND :last AND queue = :queue LIMIT 1`;
const DELETE_CALLBACKS = "DELETE FROM callbacks WHERE seq BETWEEN :first AND :last AND queue = :queue";
const DELETE_OUTCOMES = "DELETE FROM outcomes WHERE seq BETWEEN :first AND :last AND queue = :queue";
const DELETE_REQUESTS = "DELETE FROM requests WHERE queue = :queue AND seq BETWEEN :first AND :last";
const DELETE_LINK = "DELETE FROM links WHERE first_seq = ?";
/** Small steps: what arrives meanwhile waits for one of them at most. */
const linksPerStep = 4;

interface OldLink {
  readonly first_seq: number;
  readonly last_seq: number;
  readonly queue: number;
  readonly count: number;
}

/**
 * Looks at the next few links, and deletes those whose requests all have an outcome older than the retention, with bodies,
 * results and keys. Gives back whether there may be more to delete right away.
 */
export function prepareExpire({ db, queues, now }: Store, retentionMs: number): () => boolean {
  const selectOld = db.prepare(SELECT_OLD);
  const countOutcomes = db.prepare(COUNT_OUTCOMES);
  // In this order: keys and failures are found through the requests.
  const deletes = [DELETE_KEYS, DELETE_FAILURES, DELETE_CALLBACKS, DELETE_OUTCOMES, DELETE_REQUESTS].map((sql) =>
    db.prepare(sql),
  );
  const selectUntold = db.prepare(SELECT_UNTOLD);
  const deleteLink = db.prepare(DELETE_LINK);
  let passed = -1;

  return () => {
    const cutoff = now() - retentionMs;
    const links = selectOld.all(passed, firstSeqAt(cutoff), linksPerStep) as unknown as readonly OldLink[];
    const expired = links.filter((link) => expire(link, cutoff));
    passed = links.at(-1)?.first_seq ?? -1;
    if (links.length < linksPerStep) passed = -1; // the next round starts over: others may have come of age
    return expired.length > 0;
  };

  function expire({ first_seq, last_seq, queue, count }: OldLink, cutoff: number): boolean {
    const range = { first: first_seq, last: last_seq, queue };
    const finished = countOutcomes.all({ ...range, cutoff });
    if (finished.reduce((sum, row) => sum + (row["count"] as number), 0) < count) return false;
    if (selectUntold.get(range) !== undefined) return false;
    for (const statement of deletes) statement.run(range);
    deleteLink.run(first_seq);
    const row = queues.change(queues.numbered(queue));
    for (const { state, count: of } of finished) row[`expired_${state as FinalState}`] += of as number;
    return true;
  }
}
