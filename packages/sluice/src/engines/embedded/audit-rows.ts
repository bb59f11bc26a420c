// Rows that belong to no request, and requests that do not move though they should.
import type { DatabaseSync } from "node:sqlite";
import { timeOfSeq, type RequestId } from "../../core/request-id.ts";
import {
  orphanedText,
  overdue,
  overdueMs,
  overtaken,
  overtakenMs,
  retryOvertakenMs,
  type FindingList,
} from "../shared/finding-list.ts";
import type { QueueRow } from "./queue-ledger.ts";

const orphanTables = {
  outcomes: "outcome",
  running: "claim",
  scheduled: "place in the schedule",
  expiries: "time to expire",
  lined: "place in a line",
  keys: "key",
} as const;
const SELECT_ORPHANS = (table: keyof typeof orphanTables): string =>
  `SELECT t.seq FROM ${table} t WHERE t.queue = ? AND NOT EXISTS (SELECT 1 FROM requests r WHERE r.seq = t.seq)`;
const LAST_BEGUN = `
  SELECT max(seq) AS seq FROM (
    SELECT max(seq) AS seq FROM running WHERE queue = :queue
    UNION ALL SELECT max(seq) FROM outcomes WHERE queue = :queue AND state = 'done'
    UNION ALL SELECT max(seq) FROM outcomes WHERE queue = :queue AND state = 'dead'
  )`;
/** What was handed back untouched is due at 0; what failed gives way to others for longer. */
const SELECT_DUE_BEFORE = `
  SELECT seq, due_at AS at FROM scheduled
  WHERE queue = ? AND due_at < ? AND (due_at = 0 OR due_at < ?) ORDER BY due_at`;
const SELECT_STARTED_BEFORE = "SELECT seq, started_at AS at FROM running WHERE queue = ? AND started_at < ?";

interface Since {
  readonly seq: number;
  readonly at: number;
}

export interface RowAuditOptions {
  readonly now: number;
  readonly timeoutMs: number | undefined;
  readonly findings: FindingList;
}

export function prepareRowAudit(
  db: DatabaseSync,
  idOf: (seq: number) => RequestId,
): (queue: QueueRow, options: RowAuditOptions) => void {
  const tables = Object.keys(orphanTables) as (keyof typeof orphanTables)[];
  const orphans = tables.map((table) => ({ what: orphanTables[table], select: db.prepare(SELECT_ORPHANS(table)) }));
  const lastBegun = db.prepare(LAST_BEGUN);
  const selectDueBefore = db.prepare(SELECT_DUE_BEFORE);
  const selectStartedBefore = db.prepare(SELECT_STARTED_BEFORE);

  return (queue, { now, timeoutMs, findings }) => {
    const { no, name } = queue;
    for (const { what, select } of orphans) {
      for (const { seq } of select.all(no) as unknown as readonly { seq: number }[])
        findings.add({ kind: "orphaned", queue: name, id: idOf(seq), what: orphanedText(what) });
    }
    const stuck = ({ seq }: Since, what: string): void =>
      findings.add({ kind: "stuck", queue: name, id: idOf(seq), what });
    for (const row of overtakenRows(queue, now)) stuck(row, overtaken(row.at));
    if (timeoutMs === undefined) return;
    const before = now - timeoutMs - overdueMs;
    for (const row of selectStartedBefore.all(no, before) as unknown as readonly Since[])
      stuck(row, overdue(row.at, timeoutMs));
  };

  /** What never went lies behind the cursor, in order: only what came back can be overtaken. */
  function overtakenRows({ no, is_paused }: QueueRow, now: number): readonly Since[] {
    const seq = lastBegun.get({ queue: no })?.["seq"] as number | null;
    if (seq === null || is_paused !== 0) return [];
    const begunAt = Math.min(timeOfSeq(seq), now);
    return selectDueBefore.all(no, begunAt - overtakenMs, begunAt - retryOvertakenMs) as unknown as readonly Since[];
  }
}
