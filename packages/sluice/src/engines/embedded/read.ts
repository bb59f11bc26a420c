import type { DatabaseSync } from "node:sqlite";
import type { Content, RequestStatus, Result } from "../../core/request.ts";
import { requestIdOf, seqOf, type RequestId } from "../../core/request-id.ts";
import { messageBytesMax } from "../../core/stored-text.ts";
import { failuresMax, type FailedAttempt } from "../../engine/failures.ts";
import {
  contentOf,
  failuresOf,
  resultOf,
  statusOf,
  type ContentRow,
  type FailureRow,
  type ResultRow,
  type StatusRow,
} from "../shared/rows.ts";
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
  (SELECT at FROM replays WHERE seq = r.seq) AS replayed_at,
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

/** What an id is made of. */
export interface IdRow {
  readonly seq: number;
  readonly random: Uint8Array;
}

type Random = Pick<IdRow, "random">;

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
      const row = selectStatus.get({ seq: seqOf(id), now }) as unknown as (StatusRow & IdRow) | undefined;
      return isRowOf(id, row) ? statusOf(id, row) : undefined;
    },
    readBody(id) {
      const row = selectBody.get(seqOf(id)) as unknown as (ContentRow & Random) | undefined;
      return isRowOf(id, row) ? contentOf(row) : undefined;
    },
    readResult(id) {
      const row = selectResult.get(seqOf(id)) as unknown as (ResultRow & Random) | undefined;
      return isRowOf(id, row) ? resultOf(row) : undefined;
    },
    readFailures(id) {
      const rows = selectFailures.all(seqOf(id)) as unknown as readonly (FailureRow & Random)[];
      return failuresOf(rows.filter((row) => isRowOf(id, row)));
    },
  };
}

/** The row is found by the id's time and counter; its random bits must be the same too. */
function isRowOf<Row extends Random>(id: RequestId, row: Row | undefined): row is Row {
  return row !== undefined && requestIdOf(seqOf(id), row.random) === id;
}
