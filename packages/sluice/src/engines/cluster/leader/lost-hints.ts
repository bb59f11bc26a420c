// Compares the backlog with what the carriers hold, and puts back into the outbox the hints that they have lost: all of them when
// a queue of RabbitMQ is gone or no worker takes from it any more, and those that do not move though their turn has passed. Run by
// the leader. A hint put back twice does no harm.
import type { RequestId } from "../../../core/request-id.ts";
import type { Logger } from "../../../telemetry/log.ts";
import { firstFresh, freshWaiting, type Look } from "../ledger/backlog.ts";
import type { OutboxRow } from "../carriers/carrier.ts";
import { outboxHolds } from "../carriers/postgres.ts";
import type { Broker } from "../carriers/rabbitmq/broker.ts";
import type { Changing, Reading, Statement } from "../ledger/connection/database.ts";
import type { Outbox } from "../ledger/outbox.ts";
import { aheadMsMax, firstIdAt, lowestId, type IdBound } from "../ledger/state.ts";
import type { StoreClock } from "../ledger/connection/store-clock.ts";

const SELECT_QUEUES: Statement = {
  name: "select-audited",
  text: `SELECT q.no, q.name, q.is_paused, q.fresh_from, q.put_back_from, q.is_at_rabbitmq, coalesce(t.backlog, 0) = 0 AS is_empty
    FROM sluice.queues q LEFT JOIN (
      SELECT queue, sum(accepted - done - dead - cancelled) AS backlog FROM sluice.tallies GROUP BY queue) t
      ON t.queue = q.no
    ORDER BY q.no`,
};
const PUT_BACK_FROM: Statement = {
  name: "put-back-from",
  text: "UPDATE sluice.queues SET put_back_from = $2 WHERE no = $1",
};
/** Not past a mark that was lowered meanwhile, for what a spool brings. */
const FRESH_FROM: Statement = {
  name: "fresh-from",
  text: `UPDATE sluice.queues q SET fresh_from = i.mark
    FROM unnest($1::smallint[], $2::uuid[], $3::uuid[]) AS i (no, mark, found)
    WHERE q.no = i.no AND q.fresh_from = i.found AND q.fresh_from < i.mark`,
};
const STORE_HINTS: Statement = {
  name: "store-hints",
  text: `INSERT INTO sluice.outbox (queue, kind, ids) VALUES ($1, 'fresh', $2::uuid[])
    RETURNING no::float8, queue, kind, ids::text[]`,
};
const AT_RABBITMQ: Statement = {
  name: "at-rabbitmq",
  text: "UPDATE sluice.queues SET is_at_rabbitmq = $2 WHERE no = $1",
};
/** Of those that come back, or of those that begin later. The scheduler hints them again: they were due once, whatever the clock says. */
const UNHINT: Statement = {
  name: "unhint",
  text: `WITH page AS (
      SELECT s.id, s.due_at FROM sluice.schedule s
      WHERE s.queue = $1 AND s.is_hinted AND s.is_first = $6::boolean AND (s.due_at, s.id) > ($3::bigint, $4::uuid)
        AND NOT EXISTS (SELECT FROM sluice.running n WHERE n.id = s.id)
      ORDER BY s.due_at, s.id LIMIT $5
    ), unhinted AS (
      UPDATE sluice.schedule s SET is_hinted = false, due_at = least(s.due_at, $2::bigint) FROM page p
      WHERE s.id = p.id AND s.is_hinted
    )
    SELECT due_at::float8, id FROM page ORDER BY due_at, id OFFSET $5 - 1`,
};
const oldestHinted = (isFirst: string): string => `(SELECT s.id, s.is_first FROM sluice.schedule s
      WHERE s.queue = $1 AND s.is_hinted AND ${isFirst}
        AND NOT EXISTS (SELECT FROM sluice.running n WHERE n.id = s.id)
      ORDER BY s.due_at, s.id LIMIT 1)`;
/** The head of both: they wait in two lines. */
const OLDEST_HINTED: Statement = {
  name: "oldest-hinted",
  text: `${oldestHinted("NOT s.is_first")} UNION ALL ${oldestHinted("s.is_first")}`,
};
/** Whether a request was claimed that was accepted after this one, or this time. */
const IS_OVERTAKEN: Statement = {
  name: "is-overtaken",
  text: "SELECT EXISTS (SELECT FROM sluice.running n WHERE n.queue = $1 AND n.id > $2) AS is_overtaken",
};
/** A server that crashed has forgotten its claims: what was claimed may wait again, however old it is. */
const WAS_CRASH: Statement = {
  name: "was-crash",
  text: `WITH found AS (
      INSERT INTO sluice.intact SELECT now() WHERE NOT EXISTS (SELECT FROM sluice.intact) RETURNING since
    )
    UPDATE sluice.queues SET fresh_from = $1 WHERE EXISTS (SELECT FROM found)`,
};

interface QueueRow {
  readonly no: number;
  readonly name: string;
  readonly is_paused: boolean;
  readonly fresh_from: RequestId;
  readonly put_back_from: RequestId | null;
  /** RabbitMQ may hold hints of it. */
  readonly is_at_rabbitmq: boolean;
  readonly is_empty: boolean;
}

/** Nothing is left to put back, either. */
function isEmpty({ is_empty, put_back_from }: QueueRow): boolean {
  return is_empty && put_back_from === null;
}

/** A place in the order in which what is scheduled is hinted. */
interface Due {
  readonly due_at: number;
  readonly id: IdBound;
}

/** Of all queues of one look, by their numbers. */
interface Heads {
  /** No request before it waits for its first delivery. */
  readonly marks: ReadonlyMap<number, IdBound>;
  /** Who waits there; not settled where that is not known yet. */
  readonly fresh: ReadonlyMap<number, Look>;
  /** Who waits, and was accepted by a clock that was ahead. */
  readonly ahead: ReadonlyMap<number, Look>;
}

type HintLine = "fresh" | "again";
type Scheduled = "first" | "again";
/** It may pass. */
const notYet = "";
const nothing = { fresh: false, again: false } as const;
const noneHinted = { first: [], again: [] } as const;

interface Head {
  /** `ahead`: fresh, and accepted by a clock that was ahead of what it is now. `first`: hinted as fresh when it came due. */
  readonly kind: "fresh" | "ahead" | "first" | "again";
  readonly head: Pick<Look, "ids" | "isSettled"> | undefined;
  /** Whether a carrier holds hints that it may be one of; undefined where that is RabbitMQ, and this process has none. */
  readonly isHeld: boolean | undefined;
}

interface Still {
  readonly id: RequestId;
  readonly since: number;
  /** After so long its hint is taken for lost; longer each time that it was put back and did not move. */
  readonly ms: number;
}

/** Workers of a queue, in all processes, by whether they have RabbitMQ. */
/** The log's words for it: nothing but RabbitMQ, or a hand, can lose what it has confirmed. */
export const saidOfLost = {
  queue: "RabbitMQ has lost this queue: its backlog is put back",
  hints: "hints of this queue are lost: they are put back",
};

export interface Takers {
  readonly having: number;
  readonly lacking: number;
}

export interface LostHintsOptions {
  readonly connection: Changing;
  /** Undefined in a process without RabbitMQ. */
  readonly broker: Broker | undefined;
  readonly outbox: Pick<Outbox, "tell">;
  readonly takersOf: (queue: string) => Takers;
  readonly clock: StoreClock;
  /** How long the head of a queue may stand still before its hint is taken for lost. */
  readonly stillMs: number;
  /** How long one look may look for the head of a queue; 2 s unless given. */
  readonly headMsMax?: number;
  readonly log: Logger;
}

/** Of the schedule. */
const pageMax = 5_000;
/** Ids of one row of the outbox: who takes a part of it rewrites the rest. */
const idsMax = 1_000;
/** Workers without RabbitMQ are the only ones for so long: whoever publishes has seen it by then. */
const leftMs = 5_000;
/** After a crash of the server all that is finished may lie before the head of a queue. */
const defaultHeadMsMax = 2_000;
/** What was put back and does not move is put back after twice the time, up to so many times `stillMs`. */
const stillFactorMax = 32;
/** Of the queues without a backlog so many in one look, in turn: there is nothing to lose of them. */
const emptyLooks = 20;
/** No statement that stores a request is under way for so long: what is older can be counted on to be seen. */
const settledMs = 20_000;

export class LostHints {
  readonly #options: LostHintsOptions;
  readonly #still = new Map<string, Still>();
  /** Since when nobody takes hints of a queue from RabbitMQ. */
  readonly #outSince = new Map<number, number>();
  /** The last one without a backlog that was looked at. */
  #lastEmpty = 0;

  constructor(options: LostHintsOptions) {
    this.#options = options;
  }

  /** One look at every queue that has a backlog, and at some of the others. */
  async look(): Promise<void> {
    const { connection } = this.#options;
    await this.#act(WAS_CRASH, [lowestId]);
    const rows = await connection.rows<QueueRow>(SELECT_QUEUES);
    const empty = rows.filter(isEmpty);
    const next = empty.findIndex(({ no }) => no > this.#lastEmpty);
    const inTurn = new Set([...empty.slice(Math.max(0, next)), ...empty].slice(0, emptyLooks));
    this.#lastEmpty = [...inTurn].at(-1)?.no ?? 0;
    const looked = rows.filter((row) => !isEmpty(row) || inTurn.has(row));
    const heads = await this.#heads(looked);
    for (const row of looked) await this.#lookAt(row, heads);
  }

  async #lookAt(row: QueueRow, { marks, fresh, ahead }: Heads): Promise<void> {
    const from = maxOf([row.fresh_from, marks.get(row.no) ?? lowestId]);
    const atRabbitmq = await this.#lookAtRabbitmq(row);
    const isLost = atRabbitmq === "lost";
    if (isLost || row.put_back_from !== null)
      await this.#putBack(row, isLost ? from : maxOf([from, row.put_back_from ?? lowestId]));
    if (row.is_paused || isLost) return;
    const hasHead = !row.is_empty || fresh.get(row.no)?.ids.length !== 0 || ahead.get(row.no)?.ids.length !== 0;
    const inOutbox = hasHead ? await outboxHolds(this.#options.connection, row.no) : nothing;
    const isFreshHeld = inOutbox.fresh || atRabbitmq?.fresh;
    await this.#lookAtHead(row, { kind: "fresh", head: fresh.get(row.no), isHeld: isFreshHeld });
    await this.#lookAtHead(row, { kind: "ahead", head: ahead.get(row.no), isHeld: isFreshHeld });
    const { first, again } = row.is_empty ? noneHinted : await this.#oldestHinted(row);
    await this.#lookAtHead(row, { kind: "first", head: { ids: first, isSettled: true }, isHeld: isFreshHeld });
    const isAgainHeld = inOutbox.again || atRabbitmq?.again;
    await this.#lookAtHead(row, { kind: "again", head: { ids: again, isSettled: true }, isHeld: isAgainHeld });
  }

  /**
   * What RabbitMQ holds of the queue for somebody who takes it; undefined where that is not known. "lost": it held some that nobody
   * can take from there.
   */
  async #lookAtRabbitmq(row: QueueRow): Promise<Record<HintLine, boolean> | "lost" | undefined> {
    const { broker, log } = this.#options;
    const unknown = row.is_at_rabbitmq ? undefined : nothing;
    const why = this.#outOfReach(row);
    if (why === notYet) return unknown;
    if (why !== undefined) {
      if (!row.is_at_rabbitmq) return nothing;
      log.warn({ queue: row.name }, `${why}: what RabbitMQ holds of this queue is put back`);
      await this.#lose(row, false);
      return "lost";
    }
    if (broker === undefined) return unknown;
    const { fresh, again } = await broker.depth(row.name);
    const isMissing = fresh === "missing" || again === "missing";
    if (isMissing && row.is_at_rabbitmq) {
      log.warn({ queue: row.name }, saidOfLost.queue);
      await this.#lose(row, true);
    } else if (!row.is_at_rabbitmq) await this.#act(AT_RABBITMQ, [row.no, true]);
    if (!isMissing) return { fresh: fresh.ready > 0, again: again.ready > 0 };
    await broker.declare(row.name);
    return row.is_at_rabbitmq ? "lost" : nothing;
  }

  /** Why nobody takes hints from RabbitMQ any more, once that has lasted. */
  #outOfReach({ no, name }: QueueRow): string | undefined {
    const { broker, takersOf, stillMs } = this.#options;
    const { having, lacking } = takersOf(name);
    const isLeft = lacking > 0 && having === 0;
    const isDown = broker?.isUp === false;
    if (!isLeft && !isDown) {
      this.#outSince.delete(no);
      return undefined;
    }
    const since = this.#outSince.get(no) ?? performance.now();
    this.#outSince.set(no, since);
    if (performance.now() - since < (isLeft ? leftMs : stillMs)) return notYet;
    return isLeft ? "no worker of the queue has RabbitMQ any more" : "RabbitMQ cannot be reached";
  }

  /** Noted before anything is put back: whoever leads next goes on with it. */
  async #lose(row: QueueRow, isAtRabbitmq: boolean): Promise<void> {
    await this.#act(PUT_BACK_FROM, [row.no, lowestId]);
    await this.#act(AT_RABBITMQ, [row.no, isAtRabbitmq]);
    for (const kind of ["first", "again"] as const) await this.#unhintAll(row, kind);
  }

  /** Page by page: each goes into the outbox together with the note how far this is. */
  async #putBack({ no, name }: QueueRow, from: IdBound): Promise<void> {
    const { connection, log } = this.#options;
    let next = from;
    let count = 0;
    for (let isLast = false; !isLast;) {
      const ids = await freshWaiting(connection, { queue: no, from: next, limit: idsMax });
      isLast = ids.length < idsMax;
      next = ids.at(-1) ?? next;
      count += ids.length;
      await this.#hint(no, ids, (inside) => inside.rows(PUT_BACK_FROM, [no, isLast ? null : next]));
    }
    log.info({ queue: name, count }, "the backlog is with the carriers again");
  }

  /** Waits until the carrier has them, as far as it takes them: it is not to be flooded. */
  async #hint(no: number, ids: readonly RequestId[], also?: (inside: Reading) => Promise<unknown>): Promise<void> {
    const rows = await this.#options.connection.transaction(async (inside) => {
      await also?.(inside);
      return ids.length === 0 ? [] : inside.rows<OutboxRow & object>(STORE_HINTS, [no, ids]);
    });
    await this.#options.outbox.tell(rows);
  }

  /** The head of the line has not moved: its hint is lost if nobody can hold it, or others went past it. */
  async #lookAtHead(row: QueueRow, { kind, head: found, isHeld }: Head): Promise<void> {
    const { stillMs, log } = this.#options;
    if (found?.isSettled !== true) return;
    const [head] = found.ids;
    const key = `${row.no} ${kind}`;
    const before = this.#still.get(key);
    if (head === undefined) this.#still.delete(key);
    else if (before?.id !== head) this.#still.set(key, { id: head, since: performance.now(), ms: stillMs });
    else if (
      performance.now() - before.since >= before.ms &&
      (kind === "ahead" ||
        (await this.#isLost(row, isHeld, kind === "first" ? this.#firstIdSince(before.since) : head)))
    ) {
      log.warn({ queue: row.name, id: head }, saidOfLost.hints);
      const ms = Math.min(2 * before.ms, stillFactorMax * stillMs);
      this.#still.set(key, { id: head, since: performance.now(), ms });
      if (kind === "fresh" || kind === "ahead") await this.#hint(row.no, await this.#page(row, head));
      else if (isHeld === false) await this.#unhintAll(row, kind);
      else await this.#unhint(row.no, { kind, now: this.#options.clock.now() });
    }
  }

  async #oldestHinted({ no }: QueueRow): Promise<Record<Scheduled, readonly RequestId[]>> {
    const rows = await this.#options.connection.rows<{ id: RequestId; is_first: boolean }>(OLDEST_HINTED, [no]);
    const ids = (isFirst: boolean): RequestId[] => rows.flatMap((row) => (row.is_first === isFirst ? [row.id] : []));
    return { first: ids(true), again: ids(false) };
  }

  async #isLost(row: QueueRow, isHeld: boolean | undefined, head: IdBound): Promise<boolean> {
    if (isHeld !== true) return true;
    const [found] = await this.#options.connection.rows<{ is_overtaken: boolean }>(IS_OVERTAKEN, [row.no, head]);
    return found?.is_overtaken === true;
  }

  /** Of what is accepted from then on. What begins later has its place in the line by when it was hinted, not by its id. */
  #firstIdSince(since: number): IdBound {
    return firstIdAt(this.#options.clock.now() - (performance.now() - since));
  }

  #page({ no }: QueueRow, head: RequestId): Promise<readonly RequestId[]> {
    return freshWaiting(this.#options.connection, { queue: no, from: head, limit: idsMax });
  }

  /** Page by page: the scheduler hints those of one page while the next is looked for, and they lie behind it. */
  async #unhintAll({ no }: QueueRow, kind: Scheduled): Promise<void> {
    const now = this.#options.clock.now();
    let last = await this.#unhint(no, { kind, now });
    while (last !== undefined) last = await this.#unhint(no, { kind, now }, last);
  }

  /** A page of them, those that were due first. Gives back the last one where there may be more. */
  async #unhint(
    queue: number,
    { kind, now }: { readonly kind: Scheduled; readonly now: number },
    after: Due = { due_at: -1, id: lowestId },
  ): Promise<Due | undefined> {
    const values = [queue, now, after.due_at, after.id, pageMax, kind === "first"];
    const [last] = await this.#act<Due>(UNHINT, values);
    return last;
  }

  /** Looks for the heads, and moves the marks before which nothing waits for its first delivery, as far as it gets in its time. */
  async #heads(rows: readonly QueueRow[]): Promise<Heads> {
    const { connection, clock, headMsMax = defaultHeadMsMax } = this.#options;
    const startedAt = performance.now();
    const isLate = (): boolean => performance.now() - startedAt >= headMsMax;
    const settled = firstIdAt(clock.now() - settledMs);
    const begins = new Map(rows.map(({ no, fresh_from: at }) => [no, { at }]));
    const fresh = await firstFresh(connection, begins, { before: settled, isLate });
    const marks = new Map([...fresh].map(([no, { ids, at, isSettled }]) => [no, ids[0] ?? (isSettled ? settled : at)]));
    // After a step ahead some may not have seen it yet: what they accept now lies before `settled`.
    const found = [...marks.keys()].map((no) => begins.get(no)?.at);
    if (clock.steadyMs > settledMs) await this.#act(FRESH_FROM, [[...marks.keys()], [...marks.values()], found]);
    // The clock has stepped back: until it is there again no mark reaches them.
    const at = firstIdAt(clock.now() + aheadMsMax);
    const ahead = await firstFresh(connection, new Map(rows.map(({ no }) => [no, { at }])), {
      isLate: () => false,
    });
    return { marks, fresh, ahead };
  }

  #act<Row extends object>(statement: Statement, values: readonly unknown[]): Promise<Row[]> {
    return this.#options.connection.transaction((inside) => inside.rows<Row>(statement, values));
  }
}

function maxOf(ids: readonly IdBound[]): IdBound {
  return ids.toSorted().at(-1) ?? lowestId;
}
