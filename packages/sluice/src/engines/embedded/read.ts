import type { DatabaseSync } from "node:sqlite";
import { readStoredKey } from "../../core/idempotency-key.ts";
import type { Content, RequestStatus, Result, State } from "../../core/request.ts";
import { requestIdOf, seqOf, timeOfSeq, type RequestId } from "../../core/request-id.ts";
import { readRequestHead, readResponseHead } from "../../core/stored-head.ts";
import { messageBytesMax } from "../../core/stored-text.ts";
import { failuresMax, type FailedAttempt } from "../../engine/failures.ts";
import { FROM_REQUESTS, STATE } from "./state.ts";

/**
 * A store may hold messages from before they were bounded: no read takes a longer one whole. One that fits is not cut at all:
 * SQLite would end it at a zero byte, which messages from before may hold as well.
 */
export function shownMessage(text: string): string {
  return `iif(octet_length(${text}) > ${messageBytesMax}, substr(${text}, 1, ${messageBytesMax}), ${text})`;
}

export const STATUS_COLUMNS = `
  r.seq, r.random, q.name AS queue, r.key, r.content_type, r.bytes, ${STATE} AS state,
  coalesce(o.attempts, n.attempts, s.attempts, 0) AS attempts,
  coalesce(o.started_at, n.started_at, s.started_at) AS started_at, o.finished_at, s.due_at,
  octet_length(o.result) AS result_bytes,
  coalesce(o.error_code, f.code) AS error_code,
  ${shownMessage("coalesce(o.error_message, f.message)")} AS error_message`;
export const FROM_STATUS = `${FROM_REQUESTS}
  LEFT JOIN failures f ON f.seq = r.seq AND f.attempt = (SELECT max(attempt) FROM failures WHERE seq = r.seq)`;
const SELECT_STATUS = `SELECT ${STATUS_COLUMNS}, r.headers ${FROM_STATUS} WHERE r.seq = :seq`;
const SELECT_BODY = "SELECT random, content_type, body AS bytes FROM requests WHERE seq = ?";
const SELECT_RESULT = `
  SELECT r.random, o.content_type, o.result AS bytes, o.response FROM requests r JOIN outcomes o ON o.seq = r.seq
  WHERE r.seq = ? AND o.result IS NOT NULL`;
/** The request is joined for its random bits alone: see isRowOf. */
const SELECT_FAILURES = `
  SELECT r.random, f.attempt, f.failed_at, f.code, ${shownMessage("f.message")} AS message
  FROM failures f JOIN requests r ON r.seq = f.seq
  WHERE f.seq = ? ORDER BY f.attempt DESC LIMIT ${failuresMax}`;

export interface StatusRow {
  readonly seq: number;
  readonly random: Uint8Array;
  readonly queue: string;
  readonly key: string | null;
  readonly content_type: string;
  /** Absent in lists. */
  readonly headers?: string | null;
  readonly bytes: number;
  readonly result_bytes: number | null;
  readonly state: State;
  readonly attempts: number;
  readonly started_at: number | null;
  readonly finished_at: number | null;
  readonly due_at: number | null;
  readonly error_code: string | null;
  readonly error_message: string | null;
}

interface FailureRow {
  readonly random: Uint8Array;
  readonly attempt: number;
  readonly failed_at: number;
  readonly code: string;
  readonly message: string;
}

export interface Reads {
  read(id: RequestId, now: number): RequestStatus | undefined;
  readBody(id: RequestId): Content | undefined;
  readResult(id: RequestId): Result | undefined;
  readFailures(id: RequestId): readonly FailedAttempt[];
}

export function prepareReads(db: DatabaseSync): Reads {
  const selectStatus = db.prepare(SELECT_STATUS);
  const selectBody = db.prepare(SELECT_BODY);
  const selectResult = db.prepare(SELECT_RESULT);
  const selectFailures = db.prepare(SELECT_FAILURES);
  return {
    read(id, now) {
      const row = selectStatus.get({ seq: seqOf(id), now }) as unknown as StatusRow | undefined;
      return isRowOf(id, row) ? statusOf(row) : undefined;
    },
    readBody: (id) => contentOf(id, selectBody.get(seqOf(id))),
    readResult: (id) => resultOf(id, selectResult.get(seqOf(id))),
    readFailures: (id) =>
      (selectFailures.all(seqOf(id)) as unknown as FailureRow[])
        .filter((row) => isRowOf(id, row))
        .map(({ attempt, failed_at, code, message }) => ({ attempt, failedAt: failed_at, failure: { code, message } }))
        .toReversed(),
  };
}

export function statusOf(row: StatusRow): RequestStatus {
  const { key, sender } = readStoredKey(row.key);
  return {
    id: requestIdOf(row.seq, row.random),
    queue: row.queue,
    key,
    sender,
    state: row.state,
    attempts: row.attempts,
    acceptedAt: timeOfSeq(row.seq),
    startedAt: row.started_at ?? undefined,
    finishedAt: row.finished_at ?? undefined,
    nextAttemptAt: row.state === "scheduled" ? (row.due_at ?? undefined) : undefined,
    lastError: row.error_code === null ? undefined : { code: row.error_code, message: row.error_message ?? "" },
    contentType: row.content_type,
    bytes: row.bytes,
    head: row.headers === undefined ? undefined : readRequestHead(row.headers),
    resultBytes: row.result_bytes ?? undefined,
    progress: undefined,
  };
}

/** The row is found by the id's time and counter; its random bits must be the same too. */
function isRowOf<Row extends { readonly random: Uint8Array }>(id: RequestId, row: Row | undefined): row is Row {
  return row !== undefined && requestIdOf(seqOf(id), row.random) === id;
}

interface ContentRow {
  readonly random: Uint8Array;
  readonly content_type: string;
  readonly bytes: Uint8Array;
}

function contentOf(id: RequestId, found: unknown): Content | undefined {
  const row = found as ContentRow | undefined;
  return isRowOf(id, row) ? { contentType: row.content_type, bytes: row.bytes } : undefined;
}

function resultOf(id: RequestId, found: unknown): Result | undefined {
  const row = found as (ContentRow & { readonly response: string | null }) | undefined;
  const content = contentOf(id, row);
  return content && { ...content, ...readResponseHead(row?.response ?? null) };
}
