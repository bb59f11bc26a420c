import type { DatabaseSync } from "node:sqlite";
import { timeOfSeq } from "../../core/request-id.ts";
import type { QueueStatus } from "../../engine/engine.ts";
import type { Attendance } from "../shared/presence.ts";
import { IN_LOG_AMONG_OTHERS, WAITS_IN_LINE } from "./waiting.ts";
import { backlogOf, type QueueRow } from "./queue-ledger.ts";

const SELECT_QUEUES = "SELECT * FROM queues ORDER BY name";
const SELECT_QUEUE = "SELECT * FROM queues WHERE name = ?";
/** What is due is little, and what is not may be a million: only the former is counted. */
const ofKinds = (each: (kind: number) => string): string => [0, 1, 2, 3].map((kind) => `(${each(kind)})`).join(", ");
const FUTURE = `
  SELECT ${[0, 1, 2].map((kind) => `(SELECT count(*) FROM scheduled WHERE queue = :queue AND kind = ${kind} AND due_at <= :now)`).join(" + ")}
      + (SELECT count(*) FROM scheduled WHERE queue = :queue AND kind = 3) AS due,
    min(${ofKinds((kind) => `SELECT coalesce(min(due_at), :never) FROM scheduled WHERE queue = :queue AND kind = ${kind} AND due_at > :now`)})
      AS firstDueAt,
    max(${ofKinds((kind) => `SELECT coalesce(max(due_at), 0) FROM scheduled WHERE queue = :queue AND kind = ${kind}`)}) AS lastDueAt`;
const OLDEST_WAITING = `
  SELECT min(seq) AS seq FROM (
    SELECT seq FROM (
      SELECT seq FROM requests r WHERE r.queue = :queue AND r.seq > :cursor
        AND ${IN_LOG_AMONG_OTHERS} ORDER BY seq LIMIT 1)
    UNION ALL SELECT seq FROM (
      SELECT seq FROM lined l WHERE l.queue = :queue AND ${WAITS_IN_LINE} ORDER BY seq LIMIT 1)
    ${[0, 1, 2, 3].map((kind) => `UNION ALL SELECT min(seq) FROM scheduled WHERE queue = :queue AND kind = ${kind} AND due_at <= :now`).join("\n    ")})`;

/** What the store knows of a queue; workers and rates are the engine's to add. */
export type StoredQueueStatus = Omit<QueueStatus, keyof Attendance | "accepting" | "finishing">;

/** Later than any time. */
const never = Number.MAX_SAFE_INTEGER;

interface Future {
  readonly due: number;
  /** `never` where nothing is scheduled for later. */
  readonly firstDueAt: number;
  readonly lastDueAt: number;
}

const noFuture: Future = { due: 0, firstDueAt: never, lastDueAt: 0 };

export function prepareBacklog(db: DatabaseSync): (now: number, queue?: string) => readonly StoredQueueStatus[] {
  const selectQueues = db.prepare(SELECT_QUEUES);
  const selectQueue = db.prepare(SELECT_QUEUE);
  const future = db.prepare(FUTURE);
  const oldestWaiting = db.prepare(OLDEST_WAITING);

  return (now, queue) => {
    const rows = queue === undefined ? selectQueues.all() : selectQueue.all(queue);
    return (rows as unknown as QueueRow[]).map((row) => statusOf(row, now));
  };

  function statusOf(row: QueueRow, now: number): StoredQueueStatus {
    const { no, name, accepted, running, done, dead, cancelled, cursor } = row;
    const backlog = backlogOf(row);
    const { due, firstDueAt, lastDueAt } =
      row.scheduled === 0 ? noFuture : (future.get({ queue: no, now, never }) as unknown as Future);
    const scheduled = row.scheduled - due;
    const waiting = backlog - running - scheduled;
    const oldest = waiting === 0 ? null : (oldestWaiting.get({ queue: no, cursor, now })?.["seq"] as number | null);
    return {
      queue: name,
      isPaused: row.is_paused === 1,
      pausedAt: row.paused_at ?? undefined,
      accepted,
      backlog,
      backlogBytes: row.backlog_bytes,
      oldestWaitingAt: oldest === null ? undefined : Math.min(timeOfSeq(oldest), now),
      counts: { waiting, scheduled, running, done, dead, cancelled },
      firstDueAt: scheduled > 0 ? firstDueAt : undefined,
      lastDueAt: scheduled > 0 ? lastDueAt : undefined,
      replicasAsked: row.replicas_asked ?? undefined,
    };
  }
}
