// The dead requests of a queue, counted by the code of their error.
import type { DatabaseSync } from "node:sqlite";
import { requestIdOf } from "../../core/request-id.ts";
import type { ReplayFilter } from "../../engine/engine.ts";
import { deadGroupsMax, deadLookMax, type DeadGroup } from "../../engine/failures.ts";
import { deadGroupOf, type DeadGroupRow } from "../shared/rows.ts";
import { shownMessage, type IdRow } from "./read.ts";

/** The bare columns of the groups are those of the row with the highest seq, which SQLite promises beside one max(). */
const GROUP_DEAD = `
  SELECT g.*, r.random FROM (
    SELECT max(seq) AS seq, error_code, ${shownMessage("error_message")} AS error_message, finished_at, count(*) AS count
    FROM (
      SELECT o.seq, o.error_code, o.error_message, o.finished_at FROM outcomes o
      WHERE o.queue = (SELECT no FROM queues WHERE name = ?) AND o.state = 'dead' ORDER BY o.seq DESC LIMIT ${deadLookMax})
    GROUP BY error_code) g
  JOIN requests r ON r.seq = g.seq ORDER BY g.count DESC, g.seq DESC LIMIT ${deadGroupsMax}`;
const COUNT_DEAD = `
  SELECT count(*) AS n FROM outcomes
  WHERE queue = (SELECT no FROM queues WHERE name = :queue) AND state = 'dead' AND (:code IS NULL OR error_code = :code)`;

export function prepareDeadByError(db: DatabaseSync): (queue: string) => readonly DeadGroup[] {
  const groupDead = db.prepare(GROUP_DEAD);
  return (queue) => {
    const rows = groupDead.all(queue) as unknown as readonly (DeadGroupRow & IdRow)[];
    return rows.map((row) => deadGroupOf(requestIdOf(row.seq, row.random), row));
  };
}

/** All that fit the filter, whatever its limit. */
export function prepareCountDead(db: DatabaseSync): (filter: ReplayFilter) => number {
  const countDead = db.prepare(COUNT_DEAD);
  return ({ queue, errorCode }) => countDead.get({ queue, code: errorCode ?? null })?.["n"] as number;
}
