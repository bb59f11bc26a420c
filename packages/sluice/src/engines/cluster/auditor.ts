// Holds the ledger's backlog against the broker's queues and puts back what the broker has lost: all of it when a queue
// is gone, and what does not move though its turn has passed. Run by the leader. A hint put back twice does no harm.
import type { RequestId } from "../../core/request-id.ts";
import type { Logger } from "../../telemetry/log.ts";
import { freshWaiting } from "./backlog.ts";
import type { Broker } from "./broker.ts";
import type { Connected, Statement } from "./database.ts";
import { publishHints } from "./outbox.ts";
import { aheadMsMax, firstIdAt, highestId } from "./state.ts";
import type { StoreClock } from "./store-clock.ts";

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
/** Each request is looked at once: when no commit of its time can be under way any more. */
const FIRST_FRESH: Statement = {
  name: "first-fresh",
  text: `SELECT r.id FROM sluice.requests r WHERE r.queue = $1 AND r.id >= $2::uuid AND r.id < $3::uuid
      AND NOT EXISTS (SELECT FROM sluice.outcomes o WHERE o.id = r.id)
      AND NOT EXISTS (SELECT FROM sluice.running n WHERE n.id = r.id)
      AND NOT EXISTS (SELECT FROM sluice.schedule s WHERE s.id = r.id)
    ORDER BY r.id LIMIT 1`,
};
const FRESH_FROM: Statement = {
  name: "fresh-from",
  text: "UPDATE sluice.queues SET fresh_from = $2 WHERE no = $1 AND fresh_from < $2",
};
/** The scheduler hints them again. They were due when they were hinted, whatever the clock says now. */
const UNHINT: Statement = {
  name: "unhint",
  text: `UPDATE sluice.schedule s SET is_hinted = false, due_at = least(s.due_at, $2::bigint)
    WHERE s.queue = $1 AND s.is_hinted
      AND NOT EXISTS (SELECT FROM sluice.running n WHERE n.id = s.id)`,
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

interface Head {
  /** `ahead`: fresh, and accepted by a clock that was ahead of what it is now. */
  readonly kind: "fresh" | "ahead" | "again";
  readonly head: RequestId | undefined;
  readonly ready: number;
}

interface Still {
  readonly id: RequestId;
  readonly since: number;
}

export interface AuditorOptions {
  readonly connection: Connected;
  readonly broker: Broker;
  readonly clock: StoreClock;
  readonly hintIdsMax: (queue: string) => number;
  /** How long the head of a queue may stand still before its hint is taken for lost. */
  readonly stillMs: number;
  readonly log: Logger;
}

const pageMax = 5_000;
/** Of the queues without a backlog so many in one look, in turn: the broker has nothing to lose of them. */
const emptyLooks = 20;
/** No statement that stores a request is under way for so long: what is older can be counted on to be seen. */
const settledMs = 20_000;
const firstId = "00000000-0000-0000-0000-000000000000" as RequestId;

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
    await connection.rows(WAS_CRASH, [firstId]);
    const rows = await connection.rows<QueueRow>(SELECT_QUEUES);
    const empty = rows.filter(isEmpty);
    const next = empty.findIndex(({ no }) => no > this.#lastEmpty);
    const inTurn = new Set([...empty.slice(Math.max(0, next)), ...empty].slice(0, emptyLooks));
    this.#lastEmpty = [...inTurn].at(-1)?.no ?? 0;
    for (const row of rows) if (!isEmpty(row) || inTurn.has(row)) await this.#lookAt(row);
  }

  async #lookAt(row: QueueRow): Promise<void> {
    const { broker } = this.#options;
    const depth = await broker.depth(row.name);
    if (depth.fresh === "missing" || depth.again === "missing") {
      await this.#lost(row);
      await broker.declare(row.name);
      await this.#putBack(row, firstId);
    } else if (row.put_back_from !== null) await this.#putBack(row, row.put_back_from);
    const head = await this.#advance(row);
    if (row.is_paused || depth.fresh === "missing" || depth.again === "missing") return;
    await this.#lookAtHead(row, { kind: "fresh", head, ready: depth.fresh.ready });
    await this.#lookAtHead(row, { kind: "ahead", head: await this.#firstAhead(row), ready: depth.fresh.ready });
    await this.#lookAtHead(row, { kind: "again", head: await this.#oldestHinted(row), ready: depth.again.ready });
  }

  /** Noted before the queue is declared anew: whoever leads next goes on with it. */
  async #lost({ no, name }: QueueRow): Promise<void> {
    const { connection, clock, log } = this.#options;
    log.warn({ queue: name }, "the broker has lost this queue: its backlog is put back");
    await connection.rows(PUT_BACK_FROM, [no, firstId]);
    await connection.rows(UNHINT, [no, clock.now()]);
  }

  async #putBack({ no, name, fresh_from }: QueueRow, from: RequestId): Promise<void> {
    const { connection, log } = this.#options;
    let next = from < fresh_from ? fresh_from : from;
    let count = 0;
    for (;;) {
      const ids = await freshWaiting(connection, { queue: no, from: next, limit: pageMax });
      if (!(await this.#publish(name, ids))) return; // the next look goes on from here
      count += ids.length;
      next = ids.at(-1) ?? next;
      const isLast = ids.length < pageMax;
      await connection.rows(PUT_BACK_FROM, [no, isLast ? null : next]);
      if (!isLast) continue;
      log.info({ queue: name, count }, "the backlog is with the broker again");
      return;
    }
  }

  #publish(queue: string, ids: readonly RequestId[]): Promise<boolean> {
    const { broker, hintIdsMax } = this.#options;
    return publishHints(broker.publisher, { queue, kind: "fresh", ids, idsMax: hintIdsMax(queue) });
  }

  /** The head of the line has not moved: its hint is lost if nobody can hold it, or others went past it. */
  async #lookAtHead(row: QueueRow, { kind, head, ready }: Head): Promise<void> {
    const { stillMs, log } = this.#options;
    const key = `${row.no} ${kind}`;
    const before = this.#still.get(key);
    if (head === undefined) this.#still.delete(key);
    else if (before?.id !== head) this.#still.set(key, { id: head, since: performance.now() });
    else if (
      performance.now() - before.since >= stillMs &&
      (kind === "ahead" || (await this.#isLost(row, ready, head)))
    ) {
      log.warn({ queue: row.name, id: head }, "the broker has lost hints of this queue: they are put back");
      this.#still.delete(key);
      if (kind === "again") await this.#unhint(row);
      else await this.#publish(row.name, await this.#page(row, head));
    }
  }

  async #oldestHinted({ no }: QueueRow): Promise<RequestId | undefined> {
    const [oldest] = await this.#options.connection.rows<{ id: RequestId }>(OLDEST_HINTED, [no]);
    return oldest?.id;
  }

  /** The clock has stepped back: until it is there again no mark reaches them. */
  async #firstAhead({ no }: QueueRow): Promise<RequestId | undefined> {
    const { connection, clock } = this.#options;
    const ahead = firstIdAt(clock.now() + aheadMsMax);
    const [first] = await connection.rows<{ id: RequestId }>(FIRST_FRESH, [no, ahead, highestId]);
    return first?.id;
  }

  async #isLost(row: QueueRow, ready: number, head: RequestId): Promise<boolean> {
    if (ready === 0) return true;
    const [found] = await this.#options.connection.rows<{ is_overtaken: boolean }>(IS_OVERTAKEN, [row.no, head]);
    return found?.is_overtaken === true;
  }

  #page({ no }: QueueRow, head: RequestId): Promise<readonly RequestId[]> {
    return freshWaiting(this.#options.connection, { queue: no, from: head, limit: pageMax });
  }

  async #unhint({ no }: QueueRow): Promise<void> {
    await this.#options.connection.rows(UNHINT, [no, this.#options.clock.now()]);
  }

  /** Moves the mark before which nothing waits for its first delivery. Gives back who waits there, if anybody does. */
  async #advance({ no, fresh_from }: QueueRow): Promise<RequestId | undefined> {
    const { connection, clock } = this.#options;
    const settled = firstIdAt(clock.now() - settledMs);
    const [first] = await connection.rows<{ id: RequestId }>(FIRST_FRESH, [no, fresh_from, settled]);
    // After a step ahead some may not have seen it yet: what they accept now lies before `settled`.
    if (clock.steadyMs > settledMs) await connection.rows(FRESH_FROM, [no, first?.id ?? settled]);
    return first?.id;
  }
}
