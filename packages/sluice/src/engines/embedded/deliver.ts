// Claims what waits: first what is due to come back, then what lies after the queue's cursor and what was not to begin earlier,
// as if it had been accepted at that time. Of those that come back after a failed attempt only so many go first as the worker
// asks for, and the rest of them last.
import type { StatementSync } from "node:sqlite";
import { invariant, SluiceError } from "../../core/errors.ts";
import type { FairChoice, Kind, Line } from "../../core/fair-choice.ts";
import { readStoredKey } from "../../core/idempotency-key.ts";
import type { Delivery } from "../../core/request.ts";
import { requestIdOf, timeOfSeq, type RequestId } from "../../core/request-id.ts";
import type { RetryBounds } from "../../core/retry-share.ts";
import { readRequestHead, type RequestHead } from "../../core/stored-head.ts";
import type { Lapses } from "./lapse.ts";
import { backlogOf, type QueueRow } from "./queue-ledger.ts";
import type { Store } from "./store.ts";
import { hasOthers, IN_LOG, IN_LOG_AMONG_OTHERS } from "./waiting.ts";

const COLUMNS = "r.seq, r.random, r.key, r.content_type, r.headers, r.bytes, r.body";
const OF_SCHEDULED = "s.attempts, s.crashes, s.due_at, s.kind, s.started_at";
const SELECT_WAITING = `
  SELECT ${COLUMNS} FROM requests r WHERE r.queue = ? AND r.seq > ? AND ${IN_LOG} ORDER BY r.seq LIMIT ?`;
/** With others between them, which may be many: only those of a window. */
const SELECT_AMONG_OTHERS = `
  SELECT ${COLUMNS} FROM requests r WHERE r.queue = ? AND r.seq > ? AND r.seq <= ? AND ${IN_LOG_AMONG_OTHERS}
  ORDER BY r.seq LIMIT ?`;
const WINDOW_END = "SELECT seq FROM requests WHERE queue = ? AND seq > ? ORDER BY seq LIMIT 1 OFFSET 1999";
/** What was handed back untouched is due at 0, so it goes before what failed. */
const SELECT_DUE = `
  SELECT ${COLUMNS}, ${OF_SCHEDULED} FROM scheduled s JOIN requests r ON r.seq = s.seq
  WHERE s.queue = ? AND s.kind = 0 AND s.due_at <= ? ORDER BY s.due_at, s.seq LIMIT ?`;
const SELECT_FIRST = `
  SELECT ${COLUMNS}, ${OF_SCHEDULED} FROM scheduled s JOIN requests r ON r.seq = s.seq
  WHERE s.queue = ? AND s.kind = 1 AND s.due_at <= ? ORDER BY s.due_at, s.seq LIMIT ?`;
const SELECT_SUSPECT = `
  SELECT ${COLUMNS}, ${OF_SCHEDULED} FROM scheduled s JOIN requests r ON r.seq = s.seq
  WHERE s.queue = ? AND s.crashes > 1 ORDER BY s.seq LIMIT 1`;
const SELECT_LINED = `
  SELECT ${COLUMNS}, ${OF_SCHEDULED} FROM requests r LEFT JOIN scheduled s ON s.seq = r.seq WHERE r.seq = ?`;
const NEXT_DUE = `
  SELECT min(due_at) AS due_at FROM (
    SELECT min(due_at) AS due_at FROM scheduled WHERE queue = :queue AND kind = 0 AND due_at > :after
    UNION ALL SELECT min(due_at) FROM scheduled WHERE queue = :queue AND kind = 1 AND due_at > :after
    UNION ALL SELECT min(due_at) FROM scheduled WHERE queue = :queue AND kind = 2 AND due_at > :after)`;
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
  /** More may be deliverable than what was handed out last: whoever waits is to be served again. */
  readonly isUnfinished: boolean;
  /** When a request of the queue may begin that could not at this time: the next one scheduled is due, or a rate lets one go. */
  nextDueAt(queue: string, after: number): number | undefined;
}

interface Row {
  readonly seq: number;
  readonly random: Uint8Array;
  readonly key: string | null;
  readonly content_type: string;
  readonly headers: string | null;
  readonly bytes: number;
  readonly body: Uint8Array;
  /** With the next four: of its row in the schedule, if it has one. */
  readonly attempts?: number | null;
  readonly crashes?: number | null;
  readonly due_at?: number | null;
  readonly kind?: number | null;
  readonly started_at?: number | null;
}

interface ClaimedRow extends Row {
  readonly id: RequestId;
  readonly head: RequestHead;
}

/** Rows up to the bounds of a delivery. */
interface Taken {
  readonly rows: readonly Row[];
  /** Those of them that failed before. */
  readonly retries: number;
  /** Whether their bodies reached the bound. */
  readonly isCut: boolean;
}

/** Rows of the log and of what begins for the first time. */
interface Log extends Pick<Taken, "rows" | "isCut"> {
  /** How many of those that were looked at are the log's. */
  readonly ofLog: number;
  /** Whether nothing more waits in the log, up to `upTo` if that is given. */
  readonly isWhole: boolean;
  readonly upTo: number | undefined;
}

interface Fresh {
  readonly deliveries: readonly Delivery[];
  /** Requests that were looked at: some may have expired. */
  readonly count: number;
  readonly isCut: boolean;
}

const nothing: Taken = { rows: [], retries: 0, isCut: false };

export interface DeliverParts {
  readonly nextToken: () => number;
  readonly lapses: Lapses;
}

export function prepareDeliver(store: Store, { nextToken, lapses }: DeliverParts): Deliverer {
  const { db, queues, lines, seqs, now } = store;
  const selectWaiting = db.prepare(SELECT_WAITING);
  const selectAmongOthers = db.prepare(SELECT_AMONG_OTHERS);
  const windowEnd = db.prepare(WINDOW_END);
  const selectFirst = db.prepare(SELECT_FIRST);
  const selectLined = db.prepare(SELECT_LINED);
  const selectDue = db.prepare(SELECT_DUE);
  const selectSuspect = db.prepare(SELECT_SUSPECT);
  const suspectRunning = db.prepare(SUSPECT_RUNNING);
  const suspectsLeft = db.prepare(SUSPECTS_LEFT);
  const nextDue = db.prepare(NEXT_DUE);
  const unschedule = db.prepare(UNSCHEDULE);
  const claim = db.prepare(CLAIM);
  // Only a crash makes new suspects, so once they are gone nobody needs to look again before the next one.
  let hasSuspects = true;
  let isUnfinished = false;

  return {
    get isUnfinished() {
      return isUnfinished;
    },
    serve(waiters) {
      isUnfinished = false;
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
    nextDueAt(name, after) {
      const queue = rowOf(name);
      const dueAt = queue.scheduled > 0 ? nextDue.get({ queue: queue.no, after })?.["due_at"] : undefined;
      const paceAt = lines.of(queue.no)?.nextAt ?? Number.POSITIVE_INFINITY;
      const at = Math.min(
        typeof dueAt === "number" ? dueAt : Number.POSITIVE_INFINITY,
        paceAt > after ? paceAt : Number.POSITIVE_INFINITY,
      );
      return at === Number.POSITIVE_INFINITY ? undefined : at;
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
      return queues.runningCount() === 0 ? [{ waiter, deliveries: claimAll(queue, [suspect]) }] : [];
    }
    return undefined;
  }

  function deliverBatch(queue: QueueRow, { max, retries }: Waiter): readonly Delivery[] {
    const choice = lines.of(queue.no);
    if (choice !== undefined && lines.wake(queue.no, now())) isUnfinished = true;
    const due = takeDue(queue, max, retries?.first ?? max);
    const deliveries = claimAll(queue, due.rows);
    let again = due.retries;
    let room = max - due.rows.length;
    const takeAgain = (most: number): void => {
      if (choice === undefined) return;
      const taken = takeLined(queue, choice, { kind: "again", max: Math.min(room, most - again) });
      deliveries.push(...taken);
      again += taken.length;
      room -= taken.length;
    };
    takeAgain(retries?.first ?? max);
    if (room === 0 || due.isCut) return finished(deliveries);
    const fresh = takeFresh(queue, room, choice);
    deliveries.push(...fresh.deliveries);
    room -= fresh.count;
    if (retries === undefined || fresh.isCut) return finished(deliveries);
    const later = takeDue(queue, room, retries.most - again);
    deliveries.push(...claimAll(queue, later.rows));
    again += later.retries;
    room -= later.rows.length;
    takeAgain(retries.most);
    return finished(deliveries);
  }

  /** What was looked at may all have turned out to be nothing to deliver. */
  function finished(deliveries: readonly Delivery[]): readonly Delivery[] {
    if (deliveries.length > 0) isUnfinished = false;
    return deliveries;
  }

  function takeDue(queue: QueueRow, max: number, retriesMax: number): Taken {
    if (queue.scheduled === 0 || max === 0) return nothing;
    return take(selectDue, [queue.no, retriesMax > 0 ? now() : 0, max], retriesMax);
  }

  /** What never began: of the log alone, or of the log and of lines as their choice says. */
  function takeFresh(queue: QueueRow, max: number, choice: FairChoice | undefined): Fresh {
    const log = takeLog(queue, max);
    if (choice === undefined) {
      passLog(queue, log, log.rows.length);
      return { deliveries: claimAll(queue, log.rows), count: log.rows.length, isCut: log.isCut };
    }
    const deliveries: Delivery[] = [];
    let [ofLog, count, bytes] = [0, 0, 0];
    while (count < max && bytes <= deliveredBytesMax) {
      const next = log.rows[ofLog];
      choice.setLog(next === undefined ? Number.POSITIVE_INFINITY : sinceOf(next));
      const row = pickFresh(queue, choice, next);
      if (row === undefined) break;
      if (row === next) ofLog += 1;
      count += 1;
      bytes += row.bytes;
      deliveries.push(...claimAll(queue, [row]));
    }
    passLog(queue, log, ofLog);
    return { deliveries, count, isCut: bytes > deliveredBytesMax };
  }

  function pickFresh(queue: QueueRow, choice: FairChoice, ofLog: Row | undefined): Row | undefined {
    const pick = choice.pick("fresh", now());
    if (pick === undefined) return undefined;
    return pick.kind === "log" ? ofLog : linedRow(queue, "fresh", pick.line);
  }

  function linedRow(queue: QueueRow, kind: Kind, line: Line): Row {
    const seq = lines.firstOf(queue.no, kind, line);
    invariant(seq !== undefined, "a line with a first request is not empty");
    return selectLined.get(seq) as unknown as Row;
  }

  function takeLined(queue: QueueRow, choice: FairChoice, { kind, max }: { kind: Kind; max: number }): Delivery[] {
    const deliveries: Delivery[] = [];
    while (deliveries.length < max) {
      const pick = choice.pick(kind, now());
      if (pick?.kind !== "line") break;
      deliveries.push(...claimAll(queue, [linedRow(queue, kind, pick.line)]));
    }
    return deliveries;
  }

  /** The log, merged with what was not to begin earlier. */
  function takeLog(queue: QueueRow, max: number): Log {
    const { isCut, upTo, rows } = takeOfLog(queue, max);
    const until = upTo === undefined ? now() : Math.min(now(), timeOfSeq(upTo));
    const firsts = queue.scheduled === 0 ? nothing : take(selectFirst, [queue.no, until, max]);
    const isWhole = !isCut && rows.length < max;
    if (firsts.rows.length === 0) return { rows, isCut, upTo, ofLog: rows.length, isWhole };
    const merged = merge(rows, firsts.rows, max);
    return { ...merged, upTo, ofLog: rows.length, isWhole };
  }

  /** So many of its rows are taken: the cursor passes those of the log, and where nothing more waits in it also the cancelled ones. */
  function passLog(queue: QueueRow, { rows, ofLog, upTo, isWhole }: Log, count: number): void {
    let passed = 0;
    for (let at = 0; at < count; at += 1) {
      const row = rows[at] as Row;
      if (row.kind === undefined) {
        skipTo(queue, row.seq);
        passed += 1;
      }
    }
    if (passed === ofLog && isWhole) skipPast(queue, upTo);
  }

  /** Of those between others, what is in the next window: up to there nothing else waits in the log. */
  function takeOfLog(queue: QueueRow, max: number): Taken & { readonly upTo?: number | undefined } {
    const { no, cursor } = queue;
    if (!hasOthers(queue)) return take(selectWaiting, [no, cursor, max]);
    const upTo = windowEnd.get(no, cursor)?.["seq"] as number | undefined;
    return { ...take(selectAmongOthers, [no, cursor, upTo ?? seqs.last, max]), upTo };
  }

  /** Nothing more waits up to there: the cursor also passes the cancelled ones, so that nobody scans them again. */
  function skipPast(queue: QueueRow, upTo: number | undefined): void {
    skipTo(queue, upTo ?? seqs.last);
    if (upTo !== undefined) isUnfinished = true;
  }

  function skipTo(queue: QueueRow, seq: number): void {
    if (queue.cursor < seq) queues.change(queue).cursor = seq;
  }

  /** But for those that expired before this. */
  function claimAll(queue: QueueRow, rows: readonly Row[]): Delivery[] {
    const deliveries: Delivery[] = [];
    for (const row of rows) {
      const id = requestIdOf(row.seq, row.random);
      const head = headOf(id, row.headers);
      if (isPast(head, row) && lapses.endIfPast(row.seq)) isUnfinished = true;
      else deliveries.push(claimRow(queue, { ...row, id, head }));
    }
    return deliveries;
  }

  function isPast({ placement }: RequestHead, { attempts }: Row): boolean {
    return placement?.expiresAt !== undefined && (attempts ?? 0) === 0 && placement.expiresAt <= now();
  }

  function claimRow(queue: QueueRow, row: ClaimedRow): Delivery {
    if ((row.due_at ?? undefined) !== undefined) {
      unschedule.run(row.seq);
      queues.change(queue).scheduled -= 1;
    }
    if (lines.of(queue.no) !== undefined) lines.begun(queue.no, row.seq);
    const token = nextToken();
    const { seq } = row;
    const attempts = row.attempts ?? 0;
    const crashes = row.crashes ?? 0;
    claim.run(seq, queue.no, token, attempts, crashes, now(), row.bytes);
    queues.change(queue).running += 1;
    const { id, head } = row;
    const request = {
      id,
      queue: queue.name,
      key: readStoredKey(row.key).key,
      contentType: row.content_type,
      ...head,
      body: row.body,
      acceptedAt: timeOfSeq(seq),
    };
    return { request, claim: { id, queue: queue.name, token }, attempt: attempts + 1, isAgain: isAgain(row) };
  }
}

/** One that was handed back untouched is due at 0. */
function isAgain({ due_at, kind, started_at }: Row): boolean {
  if ((due_at ?? 0) === 0 || kind === 1) return false;
  return kind === 0 || started_at !== null;
}

/** The log, and beside it what may begin by now, by the times since which they may; up to the bounds of a delivery. */
function merge(log: readonly Row[], firsts: readonly Row[], max: number): Pick<Taken, "rows" | "isCut"> {
  const rows: Row[] = [];
  let bytes = 0;
  for (let [at, first] = [0, 0]; rows.length < max && bytes <= deliveredBytesMax;) {
    const [one, other] = [log[at], firsts[first]];
    if (one === undefined && other === undefined) break;
    const isOfLog = other === undefined || (one !== undefined && sinceOf(one) <= sinceOf(other));
    const row = (isOfLog ? one : other) as Row;
    if (isOfLog) at += 1;
    else first += 1;
    rows.push(row);
    bytes += row.bytes;
  }
  return { rows, isCut: bytes > deliveredBytesMax };
}

/** Since when it may begin. */
function sinceOf({ seq, due_at }: Row): number {
  return due_at ?? timeOfSeq(seq);
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
