// Ends what has not begun by the time at which it expires: in small steps of upkeep, and at a claim.
import type { StatementSync } from "node:sqlite";
import { expiredFailure } from "../../core/placement.ts";
import { requestIdOf, type RequestId } from "../../core/request-id.ts";
import { INSERT_OUTCOME } from "./settle.ts";
import type { Store } from "./store.ts";

const SELECT_PAST = `
  SELECT e.seq, e.queue, r.random, r.bytes, o.seq IS NOT NULL AS is_final,
    s.seq IS NOT NULL AS is_scheduled, coalesce(s.attempts + s.crashes, 0) AS begun
  FROM expiries e JOIN requests r ON r.seq = e.seq
  LEFT JOIN running n ON n.seq = e.seq
  LEFT JOIN outcomes o ON o.seq = e.seq
  LEFT JOIN scheduled s ON s.seq = e.seq`;
/** What runs may yet be handed back untouched. */
const SELECT_DUE = `${SELECT_PAST} WHERE e.expires_at <= ? AND n.seq IS NULL ORDER BY e.expires_at LIMIT ?`;
const SELECT_ONE = `${SELECT_PAST} WHERE e.expires_at <= ? AND e.seq = ?`;
export const FORGET_EXPIRY = "DELETE FROM expiries WHERE seq = ?";
const UNSCHEDULE = "DELETE FROM scheduled WHERE seq = ?";
const perStep = 500;

interface PastRow {
  readonly seq: number;
  readonly queue: number;
  readonly random: Uint8Array;
  readonly bytes: number;
  readonly is_final: number;
  readonly is_scheduled: number;
  readonly begun: number;
}

export class Lapses {
  readonly #store: Store;
  readonly #selectDue: StatementSync;
  readonly #selectOne: StatementSync;
  readonly #forget: StatementSync;
  readonly #unschedule: StatementSync;
  readonly #insertOutcome: StatementSync;
  #ended: RequestId[] = [];

  constructor(store: Store) {
    const { db } = store;
    this.#store = store;
    this.#selectDue = db.prepare(SELECT_DUE);
    this.#selectOne = db.prepare(SELECT_ONE);
    this.#forget = db.prepare(FORGET_EXPIRY);
    this.#unschedule = db.prepare(UNSCHEDULE);
    this.#insertOutcome = db.prepare(INSERT_OUTCOME);
  }

  /** Gives back whether there may be more to end right away. */
  step(): boolean {
    const { now, isSpool } = this.#store;
    if (isSpool) return false;
    const rows = this.#selectDue.all(now(), perStep) as unknown as readonly PastRow[];
    for (const row of rows) this.#decide(row);
    return rows.length === perStep;
  }

  /** Ends a request that was about to begin, if it is too late for that. */
  endIfPast(seq: number): boolean {
    const row = this.#selectOne.get(this.#store.now(), seq) as unknown as PastRow | undefined;
    return row !== undefined && this.#decide(row);
  }

  /** What the transactions since the last call have ended; those that were undone have to be dropped. */
  take(): readonly RequestId[] {
    const ended = this.#ended;
    if (ended.length > 0) this.#ended = [];
    return ended;
  }

  #decide({ seq, queue: no, random, bytes, is_final, is_scheduled, begun }: PastRow): boolean {
    this.#forget.run(seq);
    if (is_final !== 0 || begun > 0) return false;
    const { queues, lines, now } = this.#store;
    const queue = queues.change(queues.numbered(no));
    if (is_scheduled !== 0) {
      this.#unschedule.run(seq);
      queue.scheduled -= 1;
    }
    const { code, message } = expiredFailure;
    this.#insertOutcome.run(seq, no, "dead", 0, null, now(), null, null, null, code, message);
    queue.dead += 1;
    queue.backlog_bytes -= bytes;
    lines.ended(no, seq, { state: "dead", wasRunning: false });
    this.#ended.push(requestIdOf(seq, random));
    return true;
  }
}
