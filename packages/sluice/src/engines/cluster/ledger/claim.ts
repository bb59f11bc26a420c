// The claims of one statement: a row in running for each request that may begin, with its fencing token, body and attempts.
import { readStoredKey } from "../../../core/idempotency-key.ts";
import type { Delivery } from "../../../core/request.ts";
import { timeOfId, type RequestId } from "../../../core/request-id.ts";
import { readRequestHead } from "../../../core/stored-head.ts";
import { uuidArray } from "./connection/binary-array.ts";
import type { Connected, Statement } from "./connection/database.ts";

const CLAIM: Statement = {
  name: "claim",
  text: `SELECT id, verdict, token::float8 AS token, attempts, queue, key, content_type, headers, body
    FROM sluice.claim($1::uuid[], $2, $3, $4)`,
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
  return new Map(rows.map((row) => [row.id, row]));
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
