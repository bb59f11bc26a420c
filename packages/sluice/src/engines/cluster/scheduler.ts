// Hints what has come due: retries whose time is there. Run by the leader.
import type { RequestId } from "../../core/request-id.ts";
import type { Connected, Statement } from "./database.ts";
import type { OutboxRow } from "./outbox.ts";

const HINT_DUE: Statement = {
  name: "hint-due",
  text: `WITH due AS (
      SELECT id FROM sluice.schedule WHERE NOT is_hinted AND due_at <= $1::bigint ORDER BY due_at LIMIT $2
    ), hinted AS (
      UPDATE sluice.schedule s SET is_hinted = true FROM due WHERE s.id = due.id AND NOT s.is_hinted
      RETURNING s.id, s.queue, s.crashes
    )
    INSERT INTO sluice.outbox (queue, kind, ids)
    SELECT queue, CASE WHEN crashes > 1 THEN 'suspect' ELSE 'again' END, array_agg(id ORDER BY id)
    FROM hinted GROUP BY 1, 2
    RETURNING no::float8, queue, kind, ids::text[]`,
};
/** What was asked for by a clock that was ahead, which has stepped back since, waits for as long as it was to. */
const BOUND_WAITS: Statement = {
  name: "bound-waits",
  text: `UPDATE sluice.schedule SET due_at = $1::bigint + greatest(0, due_at - stored_at), stored_at = $1::bigint
    WHERE NOT is_hinted AND stored_at > $1::bigint + $2::bigint`,
};
const dueMax = 1_000;
/** The processes' readings of the store's clock are this close, by far. */
const apartMsMax = 1_000;

/** Commits the rows of the outbox for what is due now. */
export function hintDue(connection: Connected, now: number): Promise<OutboxRow[]> {
  return connection.rows<{ no: number; queue: number; kind: OutboxRow["kind"]; ids: RequestId[] }>(HINT_DUE, [
    now,
    dueMax,
  ]);
}

export async function boundWaits(connection: Connected, now: number): Promise<void> {
  await connection.rows(BOUND_WAITS, [now, apartMsMax]);
}
