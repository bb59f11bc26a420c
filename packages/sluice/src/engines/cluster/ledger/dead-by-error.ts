// The dead requests of a queue, counted by the code of their error.
import type { RequestId } from "../../../core/request-id.ts";
import type { ReplayFilter } from "../../../engine/engine.ts";
import { deadGroupsMax, deadLookMax, type DeadGroup } from "../../../engine/failures.ts";
import { deadGroupOf, type DeadGroupRow } from "../../shared/rows.ts";
import type { Connected, Statement } from "./connection/database.ts";
import { shownChars } from "./read.ts";

const GROUP_DEAD: Statement = {
  name: "group-dead",
  text: `WITH looked_at AS (
      SELECT o.id, o.error_code FROM sluice.outcomes o
      WHERE o.queue = (SELECT no FROM sluice.queues WHERE name = $1) AND o.state = 'dead'
      ORDER BY o.id DESC LIMIT ${deadLookMax}
    ), grouped AS (
      SELECT (array_agg(id ORDER BY id DESC))[1] AS id, count(*)::float8 AS count FROM looked_at GROUP BY error_code
    )
    SELECT g.id, g.count, o.error_code, left(o.error_message, ${shownChars}) AS error_message, o.finished_at::float8 AS finished_at
    FROM grouped g JOIN sluice.outcomes o ON o.id = g.id ORDER BY g.count DESC, g.id DESC LIMIT ${deadGroupsMax}`,
};
const COUNT_DEAD: Statement = {
  name: "count-dead",
  text: `SELECT count(*)::float8 AS count FROM sluice.outcomes
    WHERE queue = (SELECT no FROM sluice.queues WHERE name = $1) AND state = 'dead'
      AND ($2::text IS NULL OR error_code = $2)`,
};

export async function deadByError(db: Connected, queue: string): Promise<readonly DeadGroup[]> {
  const rows = await db.rows<DeadGroupRow & { readonly id: RequestId }>(GROUP_DEAD, [queue]);
  return rows.map((row) => deadGroupOf(row.id, row));
}

/** All that fit the filter, whatever its limit. */
export async function countDead(db: Connected, { queue, errorCode }: ReplayFilter): Promise<number> {
  const [row] = await db.rows<{ count: number }>(COUNT_DEAD, [queue, errorCode ?? null]);
  return row?.count ?? 0;
}
