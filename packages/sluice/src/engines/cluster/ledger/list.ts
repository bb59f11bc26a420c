// Newest first. Each filter is driven by the index that knows its rows, and the years are looked through in spans from
// the newest on, so that a page costs a page.
import { storedKeyOf } from "../../../core/idempotency-key.ts";
import type { RequestStatus, State } from "../../../core/request.ts";
import { timeOfId, type RequestId } from "../../../core/request-id.ts";
import type { ListFilter } from "../../../engine/engine.ts";
import { statusOf, type StatusRow } from "../../shared/rows.ts";
import type { Connected, Statement } from "./connection/database.ts";
import { statusColumns, STATUS_ROWS } from "./read.ts";
import { firstIdAt, hasRow, highestId, lowestId, type IdBound } from "./state.ts";

// $1 the queue or null, $2 and $3 the span's bounds, $4 how many, $5 the time; only by key: $6 and $7, the
// key as it is stored without a sender, and what it is stored as before the sender's name.
const ASKED = "FROM sluice.queues q CROSS JOIN LATERAL";
const IS_ASKED = "($1::text IS NULL OR q.name = $1)";
const ASKED_NOS = `ARRAY (SELECT q.no FROM sluice.queues q WHERE ${IS_ASKED})`;
const IN_SPAN = "c.id >= $2::uuid AND c.id < $3::uuid";
const NEWEST = "ORDER BY c.id DESC LIMIT $4::int";

/** The ids of requests in a state, newest first. The state holds by the same snapshot that the page is read from. */
const candidates: Readonly<Record<State | "any" | "keyed", string>> = {
  any: `SELECT c.id ${ASKED} (SELECT c.id FROM sluice.requests c WHERE c.queue = q.no AND ${IN_SPAN} ${NEWEST}) c
    WHERE ${IS_ASKED}`,
  // No index knows these by queue: nearly all are done, so the newest outcomes are the page.
  done: `SELECT c.id FROM sluice.outcomes c WHERE c.queue = ANY (${ASKED_NOS}) AND c.state = 'done' AND ${IN_SPAN}`,
  dead: notDone("dead"),
  cancelled: notDone("cancelled"),
  running: `SELECT c.id FROM sluice.running c WHERE c.queue = ANY (${ASKED_NOS}) AND ${IN_SPAN}
    AND NOT ${hasRow("outcomes", "c.id")}`,
  scheduled: cameBack("c.due_at > $5::bigint"),
  waiting: `${cameBack("c.due_at <= $5::bigint")}
    UNION ALL
    SELECT c.id ${ASKED} (
      SELECT c.id FROM sluice.requests c WHERE c.queue = q.no AND c.id >= q.fresh_from AND ${IN_SPAN}
        AND NOT ${hasRow("outcomes", "c.id")} AND NOT ${hasRow("running", "c.id")} AND NOT ${hasRow("schedule", "c.id")}
      ${NEWEST}) c
    WHERE ${IS_ASKED}`,
  keyed: `SELECT c.id FROM sluice.keys c WHERE c.queue = ANY (${ASKED_NOS}) AND ${IN_SPAN} AND c.key = ANY (
    ARRAY (SELECT $6::text UNION ALL SELECT $7::text || s.name FROM sluice.senders s))`,
};
const statements = Object.fromEntries(
  Object.entries(candidates).map(([kind, text]) => [kind, pageOf(kind, text)]),
) as Record<keyof typeof candidates, Statement>;

export async function listRequests(db: Connected, filter: ListFilter, now: number): Promise<readonly RequestStatus[]> {
  const { queue = null, state, key, limit } = filter;
  const kind = key === undefined ? (state ?? "any") : "keyed";
  const found: RequestStatus[] = [];
  for (const { from, before } of isSmall(kind) ? [wholeSpan(filter)] : spans(filter, now)) {
    const most = key === undefined ? limit - found.length : ofKeyMax; // their states are not known yet
    const values = [queue, from, before, most, Math.floor(now), ...(key === undefined ? [] : storedKeys(key))];
    const rows = await db.rows<StatusRow & { readonly id: RequestId }>(statements[kind], values);
    found.push(...rows.map((row) => statusOf(row.id, row)));
    if (found.length >= limit) break;
  }
  return found.filter((status) => state === undefined || status.state === state).slice(0, limit);
}

/** Requests of one key: at most one for each sender and queue. */
const ofKeyMax = 100_000;

function storedKeys(key: string): readonly (string | undefined)[] {
  return [key, storedKeyOf({ key, sender: "" })];
}

interface Span {
  readonly from: IdBound;
  readonly before: IdBound;
}

/** Their rows are all in one table without partitions. */
function isSmall(kind: keyof typeof candidates): boolean {
  return kind === "keyed" || kind === "running" || kind === "scheduled";
}

function wholeSpan({ before = highestId as RequestId }: ListFilter): Span {
  return { from: lowestId, before };
}

const dayMs = 86_400_000;
const spanMsMax = 4_096 * dayMs;

/** A day, then two before it, then four and so on: each statement touches the partitions of its span alone. */
function* spans({ before: first }: ListFilter, now: number): Generator<Span> {
  let before: IdBound = first ?? highestId;
  let at = first === undefined ? now : timeOfId(first);
  for (let spanMs = dayMs; ; spanMs *= 2) {
    at -= spanMs;
    const from = spanMs >= spanMsMax ? lowestId : firstIdAt(at);
    yield { from, before };
    if (from === lowestId) return;
    before = from;
  }
}

function notDone(state: State): string {
  return `SELECT c.id ${ASKED} (
      SELECT c.id FROM sluice.outcomes c WHERE c.queue = q.no AND c.state = '${state}' AND ${IN_SPAN} ${NEWEST}) c
    WHERE ${IS_ASKED}`;
}

/** What has a row in the schedule and does not run. */
function cameBack(isDue: string): string {
  return `SELECT c.id FROM sluice.schedule c WHERE c.queue = ANY (${ASKED_NOS}) AND ${isDue} AND ${IN_SPAN}
    AND NOT ${hasRow("outcomes", "c.id")} AND NOT ${hasRow("running", "c.id")}`;
}

function pageOf(kind: string, text: string): Statement {
  return {
    name: `list-${kind}`,
    text: `SELECT ${statusColumns("$5")} FROM (SELECT c.id FROM (${text}) c ${NEWEST}) i ${STATUS_ROWS}
      ORDER BY i.id DESC`,
  };
}
