// Callbacks that are due, and those that have been told. The row of a request that wants one is stored with it by
// accept.ts; a replay begins its next round in operate.ts.
import type { RequestId } from "../../../core/request-id.ts";
import type { CallbacksAsk, CallbacksPage, ToldCallback } from "../../../engine/engine.ts";
import { dueOf, type CallbackRow } from "../../shared/rows.ts";
import type { Connected, Statement } from "./connection/database.ts";
import { lowestId } from "./state.ts";

/** Stores the rows of those that want a callback: $1 ids, $2 queues, $3 URLs, counted from `from`. */
export function storeCallbacks(from: number): string {
  return `INSERT INTO sluice.callbacks (id, queue, url)
      SELECT * FROM unnest($${from}::uuid[], $${from + 1}::smallint[], $${from + 2}::text[])`;
}

/** OFFSET 0 keeps each a look-up by its index: see state.ts. */
const SELECT_PAGE: Statement = {
  name: "callbacks-due",
  text: `SELECT c.id, c.url, c.round, r.id IS NOT NULL AS is_stored, o.state, o.finished_at::float8 AS finished_at,
      o.content_type, octet_length(o.result) AS result_bytes
    FROM (
      SELECT id, url, round FROM sluice.callbacks WHERE NOT is_told AND id > $1::uuid ORDER BY id LIMIT $2::int
    ) c
    LEFT JOIN LATERAL (SELECT id FROM sluice.requests WHERE id = c.id OFFSET 0) r ON true
    LEFT JOIN LATERAL (SELECT * FROM sluice.outcomes WHERE id = c.id OFFSET 0) o ON true
    ORDER BY c.id`,
};
const NOTE_TOLD: Statement = {
  name: "callbacks-told",
  text: `UPDATE sluice.callbacks c SET is_told = true FROM unnest($1::uuid[], $2::int[]) AS i (id, round)
    WHERE c.id = i.id AND c.round = i.round`,
};

interface PageRow extends CallbackRow {
  readonly id: RequestId;
  readonly is_stored: boolean;
}

export async function callbacksDue(db: Connected, { after, max }: CallbacksAsk): Promise<CallbacksPage> {
  const rows = await db.rows<PageRow>(SELECT_PAGE, [after ?? lowestId, max]);
  const due = rows.flatMap((row) => (row.is_stored ? dueOf(row.id, row) : []));
  return { due, next: rows.length < max ? undefined : rows.at(-1)?.id };
}

export async function callbacksTold(db: Connected, told: readonly ToldCallback[]): Promise<void> {
  const inOrder = told.toSorted((a, b) => (a.id < b.id ? -1 : 1)); // everywhere the same, so that none waits in a circle
  await db.rows(NOTE_TOLD, [inOrder.map(({ id }) => id), inOrder.map(({ round }) => round)]);
}
