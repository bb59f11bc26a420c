// Newest first. Each filter is driven by the index that knows its rows, so that a page costs a page.
import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type { RequestStatus, State } from "../../core/request.ts";
import { requestIdOf, seqOf } from "../../core/request-id.ts";
import type { ListFilter } from "../../engine/engine.ts";
import { statusOf, type StatusRow } from "../shared/rows.ts";
import { IN_LOG_AMONG_OTHERS, WAITS_IN_LINE } from "./waiting.ts";
import { FROM_STATUS, STATUS_COLUMNS, type IdRow } from "./read.ts";

/** The sequence numbers of one queue that fit the state, newest first. */
const candidates: Readonly<Record<State | "any", string>> = {
  any: "SELECT seq FROM requests WHERE queue = :queue AND seq < :before ORDER BY seq DESC",
  done: "SELECT seq FROM outcomes WHERE queue = :queue AND state = 'done' AND seq < :before ORDER BY seq DESC",
  dead: "SELECT seq FROM outcomes WHERE queue = :queue AND state = 'dead' AND seq < :before ORDER BY seq DESC",
  cancelled:
    "SELECT seq FROM outcomes WHERE queue = :queue AND state = 'cancelled' AND seq < :before ORDER BY seq DESC",
  running: "SELECT seq FROM running WHERE queue = :queue AND seq < :before ORDER BY seq DESC",
  scheduled: `
    SELECT seq FROM scheduled WHERE queue = :queue AND due_at > :now AND seq < :before ORDER BY seq DESC`,
  waiting: `
    SELECT seq FROM (
      SELECT seq FROM scheduled WHERE queue = :queue AND due_at <= :now AND seq < :before
      UNION ALL
      SELECT seq FROM requests r WHERE queue = :queue AND seq < :before
        AND seq > (SELECT cursor FROM queues WHERE no = :queue)
        AND ${IN_LOG_AMONG_OTHERS}
      UNION ALL
      SELECT seq FROM lined l WHERE queue = :queue AND seq < :before AND ${WAITS_IN_LINE}
    ) ORDER BY seq DESC`,
};
const SELECT_QUEUES = "SELECT no, name FROM queues";
/** Of every sender: see storedKeyOf. No key has a character before the blank. */
const SELECT_BY_KEY = `
  SELECT seq FROM keys WHERE queue = :queue AND key >= :key AND key < :key || ' ' AND seq < :before`;
const SELECT_STATUS = `SELECT ${STATUS_COLUMNS} ${FROM_STATUS} WHERE r.seq = :seq`;

export function prepareList(db: DatabaseSync): (filter: ListFilter, now: number) => readonly RequestStatus[] {
  const selectQueues = db.prepare(SELECT_QUEUES);
  const selectStatus = db.prepare(SELECT_STATUS);

  return (filter, now) => {
    const queues = selectQueues.all() as { no: number; name: string }[];
    const asked = queues.filter(({ name }) => filter.queue === undefined || name === filter.queue);
    const seqs = asked.flatMap(({ no }) => seqsIn(no, filter, now));
    const newest = seqs.sort((left, right) => right - left);
    // A key has few requests, and their states are not known yet.
    const looked = filter.key === undefined ? newest.slice(0, filter.limit) : newest;
    // An index may still name what a damaged table has lost: the audit tells of it.
    const rows = looked.flatMap((seq) => selectStatus.all({ seq, now }) as unknown as readonly (StatusRow & IdRow)[]);
    const found = rows.map((row) => statusOf(requestIdOf(row.seq, row.random), row));
    const fitting = found.filter(({ state }) => filter.state === undefined || state === filter.state);
    return fitting.slice(0, filter.limit);
  };

  function seqsIn(queue: number, { state, key, limit, before }: ListFilter, now: number): number[] {
    const values: Record<string, SQLInputValue> = {
      queue,
      before: before === undefined ? Number.MAX_SAFE_INTEGER : seqOf(before),
    };
    if (key !== undefined) return seqsOf(SELECT_BY_KEY, { ...values, key });
    const select = `${candidates[state ?? "any"]} LIMIT :limit`;
    return seqsOf(select, select.includes(":now") ? { ...values, limit, now } : { ...values, limit });
  }

  function seqsOf(sql: string, values: Record<string, SQLInputValue>): number[] {
    return db
      .prepare(sql)
      .all(values)
      .map(({ seq }) => seq as number);
  }
}
