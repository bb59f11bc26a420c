// Hints what has come due: retries whose time is there, and what was not to begin before. Run by the leader.
import { invariant } from "../../../core/errors.ts";
import type { Changing, Statement } from "../ledger/connection/database.ts";
import type { OutboxRow } from "../carriers/carrier.ts";
import { hasRow } from "../ledger/state.ts";

const HINT_DUE: Statement = {
  name: "hint-due",
  text: `WITH due AS (
      SELECT id FROM sluice.schedule WHERE NOT is_hinted AND in_line <> 1 AND due_at <= $1::bigint ORDER BY due_at LIMIT $2
    ), hinted AS (
      UPDATE sluice.schedule s SET is_hinted = true FROM due WHERE s.id = due.id AND NOT s.is_hinted
      RETURNING s.id, s.queue, s.crashes, s.is_first
    )
    INSERT INTO sluice.outbox (queue, kind, ids)
    SELECT queue, CASE WHEN crashes > 1 THEN 'suspect' WHEN is_first THEN 'fresh' ELSE 'again' END, array_agg(id ORDER BY id)
    FROM hinted GROUP BY 1, 2
    RETURNING no::float8, queue, kind, ids::text[]`,
};
/** What was asked for by a clock that was ahead, which has stepped back since, waits for as long as it was to. A page of them. */
const BOUND_WAITS: Statement = {
  name: "bound-waits",
  text: `WITH bounded AS (
      UPDATE sluice.schedule SET due_at = $1::bigint + greatest(0, due_at - stored_at), stored_at = $1::bigint
      WHERE id = ANY (ARRAY (SELECT id FROM sluice.schedule WHERE NOT is_hinted AND stored_at > $1::bigint + $2::bigint LIMIT $3))
        AND NOT is_hinted AND stored_at > $1::bigint + $2::bigint
      RETURNING id, due_at, in_line
    )
    UPDATE sluice.lined l SET due_at = b.due_at FROM bounded b WHERE b.in_line = 1 AND l.id = b.id AND l.state = 'later'`,
};
/** Most of the time there is nothing to do: no transaction is begun for that. */
const LOOK: Statement = {
  name: "look-for-due",
  text: `SELECT (SELECT min(due_at) FROM sluice.schedule WHERE NOT is_hinted AND in_line <> 1)::float8 AS next_due_at,
    coalesce((SELECT max(stored_at) FROM sluice.schedule WHERE NOT is_hinted) > $1::bigint + $2::bigint, false) AS is_ahead,
    EXISTS (SELECT FROM sluice.running) AS is_busy,
    EXISTS (SELECT FROM sluice.expiries e WHERE e.expires_at <= $1::bigint AND NOT ${hasRow("running", "e.id")}) AS is_late`,
};
const dueMax = 1_000;
const aheadMax = 5_000;
/** The processes' readings of the store's clock are this close, by far. */
const apartMsMax = 1_000;

interface Look {
  readonly next_due_at: number | null;
  readonly is_ahead: boolean;
  /** Whether an attempt runs: it may fail at any moment, and be due again soon. */
  readonly is_busy: boolean;
  /** Whether something has expired, or has ended before it did. */
  readonly is_late: boolean;
}

export interface Hinted {
  /** The rows of the outbox for what was due. */
  readonly told: readonly OutboxRow[];
  /** For how long nothing comes due, as far as can be seen. */
  readonly quietMs: number;
  /** There is something for lapse.ts. */
  readonly isLate: boolean;
}

/** Hints what is due now, and commits its rows of the outbox. */
export async function hintDue(connection: Changing, now: number): Promise<Hinted> {
  const [look] = await connection.rows<Look & object>(LOOK, [now, apartMsMax]);
  invariant(look !== undefined, "a look without a table has one row");
  if (look.is_ahead) await connection.transaction((inside) => inside.rows(BOUND_WAITS, [now, apartMsMax, aheadMax]));
  const { next_due_at: nextDueAt, is_ahead: isAhead, is_busy: isBusy, is_late: isLate } = look;
  if (nextDueAt !== null && nextDueAt <= now) {
    const told = await connection.transaction((inside) => inside.rows<OutboxRow & object>(HINT_DUE, [now, dueMax]));
    return { told, quietMs: 0, isLate };
  }
  const isSoon = isAhead || isBusy || isLate;
  return { told: [], quietMs: isSoon ? 0 : (nextDueAt ?? Number.POSITIVE_INFINITY) - now, isLate };
}
