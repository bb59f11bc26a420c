import type { Content, RequestStatus, Result, State } from "../../../core/request.ts";
import type { RequestId } from "../../../core/request-id.ts";
import { messageBytesMax } from "../../../core/stored-text.ts";
import { failuresMax, type FailedAttempt } from "../../../engine/failures.ts";
import {
  contentOf,
  failuresOf,
  resultOf,
  statusOf,
  type ContentRow,
  type FailureRow,
  type ResultRow,
  type StatusRow,
} from "../../shared/rows.ts";
import type { Connected, Reading, Statement } from "./connection/database.ts";
import { ROWS_OF_ID, stateAt } from "./state.ts";

/** A ledger may hold messages from before they were bounded: no read takes one whole. */
export const shownChars = messageBytesMax;

/** For `i` with ids; see STATUS_ROWS. */
export function statusColumns(now: `$${number}`): string {
  return `r.id, (SELECT name FROM sluice.queues WHERE no = r.queue) AS queue, r.key, r.content_type, r.bytes,
    ${stateAt(now)} AS state, coalesce(o.attempts, n.attempts, s.attempts, 0) AS attempts,
    coalesce(o.started_at, n.started_at, s.started_at)::float8 AS started_at, o.finished_at::float8 AS finished_at,
    s.due_at::float8 AS due_at, (SELECT replayed_at FROM sluice.turns WHERE id = r.id)::float8 AS replayed_at, octet_length(o.result) AS result_bytes, coalesce(o.error_code, f.code) AS error_code,
    left(CASE WHEN o.error_code IS NULL THEN f.message ELSE o.error_message END, ${shownChars}) AS error_message`;
}
export const STATUS_ROWS = `${ROWS_OF_ID}
  LEFT JOIN LATERAL (SELECT code, message FROM sluice.failures WHERE id = i.id ORDER BY attempt DESC LIMIT 1) f ON true`;

const SELECT_STATUS: Statement = {
  name: "read-status",
  text: `SELECT ${statusColumns("$2")}, r.headers FROM (SELECT $1::uuid AS id) i ${STATUS_ROWS}`,
};
const SELECT_STATES: Statement = {
  name: "read-states",
  text: `SELECT i.id, ${stateAt("$2")} AS state FROM unnest($1::uuid[]) AS i (id) ${ROWS_OF_ID}`,
};
const SELECT_BODY: Statement = {
  name: "read-body",
  text: "SELECT content_type, body AS bytes FROM sluice.requests WHERE id = $1",
};
const SELECT_RESULT: Statement = {
  name: "read-result",
  text: "SELECT content_type, result AS bytes, response FROM sluice.outcomes WHERE id = $1 AND result IS NOT NULL",
};
const SELECT_FAILURES: Statement = {
  name: "read-failures",
  text: `SELECT attempt, failed_at::float8 AS failed_at, code, left(message, ${shownChars}) AS message FROM sluice.failures
    WHERE id = $1 ORDER BY attempt DESC LIMIT ${failuresMax}`,
};

const FIND_ALIASES: Statement = {
  name: "read-aliases",
  text: "SELECT alias, id FROM sluice.aliases WHERE alias = ANY ($1::uuid[])",
};

export async function readRequest(db: Connected, id: RequestId, now: number): Promise<RequestStatus | undefined> {
  const status = async (own: RequestId): Promise<RequestStatus | undefined> => {
    const [row] = await db.rows<StatusRow>(SELECT_STATUS, [own, Math.floor(now)]);
    return row && statusOf(own, row);
  };
  const found = await status(id);
  if (found !== undefined) return found;
  const sameAs = await requestOfAlias(db, id);
  const of = sameAs && (await status(sameAs));
  return of && { ...of, id, sameAs };
}

/** Ids that are unknown are absent. An alias has the state of its request. */
export async function readStates(
  db: Connected,
  ids: readonly RequestId[],
  now: number,
): Promise<ReadonlyMap<RequestId, State>> {
  const rows = await db.rows<{ id: RequestId; state: State }>(SELECT_STATES, [ids, Math.floor(now)]);
  const states = new Map(rows.map(({ id, state }) => [id, state]));
  const others = ids.filter((id) => !states.has(id));
  if (others.length === 0) return states;
  const aliases = await db.rows<AliasRow & object>(FIND_ALIASES, [others]);
  if (aliases.length === 0) return states;
  const values = [aliases.map(({ id }) => id), Math.floor(now)];
  const ofAliases = new Map(
    (await db.rows<{ id: RequestId; state: State }>(SELECT_STATES, values)).map(({ id, state }) => [id, state]),
  );
  for (const { alias, id } of aliases) {
    const state = ofAliases.get(id);
    if (state !== undefined) states.set(alias, state);
  }
  return states;
}

interface AliasRow {
  readonly alias: RequestId;
  readonly id: RequestId;
}

/** The request that the id is one more of: see spool-page.ts. */
export async function requestOfAlias(db: Reading, id: RequestId): Promise<RequestId | undefined> {
  const [found] = await db.rows<AliasRow & object>(FIND_ALIASES, [[id]]);
  return found?.id;
}

export async function readBody(db: Connected, id: RequestId): Promise<Content | undefined> {
  return ofRequestOrAlias(db, id, async (own) => {
    const [row] = await db.rows<ContentRow>(SELECT_BODY, [own]);
    return row && contentOf(row);
  });
}

/** The result of a request that is done, or the response of the target that refused one which is dead. */
export async function readResult(db: Connected, id: RequestId): Promise<Result | undefined> {
  return ofRequestOrAlias(db, id, async (own) => {
    const [row] = await db.rows<ResultRow>(SELECT_RESULT, [own]);
    return row && resultOf(row);
  });
}

async function ofRequestOrAlias<Value>(
  db: Connected,
  id: RequestId,
  read: (own: RequestId) => Promise<Value | undefined>,
): Promise<Value | undefined> {
  const found = await read(id);
  if (found !== undefined) return found;
  const of = await requestOfAlias(db, id);
  return of && read(of);
}

export async function readFailures(db: Connected, id: RequestId): Promise<readonly FailedAttempt[]> {
  const rows = await ofRequestOrAlias(db, id, async (own) => {
    const found = await db.rows<FailureRow>(SELECT_FAILURES, [own]);
    return found.length === 0 ? undefined : found;
  });
  return failuresOf(rows ?? []);
}
