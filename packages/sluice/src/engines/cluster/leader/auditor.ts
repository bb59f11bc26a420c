// Holds the ledger's backlog against the broker's queues and puts back what the broker has lost: all of it when a queue
// is gone, and what does not move though its turn has passed. Run by the leader. A hint put back twice does no harm.
import type { RequestId } from "../../../core/request-id.ts";
import type { Logger } from "../../../telemetry/log.ts";
import { firstFresh, freshWaiting, type Look } from "../ledger/backlog.ts";
import type { Broker } from "../carriers/broker.ts";
import type { Changing, Statement } from "../ledger/connection/database.ts";
import { publishHints } from "../ledger/outbox.ts";
import { aheadMsMax, firstIdAt, lowestId, type IdBound } from "../ledger/state.ts";
import type { StoreClock } from "../ledger/connection/store-clock.ts";

const SELECT_QUEUES: Statement = {
  name: "select-audited",
  text: `SELECT q.no, q.name, q.is_paused, q.fresh_from, q.put_back_from, coalesce(t.backlog, 0) = 0 AS is_empty
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
/** The scheduler hints them again. They were due when they were hinted, whatever the clock says now. */
const UNHINT: Statement = {
  name: "unhint",
  text: `WITH page AS (
      SELECT s.id, s.due_at FROM sluice.schedule s
      WHERE s.queue = $1 AND s.is_hinted AND (s.due_at, s.id) > ($3::bigint, $4::uuid)
        AND NOT EXISTS (SELECT FROM sluice.running n WHERE n.id = s.id)
      ORDER BY s.due_at, s.id LIMIT $5
    ), unhinted AS (
      UPDATE sluice.schedule s SET is_hinted = false, due_at = least(s.due_at, $2::bigint) FROM page p
      WHERE s.id = p.id AND s.is_hinted
    )
    SELECT due_at::float8, id FROM page ORDER BY due_at, id OFFSET $5 - 1`,
};
const OLDEST_HINTED: Statement = {
  name: "oldest-hinted",
  text: `SELECT s.id FROM sluice.schedule s
    WHERE s.queue = $1 AND s.is_hinted
      AND NOT EXISTS (SELECT FROM sluice.running n WHERE n.id = s.id)
    ORDER BY s.due_at, s.id LIMIT 1`,
};
/** Whether requests were claimed that were accepted well after this one. */
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

interface Head {
  /** `ahead`: fresh, and accepted by a clock that was ahead of what it is now. */
  readonly kind: "fresh" | "ahead" | "again";
  readonly head: Pick<Look, "ids" | "isSettled"> | undefined;
  readonly ready: number;
}

interface Still {
  readonly id: RequestId;
  readonly since: number;
  /** After so long its hint is taken for lost; longer each time that it was put back and did not move. */
  readonly ms: number;
}

export interface AuditorOptions {
  readonly connection: Changing;
  readonly broker: Broker;
  readonly clock: StoreClock;
  readonly hintIdsMax: (queue: string) => number;
  /** How long the head of a queue may stand still before its hint is taken for lost. */
  readonly stillMs: number;
  /** How long one look may look for the head of a queue; 2 s unless given. */
  readonly headMsMax?: number;
  readonly log: Logger;
}

const pageMax = 5_000;
/** After a crash of the server all that is finished may lie before the head of a queue. */
const defaultHeadMsMax = 2_000;
/** What was put back and does not move is put back after twice the time, up to so many times `stillMs`. */
const stillFactorMax = 32;
/** Of the queues without a backlog so many in one look, in turn: the broker has nothing to lose of them. */
const emptyLooks = 20;
/** No statement that stores a request is under way for so long: what is older can be counted on to be seen. */
const settledMs = 20_000;

export class Auditor {
  readonly #options: AuditorOptions;
  readonly #still = new Map<string, Still>();
  /** The last one without a backlog that was looked at. */
  #lastEmpty = 0;

  constructor(options: AuditorOptions) {
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
    const { broker } = this.#options;
    const depth = await broker.depth(row.name);
    const isMissing = depth.fresh === "missing" || depth.again === "missing";
    if (isMissing) {
      await this.#lost(row);
      await broker.declare(row.name);
    }
    const putBackFrom = isMissing ? lowestId : row.put_back_from;
    if (putBackFrom !== null)
      await this.#putBack(row, maxOf([putBackFrom, row.fresh_from, marks.get(row.no) ?? lowestId]));
    if (row.is_paused || depth.fresh === "missing" || depth.again === "missing") return;
    await this.#lookAtHead(row, { kind: "fresh", head: fresh.get(row.no), ready: depth.fresh.ready });
    await this.#lookAtHead(row, { kind: "ahead", head: ahead.get(row.no), ready: depth.fresh.ready });
    const again = row.is_empty ? [] : await this.#oldestHinted(row);
    await this.#lookAtHead(row, { kind: "again", head: { ids: again, isSettled: true }, ready: depth.again.ready });
  }

  /** Noted before the queue is declared anew: whoever leads next goes on with it. */
  async #lost(row: QueueRow): Promise<void> {
    const { log } = this.#options;
    log.warn({ queue: row.name }, "the broker has lost this queue: its backlog is put back");
    await this.#act(PUT_BACK_FROM, [row.no, lowestId]);
    await this.#unhintAll(row);
  }

  async #putBack({ no, name }: QueueRow, from: IdBound): Promise<void> {
    const { connection, log } = this.#options;
    let next = from;
    let count = 0;
    for (;;) {
      const ids = await freshWaiting(connection, { queue: no, from: next, limit: pageMax });
      const published = await this.#publish(name, ids);
      count += published;
      next = ids[published - 1] ?? next;
      const isLast = published === ids.length && ids.length < pageMax;
      await this.#act(PUT_BACK_FROM, [no, isLast ? null : next]);
      if (published < ids.length) return; // the next look goes on from here
      if (!isLast) continue;
      log.info({ queue: name, count }, "the backlog is with the broker again");
      return;
    }
  }

  #publish(queue: string, ids: readonly RequestId[]): Promise<number> {
    const { broker, hintIdsMax } = this.#options;
    return publishHints(broker.publisher, { queue, kind: "fresh", ids, idsMax: hintIdsMax(queue) });
  }

  /** The head of the line has not moved: its hint is lost if nobody can hold it, or others went past it. */
  async #lookAtHead(row: QueueRow, { kind, head: found, ready }: Head): Promise<void> {
    const { stillMs, log } = this.#options;
    if (found?.isSettled !== true) return;
    const [head] = found.ids;
    const key = `${row.no} ${kind}`;
    const before = this.#still.get(key);
    if (head === undefined) this.#still.delete(key);
    else if (before?.id !== head) this.#still.set(key, { id: head, since: performance.now(), ms: stillMs });
    else if (
      performance.now() - before.since >= before.ms &&
      (kind === "ahead" || (await this.#isLost(row, ready, head)))
    ) {
      log.warn({ queue: row.name, id: head }, "the broker has lost hints of this queue: they are put back");
      const ms = Math.min(2 * before.ms, stillFactorMax * stillMs);
      this.#still.set(key, { id: head, since: performance.now(), ms });
      if (kind === "again" && ready === 0) await this.#unhintAll(row);
      else if (kind === "again") await this.#unhint(row.no, this.#options.clock.now());
      else await this.#publish(row.name, await this.#page(row, head));
    }
  }

  async #oldestHinted({ no }: QueueRow): Promise<readonly RequestId[]> {
    return (await this.#options.connection.rows<{ id: RequestId }>(OLDEST_HINTED, [no])).map(({ id }) => id);
  }

  async #isLost(row: QueueRow, ready: number, head: RequestId): Promise<boolean> {
    if (ready === 0) return true;
    const [found] = await this.#options.connection.rows<{ is_overtaken: boolean }>(IS_OVERTAKEN, [row.no, head]);
    return found?.is_overtaken === true;
  }

  #page({ no }: QueueRow, head: RequestId): Promise<readonly RequestId[]> {
    return freshWaiting(this.#options.connection, { queue: no, from: head, limit: pageMax });
  }

  /** Page by page: the scheduler hints those of one page while the next is looked for, and they lie behind it. */
  async #unhintAll({ no }: QueueRow): Promise<void> {
    const now = this.#options.clock.now();
    let last = await this.#unhint(no, now);
    while (last !== undefined) last = await this.#unhint(no, now, last);
  }

  /** A page of them, those that were due first. Gives back the last one where there may be more. */
  async #unhint(queue: number, now: number, after: Due = { due_at: -1, id: lowestId }): Promise<Due | undefined> {
    const values = [queue, now, after.due_at, after.id, pageMax];
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
