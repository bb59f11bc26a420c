import { bodyHashOf, type BodyHash } from "../../core/body-hash.ts";
import { invariant } from "../../core/errors.ts";
import { fingerprintOf, storedKeyOf } from "../../core/idempotency-key.ts";
import type { NewRequest, Receipt, State } from "../../core/request.ts";
import { isLined, type Placement } from "../../core/placement.ts";
import { requestIdOf, timeOfSeq } from "../../core/request-id.ts";
import { requestHeadText } from "../../core/stored-head.ts";
import type { AcceptResult } from "../../engine/engine.ts";
import { randomSource } from "../shared/random-source.ts";
import { INSERT_CALLBACK } from "./callbacks.ts";
import { backlogOf, type QueueRow } from "./queue-ledger.ts";
import type { Store } from "./store.ts";
import { STATE_OF_SEQ } from "./state.ts";

const FIND_KEY = `
  SELECT k.seq, k.fingerprint, r.random FROM keys k JOIN requests r ON r.seq = k.seq WHERE k.queue = ? AND k.key = ?`;
/** A key whose request has vanished from the store is no longer that request's: the audit names the request. */
const INSERT_KEY = `
  INSERT INTO keys (queue, key, seq, fingerprint) VALUES (?, ?, ?, ?)
  ON CONFLICT (queue, key) DO UPDATE SET seq = excluded.seq, fingerprint = excluded.fingerprint`;
const INSERT_REQUEST = `
  INSERT INTO requests (seq, random, queue, key, content_type, headers, bytes, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`;

const SCHEDULE_FIRST = `
  INSERT INTO scheduled (seq, queue, due_at, attempts, crashes, scheduled_at, kind) VALUES (?, ?, ?, 0, 0, ?, ?)`;
const INSERT_EXPIRY = "INSERT INTO expiries (seq, queue, expires_at) VALUES (?, ?, ?)";

/** A request of the call under way: to be stored, or a repeat of one that is or will be. */
interface Entry {
  readonly request: NewRequest;
  readonly queue: QueueRow;
  readonly bodyHash: BodyHash;
  readonly fingerprint: Uint8Array | undefined;
  readonly repeats: Receipt | Entry | undefined;
  receipt: Receipt | undefined;
}

export function prepareAccept({
  db,
  queues,
  chains,
  lines,
  seqs,
  isSpool,
  now,
}: Store): (requests: readonly NewRequest[]) => AcceptResult {
  const findKey = db.prepare(FIND_KEY);
  const insertKey = db.prepare(INSERT_KEY);
  const insertRequest = db.prepare(INSERT_REQUEST);
  const insertCallback = db.prepare(INSERT_CALLBACK);
  const insertExpiry = db.prepare(INSERT_EXPIRY);
  const schedule = db.prepare(SCHEDULE_FIRST);
  const stateOfSeq = db.prepare(STATE_OF_SEQ);
  const randomBytes = randomSource();

  return (requests) => {
    const entries: Entry[] = [];
    const seen = new Map<string, Entry>();
    for (const [index, request] of requests.entries()) {
      const entry = resolve(request, seen);
      if (entry === undefined) return { kind: "key-reused", index };
      entries.push(entry);
    }
    const full = firstWithoutRoom(entries);
    if (full !== -1) return { kind: "backlog-full", index: full };
    const fullGroup = firstWithoutRoomInGroup(entries);
    if (fullGroup !== -1) return { kind: "group-full", index: fullGroup };
    return { kind: "accepted", receipts: entries.map(receiptOf) };
  };

  /** Undefined when the key was used with another body (I5). */
  function resolve(request: NewRequest, seen: Map<string, Entry>): Entry | undefined {
    const queue = queues.named(request.queue) as QueueRow;
    const { key, sender } = request;
    const bodyHash = bodyHashOf(request.body);
    if (key === undefined)
      return { request, queue, bodyHash, fingerprint: undefined, repeats: undefined, receipt: undefined };
    const fingerprint = fingerprintOf(bodyHash, request);
    const storedKey = storedKeyOf(request) as string;
    const seenKey = `${queue.no} ${storedKey}`;
    const earlier = seen.get(seenKey);
    let stored = earlier === undefined ? findKey.get(queue.no, storedKey) : undefined;
    // A key that is stored without its sender may be anybody's: accepted again, it would be done twice.
    if (earlier === undefined && stored === undefined && sender !== undefined) stored = findKey.get(queue.no, key);
    const known = earlier?.fingerprint ?? (stored?.["fingerprint"] as Uint8Array | undefined);
    if (known !== undefined && !isSame(known, fingerprint)) return undefined;
    const repeats =
      earlier ?? (stored && repeatedReceipt(queue, stored["seq"] as number, stored["random"] as Uint8Array));
    const entry: Entry = { request, queue, bodyHash, fingerprint, repeats, receipt: undefined };
    if (earlier === undefined) seen.set(seenKey, entry);
    return entry;
  }

  function repeatedReceipt(queue: QueueRow, seq: number, random: Uint8Array): Receipt {
    const state = stateOfSeq.get({ seq, now: now() })?.["state"] as State;
    return {
      id: requestIdOf(seq, random),
      queue: queue.name,
      state,
      acceptedAt: timeOfSeq(seq),
      isReplayed: true,
      durability: "fsync",
    };
  }

  /** The first request that its queue's bounds leave no room for (I7), or -1. Repeats take no room. */
  function firstWithoutRoom(all: readonly Entry[]): number {
    const added = new Map<QueueRow, { count: number; bytes: number }>();
    return all.findIndex(({ queue, request, repeats }) => {
      if (repeats !== undefined) return false;
      const sum = added.get(queue) ?? { count: 0, bytes: 0 };
      sum.count += 1;
      sum.bytes += request.body.byteLength;
      added.set(queue, sum);
      return !queues.hasRoom(queue, sum.count, sum.bytes);
    });
  }

  /** Its group's bound. */
  function firstWithoutRoomInGroup(all: readonly Entry[]): number {
    const added = new Map<string, number>();
    return all.findIndex(({ queue, request, repeats }) => {
      const group = request.placement?.group;
      if (group === undefined || repeats !== undefined) return false;
      const key = `${queue.no} ${group}`;
      const count = (added.get(key) ?? 0) + 1;
      added.set(key, count);
      return !lines.hasRoom(queue.no, group, count);
    });
  }

  function receiptOf(entry: Entry): Receipt {
    const { repeats } = entry;
    if (repeats === undefined) entry.receipt = insert(entry);
    else if ("isReplayed" in repeats) entry.receipt = repeats;
    else entry.receipt = { ...(repeats.receipt as Receipt), isReplayed: true };
    return entry.receipt;
  }

  function insert({ request, queue, bodyHash, fingerprint }: Entry): Receipt {
    const seq = seqs.next(now());
    invariant(seq > queue.cursor, "a request is accepted after its queue's cursor, or nobody would deliver it");
    const random = randomBytes();
    const { contentType, body, callback, placement } = request;
    const storedKey = storedKeyOf(request) ?? null;
    const head = requestHeadText(request) ?? null;
    insertRequest.run(seq, random, queue.no, storedKey, contentType, head, body.byteLength, body);
    if (fingerprint !== undefined) insertKey.run(queue.no, storedKey, seq, fingerprint);
    if (callback !== undefined) insertCallback.run(seq, queue.no, callback);
    queues.change(queue).accepted += 1;
    queue.backlog_bytes += body.byteLength;
    const id = requestIdOf(seq, random);
    chains.note(queue.no, { id, bodyHash });
    return {
      id,
      queue: queue.name,
      state: placement === undefined || isSpool ? "waiting" : place(queue, seq, placement),
      acceptedAt: timeOfSeq(seq),
      isReplayed: false,
      durability: "fsync",
    };
  }

  /** Gives it a place beside the log, if it is not to begin yet, and the state that it is in there. */
  function place(queue: QueueRow, seq: number, placement: Placement): State {
    const { notBefore, expiresAt } = placement;
    if (expiresAt !== undefined) insertExpiry.run(seq, queue.no, expiresAt);
    const waitsUntil = notBefore !== undefined && notBefore > now() ? notBefore : undefined;
    const isInLine = isLined(placement);
    if (isInLine) lines.add(queue.no, seq, placement, waitsUntil);
    if (isInLine || waitsUntil !== undefined) queue.placed = seq;
    if (waitsUntil === undefined) return "waiting";
    schedule.run(seq, queue.no, waitsUntil, now(), isInLine ? 2 : 1);
    queue.scheduled += 1;
    // With nothing in the log the cursor passes it, so that a million of these are not looked through for what waits.
    if (backlogOf(queue) === queue.running + queue.scheduled) queue.cursor = seq;
    return "scheduled";
  }
}

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}
