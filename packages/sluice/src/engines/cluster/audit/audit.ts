// The conservation law, from the rows themselves: each accepted request must have exactly one state. All counts are of
// one snapshot, taken slice by slice, so that no statement takes longer than a connection waits for one.
import type { FinalState, State } from "../../../core/request.ts";
import type { AuditOptions, AuditReport, HourAudit, QueueAudit } from "../../../engine/audit.ts";
import { FindingList } from "../../shared/finding-list.ts";
import { auditLinks, auditSlice, type ChainAuditOptions } from "./audit-chain.ts";
import { auditOrphans, auditStuck } from "./audit-rows.ts";
import type { Connected, Connection, Statement } from "../ledger/connection/database.ts";
import { slicesOf } from "../ledger/slices.ts";
import { hasRow, highestId, lowestId, type IdBound } from "../ledger/state.ts";

export const SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/**
 * Where a table has grown since PostgreSQL last analyzed it, the planner takes each slice for one row, and would look
 * through all of one table's slice for every row of the other's.
 */
export const AVOID_NESTED_LOOPS = "SET LOCAL enable_nestloop = off";
const SELECT_QUEUES: Statement = {
  name: "audit-queues",
  text: `SELECT q.no, q.name, q.is_paused, q.fresh_from, coalesce(t.accepted, 0)::float8 AS accepted, q.expired_done::float8 AS expired_done,
      q.expired_dead::float8 AS expired_dead, q.expired_cancelled::float8 AS expired_cancelled
    FROM sluice.queues q LEFT JOIN (SELECT queue, sum(accepted) AS accepted FROM sluice.tallies GROUP BY queue) t
      ON t.queue = q.no
    ORDER BY q.name`,
};
/** A request without a row anywhere else waits for its first delivery. */
const COUNT_REQUESTS: Statement = {
  name: "audit-requests",
  text: `SELECT c.queue, v.counted, v.count::float8 AS count FROM (
      SELECT r.queue, count(*) AS stored, count(*) FILTER (WHERE o.id IS NULL AND n.id IS NULL AND s.id IS NULL) AS fresh
      FROM sluice.requests r
      LEFT JOIN sluice.outcomes o ON o.id = r.id AND o.id >= $1::uuid AND o.id < $2::uuid
      LEFT JOIN sluice.running n ON n.id = r.id AND n.id >= $1::uuid AND n.id < $2::uuid
      LEFT JOIN sluice.schedule s ON s.id = r.id AND s.id >= $1::uuid AND s.id < $2::uuid
      WHERE r.id >= $1::uuid AND r.id < $2::uuid GROUP BY r.queue
    ) c CROSS JOIN LATERAL (VALUES ('stored', stored), ('waiting', fresh)) v (counted, count)`,
};
const COUNT_OUTCOMES: Statement = {
  name: "audit-outcomes",
  text: `SELECT queue, state AS counted, count(*)::float8 AS count FROM sluice.outcomes
    WHERE id >= $1::uuid AND id < $2::uuid GROUP BY queue, state`,
};
const COUNT_RUNNING: Statement = {
  name: "audit-running",
  text: `SELECT n.queue, 'running' AS counted, count(*)::float8 AS count FROM sluice.running n
    WHERE NOT ${hasRow("outcomes", "n.id")} GROUP BY n.queue`,
};
const COUNT_SCHEDULE: Statement = {
  name: "audit-schedule",
  text: `SELECT s.queue, CASE WHEN s.due_at > $1::bigint THEN 'scheduled' ELSE 'waiting' END AS counted,
      count(*)::float8 AS count
    FROM sluice.schedule s WHERE NOT ${hasRow("running", "s.id")} AND NOT ${hasRow("outcomes", "s.id")} GROUP BY 1, 2`,
};

interface QueueRow {
  readonly no: number;
  readonly name: string;
  readonly is_paused: boolean;
  readonly fresh_from: IdBound;
  readonly accepted: number;
  readonly expired_done: number;
  readonly expired_dead: number;
  readonly expired_cancelled: number;
}

interface CountRow {
  readonly queue: number;
  readonly counted: State | "stored";
  readonly count: number;
}

export interface AuditLedgerOptions extends AuditOptions {
  /** Requests that one statement looks at. */
  readonly sliceRows: number;
}

interface CountOptions extends ChainAuditOptions {
  readonly now: number;
  readonly sliceRows: number | undefined;
  readonly hours: Map<string, HourAudit>;
}

export async function auditLedger(
  connection: Connection,
  now: number,
  { sliceRows, timeoutMsOf = new Map() }: Partial<AuditLedgerOptions> = {},
): Promise<AuditReport> {
  return connection.transaction(async (snapshot) => {
    await snapshot.script(AVOID_NESTED_LOOPS);
    const rows = await snapshot.rows<QueueRow>(SELECT_QUEUES);
    const names = new Map(rows.map(({ no, name }) => [no, name]));
    const findings = new FindingList();
    const looking = { findings, nameOf: (no: number): string => names.get(no) ?? `number ${no}` };
    const hours = await auditLinks(snapshot, looking);
    const counts = await countRows(snapshot, { now, sliceRows, hours, ...looking });
    for (const row of rows) await auditStuck(snapshot, row, { now, timeoutMs: timeoutMsOf.get(row.name), findings });
    const queues = rows.map((row) => auditQueue(row, counts));
    const holds = queues.every(({ missing }) => missing === 0) && findings.areLawful;
    return { holds, queues, hours: [...hours.values()], findings: findings.all };
  }, SNAPSHOT);
}

async function countRows(
  snapshot: Connected,
  { now, sliceRows, hours, ...looking }: CountOptions,
): Promise<readonly CountRow[]> {
  const counts = await snapshot.rows<CountRow>(COUNT_RUNNING);
  counts.push(...(await snapshot.rows<CountRow>(COUNT_SCHEDULE, [Math.floor(now)])));
  for await (const { from, before } of slicesOf(snapshot, { from: lowestId, before: highestId }, sliceRows)) {
    counts.push(...(await snapshot.rows<CountRow>(COUNT_REQUESTS, [from, before])));
    counts.push(...(await snapshot.rows<CountRow>(COUNT_OUTCOMES, [from, before])));
    await auditSlice(snapshot, { from, before, hours }, looking);
    await auditOrphans(snapshot, { from, before }, looking);
  }
  return counts;
}

function auditQueue(row: QueueRow, counts: readonly CountRow[]): QueueAudit {
  const { no, name, accepted } = row;
  const count = (wanted: State | "stored"): number =>
    counts.reduce((sum, one) => (one.queue === no && one.counted === wanted ? sum + one.count : sum), 0);
  const outcomes = (state: FinalState): number => count(state) + row[`expired_${state}`];
  const states = {
    waiting: count("waiting"),
    scheduled: count("scheduled"),
    running: count("running"),
    done: outcomes("done"),
    dead: outcomes("dead"),
    cancelled: outcomes("cancelled"),
  };
  const told = Object.values(states).reduce((sum, value) => sum + value, 0);
  const stored = count("stored") + row.expired_done + row.expired_dead + row.expired_cancelled;
  // A state too few and a row too few are both a loss; one too many is as wrong, and shows as negative.
  const missing = accepted - (accepted - told === 0 ? stored : told);
  return { queue: name, accepted, ...states, missing };
}
