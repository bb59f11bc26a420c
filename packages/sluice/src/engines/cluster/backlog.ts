// What each queue holds, from the counts that every process keeps in rows of its own. Only the time of the oldest that
// waits has to be looked for, and a reader remembers where it was.
import type { QueueStatus } from "../../engine/engine.ts";
import type { Attendance } from "../../engine/presence.ts";
import { timeOfId, type RequestId } from "../../core/request-id.ts";
import type { Reading, Statement } from "./database.ts";
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
/** One statement, so that all counts are of one snapshot. Of the queues in $2 what is scheduled is not counted. */
const count = (
  which: string,
  ofTallies: string,
): string => `SELECT q.no, q.name, q.is_paused, q.paused_at::float8, q.left_at::float8, q.fresh_from, q.replicas_asked,
      coalesce(t.accepted, 0)::float8 AS accepted, coalesce(t.done, 0)::float8 AS done,
      coalesce(t.dead, 0)::float8 AS dead, coalesce(t.cancelled, 0)::float8 AS cancelled,
      coalesce(t.backlog_bytes, 0)::float8 AS backlog_bytes,
      (SELECT count(*) FROM sluice.running n WHERE n.queue = q.no AND NOT ${hasRow("outcomes", "n.id")})::float8
        AS running,
      CASE WHEN q.no <> ALL ($2::smallint[]) THEN f.scheduled::float8 END AS scheduled,
      f.first_due_at::float8, f.last_due_at::float8
    FROM sluice.queues q LEFT JOIN (
      SELECT queue, sum(accepted) AS accepted, sum(done) AS done, sum(dead) AS dead, sum(cancelled) AS cancelled,
        sum(backlog_bytes) AS backlog_bytes FROM sluice.tallies ${ofTallies} GROUP BY queue) t ON t.queue = q.no
    CROSS JOIN LATERAL (${SCHEDULED}) f
    ${which} ORDER BY q.name`;
const COUNT: Statement = { name: "backlog-count", text: count("", "") };
const COUNT_OF: Statement = {
  name: "backlog-count-of",
  text: count("WHERE q.name = $3", "WHERE queue = (SELECT no FROM sluice.queues WHERE name = $3)"),
};
const OLDEST_DUE: Statement = {
  name: "backlog-oldest-due",
  text: `SELECT s.id FROM sluice.schedule s WHERE s.queue = $1 AND s.due_at <= $2::bigint
    AND NOT ${hasRow("running", "s.id")} AND NOT ${hasRow("outcomes", "s.id")} ORDER BY s.id LIMIT 1`,
};
/** The end of a page of requests; none when fewer are left. */
const PAGE_END: Statement = {
  name: "backlog-page-end",
  text: `SELECT id FROM sluice.requests WHERE queue = $1 AND id >= $2::uuid ORDER BY id OFFSET $3::int LIMIT 1`,
};
/** The outcomes are looked up within the page's bounds too: that leaves one or two of their partitions. */
const FRESH_IN_PAGE: Statement = {
  name: "backlog-fresh-in-page",
  text: `SELECT r.id FROM sluice.requests r WHERE r.queue = $1 AND r.id >= $2::uuid AND r.id < $3::uuid
      AND NOT EXISTS (SELECT FROM sluice.outcomes o
        WHERE o.id = r.id AND o.id >= $2::uuid AND o.id < $3::uuid OFFSET 0)
      AND NOT ${hasRow("running", "r.id")} AND NOT ${hasRow("schedule", "r.id")}
    ORDER BY r.id LIMIT $4::int`,
};
const pageMin = 200;
const pageMax = 16_000;

/** How often the look begins at the safe mark: a commit may become visible after one with higher ids. */
const safeEveryMs = 10_000;
/** From here on what is scheduled is counted, and searched for what is due, for a twentieth of the time at most. */
const manyScheduled = 10_000;
const countShare = 1 / 20;
/** How long one read looks for the oldest: after a crash of the server all that is finished may lie before it. */
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
    const statuses: StoredQueueStatus[] = [];
    for (const row of rows) {
      const status = statusOf(row, this.#scheduled.get(row.no) ?? nothingScheduled);
      const oldest = status.counts.waiting > 0 ? await this.#oldest(db, row, now) : undefined;
      statuses.push({ ...status, oldestWaitingAt: oldest === undefined ? undefined : timeOfId(oldest) });
    }
    return statuses;
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

  async #oldest(db: Reading, row: CountRow, now: number): Promise<RequestId | undefined> {
    const due = await this.#oldestDue(db, row, now);
    const fresh = await this.#firstFresh(db, row);
    if (due === undefined || fresh === undefined) return due ?? fresh;
    return due < fresh ? due : fresh;
  }

  async #oldestDue(db: Reading, { no, scheduled }: CountRow, now: number): Promise<RequestId | undefined> {
    const known = this.#scheduled.get(no) ?? nothingScheduled;
    if (scheduled === null) return known.oldestDue;
    const startedAt = this.#monotonic();
    const [row] = await db.rows<{ id: RequestId }>(OLDEST_DUE, [no, Math.floor(now)]);
    const lookMs = known.untilMs === 0 ? 0 : (this.#monotonic() - startedAt) / countShare;
    this.#scheduled.set(no, { ...known, oldestDue: row?.id, untilMs: known.untilMs + lookMs });
    return row?.id;
  }

  async #firstFresh(db: Reading, { no, fresh_from: safe }: CountRow): Promise<RequestId | undefined> {
    const startedAt = this.#monotonic();
    const mark = this.#marks.get(no);
    const isOld = mark === undefined || (mark.isSettled && startedAt - mark.safeAt >= safeEveryMs);
    const { at: from, safeAt } = isOld || mark.at < safe ? { at: safe, safeAt: startedAt } : mark;
    const isLate = (): boolean => this.#monotonic() - startedAt > lookMsMax;
    const { ids, at, isSettled } = await lookForFresh(db, { queue: no, from, limit: 1 }, isLate);
    const first = isSettled ? ids[0] : mark?.first;
    this.#marks.set(no, { at: ids[0] ?? at, first, safeAt, isSettled });
    return first;
  }
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

interface Look {
  readonly ids: readonly RequestId[];
  /** Where the last page began. */
  readonly at: IdBound;
  /** Whether as many were found as were asked for, or there are no more. */
  readonly isSettled: boolean;
}

/** Page by page, so that no statement takes long however much is finished and lies before what waits. */
export async function lookForFresh(
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
