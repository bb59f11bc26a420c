// Hints what has come due: retries whose time is there. Run by the leader.
import type { Changing, Statement } from "./database.ts";
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
/** Most of the time there is nothing to do: no transaction is begun for that. */
const LOOK: Statement = {
  name: "look-for-due",
  text: `SELECT EXISTS (SELECT FROM sluice.schedule WHERE NOT is_hinted AND due_at <= $1::bigint) AS is_due,
    EXISTS (SELECT FROM sluice.schedule WHERE NOT is_hinted AND stored_at > $1::bigint + $2::bigint) AS is_ahead`,
};
const dueMax = 1_000;
/** The processes' readings of the store's clock are this close, by far. */
const apartMsMax = 1_000;

/** Commits the rows of the outbox for what is due now. */
export async function hintDue(connection: Changing, now: number): Promise<readonly OutboxRow[]> {
  const [look] = await connection.rows<{ is_due: boolean; is_ahead: boolean }>(LOOK, [now, apartMsMax]);
  if (look?.is_ahead === true) await connection.transaction((inside) => inside.rows(BOUND_WAITS, [now, apartMsMax]));
  if (look?.is_due !== true) return [];
  return connection.transaction((inside) => inside.rows<OutboxRow & object>(HINT_DUE, [now, dueMax]));
}
