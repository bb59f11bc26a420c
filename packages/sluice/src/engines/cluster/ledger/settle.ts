// Commits outcomes, a group with each statement. A claim is good while its row in running stands. PostgreSQL loses those
// rows when it crashes: then a claim that nothing has made void since is good as well, and the first outcome wins (I3).
import { resultOf, type Claim, type Outcome } from "../../../core/request.ts";
import { responseHeadText } from "../../../core/stored-head.ts";
import { crashPoint } from "../../../engine/crash-point.ts";
import type { SettleResult } from "../../../engine/engine.ts";
import { int4Array, int8Array, textArray, uuidArray } from "./connection/binary-array.ts";
import { again, refusalOf, type Connected, type Statement } from "./connection/database.ts";
import { committedWithoutRefused, type Entry } from "./connection/lane.ts";
import type { StoreClock } from "./connection/store-clock.ts";

/** Inputs of a settle: $1 ids, $2 tokens, $3 states, $4 content types, $5 where the result begins, $6 its bytes, $7 all
 * results, $8 error codes, $9 error messages, $10 now, $11 member, $12 what a target responded beside the result. */
const INPUT = `
  SELECT id, token, state, content_type, CASE WHEN at IS NOT NULL THEN substring($7::bytea FROM at FOR bytes) END AS result,
    response, error_code, error_message
  FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::int[], $6::int[], $12::text[], $8::text[], $9::text[])
    AS i (id, token, state, content_type, at, bytes, response, error_code, error_message)`;

/** What is left to do once `released` has what the good claims held, and their outcomes. No joins among these: a plan that
 * is made once cannot know how long they are. */
const CONCLUDE = `
  settled AS (
    INSERT INTO sluice.outcomes AS o (id, queue, state, attempts, started_at, finished_at, token, request_bytes,
      content_type, result, response, error_code, error_message)
    SELECT id, queue, state, attempts + 1, started_at, $10::bigint, token, bytes, content_type, result, response, error_code,
      error_message
    FROM released
    ON CONFLICT (id) DO NOTHING
    RETURNING o.id, o.queue, o.state, o.token, o.request_bytes
  ), unscheduled AS (
    DELETE FROM sluice.schedule s USING released r WHERE s.id = r.id
  ), tallied AS (
    INSERT INTO sluice.tallies AS t (member, queue, done, dead, backlog_bytes)
    SELECT $11::int, queue, count(*) FILTER (WHERE state = 'done'), count(*) FILTER (WHERE state = 'dead'),
      -sum(request_bytes)
    FROM settled GROUP BY queue
    ON CONFLICT (member, queue) DO UPDATE
    SET done = t.done + excluded.done, dead = t.dead + excluded.dead, backlog_bytes = t.backlog_bytes + excluded.backlog_bytes
  )
  SELECT id, token::float8 AS token FROM settled`;

const SETTLE: Statement = {
  name: "settle",
  text: `WITH released AS (
    DELETE FROM sluice.running n USING (${INPUT}) i WHERE n.id = i.id AND n.token = i.token
    RETURNING n.id, n.token, n.queue, n.attempts, n.started_at, n.bytes, i.state, i.content_type, i.result, i.response,
      i.error_code, i.error_message
  ), ${CONCLUDE}`,
};
const SETTLE_FORGOTTEN: Statement = {
  name: "settle-forgotten",
  text: `WITH released AS (
    SELECT r.id, i.token, r.queue, coalesce(s.attempts, 0) AS attempts, s.started_at, r.bytes, i.state, i.content_type,
      i.result, i.response, i.error_code, i.error_message
    FROM (${INPUT}) i JOIN sluice.requests r ON r.id = i.id
    LEFT JOIN sluice.schedule s ON s.id = i.id
    WHERE coalesce(s.token < i.token, true)
      AND NOT EXISTS (SELECT FROM sluice.running n WHERE n.id = i.id)
  ), ${CONCLUDE}`,
};
/**
 * A settle that was sent again after a lost answer may find its own outcome. It writes a row, so that its commit waits for what it
 * has seen to be durable: what can be seen may be lost yet with this server.
 */
const OWN_OUTCOMES: Statement = {
  name: "own-outcomes",
  text: `WITH written AS (UPDATE sluice.members SET name = name WHERE no = $3 RETURNING no)
    SELECT o.id, o.token::float8 AS token FROM unnest($1::uuid[], $2::bigint[]) AS i (id, token)
    JOIN sluice.outcomes o ON o.id = i.id AND o.token = i.token JOIN written ON true`,
};

export interface SettleCall {
  readonly kind: "settle";
  readonly claim: Claim;
  readonly outcome: Outcome;
  /** Sent before, and the answer was lost. */
  readonly isAgain: boolean;
}

export interface SettleOptions {
  readonly connection: Connected;
  readonly clock: StoreClock;
  readonly member: () => number;
}

export async function commitOutcomes(entries: readonly Entry<SettleCall>[], options: SettleOptions): Promise<void> {
  const settled = new Set<string>();
  const through = (statement: Statement, some: readonly Entry<SettleCall>[]): Promise<readonly Entry<SettleCall>[]> =>
    committedWithoutRefused(some, (group) => again(() => settleThrough(statement, group, { ...options, settled })));
  const sent = await through(SETTLE, entries);
  const late = sent.filter(({ call }) => !settled.has(nameOf(call.claim)));
  if (late.length > 0) {
    await through(SETTLE_FORGOTTEN, late);
    const repeated = late.filter(({ call }) => call.isAgain);
    if (repeated.length > 0) noteNames(settled, await ownOutcomes(repeated, options));
  }
  crashPoint("outcome-committed");
  for (const entry of sent) {
    const result: SettleResult = settled.delete(nameOf(entry.call.claim)) ? "settled" : "superseded"; // of two the first wins
    entry.answer(result);
  }
}

/** One outcome inside a transaction of the caller's; whether its claim was good. */
export async function settleInside(
  inside: Connected,
  { claim, outcome }: { readonly claim: Claim; readonly outcome: Outcome },
  { clock, member }: Omit<SettleOptions, "connection">,
): Promise<boolean> {
  const call: SettleCall = { kind: "settle", claim, outcome, isAgain: false };
  try {
    const values = valuesOf([call], clock.now(), member());
    for (const statement of [SETTLE, SETTLE_FORGOTTEN])
      if ((await inside.rows(statement, values)).length > 0) return true;
    return false;
  } catch (error) {
    throw refusalOf(error) ?? error;
  }
}

interface Settled {
  readonly id: string;
  readonly token: number;
}

async function settleThrough(
  statement: Statement,
  entries: readonly Entry<SettleCall>[],
  { connection, clock, member, settled }: SettleOptions & { readonly settled: Set<string> },
): Promise<void> {
  // One claim settled twice in one group: its first outcome is the one that goes in.
  const calls = [...new Map(entries.toReversed().map(({ call }) => [nameOf(call.claim), call])).values()];
  const values = valuesOf(calls, clock.now(), member());
  noteNames(settled, await connection.rows<{ id: string; token: number }>(statement, values));
}

function ownOutcomes(entries: readonly Entry<SettleCall>[], { connection, member }: SettleOptions): Promise<Settled[]> {
  const claims = entries.map(({ call }) => call.claim);
  return connection.rows<{ id: string; token: number }>(OWN_OUTCOMES, [
    claims.map(({ id }) => id),
    claims.map(({ token }) => token),
    member(),
  ]);
}

function noteNames(names: Set<string>, rows: readonly Settled[]): void {
  for (const row of rows) names.add(nameOf(row));
}

export function nameOf({ id, token }: { readonly id: string; readonly token: number }): string {
  return `${id} ${token}`;
}

function valuesOf(calls: readonly SettleCall[], now: number, member: number): unknown[] {
  const results = calls.map(({ outcome }) => resultOf(outcome));
  const failures = calls.map(({ outcome }) => (outcome.kind === "dead" ? outcome.failure : undefined));
  let bytes = 0;
  const at = results.map((result) => {
    if (result === undefined) return undefined;
    const begin = bytes + 1;
    bytes += result.bytes.byteLength;
    return begin;
  });
  return [
    uuidArray(calls.map(({ claim }) => claim.id)),
    int8Array(calls.map(({ claim }) => claim.token)),
    textArray(calls.map(({ outcome }) => outcome.kind)),
    textArray(results.map((result) => result?.contentType)),
    int4Array(at),
    int4Array(results.map((result) => result?.bytes.byteLength)),
    Buffer.concat(results.flatMap((result) => result?.bytes ?? [])),
    textArray(failures.map((failure) => failure?.code)),
    textArray(failures.map((failure) => failure?.message)),
    now,
    member,
    textArray(results.map((result) => result && responseHeadText(result))),
  ];
}
