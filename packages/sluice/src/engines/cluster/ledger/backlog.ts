// What each queue holds, from the counts that every process keeps in rows of its own. Only the time of the oldest that
// waits has to be looked for, and a reader remembers where it was.
import type { QueueStatus } from "../../../engine/engine.ts";
import type { Attendance } from "../../shared/presence.ts";
import { timeOfId, type RequestId } from "../../../core/request-id.ts";
import type { Reading, Statement } from "./connection/database.ts";
import { hasRow, highestId, type IdBound } from "./state.ts";

/** What the ledger knows of a queue; workers and rates are the engine's to add. */
export interface StoredQueueStatus extends Omit<QueueStatus, keyof Attendance | "accepting" | "finishing"> {
  readonly no: number;
  /** When the last of its workers left. */
  readonly leftAt: number;
}

const SCHEDULED = `SELECT count(*) AS scheduled, min(s.due_at) AS first_due_at, max(s.due_at) AS last_due_at
  FROM sluice.schedule s WHERE q.no <> ALL ($2::smallint[]) AND s.queue = q.no AND s.due_at > $1::bigint
  AND NOT ${hasRow("running", "s.id")} AND NOT ${hasRow("outcomes", "s.id")}`;
/**
 * One statement, so that all counts are of one snapshot. Of the queues in $2 what is scheduled is not counted. The claims have
 * no index by queue: they are counted for all queues at once.
 */
const count = (
  which: string,
  ofQueue: string,
): string => `SELECT q.no, q.name, q.is_paused, q.paused_at::float8, q.left_at::float8, q.fresh_from, q.replicas_asked,
      coalesce(t.accepted, 0)::float8 AS accepted, coalesce(t.done, 0)::float8 AS done,
      coalesce(t.dead, 0)::float8 AS dead, coalesce(t.cancelled, 0)::float8 AS cancelled,
      coalesce(t.backlog_bytes, 0)::float8 AS backlog_bytes,
      coalesce(c.running, 0)::float8 AS running,
      CASE WHEN q.no <> ALL ($2::smallint[]) THEN f.scheduled::float8 END AS scheduled,
      f.first_due_at::float8, f.last_due_at::float8
    FROM sluice.queues q LEFT JOIN (
      SELECT queue, sum(accepted) AS accepted, sum(done) AS done, sum(dead) AS dead, sum(cancelled) AS cancelled,
        sum(backlog_bytes) AS backlog_bytes FROM sluice.tallies WHERE ${ofQueue} GROUP BY queue) t ON t.queue = q.no
    LEFT JOIN (
      SELECT queue, count(*) AS running FROM sluice.running n WHERE ${ofQueue} AND NOT ${hasRow("outcomes", "n.id")}
      GROUP BY queue) c ON c.queue = q.no
    CROSS JOIN LATERAL (${SCHEDULED}) f
    ${which} ORDER BY q.name`;
const COUNT: Statement = { name: "backlog-count", text: count("", "true") };
const COUNT_OF: Statement = {
  name: "backlog-count-of",
  text: count("WHERE q.name = $3", "queue = (SELECT no FROM sluice.queues WHERE name = $3)"),
};
const OLDEST_DUE: Statement = {
  name: "backlog-oldest-due",
  text: `SELECT q.no, f.id FROM unnest($1::smallint[]) AS q (no) CROSS JOIN LATERAL (
      SELECT s.id FROM sluice.schedule s WHERE s.queue = q.no AND s.due_at <= $2::bigint
        AND NOT ${hasRow("running", "s.id")} AND NOT ${hasRow("outcomes", "s.id")} ORDER BY s.id LIMIT 1) f`,
};
const pageEnd = (queue: string, from: string, rows: string): string =>
  `SELECT id FROM sluice.requests WHERE queue = ${queue} AND id >= ${from} ORDER BY id OFFSET ${rows} LIMIT 1`;
/** The outcomes are looked up within the page's bounds too: that leaves one or two of their partitions. */
const freshInPage = (queue: string, from: string, before: string): string =>
  `SELECT r.id FROM sluice.requests r WHERE r.queue = ${queue} AND r.id >= ${from} AND r.id < ${before}
      AND NOT EXISTS (SELECT FROM sluice.outcomes o
        WHERE o.id = r.id AND o.id >= ${from} AND o.id < ${before} OFFSET 0)
      AND NOT ${hasRow("running", "r.id")} AND NOT ${hasRow("schedule", "r.id")}
    ORDER BY r.id`;
/** The end of a page of requests; none when fewer are left. */
const PAGE_END: Statement = { name: "backlog-page-end", text: pageEnd("$1", "$2::uuid", "$3::int") };
const FRESH_IN_PAGE: Statement = {
  name: "backlog-fresh-in-page",
  text: `${freshInPage("$1", "$2::uuid", "$3::uuid")} LIMIT $4::int`,
};
/** Both at once, for the first page of several queues. */
const FIRST_PAGES: Statement = {
  name: "backlog-first-pages",
  text: `SELECT i.no, e.id AS page_end, f.id AS first FROM unnest($1::smallint[], $2::uuid[]) AS i (no, at)
    LEFT JOIN LATERAL (${pageEnd("i.no", "i.at", "$3::int")}) e ON true
    LEFT JOIN LATERAL (${freshInPage("i.no", "i.at", `coalesce(e.id, '${highestId}'::uuid)`)} LIMIT 1) f ON true`,
};
/** Of one statement that looks for the oldest of several. */
const queuesMax = 200;
const pageMin = 200;
const pageMax = 16_000;

/** How often the look begins at the safe mark: a commit may become visible after one with higher ids. */
const safeEveryMs = 10_000;
/** From here on what is scheduled is counted, and searched for what is due, for a twentieth of the time at most. */
const manyScheduled = 10_000;
const countShare = 1 / 20;
/** How long one read looks for the oldest, in all queues together: after a crash of the server all that is finished may lie before it. */
const lookMsMax = 100;

interface CountRow {
  readonly no: number;
  readonly name: string;
  readonly is_paused: boolean;
  readonly paused_at: number | null;
  readonly left_at: number;
  readonly fresh_from: IdBound;
  readonly replicas_asked: number | null;
  readonly accepted: number;
  readonly done: number;
  readonly dead: number;
  readonly cancelled: number;
  readonly backlog_bytes: number;
  readonly running: number;
  /** Null where it was not counted. */
  readonly scheduled: number | null;
  readonly first_due_at: number | null;
  readonly last_due_at: number | null;
}

interface Mark {
  /** No request before it is known to wait for its first delivery. */
  readonly at: IdBound;
  /** The first that waits, as of the last look that came to its end. */
  readonly first: RequestId | undefined;
  /** When, by the monotonic clock, a look began at the safe mark last. */
  readonly safeAt: number;
  /** Whether the look came to its end. */
  readonly isSettled: boolean;
}

interface Scheduled {
  readonly count: number;
  readonly firstDueAt: number | undefined;
  readonly lastDueAt: number | undefined;
  readonly oldestDue: RequestId | undefined;
  readonly untilMs: number;
}

const nothingScheduled: Scheduled = {
  count: 0,
  firstDueAt: undefined,
  lastDueAt: undefined,
  oldestDue: undefined,
  untilMs: 0,
};

export class BacklogReader {
  readonly #monotonic: () => number;
  readonly #marks = new Map<number, Mark>();
  readonly #scheduled = new Map<number, Scheduled>();

  constructor(monotonic: () => number = () => performance.now()) {
    this.#monotonic = monotonic;
  }

  async read(db: Reading, now: number, queue?: string): Promise<readonly StoredQueueStatus[]> {
    const rows = await this.#count(db, now, queue);
    const statuses = rows.map((row) => statusOf(row, this.#scheduled.get(row.no) ?? nothingScheduled));
    const oldest = await this.#oldest(
      db,
      rows.filter((_row, index) => (statuses[index] as (typeof statuses)[number]).counts.waiting > 0),
      now,
    );
    return statuses.map((status) => {
      const id = oldest.get(status.no);
      return { ...status, oldestWaitingAt: id === undefined ? undefined : timeOfId(id) };
    });
  }

  async #count(db: Reading, now: number, queue: string | undefined): Promise<readonly CountRow[]> {
    const startedAt = this.#monotonic();
    const known = [...this.#scheduled].filter(([, { untilMs }]) => untilMs > startedAt).map(([no]) => no);
    const values = [Math.floor(now), known];
    const rows =
      queue === undefined
        ? await db.rows<CountRow>(COUNT, values)
        : await db.rows<CountRow>(COUNT_OF, [...values, queue]);
    const tookMs = this.#monotonic() - startedAt;
    for (const { no, scheduled, first_due_at: first, last_due_at: last } of rows) {
      if (scheduled === null) continue;
      const untilMs = scheduled < manyScheduled ? 0 : startedAt + tookMs / countShare;
      const due = { firstDueAt: first ?? undefined, lastDueAt: last ?? undefined };
      this.#scheduled.set(no, { ...nothingScheduled, count: scheduled, ...due, untilMs });
    }
    return rows;
  }

  /** Of each queue that something waits in. */
  async #oldest(db: Reading, rows: readonly CountRow[], now: number): Promise<ReadonlyMap<number, RequestId>> {
    const isLate = this.#lateAfter(lookMsMax);
    const oldest = new Map<number, RequestId>();
    for (let at = 0; at < rows.length; at += queuesMax) {
      const some = rows.slice(at, at + queuesMax);
      const due = await this.#oldestDue(db, some, now);
      const fresh = await this.#firstFresh(db, some, isLate);
      for (const { no } of some) {
        const [id] = [due.get(no), fresh.get(no)].filter((one) => one !== undefined).toSorted();
        if (id !== undefined) oldest.set(no, id);
      }
    }
    return oldest;
  }

  async #oldestDue(db: Reading, rows: readonly CountRow[], now: number): Promise<Found> {
    const found = new Map<number, RequestId | undefined>();
    const [few, many]: [number[], number[]] = [[], []];
    for (const { no, scheduled } of rows) {
      const known = this.#scheduled.get(no) ?? nothingScheduled;
      if (scheduled === null) found.set(no, known.oldestDue);
      else (known.untilMs === 0 ? few : many).push(no);
    }
    for (const nos of [few, ...many.map((no) => [no])]) {
      if (nos.length === 0) continue;
      const startedAt = this.#monotonic();
      const due = await db.rows<{ no: number; id: RequestId }>(OLDEST_DUE, [nos, Math.floor(now)]);
      const tookMs = this.#monotonic() - startedAt;
      for (const { no, id } of due) found.set(no, id);
      if (nos !== few) for (const no of nos) this.#noteDue(no, found.get(no), tookMs);
    }
    return found;
  }

  /** Where much is scheduled. */
  #noteDue(no: number, oldestDue: RequestId | undefined, tookMs: number): void {
    const known = this.#scheduled.get(no) ?? nothingScheduled;
    this.#scheduled.set(no, { ...known, oldestDue, untilMs: known.untilMs + tookMs / countShare });
  }

  async #firstFresh(db: Reading, rows: readonly CountRow[], isLate: () => boolean): Promise<Found> {
    const startedAt = this.#monotonic();
    const found = new Map<number, RequestId | undefined>();
    const begins = new Map(rows.map((row) => [row.no, this.#begin(row, startedAt)]));
    for (const [no, { ids, at, isSettled }] of await firstFresh(db, begins, { isLate })) {
      const { safeAt } = begins.get(no) as Begin;
      const first = isSettled ? ids[0] : this.#marks.get(no)?.first;
      this.#marks.set(no, { at: ids[0] ?? at, first, safeAt, isSettled });
      found.set(no, first);
    }
    return found;
  }

  #begin({ no, fresh_from: safe }: CountRow, startedAt: number): Begin {
    const mark = this.#marks.get(no);
    const isOld = mark === undefined || (mark.isSettled && startedAt - mark.safeAt >= safeEveryMs);
    return isOld || mark.at < safe ? { at: safe, safeAt: startedAt } : mark;
  }

  #lateAfter(ms: number): () => boolean {
    const startedAt = this.#monotonic();
    return () => this.#monotonic() - startedAt > ms;
  }
}

/** By the number of the queue. */
type Found = ReadonlyMap<number, RequestId | undefined>;

/** Where a look begins. */
interface Begin {
  readonly at: IdBound;
  readonly safeAt: number;
}

export interface FreshRange {
  readonly queue: number;
  readonly from: IdBound;
  /** None from here on; the highest id unless given. */
  readonly before?: IdBound;
  readonly limit: number;
}

/** Requests that wait for their first delivery, the oldest first. */
export async function freshWaiting(db: Reading, range: FreshRange): Promise<readonly RequestId[]> {
  return (await lookForFresh(db, range, () => false)).ids;
}

export interface Look {
  readonly ids: readonly RequestId[];
  /** Where the last page began. */
  readonly at: IdBound;
  /** Whether as many were found as were asked for, or there are no more. */
  readonly isSettled: boolean;
}

interface FirstPage {
  readonly no: number;
  /** Null where it is the last. */
  readonly page_end: RequestId | null;
  readonly first: RequestId | null;
}

/** The first that waits for its first delivery in each of these queues, from there on and before `before`. */
export async function firstFresh(
  db: Reading,
  begins: ReadonlyMap<number, { readonly at: IdBound }>,
  { before = highestId, isLate }: { readonly before?: IdBound; readonly isLate: () => boolean },
): Promise<ReadonlyMap<number, Look>> {
  const looks = new Map<number, Look>();
  const all = [...begins];
  for (let at = 0; at < all.length; at += queuesMax) {
    const some = all.slice(at, at + queuesMax);
    const values = [some.map(([no]) => no), some.map(([, begin]) => begin.at), pageMin];
    for (const { no, page_end: end, first } of await db.rows<FirstPage & object>(FIRST_PAGES, values)) {
      const from = (begins.get(no) as { readonly at: IdBound }).at;
      const isEnd = end === null || end >= before;
      if (first !== null && first < before) looks.set(no, { ids: [first], at: from, isSettled: true });
      else if (first !== null || isEnd) looks.set(no, { ids: [], at: from, isSettled: true });
      else if (isLate()) looks.set(no, { ids: [], at: end, isSettled: false });
      else looks.set(no, await lookForFresh(db, { queue: no, from: end, before, limit: 1 }, isLate));
    }
  }
  return looks;
}

/** Page by page, so that no statement takes long however much is finished and lies before what waits. */
async function lookForFresh(
  db: Reading,
  { queue, from, before = highestId, limit }: FreshRange,
  isLate: () => boolean,
): Promise<Look> {
  const ids: RequestId[] = [];
  let at = from;
  for (let size = pageMin; ; size = Math.min(pageMax, 4 * size)) {
    const [end] = await db.rows<{ id: RequestId }>(PAGE_END, [queue, at, size]);
    const isLast = end === undefined || end.id >= before;
    const values = [queue, at, isLast ? before : end.id, limit - ids.length];
    ids.push(...(await db.rows<{ id: RequestId }>(FRESH_IN_PAGE, values)).map(({ id }) => id));
    if (ids.length >= limit || isLast) return { ids, at, isSettled: true };
    at = end.id;
    if (isLate()) return { ids, at, isSettled: false };
  }
}

function statusOf(
  row: CountRow,
  { count: scheduled, firstDueAt, lastDueAt }: Scheduled,
): Omit<StoredQueueStatus, "oldestWaitingAt"> {
  const { no, name, accepted, running, done, dead, cancelled } = row;
  const backlog = accepted - done - dead - cancelled;
  return {
    no,
    queue: name,
    isPaused: row.is_paused,
    pausedAt: row.paused_at ?? undefined,
    leftAt: row.left_at,
    accepted,
    backlog,
    backlogBytes: row.backlog_bytes,
    // What is scheduled may have been counted a moment before.
    counts: { waiting: Math.max(0, backlog - running - scheduled), scheduled, running, done, dead, cancelled },
    firstDueAt,
    lastDueAt,
    replicasAsked: row.replicas_asked ?? undefined,
  };
}
