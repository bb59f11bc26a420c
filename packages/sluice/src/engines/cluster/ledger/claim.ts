// The claims of one statement: a row in running for each request that may begin, with its fencing token, body and attempts.
import { readStoredKey } from "../../../core/idempotency-key.ts";
import type { Delivery } from "../../../core/request.ts";
import { timeOfId, type RequestId } from "../../../core/request-id.ts";
import { expiresField, readRequestHead } from "../../../core/stored-head.ts";
import { uuidArray } from "./connection/binary-array.ts";
import type { Connected, Statement } from "./connection/database.ts";

/**
 * Makes the function that CLAIM calls. `sluice migrate` does, while processes of the release before still call theirs: a
 * release that changes the text gives it a new name.
 */
export const claimFunction: Statement = {
  name: "claim_3",
  text: `CREATE OR REPLACE FUNCTION sluice.claim_3(ids uuid[], are_suspects boolean, by_member integer, now_ms bigint)
  RETURNS TABLE (
    id uuid, verdict text, token bigint, attempts integer, queue text, key text, content_type text, headers text, body bytea
  )
  LANGUAGE plpgsql AS $$
  DECLARE
    last_before bigint := nextval('sluice.tokens');
    -- Read once: were a queue paused or resumed between the two statements, one would leave what the other does not know.
    paused smallint[] := ARRAY (SELECT q.no FROM sluice.queues q WHERE q.is_paused);
  BEGIN
    -- The leader moves rows out of the default partitions. The lock waits for it before the next statement takes its
    -- snapshot: an older snapshot would miss the moved rows.
    LOCK TABLE sluice.requests_rest, sluice.outcomes_rest IN ACCESS SHARE MODE;
    INSERT INTO sluice.running (id, token, member, queue, attempts, crashes, started_at, bytes)
    SELECT r.id, nextval('sluice.tokens'), by_member, r.queue, coalesce(s.attempts, 0), coalesce(s.crashes, 0), now_ms,
      r.bytes
    FROM unnest(ids) AS i (id)
    JOIN sluice.requests r ON r.id = i.id
    LEFT JOIN sluice.schedule s ON s.id = i.id
    WHERE r.queue <> ALL (paused) AND (s.id IS NULL OR (s.in_line <> 1 AND (s.is_hinted OR s.due_at <= now_ms)))
      AND (coalesce(s.crashes, 0) > 1) = are_suspects
      AND NOT EXISTS (SELECT FROM sluice.outcomes o WHERE o.id = i.id)
    ON CONFLICT DO NOTHING;
    -- A second statement, so that it sees what others committed while the first one waited for them.
    RETURN QUERY
      SELECT i.id,
        CASE
          WHEN r.queue = ANY (paused) THEN 'paused'
          WHEN n.id IS NULL THEN 'gone'
          WHEN o.id IS NOT NULL OR coalesce(s.attempts, 0) <> n.attempts OR coalesce(s.crashes, 0) <> n.crashes
            OR (s.due_at > now_ms AND NOT s.is_hinted) OR s.in_line = 1 THEN 'void'
          ELSE 'claimed'
        END,
        n.token, n.attempts, q.name, r.key, r.content_type, r.headers, r.body
      FROM unnest(ids) AS i (id)
      LEFT JOIN sluice.running n ON n.id = i.id AND n.member = by_member AND n.token > last_before
      LEFT JOIN sluice.requests r ON r.id = i.id
      LEFT JOIN sluice.queues q ON q.no = r.queue
      LEFT JOIN sluice.outcomes o ON o.id = n.id
      LEFT JOIN sluice.schedule s ON s.id = n.id;
  END
  $$`,
};
const CLAIM: Statement = {
  name: "claim",
  text: `SELECT id, verdict, token::float8 AS token, attempts, queue, key, content_type, headers, body
    FROM sluice.${claimFunction.name}($1::uuid[], $2, $3, $4)`,
};
/** Those of them that end at a time unless they have begun by then: a replay takes that away. */
const EXPIRING: Statement = {
  name: "expiring",
  text: `SELECT e.id FROM sluice.expiries e WHERE e.id = ANY ($1::uuid[])
    AND NOT EXISTS (SELECT FROM sluice.schedule s WHERE s.id = e.id AND s.attempts + s.crashes > 0)`,
};
/** Claims that turned out to be of requests that had moved on meanwhile. */
const RELEASE: Statement = {
  name: "release",
  text: `DELETE FROM sluice.running n USING unnest($1::uuid[], $2::bigint[]) AS i (id, token)
    WHERE n.id = i.id AND n.token = i.token`,
};

export interface ClaimRow {
  readonly id: RequestId;
  readonly verdict: "claimed" | "paused" | "gone" | "void";
  readonly token: number;
  readonly attempts: number;
  readonly queue: string;
  readonly key: string | null;
  readonly content_type: string;
  readonly headers: string | null;
  readonly body: Buffer;
}

export interface ClaimOptions {
  readonly ids: readonly RequestId[];
  readonly areSuspects: boolean;
  readonly member: number;
  readonly now: number;
}

/** What became of each of them, by its id. */
export async function claim(
  connection: Connected,
  { ids, areSuspects, member, now }: ClaimOptions,
): Promise<Map<RequestId, ClaimRow>> {
  const sorted = [...new Set(ids)].sort(); // in one order everywhere: claims never wait in a circle
  const rows = await connection.rows<ClaimRow>(CLAIM, [uuidArray(sorted), areSuspects, member, now]);
  const late = rows.filter((row) => isLate(row, now));
  const expired = late.length === 0 ? late : await expiredOf(connection, { late, rows });
  return new Map([...rows, ...expired].map((row) => [row.id, row]));
}

/** By its head, which few have and fewer say more in than header fields. What has run goes on. */
function isLate({ verdict, attempts, headers }: ClaimRow, now: number): boolean {
  if (verdict !== "claimed" || attempts > 0 || headers?.includes(`"${expiresField}":`) !== true) return false;
  const { expiresAt } = readRequestHead(headers).placement ?? {};
  return expiresAt !== undefined && Math.ceil(expiresAt) <= now;
}

/** Void: it is too late for them to begin, and the leader ends them. */
async function expiredOf(
  connection: Connected,
  { late, rows }: { readonly late: readonly ClaimRow[]; readonly rows: readonly ClaimRow[] },
): Promise<readonly ClaimRow[]> {
  try {
    const found = await connection.rows<{ id: RequestId }>(EXPIRING, [uuidArray(late.map(({ id }) => id))]);
    const ids = new Set(found.map(({ id }) => id));
    return late.flatMap((row) => (ids.has(row.id) ? [{ ...row, verdict: "void" as const }] : []));
  } catch (error) {
    await release(
      connection,
      rows.filter(({ verdict }) => verdict === "claimed" || verdict === "void"),
    );
    throw error;
  }
}

/** Should this fail, the rows go when this process leaves. */
export async function release(connection: Connected, rows: readonly ClaimRow[]): Promise<void> {
  const values = [rows.map(({ id }) => id), rows.map(({ token }) => token)];
  await connection.rows(RELEASE, values).catch(() => undefined);
}

export function deliveryOf(row: ClaimRow, isAgain: boolean): Delivery {
  const { id, queue, token } = row;
  const request = {
    id,
    queue,
    key: readStoredKey(row.key).key,
    contentType: row.content_type,
    ...readRequestHead(row.headers),
    body: row.body,
    acceptedAt: timeOfId(id),
  };
  return { request, claim: { id, queue, token }, attempt: row.attempts + 1, isAgain };
}
