// What a store's rows say, the same for every engine: its statements name their columns as they are named here.
import type { DueCallback } from "../../core/callback.ts";
import { readStoredKey } from "../../core/idempotency-key.ts";
import type { Content, FinalState, RequestStatus, Result, State } from "../../core/request.ts";
import { timeOfId, type RequestId } from "../../core/request-id.ts";
import { readRequestHead, readResponseHead } from "../../core/stored-head.ts";
import type { DeadGroup, FailedAttempt } from "../../engine/failures.ts";

export interface StatusRow {
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
  readonly replayed_at: number | null;
  readonly error_code: string | null;
  readonly error_message: string | null;
}

export function statusOf(id: RequestId, row: StatusRow): RequestStatus {
  const { key, sender } = readStoredKey(row.key);
  return {
    id,
    queue: row.queue,
    key,
    sender,
    state: row.state,
    attempts: row.attempts,
    acceptedAt: timeOfId(id),
    startedAt: row.started_at ?? undefined,
    finishedAt: row.finished_at ?? undefined,
    replayedAt: row.replayed_at ?? undefined,
    nextAttemptAt: row.state === "scheduled" ? (row.due_at ?? undefined) : undefined,
    lastError: row.error_code === null ? undefined : { code: row.error_code, message: row.error_message ?? "" },
    contentType: row.content_type,
    bytes: row.bytes,
    head: row.headers === undefined ? undefined : readRequestHead(row.headers),
    resultBytes: row.result_bytes ?? undefined,
    progress: undefined,
  };
}

export interface ContentRow {
  readonly content_type: string;
  readonly bytes: Uint8Array;
}

export function contentOf(row: ContentRow): Content {
  return { contentType: row.content_type, bytes: row.bytes };
}

export interface ResultRow extends ContentRow {
  readonly response: string | null;
}

export function resultOf(row: ResultRow): Result {
  return { ...contentOf(row), ...readResponseHead(row.response) };
}

export interface FailureRow {
  readonly attempt: number;
  readonly failed_at: number;
  readonly code: string;
  readonly message: string;
}

/** From the newest first, as the last ones are read, to the first one first. */
export function failuresOf(rows: readonly FailureRow[]): readonly FailedAttempt[] {
  return rows
    .map(({ attempt, failed_at, code, message }) => ({ attempt, failedAt: failed_at, failure: { code, message } }))
    .toReversed();
}

export interface CallbackRow {
  readonly url: string;
  readonly round: number;
  /** Null until the outcome; what follows is the outcome's. */
  readonly state: FinalState | null;
  readonly finished_at: number;
  readonly content_type: string | null;
  readonly result_bytes: number | null;
}

export function dueOf(id: RequestId, row: CallbackRow): readonly DueCallback[] {
  const { url, round, state, finished_at: finishedAt, content_type: contentType, result_bytes: byteCount } = row;
  if (state === null) return [];
  const result = state === "done" ? { contentType: contentType ?? "", byteCount: byteCount ?? 0 } : undefined;
  return [{ id, url, round, finishedAt, result }];
}

export interface DeadGroupRow {
  readonly count: number;
  readonly error_code: string;
  readonly error_message: string;
  readonly finished_at: number;
}

/** `id` is the newest one's. */
export function deadGroupOf(id: RequestId, row: DeadGroupRow): DeadGroup {
  const newest = { id, message: row.error_message, finishedAt: row.finished_at };
  return { errorCode: row.error_code, count: row.count, newest };
}
