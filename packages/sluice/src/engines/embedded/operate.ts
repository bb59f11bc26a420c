// What people ask for: replay a dead request, cancel one that waits, pause a queue.
import type { StatementSync } from "node:sqlite";
import { canMove, type State } from "../../core/request.ts";
import { requestIdOf, seqOf, type RequestId } from "../../core/request-id.ts";
import { isLined } from "../../core/placement.ts";
import { readRequestHead } from "../../core/stored-head.ts";
import { crashPoint } from "../../engine/crash-point.ts";
import type { MoveResult } from "../../engine/engine.ts";
import { looksOf, sliceOf, type ReplaySlice, type ReplaySliceAsk } from "../shared/replay-slices.ts";
import { BEGIN_ROUND } from "./callbacks.ts";
import { FORGET_EXPIRY } from "./lapse.ts";
import type { QueueRow } from "./queue-ledger.ts";
import { SCHEDULE } from "./retry.ts";
import { INSERT_OUTCOME } from "./settle.ts";
import { STATE_OF_SEQ } from "./state.ts";
import type { Store } from "./store.ts";

const FORGET_OUTCOME = "DELETE FROM outcomes WHERE seq = ?";
const FORGET_FAILURES = "DELETE FROM failures WHERE seq = ?";
const BYTES_OF = "SELECT bytes, headers FROM requests WHERE seq = ?";
const SELECT_DEAD = `
  SELECT o.seq, r.random, o.error_code FROM outcomes o JOIN requests r ON r.seq = o.seq
  WHERE o.queue = :queue AND o.state = 'dead' AND o.seq > :after ORDER BY o.seq LIMIT :looks`;
const NOTE_REPLAY = `
  INSERT INTO replays (seq, queue, at, turn) VALUES (?, ?, ?, ?)
  ON CONFLICT (seq) DO UPDATE SET at = excluded.at, turn = excluded.turn`;
const UNSCHEDULE = "DELETE FROM scheduled WHERE seq = ? RETURNING attempts, started_at";

export interface Operations {
  replay(id: RequestId): MoveResult;
  replaySlice(ask: ReplaySliceAsk): ReplaySlice;
  cancel(id: RequestId): MoveResult;
  pause(queue: string, isPaused: boolean): void;
  askReplicas(queue: string, replicas: number): void;
}

export function prepareOperations({ db, queues, lines, seqs, now }: Store): Operations {
  const stateOfSeq = db.prepare(STATE_OF_SEQ);
  const selectDead = db.prepare(SELECT_DEAD);
  const bytesOf = db.prepare(BYTES_OF);
  const forgetOutcome = db.prepare(FORGET_OUTCOME);
  const forgetFailures = db.prepare(FORGET_FAILURES);
  const forgetExpiry = db.prepare(FORGET_EXPIRY);
  const beginRound = db.prepare(BEGIN_ROUND);
  const noteReplay = db.prepare(NOTE_REPLAY);
  const schedule = db.prepare(SCHEDULE);
  const unschedule = db.prepare(UNSCHEDULE);
  const insertOutcome = db.prepare(INSERT_OUTCOME);

  return { replay, replaySlice, cancel, pause, askReplicas };

  function replay(id: RequestId): MoveResult {
    const found = find(stateOfSeq, id, now());
    if (found === undefined) return { kind: "unknown" };
    if (!canMove(found.state, "waiting") || found.state !== "dead") return { kind: "refused", state: found.state };
    revive(queues.numbered(found.no), seqOf(id));
    crashPoint("replay");
    return { kind: "moved" };
  }

  function replaySlice(ask: ReplaySliceAsk): ReplaySlice {
    const queue = queues.named(ask.queue) as QueueRow;
    const after = ask.after === undefined ? -1 : seqOf(ask.after);
    const rows = selectDead.all({ queue: queue.no, after, looks: looksOf(ask) });
    const dead = rows.map(({ seq, random, error_code }) => ({
      id: requestIdOf(seq as number, random as Uint8Array),
      errorCode: error_code as string | null,
    }));
    const slice = sliceOf(ask, dead);
    if (slice.ids.length === 0) return slice;
    for (const id of slice.ids) revive(queue, seqOf(id));
    crashPoint("replay");
    return slice;
  }

  function revive(queue: QueueRow, seq: number): void {
    forgetOutcome.run(seq);
    forgetFailures.run(seq);
    beginRound.run(seq);
    forgetExpiry.run(seq);
    const { bytes, headers } = bytesOf.get(seq) as { bytes: number; headers: string | null };
    queues.change(queue).dead -= 1;
    queue.backlog_bytes += bytes;
    const { placement } = readRequestHead(headers);
    if (placement !== undefined && isLined(placement)) {
      const place = seqs.next(now());
      lines.revived(queue.no, seq, { placement, place });
      noteReplay.run(seq, queue.no, now(), place);
      return;
    }
    noteReplay.run(seq, queue.no, now(), null);
    schedule.run(seq, queue.no, now(), 0, 0, null, now(), 0);
    queue.scheduled += 1;
  }

  function cancel(id: RequestId): MoveResult {
    const found = find(stateOfSeq, id, now());
    if (found === undefined) return { kind: "unknown" };
    if (!canMove(found.state, "cancelled")) return { kind: "refused", state: found.state };
    const seq = seqOf(id);
    const queue = queues.change(queues.numbered(found.no));
    const scheduled = unschedule.get(seq);
    if (scheduled !== undefined) queue.scheduled -= 1;
    const attempts = (scheduled?.["attempts"] as number | undefined) ?? 0;
    const startedAt = (scheduled?.["started_at"] as number | null | undefined) ?? null;
    insertOutcome.run(seq, queue.no, "cancelled", attempts, startedAt, now(), null, null, null, null, null);
    queue.cancelled += 1;
    lines.ended(queue.no, seq, { state: "cancelled", wasRunning: false });
    queue.backlog_bytes -= bytesOf.get(seq)?.["bytes"] as number;
    return { kind: "moved" };
  }

  function pause(name: string, isPaused: boolean): void {
    const queue = queues.change(queues.named(name) as QueueRow);
    if (isPaused !== (queue.is_paused === 1)) queue.paused_at = isPaused ? now() : null;
    queue.is_paused = isPaused ? 1 : 0;
  }

  function askReplicas(name: string, replicas: number): void {
    queues.change(queues.named(name) as QueueRow).replicas_asked = replicas;
  }
}

/** The state of a request; undefined too when the id has our time but not our random bits. */
function find(stateOfSeq: StatementSync, id: RequestId, now: number): { state: State; no: number } | undefined {
  const seq = seqOf(id);
  const row = stateOfSeq.get({ seq, now });
  if (row === undefined || requestIdOf(seq, row["random"] as Uint8Array) !== id) return undefined;
  return { state: row["state"] as State, no: row["no"] as number };
}
