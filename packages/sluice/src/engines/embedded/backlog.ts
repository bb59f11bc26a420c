import type { DatabaseSync } from "node:sqlite";
import { timeOfSeq } from "../../core/request-id.ts";
import type { QueueStatus } from "../../engine/engine.ts";
import type { Attendance } from "../../engine/presence.ts";
import { backlogOf, type QueueRow } from "./queue-ledger.ts";

const SELECT_QUEUES = "SELECT * FROM queues ORDER BY name";
const SELECT_QUEUE = "SELECT * FROM queues WHERE name = ?";
const COUNT_FUTURE = "SELECT count(*) AS n FROM scheduled WHERE queue = ? AND due_at > ?";
const OLDEST_WAITING = `
  SELECT min(seq) AS seq FROM (
    SELECT seq FROM (
      SELECT seq FROM requests r WHERE r.queue = :queue AND r.seq > :cursor
        AND NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.seq = r.seq) ORDER BY seq LIMIT 1)
    UNION ALL SELECT min(seq) FROM scheduled WHERE queue = :queue)`;

/** What the store knows of a queue; workers and rates are the engine's to add. */
export type StoredQueueStatus = Omit<QueueStatus, keyof Attendance | "accepting" | "finishing">;

export function prepareBacklog(db: DatabaseSync): (now: number, queue?: string) => readonly StoredQueueStatus[] {
  const selectQueues = db.prepare(SELECT_QUEUES);
  const selectQueue = db.prepare(SELECT_QUEUE);
  const countFuture = db.prepare(COUNT_FUTURE);
  const oldestWaiting = db.prepare(OLDEST_WAITING);

  return (now, queue) => {
    const rows = queue === undefined ? selectQueues.all() : selectQueue.all(queue);
    return (rows as unknown as QueueRow[]).map((row) => statusOf(row, now));
  };

  function statusOf(row: QueueRow, now: number): StoredQueueStatus {
    const { no, name, accepted, running, done, dead, cancelled, cursor } = row;
    const backlog = backlogOf(row);
    const scheduled = row.scheduled === 0 ? 0 : (countFuture.get(no, now)?.["n"] as number);
    const waiting = backlog - running - scheduled;
    const oldest =
      backlog === running ? undefined : (oldestWaiting.get({ queue: no, cursor })?.["seq"] as number | null);
    return {
      queue: name,
      isPaused: row.is_paused === 1,
      pausedAt: row.paused_at ?? undefined,
      accepted,
      backlog,
      backlogBytes: row.backlog_bytes,
      oldestWaitingAt: oldest === undefined || oldest === null ? undefined : Math.min(timeOfSeq(oldest), now),
      counts: { waiting, scheduled, running, done, dead, cancelled },
      replicasAsked: row.replicas_asked ?? undefined,
    };
  }
}
