// Claims what waits: first what is due to come back, then what lies after the queue's cursor. Of those that come back after
// a failed attempt only so many go first as the worker asks for, and the rest of them last.
import type { StatementSync } from "node:sqlite";
import { SluiceError } from "../../core/errors.ts";
import { readStoredKey } from "../../core/idempotency-key.ts";
import type { Delivery } from "../../core/request.ts";
import { requestIdOf, timeOfSeq, type RequestId } from "../../core/request-id.ts";
import type { RetryBounds } from "../../core/retry-share.ts";
import { readRequestHead, type RequestHead } from "../../core/stored-head.ts";
import { backlogOf, type QueueRow } from "./queue-ledger.ts";
import type { Store } from "./store.ts";

const COLUMNS = "r.seq, r.random, r.key, r.content_type, r.headers, r.bytes, r.body";
const SELECT_WAITING = `
  SELECT ${COLUMNS} FROM requests r
  WHERE r.queue = ? AND r.seq > ? AND NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.seq = r.seq)
  ORDER BY r.seq LIMIT ?`;
/** What was handed back untouched is due at 0, so it goes before what failed. */
const SELECT_DUE = `
  SELECT ${COLUMNS}, s.attempts, s.crashes, s.due_at FROM scheduled s JOIN requests r ON r.seq = s.seq
  WHERE s.queue = ? AND s.due_at <= ? ORDER BY s.due_at, s.seq LIMIT ?`;
const SELECT_SUSPECT = `
  SELECT ${COLUMNS}, s.attempts, s.crashes FROM scheduled s JOIN requests r ON r.seq = s.seq
  WHERE s.queue = ? AND s.crashes > 1 ORDER BY s.seq LIMIT 1`;
const NEXT_DUE = "SELECT min(due_at) AS due_at FROM scheduled WHERE queue = ?";
const UNSCHEDULE = "DELETE FROM scheduled WHERE seq = ?";
const CLAIM = `
  INSERT INTO running (seq, queue, token, attempts, crashes, started_at, bytes) VALUES (?, ?, ?, ?, ?, ?, ?)`;
const SUSPECT_RUNNING = "SELECT 1 FROM running WHERE crashes > 1 LIMIT 1";
const SUSPECTS_LEFT = `
  SELECT (SELECT count(*) FROM scheduled WHERE crashes > 1) + (SELECT count(*) FROM running WHERE crashes > 1) AS n`;

/** A delivery holds its body in memory: one call hands out no more than this beyond its first. */
const deliveredBytesMax = 16 * 1024 * 1024;

/** A worker that waits for deliveries of a queue. */
export interface Waiter {
  readonly call: number;
  readonly queue: string;
  readonly max: number;
  readonly retries: RetryBounds | undefined;
}

export interface Served {
  readonly waiter: Waiter;
  readonly deliveries: readonly Delivery[];
}

export interface Deliverer {
  /** Hands out what there is; who is not in the answer has to go on waiting. */
  serve(waiters: Iterable<Waiter>): readonly Served[];
  /** There may be suspects from now on. */
  suspect(): void;
  /** When the next scheduled request of the queue is due. */
  nextDueAt(queue: string): number | undefined;
}

interface Row {
  readonly seq: number;
  readonly random: Uint8Array;
  readonly key: string | null;
  readonly content_type: string;
  readonly headers: string | null;
  readonly bytes: number;
  readonly body: Uint8Array;
  readonly attempts?: number;
  readonly crashes?: number;
  readonly due_at?: number;
}

/** Rows up to the bounds of a delivery. */
interface Taken {
  readonly rows: readonly Row[];
  /** Those of them that failed before. */
  readonly retries: number;
  /** Whether their bodies reached the bound. */
  readonly isCut: boolean;
}

const nothing: Taken = { rows: [], retries: 0, isCut: false };

export function prepareDeliver(store: Store, nextToken: () => number): Deliverer {
  const { db, queues, seqs, now } = store;
  const selectWaiting = db.prepare(SELECT_WAITING);
  const selectDue = db.prepare(SELECT_DUE);
  const selectSuspect = db.prepare(SELECT_SUSPECT);
  const suspectRunning = db.prepare(SUSPECT_RUNNING);
  const suspectsLeft = db.prepare(SUSPECTS_LEFT);
  const nextDue = db.prepare(NEXT_DUE);
  const unschedule = db.prepare(UNSCHEDULE);
  const claim = db.prepare(CLAIM);
  // Only a crash makes new suspects, so once they are gone nobody needs to look again before the next one.
  let hasSuspects = true;

  return {
    serve(waiters) {
      const open: Waiter[] = [];
      for (const waiter of waiters) if (mayHave(rowOf(waiter.queue))) open.push(waiter);
      if (hasSuspects) hasSuspects = suspectsLeft.get()?.["n"] !== 0;
      const suspected = hasSuspects ? serveSuspect(open) : undefined;
      if (suspected !== undefined) return suspected;
      const served = open.map((waiter) => ({ waiter, deliveries: deliverBatch(rowOf(waiter.queue), waiter) }));
      return served.filter(({ deliveries }) => deliveries.length > 0);
    },
    suspect() {
      hasSuspects = true;
    },
    nextDueAt(name) {
      const queue = rowOf(name);
      const dueAt = queue.scheduled > 0 ? nextDue.get(queue.no)?.["due_at"] : undefined;
      return typeof dueAt === "number" ? dueAt : undefined;
    },
  };

  /** Of most queues nothing waits at any moment: those cost no query. */
  function mayHave(row: QueueRow): boolean {
    return row.is_paused === 0 && backlogOf(row) > row.running;
  }

  function rowOf(queue: string): QueueRow {
    return queues.named(queue) as QueueRow;
  }

  /** A suspect runs alone (I4): until all else has ended nobody gets anything. Undefined when no suspect is asked for. */
  function serveSuspect(waiters: readonly Waiter[]): readonly Served[] | undefined {
    if (suspectRunning.get() !== undefined) return [];
    for (const waiter of waiters) {
      const queue = rowOf(waiter.queue);
      const [suspect] = selectSuspect.all(queue.no) as unknown as Row[];
      if (suspect === undefined) continue;
      return queues.runningCount() === 0 ? [{ waiter, deliveries: [claimDue(queue, suspect)] }] : [];
    }
    return undefined;
  }

  function deliverBatch(queue: QueueRow, { max, retries }: Waiter): readonly Delivery[] {
    const due = takeDue(queue, max, retries?.first ?? max);
    const deliveries = due.rows.map((row) => claimDue(queue, row));
    const room = max - deliveries.length;
    if (room === 0 || due.isCut) return deliveries;
    const fresh = take(selectWaiting, [queue.no, queue.cursor, room]);
    const last = fresh.rows.at(-1);
    if (last !== undefined) queues.change(queue).cursor = last.seq;
    // Nothing more waits: the cursor also passes the cancelled ones, so that nobody scans them again.
    if (fresh.rows.length < room && !fresh.isCut) skipTo(queue, seqs.last);
    for (const row of fresh.rows) deliveries.push(claimRow(queue, row));
    if (retries === undefined || fresh.isCut) return deliveries;
    const later = takeDue(queue, room - fresh.rows.length, retries.most - due.retries);
    for (const row of later.rows) deliveries.push(claimDue(queue, row));
    return deliveries;
  }

  function takeDue(queue: QueueRow, max: number, retriesMax: number): Taken {
    if (queue.scheduled === 0 || max === 0) return nothing;
    return take(selectDue, [queue.no, retriesMax > 0 ? now() : 0, max], retriesMax);
  }

  function skipTo(queue: QueueRow, seq: number): void {
    if (queue.cursor < seq) queues.change(queue).cursor = seq;
  }

  function claimDue(queue: QueueRow, row: Row): Delivery {
    unschedule.run(row.seq);
    queues.change(queue).scheduled -= 1;
    return claimRow(queue, row);
  }

  function claimRow(queue: QueueRow, row: Row): Delivery {
    const token = nextToken();
    const { seq, attempts = 0, crashes = 0 } = row;
    claim.run(seq, queue.no, token, attempts, crashes, now(), row.bytes);
    queues.change(queue).running += 1;
    const id = requestIdOf(seq, row.random);
    const request = {
      id,
      queue: queue.name,
      key: readStoredKey(row.key).key,
      contentType: row.content_type,
      ...headOf(id, row.headers),
      body: row.body,
      acceptedAt: timeOfSeq(seq),
    };
    return { request, claim: { id, queue: queue.name, token }, attempt: attempts + 1, isAgain: isAgain(row) };
  }
}

/** One that was handed back untouched is due at 0. */
function isAgain({ due_at }: Row): boolean {
  return due_at !== undefined && due_at > 0;
}

function headOf(id: RequestId, text: string | null): RequestHead {
  try {
    return readRequestHead(text);
  } catch (cause) {
    throw new SluiceError("store-unavailable", `the stored headers of ${id} are damaged: restore a backup`, { cause });
  }
}

/** Reads rows until their bodies reach the bound, or those that failed before theirs. */
function take(statement: StatementSync, values: readonly number[], retriesMax = 0): Taken {
  const rows: Row[] = [];
  let bytes = 0;
  let retries = 0;
  for (const row of statement.iterate(...values) as Iterable<unknown> as Iterable<Row>) {
    if (isAgain(row)) {
      if (retries === retriesMax) break;
      retries += 1;
    }
    rows.push(row);
    bytes += row.bytes;
    if (bytes > deliveredBytesMax) return { rows, retries, isCut: true };
  }
  return { rows, retries, isCut: false };
}
