// Stores a page of requests that move in, with all that is known of them, inside a transaction of the caller's. A request
// that is there already stays as it is and is not counted again.
// What waits gets a row in schedule, delivered before or not: of those without one the leader takes it for granted that
// none appears with an old id.
import { bodyHashOf } from "../../../core/body-hash.ts";
import { SluiceError } from "../../../core/errors.ts";
import { readStoredKey } from "../../../core/idempotency-key.ts";
import type { FinalState } from "../../../core/request.ts";
import type { RequestId } from "../../../core/request-id.ts";
import type { MovedPlace, MovedRequest } from "../../../engine/moved.ts";
import { ADD_SENDERS } from "../ledger/accept.ts";
import { FIND_KEYS } from "../ledger/resolve.ts";
import { int4Array, uuidArray } from "../ledger/connection/binary-array.ts";
import { link, linkValues, storeLinks } from "../ledger/chains.ts";
import type { Connected, Statement } from "../ledger/connection/database.ts";
import type { QueueNumbers } from "../ledger/queue-numbers.ts";

/** The bodies come as one value and are cut up here, and so do the results: see accept.ts. */
const STORE_REQUESTS: Statement = {
  name: "move-store-requests",
  text: `INSERT INTO sluice.requests (id, queue, key, content_type, headers, bytes, body)
    SELECT id, queue, key, content_type, headers, bytes, substring($8::bytea FROM at FOR bytes)
    FROM unnest($1::uuid[], $2::smallint[], $3::text[], $4::text[], $5::text[], $6::int[], $7::int[])
      AS i (id, queue, key, content_type, headers, at, bytes)
    ON CONFLICT (id) DO NOTHING RETURNING id`,
};
const STORE_KEYS: Statement = {
  name: "move-store-keys",
  text: `INSERT INTO sluice.keys (queue, key, id, fingerprint)
    SELECT * FROM unnest($1::smallint[], $2::text[], $3::uuid[], $4::bytea[]) AS i (queue, key, id, fingerprint)
    ORDER BY queue, key COLLATE "C" ON CONFLICT DO NOTHING`,
};
const STORE_OUTCOMES: Statement = {
  name: "move-store-outcomes",
  text: `INSERT INTO sluice.outcomes (id, queue, state, attempts, started_at, finished_at, error_code, error_message,
      content_type, response, result)
    SELECT id, queue, state, attempts, started_at, finished_at, error_code, error_message, content_type, response,
      CASE WHEN at IS NOT NULL THEN substring($13::bytea FROM at FOR bytes) END
    FROM unnest($1::uuid[], $2::smallint[], $3::text[], $4::int[], $5::bigint[], $6::bigint[], $7::text[], $8::text[],
      $9::text[], $10::text[], $11::int[], $12::int[])
      AS i (id, queue, state, attempts, started_at, finished_at, error_code, error_message, content_type, response, at, bytes)`,
};
const STORE_FAILURES: Statement = {
  name: "move-store-failures",
  text: `INSERT INTO sluice.failures (id, attempt, failed_at, code, message)
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::bigint[], $4::text[], $5::text[])`,
};
const STORE_CALLBACKS: Statement = {
  name: "move-store-callbacks",
  text: `INSERT INTO sluice.callbacks (id, queue, url, round, is_told)
    SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::text[], $4::int[], $5::boolean[])`,
};
/** What is due is told to the broker by way of the outbox, what is not by the scheduler in its time. What stands in a line waits for the feeder. */
const STORE_SCHEDULE: Statement = {
  name: "move-store-schedule",
  text: `WITH scheduled AS (
      INSERT INTO sluice.schedule (id, queue, due_at, attempts, crashes, started_at, token, is_hinted, is_first, stored_at,
        in_line)
      SELECT id, queue, due_at, attempts, crashes, started_at, 0, due_at <= extract(epoch FROM now()) * 1000 AND NOT is_lined,
        is_first AND NOT is_lined, CASE WHEN is_first THEN 0 ELSE extract(epoch FROM clock_timestamp()) * 1000 END, is_lined::int
      FROM unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::int[], $5::int[], $6::bigint[], $7::boolean[], $8::boolean[])
        AS i (id, queue, due_at, attempts, crashes, started_at, is_first, is_lined)
      RETURNING id, queue, crashes, is_hinted, is_first
    )
    INSERT INTO sluice.outbox (queue, kind, ids)
    SELECT queue, CASE WHEN crashes > 1 THEN 'suspect' WHEN is_first THEN 'fresh' ELSE 'again' END, array_agg(id ORDER BY id)
    FROM scheduled WHERE is_hinted GROUP BY 1, 2`,
};
/** Before all that the cluster has accepted itself: its own numbers are above zero. */
const STORE_PLACES: Statement = {
  name: "move-store-places",
  text: `WITH input AS (
      SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::text[], $4::smallint[], $5::text[], $6::bigint[], $7::bigint[], $8::boolean[])
        AS i (id, queue, grp, urgency, order_key, no, since, is_holding)
    ), holding AS (
      INSERT INTO sluice.held_orders (queue, order_key, id, no, since)
      SELECT queue, order_key, id, no, since FROM input WHERE is_holding ON CONFLICT DO NOTHING
    )
    INSERT INTO sluice.lined (id, queue, grp, urgency, order_key, no, since, due_at, is_again) OVERRIDING SYSTEM VALUE
    SELECT i.id, i.queue, i.grp, i.urgency, i.order_key, i.no, i.since, s.due_at, s.started_at IS NOT NULL AND s.due_at <> 0
    FROM input i JOIN sluice.schedule s ON s.id = i.id WHERE s.in_line = 1 ON CONFLICT DO NOTHING`,
};
/** What has its outcome does not expire any more. */
const STORE_EXPIRIES: Statement = {
  name: "move-store-expiries",
  text: `INSERT INTO sluice.expiries (id, queue, expires_at)
    SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::bigint[])`,
};
const STORE_TURNS: Statement = {
  name: "move-store-turns",
  text: "INSERT INTO sluice.turns (id, replayed_at, turn_at) SELECT id, at, at FROM unnest($1::uuid[], $2::bigint[]) AS i (id, at)",
};
/** In the row of those who are members no more. */
export const TALLY: Statement = {
  name: "move-tally",
  text: `INSERT INTO sluice.tallies AS t (member, queue, accepted, done, dead, cancelled, backlog_bytes)
    SELECT 0, * FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
      AS i (queue, accepted, done, dead, cancelled, backlog_bytes) ORDER BY queue
    ON CONFLICT (member, queue) DO UPDATE SET accepted = t.accepted + excluded.accepted, done = t.done + excluded.done,
      dead = t.dead + excluded.dead, cancelled = t.cancelled + excluded.cancelled,
      backlog_bytes = t.backlog_bytes + excluded.backlog_bytes`,
};

/** Each page has chains of its own. */
const STORE_LINKS: Statement = {
  name: "move-store-links",
  text: `WITH input AS (SELECT * FROM unnest($1::uuid[], $2::int[]) AS i (id, link)) ${storeLinks("input", 3)}`,
};

/** Errors: `key-reused` when a key belongs to another request, unless it may. */
export async function storePage(
  inside: Connected,
  requests: readonly MovedRequest[],
  queues: QueueNumbers,
  { mayShareKeys = false } = {},
): Promise<void> {
  const all = requests.map((request) => ({ ...request, no: queues.noOf(request.queue) }));
  const found = await inside.rows<{ id: RequestId }>(STORE_REQUESTS, requestValues(all));
  const ids = new Set(found.map(({ id }) => id));
  const stored = all.filter(({ id }) => ids.has(id));
  if (stored.length === 0) return;
  await inside.rows(STORE_LINKS, linkedValues(stored));
  await inside.rows(STORE_KEYS, keyValues(stored));
  await inside.rows(ADD_SENDERS, senderValues(stored));
  if (!mayShareKeys) await refuseKeysOfOthers(inside, stored, queues);
  await inside.rows(STORE_OUTCOMES, outcomeValues(stored));
  await inside.rows(STORE_FAILURES, failureValues(stored));
  await inside.rows(STORE_CALLBACKS, callbackValues(stored));
  await inside.rows(STORE_SCHEDULE, scheduleValues(stored));
  await inside.rows(STORE_EXPIRIES, expiryValues(stored));
  await storeTurns(inside, stored);
  await inside.rows(TALLY, tallyValues(stored));
}

export async function storePlaces(
  inside: Connected,
  places: readonly MovedPlace[],
  queues: QueueNumbers,
): Promise<void> {
  if (places.length === 0) return;
  const values = columnsOf(
    places,
    ({ id }) => id,
    ({ queue }) => queues.noOf(queue),
    ({ group }) => group,
    ({ urgency }) => urgency,
    ({ order }) => order,
    ({ turn }) => turn - Number.MAX_SAFE_INTEGER,
    ({ since }) => since,
    ({ isHolding }) => isHolding,
  );
  await inside.rows(STORE_PLACES, values);
}

/** Few are replayed, and of a spool's none. */
async function storeTurns(inside: Connected, requests: readonly Numbered[]): Promise<void> {
  const replayed = requests.filter(({ replayedAt }) => replayedAt !== undefined);
  if (replayed.length === 0) return;
  const values = columnsOf(
    replayed,
    ({ id }) => id,
    ({ replayedAt }) => replayedAt,
  );
  await inside.rows(STORE_TURNS, values);
}

interface Keyed {
  readonly id: RequestId;
  readonly queue: string;
  readonly key: string | undefined;
}

/** Errors: `key-reused` when a key belongs to another request. */
export async function refuseKeysOfOthers(
  db: Connected,
  requests: readonly Keyed[],
  queues: QueueNumbers,
): Promise<void> {
  const keyed = requests.filter(({ key }) => key !== undefined);
  if (keyed.length === 0) return;
  const nameOf = (no: number, key: string | undefined): string => `${no} ${key}`;
  const own = new Map(keyed.map((request) => [nameOf(queues.noOf(request.queue), request.key), request]));
  const values = columnsOf(
    keyed,
    ({ queue }) => queues.noOf(queue),
    ({ key }) => key,
  );
  const rows = await db.rows<{ queue: number; key: string; id: RequestId }>(FIND_KEYS, values);
  for (const { queue: no, key, id } of rows) {
    const request = own.get(nameOf(no, key));
    if (request === undefined || request.id === id) continue;
    const found = `the key "${readStoredKey(key).key}" of queue "${request.queue}" belongs to request ${id} in the cluster`;
    throw new SluiceError("key-reused", `${found}, and to request ${request.id} in the folder`);
  }
}

/** What is undefined is null there. */
export function columnsOf<Row>(
  rows: readonly Row[],
  ...columns: readonly ((row: Row) => unknown)[]
): readonly (readonly unknown[])[] {
  return columns.map((column) => rows.map((row) => column(row) ?? null));
}

/** With the number of its queue. */
export interface Numbered extends MovedRequest {
  readonly no: number;
}

function requestValues(requests: readonly Numbered[]): readonly unknown[] {
  const { at, sizes, bytes } = joined(requests.map(({ body }) => body));
  const columns = columnsOf(
    requests,
    ({ id }) => id,
    ({ no }) => no,
    ({ key }) => key,
    ({ contentType }) => storable(contentType),
    ({ headers }) => headers,
  );
  return [...columns, at, sizes, bytes];
}

function linkedValues(requests: readonly Numbered[]): readonly unknown[] {
  const accepted = requests
    .map(({ id, no, body }) => ({ id, queue: no, bodyHash: bodyHashOf(body) }))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const group = link(accepted);
  return [uuidArray(accepted.map(({ id }) => id)), int4Array(group.linkNos), ...linkValues(group)];
}

function keyValues(requests: readonly Numbered[]): readonly unknown[] {
  return columnsOf(
    requests.filter(({ key }) => key !== undefined && readStoredKey(key).key !== undefined),
    ({ no }) => no,
    ({ key }) => key,
    ({ id }) => id,
    ({ fingerprint }) => Buffer.from(fingerprint ?? []),
  );
}

export function senderValues(requests: readonly Numbered[]): readonly (readonly string[])[] {
  const senders = new Set(requests.map(({ key }) => readStoredKey(key ?? null).sender));
  return [[...senders].filter((sender) => sender !== undefined).toSorted()];
}

function outcomeValues(requests: readonly Numbered[]): readonly unknown[] {
  const rows = requests.flatMap(({ standing, ...request }) =>
    standing.kind === "outcome" ? { ...request, ...standing } : [],
  );
  const { at, sizes, bytes } = joined(rows.map(({ result }) => result?.bytes));
  const columns = columnsOf(
    rows,
    ({ id }) => id,
    ({ no }) => no,
    ({ state }) => state,
    ({ attempts }) => attempts,
    ({ startedAt }) => startedAt,
    ({ finishedAt }) => finishedAt,
    ({ failure }) => storable(failure?.code),
    ({ failure }) => storable(failure?.message),
    ({ result }) => storable(result?.contentType),
    ({ response }) => response,
  );
  return [...columns, at, sizes, bytes];
}

function failureValues(requests: readonly Numbered[]): readonly unknown[] {
  return columnsOf(
    requests.flatMap(({ id, failures }) => failures.map((failure) => ({ ...failure, id }))),
    ({ id }) => id,
    ({ attempt }) => attempt,
    ({ failedAt }) => failedAt,
    ({ code }) => storable(code),
    ({ message }) => storable(message),
  );
}

function callbackValues(requests: readonly Numbered[]): readonly unknown[] {
  return columnsOf(
    requests.flatMap(({ id, no, callback }) => (callback === undefined ? [] : { ...callback, id, no })),
    ({ id }) => id,
    ({ no }) => no,
    ({ url }) => url,
    ({ round }) => round,
    ({ isTold }) => isTold,
  );
}

function scheduleValues(requests: readonly Numbered[]): readonly unknown[] {
  return columnsOf(
    requests.flatMap(({ standing, ...request }) => (standing.kind === "backlog" ? { ...request, ...standing } : [])),
    ({ id }) => id,
    ({ no }) => no,
    ({ dueAt }) => Math.ceil(dueAt),
    ({ attempts }) => attempts,
    ({ crashes }) => crashes,
    ({ startedAt }) => startedAt,
    ({ isFirst }) => isFirst,
    ({ isLined }) => isLined,
  );
}

function expiryValues(requests: readonly Numbered[]): readonly unknown[] {
  return columnsOf(
    requests.filter(({ standing, expiresAt }) => standing.kind === "backlog" && expiresAt !== undefined),
    ({ id }) => id,
    ({ no }) => no,
    ({ expiresAt = 0 }) => Math.ceil(expiresAt),
  );
}

function tallyValues(requests: readonly Numbered[]): readonly unknown[] {
  return columnsOf(
    [...Map.groupBy(requests, ({ no }) => no)],
    ([no]) => no,
    ([, own]) => own.length,
    ([, own]) => countIn(own, "done"),
    ([, own]) => countIn(own, "dead"),
    ([, own]) => countIn(own, "cancelled"),
    ([, own]) => backlogBytesIn(own),
  );
}

function countIn(requests: readonly MovedRequest[], state: FinalState): number {
  return requests.filter(({ standing }) => standing.kind === "outcome" && standing.state === state).length;
}

function backlogBytesIn(requests: readonly MovedRequest[]): number {
  return requests.reduce((sum, { standing, body }) => (standing.kind === "backlog" ? sum + body.byteLength : sum), 0);
}

/** One value for all of them, with where in it each begins, from 1, and its size. */
function joined(parts: readonly (Uint8Array | undefined)[]): {
  readonly at: readonly (number | null)[];
  readonly sizes: readonly (number | null)[];
  readonly bytes: Buffer;
} {
  let end = 0;
  const at = parts.map((part) => {
    if (part === undefined) return null;
    const begin = end + 1;
    end += part.byteLength;
    return begin;
  });
  const bytes = Buffer.concat(parts.filter((part) => part !== undefined));
  return { at, sizes: parts.map((part) => part?.byteLength ?? null), bytes };
}

/** SQLite keeps a text with a zero in it, PostgreSQL refuses one. */
export function storable(text: string | undefined): string | undefined {
  return text?.replaceAll("\0", "\uFFFD");
}
