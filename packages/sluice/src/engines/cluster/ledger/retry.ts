// Puts requests back: after a failed attempt until its next one, or handed back at once. What is due at once gets its
// row of the outbox in the same commit; the scheduler sees to the rest.
import type { Claim } from "../../../core/request.ts";
import type { RequestId } from "../../../core/request-id.ts";
import type { RetryOptions, SettleResult } from "../../../engine/engine.ts";
import { textArray } from "./connection/binary-array.ts";
import { again, type Connected, type Statement } from "./connection/database.ts";
import { committedWithoutRefused, type Entry } from "./connection/lane.ts";
import type { OutboxRow } from "../carriers/carrier.ts";
import type { Outbox } from "./outbox.ts";
import { nameOf } from "./settle.ts";
import type { StoreClock } from "./connection/store-clock.ts";

const INPUT = `
  SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::boolean[], $5::text[], $6::text[], $8::boolean[])
    AS i (id, token, due_at, is_counted, code, message, has_begun)`;

/** An attempt that did not count is told again under the same number: the rows stay bounded by the attempts. */
const CONCLUDE = `
  scheduled AS (
    INSERT INTO sluice.schedule AS s (id, queue, due_at, attempts, crashes, started_at, token, is_hinted, stored_at)
    SELECT r.id, r.queue, r.due_at, r.attempts + r.is_counted::int,
      -- Whoever lived to tell of a failure did not kill its worker.
      CASE WHEN r.code IS NULL THEN r.crashes ELSE 0 END,
      r.started_at, r.token, r.due_at <= $7::bigint, $7::bigint
    FROM released r
    WHERE NOT EXISTS (SELECT FROM sluice.outcomes o WHERE o.id = r.id)
    ON CONFLICT (id) DO UPDATE SET due_at = excluded.due_at, attempts = excluded.attempts, crashes = excluded.crashes,
      started_at = excluded.started_at, token = excluded.token, is_hinted = excluded.is_hinted, is_first = false,
      stored_at = excluded.stored_at
    RETURNING s.id, s.token, s.queue, s.crashes, s.is_hinted
  ), failed AS (
    INSERT INTO sluice.failures (id, attempt, failed_at, code, message)
    SELECT id, attempts + 1, $7::bigint, code, message FROM released WHERE code IS NOT NULL
    ON CONFLICT (id, attempt) DO UPDATE
    SET failed_at = excluded.failed_at, code = excluded.code, message = excluded.message
  ), lasting AS (
    DELETE FROM sluice.expiries e USING released r WHERE e.id = r.id AND r.has_begun
  ), listed AS (
    INSERT INTO sluice.outbox (queue, kind, ids)
    SELECT queue, CASE WHEN crashes > 1 THEN 'suspect' ELSE 'again' END, array_agg(id ORDER BY id)
    FROM scheduled WHERE is_hinted GROUP BY 1, 2
    RETURNING no, queue, kind, ids
  )
  SELECT 'scheduled' AS what, id, token::float8 AS token, NULL::float8 AS no, NULL::smallint AS queue, NULL AS kind,
    NULL::text[] AS ids FROM scheduled
  UNION ALL SELECT 'listed', NULL, NULL, no::float8, queue, kind, ids::text[] FROM listed`;

const RETRY: Statement = {
  name: "retry",
  text: `WITH released AS (
    DELETE FROM sluice.running n USING (${INPUT}) i WHERE n.id = i.id AND n.token = i.token
    RETURNING n.id, n.token, n.queue, n.attempts, n.crashes, n.started_at, i.due_at, i.is_counted, i.code, i.message, i.has_begun
  ), ${CONCLUDE}`,
};
/** The claim was lost in a crash of the server, and nothing has made it void since: see settle.ts. */
const RETRY_FORGOTTEN: Statement = {
  name: "retry-forgotten",
  text: `WITH released AS (
    SELECT r.id, i.token, r.queue, coalesce(s.attempts, 0) AS attempts, coalesce(s.crashes, 0) AS crashes, s.started_at,
      i.due_at, i.is_counted, i.code, i.message, i.has_begun
    FROM (${INPUT}) i JOIN sluice.requests r ON r.id = i.id LEFT JOIN sluice.schedule s ON s.id = i.id
    WHERE coalesce(s.token < i.token, true) AND NOT EXISTS (SELECT FROM sluice.running n WHERE n.id = i.id)
      AND NOT EXISTS (SELECT FROM sluice.outcomes o WHERE o.id = i.id)
  ), ${CONCLUDE}`,
};

type RetryRow =
  | { readonly what: "scheduled"; readonly id: string; readonly token: number }
  | ({ readonly what: "listed"; readonly ids: readonly RequestId[] } & Omit<OutboxRow, "ids">);

export interface RetryCall {
  readonly kind: "retry";
  readonly claim: Claim;
  readonly options: RetryOptions;
}

export interface CommitRetriesOptions {
  readonly connection: Connected;
  readonly clock: StoreClock;
  readonly outbox: Outbox;
}

export async function commitRetries(
  entries: readonly Entry<RetryCall>[],
  options: CommitRetriesOptions,
): Promise<void> {
  const scheduled = new Set<string>();
  const through = (statement: Statement, some: readonly Entry<RetryCall>[]): Promise<readonly Entry<RetryCall>[]> =>
    committedWithoutRefused(some, (group) => again(() => retryThrough(statement, group, { ...options, scheduled })));
  const sent = await through(RETRY, entries);
  const late = sent.filter(({ call }) => !scheduled.has(nameOf(call.claim)));
  if (late.length > 0) await through(RETRY_FORGOTTEN, [...lastClaims(late)]);
  for (const entry of sent) {
    const result: SettleResult = scheduled.delete(nameOf(entry.call.claim)) ? "settled" : "superseded";
    entry.answer(result);
  }
}

/** Of each request: it may have been claimed, forgotten and claimed again, all by this process. The claims before are void. */
function lastClaims(entries: readonly Entry<RetryCall>[]): Iterable<Entry<RetryCall>> {
  const inOrder = entries.toSorted((a, b) => a.call.claim.token - b.call.claim.token);
  return new Map(inOrder.map((entry) => [entry.call.claim.id, entry])).values();
}

async function retryThrough(
  statement: Statement,
  entries: readonly Entry<RetryCall>[],
  { connection, clock, outbox, scheduled }: CommitRetriesOptions & { readonly scheduled: Set<string> },
): Promise<void> {
  const calls = [...new Map(entries.toReversed().map(({ call }) => [nameOf(call.claim), call])).values()];
  const rows = await connection.rows<RetryRow>(statement, [
    calls.map(({ claim }) => claim.id),
    calls.map(({ claim }) => claim.token),
    calls.map(({ options }) => Math.round(options.dueAt)),
    calls.map(({ options }) => options.isCounted),
    textArray(calls.map(({ options }) => options.failure?.code)),
    textArray(calls.map(({ options }) => options.failure?.message)),
    clock.now(),
    calls.map(({ options }) => options.hasBegun === true),
  ]);
  void outbox.tell(rows.filter((row) => row.what === "listed"));
  for (const row of rows) if (row.what === "scheduled") scheduled.add(nameOf(row));
}
