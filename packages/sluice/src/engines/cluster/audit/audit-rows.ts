// Rows that belong to no request, and requests that do not move though they should; and how those are told to the broker
// again.
import { timeOfId, type RequestId } from "../../../core/request-id.ts";
import {
  orphanedText,
  overdue,
  overdueMs,
  overtaken,
  overtakenMs,
  retryOvertakenMs,
  type FindingList,
} from "../../shared/finding-list.ts";
import { freshWaiting } from "../ledger/backlog.ts";
import type { Connected, Statement } from "../ledger/connection/database.ts";
import type { OutboxRow } from "../carriers/carrier.ts";
import { aheadMsMax, firstIdAt, hasRow, lowestId, type IdBound } from "../ledger/state.ts";

const ORPHANS = (table: string, what: string): string =>
  `SELECT t.queue, t.id, '${what}' AS what FROM sluice.${table} t
    LEFT JOIN (SELECT id FROM sluice.requests WHERE id >= $1::uuid AND id < $2::uuid) r ON r.id = t.id
    WHERE t.id >= $1::uuid AND t.id < $2::uuid AND r.id IS NULL`;
const SELECT_ORPHANS: Statement = {
  name: "audit-orphans",
  text: `${ORPHANS("outcomes", "outcome")} UNION ALL ${ORPHANS("running", "claim")}
    UNION ALL ${ORPHANS("schedule", "place in the schedule")} UNION ALL ${ORPHANS("keys", "key")}
    UNION ALL ${ORPHANS("expiries", "expiry")} UNION ALL ${ORPHANS("lined", "place in a line")} LIMIT 10000`,
};
/** The newest that has begun, among those that run and those that ran, but for those of a clock that was ahead. */
const LAST_BEGUN: Statement = {
  name: "audit-last-begun",
  text: `SELECT id FROM (
      (SELECT id FROM sluice.running WHERE queue = $1 AND id < $2::uuid ORDER BY id DESC LIMIT 1) UNION ALL
      (SELECT id FROM sluice.outcomes WHERE queue = $1 AND id < $2::uuid AND started_at IS NOT NULL
        ORDER BY id DESC LIMIT 1)
    ) b ORDER BY id DESC LIMIT 1`,
};
/** What was handed back untouched is due at 0; what failed gives way to others for longer. */
const DUE_BEFORE: Statement = {
  name: "audit-due-before",
  text: `SELECT s.id, s.due_at::float8 AS at FROM sluice.schedule s
    WHERE s.queue = $1 AND s.in_line <> 1 AND s.due_at < $2::bigint AND (s.due_at = 0 OR s.due_at < $3::bigint) AND NOT ${hasRow("running", "s.id")} AND NOT ${hasRow("outcomes", "s.id")}
    ORDER BY s.due_at LIMIT 10000`,
};
const STARTED_BEFORE: Statement = {
  name: "audit-started-before",
  text: `SELECT n.id, n.started_at::float8 AS at FROM sluice.running n
    WHERE n.queue = $1 AND n.started_at < $2::bigint AND n.started_at > 0 AND NOT ${hasRow("outcomes", "n.id")} LIMIT 10000`,
};
const SELECT_QUEUES: Statement = {
  name: "heal-queues",
  text: "SELECT no, is_paused, fresh_from FROM sluice.queues ORDER BY no",
};
/** Hinted, and due by a clock that was ahead only: no time tells how long they have waited. */
const HINTED_AHEAD: Statement = {
  name: "heal-hinted-ahead",
  text: `SELECT s.id, s.due_at::float8 AS at FROM sluice.schedule s
    WHERE s.queue = $1 AND s.is_hinted AND s.due_at > $2::bigint
      AND NOT ${hasRow("running", "s.id")} AND NOT ${hasRow("outcomes", "s.id")}
    ORDER BY s.due_at LIMIT 10000`,
};
const UNHINT: Statement = {
  name: "heal-unhint",
  text: `UPDATE sluice.schedule SET is_hinted = false, due_at = least(due_at, $2::bigint)
    WHERE id = ANY ($1::uuid[]) RETURNING id`,
};
const LIST: Statement = {
  name: "heal-list",
  text: `INSERT INTO sluice.outbox (queue, kind, ids) VALUES ($1, 'fresh', $2::uuid[])
    RETURNING no::float8, queue, kind, ids::text[]`,
};
/** A request that has been overtaken is looked for among so many of the oldest. */
const stuckMax = 5_000;

export async function auditOrphans(
  snapshot: Connected,
  { from, before }: { readonly from: IdBound; readonly before: IdBound },
  { findings, nameOf }: { readonly findings: FindingList; readonly nameOf: (queue: number) => string },
): Promise<void> {
  const rows = await snapshot.rows<{ queue: number; id: RequestId; what: string }>(SELECT_ORPHANS, [from, before]);
  for (const { queue, id, what } of rows)
    findings.add({ kind: "orphaned", queue: nameOf(queue), id, what: orphanedText(what) });
}

interface Queue {
  readonly no: number;
  readonly is_paused: boolean;
  readonly fresh_from: IdBound;
}

interface Since {
  readonly id: RequestId;
  readonly at: number;
}

export async function auditStuck(
  snapshot: Connected,
  queue: Queue & { readonly name: string },
  { now, timeoutMs, findings }: { now: number; timeoutMs: number | undefined; findings: FindingList },
): Promise<void> {
  const found = ({ id }: Since, what: string): void => findings.add({ kind: "stuck", queue: queue.name, id, what });
  const { fresh, due } = await overtakenOf(snapshot, queue, now);
  for (const row of [...fresh, ...due]) found(row, overtaken(row.at));
  if (timeoutMs === undefined) return;
  const before = Math.floor(now - timeoutMs - overdueMs);
  for (const row of await snapshot.rows<Since>(STARTED_BEFORE, [queue.no, before]))
    found(row, overdue(row.at, timeoutMs));
}

/** Puts what is stuck in the way of the broker again: doubles do no harm. Gives back how many requests, and what to tell. */
export async function heal(
  inside: Connected,
  now: number,
): Promise<{ readonly healed: number; readonly told: readonly OutboxRow[] }> {
  let healed = 0;
  const told: OutboxRow[] = [];
  for (const queue of await inside.rows<Queue>(SELECT_QUEUES)) {
    const overtakenNow = await overtakenOf(inside, queue, now);
    const ahead = await aheadOf(inside, queue, now);
    const [fresh, due] = [
      [...overtakenNow.fresh, ...ahead.fresh],
      [...overtakenNow.due, ...ahead.due],
    ];
    healed += fresh.length + due.length;
    if (due.length > 0) await inside.rows(UNHINT, [due.map(({ id }) => id), Math.floor(now)]);
    if (fresh.length > 0)
      told.push(...(await inside.rows<OutboxRow & object>(LIST, [queue.no, fresh.map(({ id }) => id)])));
  }
  return { healed, told };
}

interface Stuck {
  readonly fresh: readonly Since[];
  readonly due: readonly Since[];
}

async function overtakenOf(db: Connected, { no, is_paused, fresh_from }: Queue, now: number): Promise<Stuck> {
  const [last] = await db.rows<{ id: RequestId }>(LAST_BEGUN, [no, firstIdAt(now + aheadMsMax)]);
  if (last === undefined || is_paused) return { fresh: [], due: [] };
  const begunAt = timeOfId(last.id);
  const before = begunAt - overtakenMs;
  const waiting = await freshWaiting(db, { queue: no, from: fresh_from ?? lowestId, limit: stuckMax });
  const bound = firstIdAt(before);
  return {
    fresh: waiting.filter((id) => id < bound).map((id) => ({ id, at: timeOfId(id) })),
    due: await db.rows<Since>(DUE_BEFORE, [no, before, begunAt - retryOvertakenMs]),
  };
}

/** What waits since before the clock stepped back: its place tells nothing, so that all of it is in the way again. */
async function aheadOf(db: Connected, { no, is_paused }: Queue, now: number): Promise<Stuck> {
  if (is_paused) return { fresh: [], due: [] };
  const ahead = Math.floor(now + aheadMsMax);
  const fresh = await freshWaiting(db, { queue: no, from: firstIdAt(ahead), limit: stuckMax });
  return {
    fresh: fresh.map((id) => ({ id, at: timeOfId(id) })),
    due: await db.rows<Since>(HINTED_AHEAD, [no, ahead]),
  };
}
