import { dayMs } from "../../core/chain.ts";
import { bytesOfIds, firstSeqAt, requestIdOf, timeOfSeq } from "../../core/request-id.ts";
import type { FinalState } from "../../core/request.ts";
import { prepareExpiredPlaces } from "./expired-places.ts";
import type { Store } from "./store.ts";

const SELECT_OLD = `
  SELECT first_seq, last_seq, queue, chain, place, length(ids) / 16 AS count, digests IS NOT NULL AS has_digests FROM links
  WHERE first_seq > ? AND first_seq < ? ORDER BY first_seq LIMIT ?`;
const COUNT_OUTCOMES = `
  SELECT state, count(*) AS count FROM outcomes
  WHERE seq BETWEEN :first AND :last AND queue = :queue AND finished_at < :cutoff GROUP BY state`;
/** Finished by a clock that was ahead: its age counts from the day when that shows. */
const BOUND_FINISHED = `
  UPDATE outcomes SET finished_at = :now WHERE seq BETWEEN :first AND :last AND queue = :queue AND finished_at > :now`;
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
const DELETE_EXPIRIES = "DELETE FROM expiries WHERE seq BETWEEN :first AND :last AND queue = :queue";
const DELETE_REPLAYS = "DELETE FROM replays WHERE seq BETWEEN :first AND :last AND queue = :queue";
/** So does a dead one that holds its order key, until the key is released. */
const SELECT_HOLDING = "SELECT 1 FROM lined WHERE queue = :queue AND seq BETWEEN :first AND :last LIMIT 1";
const DELETE_OUTCOMES = "DELETE FROM outcomes WHERE seq BETWEEN :first AND :last AND queue = :queue";
const DELETE_REQUESTS = "DELETE FROM requests WHERE queue = :queue AND seq BETWEEN :first AND :last";
const LOWEST = "SELECT min(first_seq) AS seq FROM links";
const DELETE_LINK = "DELETE FROM links WHERE first_seq = ?";
/** Sequence numbers only grow: a clock that stepped back does not hand these out again. */
const NOTE_EXPIRED = "UPDATE meta SET value = max(value, ?) WHERE name = 'expired_seq'";
/** Small steps: what arrives meanwhile waits for one of them at most. A step ends with the link that takes it past either. */
const linksPerStep = 4;
const requestsPerStep = 250;
/** So many are looked at in a step while the ids do not tell which are old. */
const looksPerStep = 64;
/** Within one millisecond sequence numbers may run a little ahead by themselves. */
const aheadMs = 60_000;

interface OldLink {
  readonly first_seq: number;
  readonly last_seq: number;
  readonly queue: number;
  readonly chain: Uint8Array;
  readonly place: number;
  readonly count: number;
  readonly has_digests: number;
}

/**
 * Looks at the next few links, and deletes those whose requests all have an outcome older than the retention, with bodies,
 * results and keys. Gives back whether there may be more to delete right away.
 *
 * The age of a request is that of its outcome. The time in its id says only that it cannot be older, and not even that
 * once sequence numbers run ahead of the clock: then every link is looked at, in turn.
 */
export function prepareExpire({ db, queues, seqs, now }: Store, retentionMs: number): () => boolean {
  const selectOld = db.prepare(SELECT_OLD);
  const countOutcomes = db.prepare(COUNT_OUTCOMES);
  // In this order: keys and failures are found through the requests.
  const deletes = [
    DELETE_KEYS,
    DELETE_FAILURES,
    DELETE_CALLBACKS,
    DELETE_EXPIRIES,
    DELETE_REPLAYS,
    DELETE_OUTCOMES,
    DELETE_REQUESTS,
  ].map((sql) => db.prepare(sql));
  const selectUntold = db.prepare(SELECT_UNTOLD);
  const selectHolding = db.prepare(SELECT_HOLDING);
  const deleteLink = db.prepare(DELETE_LINK);
  const boundFinished = db.prepare(BOUND_FINISHED);
  const expiredPlaces = prepareExpiredPlaces(db);
  const lowest = db.prepare(LOWEST);
  const noteExpired = db.prepare(NOTE_EXPIRED);
  let passed = -1;

  return () => {
    const at = now();
    const isAhead = seqs.last > firstSeqAt(at + aheadMs);
    const [before, looks] = isAhead
      ? [Number.MAX_SAFE_INTEGER, looksPerStep]
      : [firstSeqAt(at - retentionMs), linksPerStep];
    const links = selectOld.all(passed, before, looks) as unknown as readonly OldLink[];
    let expired = 0;
    let requests = 0;
    for (const link of links) {
      passed = link.first_seq;
      if (!expire(link, at)) continue;
      expired += 1;
      requests += link.count;
      if (expired === linksPerStep || requests >= requestsPerStep) return true;
    }
    if (links.length < looks) {
      passed = -1; // the next round starts over: others may have come of age
      forgetPlaces();
    }
    return expired > 0;
  };

  function expire(link: OldLink, at: number): boolean {
    const { first_seq, last_seq, queue, count } = link;
    const range = { first: first_seq, last: last_seq, queue };
    const finished = countOutcomes.all({ ...range, cutoff: at - retentionMs });
    if (finished.reduce((sum, row) => sum + (row["count"] as number), 0) < count) {
      boundFinished.run({ ...range, now: at });
      return false;
    }
    if (selectUntold.get(range) !== undefined || selectHolding.get(range) !== undefined) return false;
    for (const statement of deletes) statement.run(range);
    deleteLink.run(first_seq);
    if (link.has_digests === 1) expiredPlaces.note(link.chain, link.place, link.place + count);
    noteExpired.run(last_seq);
    const row = queues.change(queues.numbered(queue));
    for (const { state, count: of } of finished) row[`expired_${state as FinalState}`] += of as number;
    return true;
  }
  /** Of chains that have no link any more, nor will have one. */
  function forgetPlaces(): void {
    const seq = (lowest.get()?.["seq"] as number | null) ?? seqs.last;
    const dayAt = Math.floor(timeOfSeq(seq) / dayMs) * dayMs;
    expiredPlaces.forget(bytesOfIds([requestIdOf(firstSeqAt(dayAt), new Uint8Array(8))]));
  }
}
