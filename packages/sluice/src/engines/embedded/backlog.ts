import type { DatabaseSync } from "node:sqlite";
import { timeOfSeq } from "../../core/request-id.ts";
import type { QueueStatus } from "../../engine/engine.ts";
import type { Attendance } from "../shared/presence.ts";
import { backlogOf, type QueueRow } from "./queue-ledger.ts";

const SELECT_QUEUES = "SELECT * FROM queues ORDER BY name";
const SELECT_QUEUE = "SELECT * FROM queues WHERE name = ?";
const FUTURE = `
  SELECT count(*) AS scheduled, min(due_at) AS firstDueAt, max(due_at) AS lastDueAt
  FROM scheduled WHERE queue = ? AND due_at > ?`;
const OLDEST_WAITING = `
  SELECT min(seq) AS seq FROM (
    SELECT seq FROM (
      SELECT seq FROM requests r WHERE r.queue = :queue AND r.seq > :cursor
        AND NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.seq = r.seq) ORDER BY seq LIMIT 1)
    UNION ALL SELECT min(seq) FROM scheduled WHERE queue = :queue AND due_at <= :now)`;

/** What the store knows of a queue; workers and rates are the engine's to add. */
export type StoredQueueStatus = Omit<QueueStatus, keyof Attendance | "accepting" | "finishing">;

interface Future {
  readonly scheduled: number;
  readonly firstDueAt: number | null;
  readonly lastDueAt: number | null;
}

const noFuture: Future = { scheduled: 0, firstDueAt: null, lastDueAt: null };

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
    const { scheduled, firstDueAt, lastDueAt } =
      row.scheduled === 0 ? noFuture : (future.get(no, now) as unknown as Future);
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
      firstDueAt: firstDueAt ?? undefined,
      lastDueAt: lastDueAt ?? undefined,
      replicasAsked: row.replicas_asked ?? undefined,
    };
  }
}
