// The ledger as a carrier: workers take the rows of the outbox that no other carrier has taken on. A row that was taken is a
// member's until its requests are done with; the leader frees the rows of members that are gone. It polls, as that works through
// any pooler: for all queues of a process at once, at once while there is more, and seldom while there is nothing.
import { messageOf, SluiceError } from "../../../core/errors.ts";
import { crashPoint } from "../../../engine/crash-point.ts";
import type { Logger } from "../../../telemetry/log.ts";
import type { Connected, Reading, Statement } from "../ledger/connection/database.ts";
import { behindWhatItSaw, quickly } from "../ledger/connection/settings-check.ts";
import type { QueueNumbers } from "../ledger/queue-numbers.ts";
import type { Carrier, ConsumeOptions, Consumption, OutboxRow } from "./carrier.ts";

/**
 * What no standby has may be gone after a failover, and its effect would stay: nothing is handed out of it. A row that is longer than there is
 * room is cut, and a suspect runs alone. What lies ahead of the clock is old: it stepped back.
 */
const TAKE: Statement = {
  name: "take-hints",
  text: `WITH ${behindWhatItSaw}, cleared AS (
      DELETE FROM sluice.outbox WHERE no = ANY ($1::bigint[])
    ), asked AS (
      SELECT a.* FROM behind_what_it_saw,
        unnest($3::smallint[], $4::boolean[], $5::int[], $6::int[]) AS a (queue, is_again, room, age_ms)
    ), found AS (
      SELECT a.room, f.* FROM asked a CROSS JOIN LATERAL (
        SELECT o.no, o.queue, o.kind, o.ids, o.stored_at FROM sluice.outbox o
        WHERE o.queue = a.queue AND (o.kind <> 'fresh') = a.is_again AND o.taken_by IS NULL AND (a.age_ms = 0
          OR o.stored_at NOT BETWEEN clock_timestamp() - make_interval(secs => a.age_ms / 1000.0) AND clock_timestamp())
        ORDER BY o.no LIMIT a.room FOR UPDATE SKIP LOCKED) f
    ), placed AS (
      SELECT *, room - sum(cardinality(ids)) OVER (PARTITION BY queue, kind <> 'fresh' ORDER BY no) + cardinality(ids) AS places
      FROM found
    ), taken AS (
      SELECT *, (CASE kind WHEN 'suspect' THEN 1 ELSE places END)::int AS most FROM placed WHERE places > 0
    ), whole AS (
      UPDATE sluice.outbox o SET taken_by = $2 FROM taken t WHERE o.no = t.no AND cardinality(t.ids) <= t.most
      RETURNING o.no, o.queue, o.kind, o.ids
    ), cut AS (
      UPDATE sluice.outbox o SET ids = t.ids[t.most + 1:] FROM taken t WHERE o.no = t.no AND cardinality(t.ids) > t.most
    ), part AS (
      INSERT INTO sluice.outbox (queue, kind, ids, stored_at, taken_by)
      SELECT queue, kind, ids[1:most], stored_at, $2 FROM taken WHERE cardinality(ids) > most ORDER BY no
      RETURNING no, queue, kind, ids
    )
    SELECT no::float8, queue, kind, ids::text[] FROM (TABLE whole UNION ALL TABLE part) AS t ORDER BY no`,
};
/** Of this member, but for those that it knows of: a take whose answer was lost, or all of them when it leaves. */
const FREE: Statement = {
  name: "free-hints",
  text: `WITH ${quickly}, cleared AS (DELETE FROM sluice.outbox WHERE no = ANY ($1::bigint[]))
    UPDATE sluice.outbox SET taken_by = NULL FROM quickly
    WHERE taken_by = $2 AND no <> ALL ($3::bigint[]) AND no <> ALL ($1::bigint[])`,
};
const FREE_OF_GONE: Statement = {
  name: "free-hints-of-gone",
  text: `UPDATE sluice.outbox SET taken_by = NULL
    WHERE taken_by IS NOT NULL AND NOT EXISTS (SELECT FROM sluice.members m WHERE m.no = taken_by)`,
};
/** Whether anything of a queue is in the outbox, in anybody's hands. */
const HOLDS: Statement = {
  name: "outbox-holds",
  text: `SELECT of.is_again,
      EXISTS (SELECT FROM sluice.outbox o WHERE o.queue = $1 AND (o.kind <> 'fresh') = of.is_again AND o.taken_by IS NULL)
      OR EXISTS (SELECT FROM sluice.outbox o WHERE o.queue = $1 AND o.taken_by IS NOT NULL AND (o.kind <> 'fresh') = of.is_again)
        AS holds
    FROM (VALUES (false), (true)) AS of (is_again)`,
};

const busyMs = 5;
const idleMsMax = 50;
/** A look at a queue that has nothing costs as much. */
const idleMsPerQueue = 0.2;
const idleFactor = 1.5;
/** While another carrier brings all that is new. */
const spareMs = 1_000;
const failedMs = 500;
const freeEveryMs = 10_000;

export interface PostgresCarrierOptions {
  readonly connection: Connected;
  readonly queues: QueueNumbers;
  readonly member: () => number;
  /** How many requests of a queue one message is to hold. */
  readonly hintIdsMax: (queue: string) => number;
  /** Younger rows of a queue are left to another carrier; 0 where there is none. */
  readonly ageMsOf: (queue: string) => number;
  readonly onUnavailable: (error: SluiceError) => void;
  readonly log: Logger;
}

export class PostgresCarrier implements Carrier {
  readonly name = "postgres";
  readonly #options: PostgresCarrierOptions;
  readonly #taps = new Map<string, Tap>();
  /** Rows that are done with: the next look deletes them. */
  #done: number[] = [];
  #wake: () => void = () => undefined;
  #isWoken = false;
  #freedAt = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: PostgresCarrierOptions) {
    this.#options = options;
  }

  /** It stays in the outbox, and is taken from there: at once, if this process works on the queue. */
  carry({ queue }: OutboxRow): Promise<boolean> {
    if (this.#taps.has(this.#options.queues.nameOf(queue) ?? "")) this.#wakeUp();
    return Promise.resolve(false);
  }

  consume(options: ConsumeOptions): Consumption {
    const { queue } = options;
    const onDone = (no: number, hasRoom: boolean): void => {
      this.#done.push(no);
      if (hasRoom) this.#wakeUp();
    };
    this.#taps.set(queue, new Tap(options, onDone));
    this.#running ??= this.#run();
    this.#wakeUp();
    return {
      stop: async () => {
        this.#taps.delete(queue);
        if (this.#taps.size === 0) await this[Symbol.asyncDispose]();
      },
    };
  }

  /** What is not done is free again. Should that fail, the leader frees it once this process has left. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#wakeUp();
    if (this.#running === undefined) return;
    await this.#running;
    await this.#free([]).catch(() => undefined);
  }

  async #run(): Promise<void> {
    for (let waitMs = busyMs; !this.#isClosed;) {
      try {
        const found = await this.#look();
        waitMs = found === "nothing" ? Math.min(waitMs * idleFactor, this.#idleMsMax()) : busyMs;
        if (found === "more") continue;
      } catch (error) {
        waitMs = failedMs;
        this.#freedAt = Number.NEGATIVE_INFINITY; // the server may have done it
        this.#tell(error);
      }
      await this.#awaken(waitMs);
    }
  }

  async #look(): Promise<"nothing" | "some" | "more"> {
    if (performance.now() - this.#freedAt >= freeEveryMs) {
      await this.#free([...this.#taps.values()].flatMap((tap) => tap.held()));
      this.#freedAt = performance.now();
    }
    const asked = this.#asked();
    if (asked.length === 0 && this.#done.length === 0) return "nothing";
    const columns = [
      asked.map(({ no }) => no),
      asked.map(({ isAgain }) => isAgain),
      asked.map(({ room }) => room),
      asked.map(({ ageMs }) => ageMs),
    ];
    const rows = await this.#clearing((done, member) =>
      this.#options.connection.rows<OutboxRow & object>(TAKE, [done, member, ...columns]),
    );
    if (rows.length > 0) crashPoint("hints-taken");
    const byLine = Map.groupBy(rows, ({ queue, kind }) => lineOf(queue, kind !== "fresh"));
    let hasMore = false;
    for (const { no, tap, isAgain, room } of asked) {
      const isFull = tap.hand(byLine.get(lineOf(no, isAgain)) ?? [], { isAgain, room });
      hasMore ||= isFull;
    }
    return hasMore ? "more" : rows.length > 0 ? "some" : "nothing";
  }

  async #free(known: readonly number[]): Promise<void> {
    const { connection } = this.#options;
    await this.#clearing((done, member) => connection.rows(FREE, [done, member, known]));
  }

  /** The rows that are done with go along with a statement; again, should it fail. */
  async #clearing<Value>(send: (done: readonly number[], member: number) => Promise<Value>): Promise<Value> {
    const done = this.#done;
    this.#done = [];
    try {
      return await send(done, this.#options.member());
    } catch (error) {
      this.#done.push(...done);
      throw error;
    }
  }

  /** Each line that has room for half of what it may hold: less is not worth a look. */
  #asked(): readonly Asked[] {
    const { queues, hintIdsMax, ageMsOf } = this.#options;
    return [...this.#taps].flatMap(([queue, tap]) => {
      const ageMs = ageMsOf(queue);
      const most = tap.prefetch * hintIdsMax(queue);
      return [false, true].flatMap((isAgain) => {
        const room = tap.roomOf(isAgain, most);
        return room === 0 ? [] : [{ no: queues.noOf(queue), tap, isAgain, room, ageMs }];
      });
    });
  }

  #idleMsMax(): number {
    const isSpare = [...this.#taps.keys()].every((queue) => this.#options.ageMsOf(queue) > 0);
    return isSpare ? spareMs : idleMsMax + idleMsPerQueue * this.#taps.size;
  }

  #tell(error: unknown): void {
    const { onUnavailable, log } = this.#options;
    if (error instanceof SluiceError && error.isRetryable) onUnavailable(error);
    else log.error({ err: messageOf(error) }, "cannot take hints from the ledger");
  }

  #wakeUp(): void {
    this.#isWoken = true;
    this.#wake();
  }

  async #awaken(ms: number): Promise<void> {
    if (!this.#isWoken) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const timer = setTimeout(resolve, ms);
      await promise;
      clearTimeout(timer);
    }
    this.#isWoken = false;
  }
}

/** The leader's: what members had taken that are gone. */
export async function freeHintsOfGone(connection: Reading): Promise<void> {
  await connection.rows(FREE_OF_GONE);
}

export interface Holding {
  readonly fresh: boolean;
  readonly again: boolean;
}

/** Whether the outbox has hints of the queue, in anybody's hands. */
export async function outboxHolds(connection: Reading, queue: number): Promise<Holding> {
  const rows = await connection.rows<{ is_again: boolean; holds: boolean }>(HOLDS, [queue]);
  const has = (isAgain: boolean): boolean => rows.some(({ is_again, holds }) => is_again === isAgain && holds);
  return { fresh: has(false), again: has(true) };
}

interface Asked {
  readonly no: number;
  readonly tap: Tap;
  readonly isAgain: boolean;
  readonly room: number;
  readonly ageMs: number;
}

function lineOf(queue: number, isAgain: boolean): string {
  return `${queue} ${isAgain}`;
}

/** What this process has taken of one queue, and what it waits for. */
class Tap {
  readonly prefetch: number;
  readonly #onHints: ConsumeOptions["onHints"];
  readonly #onDone: (no: number, hasRoom: boolean) => void;
  /** Rows that are not done, with how many ids each has. */
  readonly #held = { fresh: new Map<number, number>(), again: new Map<number, number>() };
  /** Ids that are not done, and how many there may be. */
  readonly #counts = { fresh: 0, again: 0 };
  #most = 0;

  constructor({ prefetch, onHints }: ConsumeOptions, onDone: (no: number, hasRoom: boolean) => void) {
    this.prefetch = prefetch;
    this.#onHints = onHints;
    this.#onDone = onDone;
  }

  held(): readonly number[] {
    return [...this.#held.fresh.keys(), ...this.#held.again.keys()];
  }

  /** None before half of it is free. */
  roomOf(isAgain: boolean, most: number): number {
    this.#most = most;
    const room = most - this.#counts[nameOf(isAgain)];
    return room * 2 >= most ? room : 0;
  }

  /** Whether they fill it. */
  hand(rows: readonly OutboxRow[], { isAgain, room }: { isAgain: boolean; room: number }): boolean {
    const name = nameOf(isAgain);
    const isFull = rows.reduce((sum, { ids }) => sum + ids.length, 0) >= room;
    rows.forEach(({ no, kind, ids }, at) => {
      this.#held[name].set(no, ids.length);
      this.#counts[name] += ids.length;
      const isLast = isFull && at === rows.length - 1;
      this.#onHints({ carrier: "postgres", kind, ids, isLast, done: () => this.#end(name, no) });
    });
    return isFull;
  }

  #end(name: "fresh" | "again", no: number): void {
    const count = this.#held[name].get(no);
    if (count === undefined) return;
    this.#held[name].delete(no);
    const before = this.#counts[name];
    this.#counts[name] -= count;
    const half = this.#most / 2;
    this.#onDone(no, before > half && this.#counts[name] <= half);
  }
}

function nameOf(isAgain: boolean): "fresh" | "again" {
  return isAgain ? "again" : "fresh";
}
