// The conservation law, from the rows themselves: each accepted request must have exactly one state.
import type { DatabaseSync } from "node:sqlite";
import type { FinalState } from "../../core/request.ts";
import type { AuditReport, QueueAudit } from "../../engine/engine.ts";
import type { QueueRow } from "./queue-ledger.ts";

const SELECT_QUEUES = "SELECT * FROM queues ORDER BY name";
const COUNT_REQUESTS = "SELECT count(*) AS n FROM requests WHERE queue = ?";
const COUNT_AFTER_CURSOR = `
  SELECT count(*) AS n FROM requests r WHERE r.queue = ? AND r.seq > ?
    AND NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.seq = r.seq)`;
const COUNT_RUNNING = "SELECT count(*) AS n FROM running WHERE queue = ?";
const COUNT_DUE = "SELECT count(*) AS n FROM scheduled WHERE queue = ? AND due_at <= ?";
const COUNT_FUTURE = "SELECT count(*) AS n FROM scheduled WHERE queue = ? AND due_at > ?";
const COUNT_OUTCOMES = "SELECT count(*) AS n FROM outcomes WHERE queue = ? AND state = ?";

export function prepareAudit(db: DatabaseSync): (now: number) => AuditReport {
  const selectQueues = db.prepare(SELECT_QUEUES);
  const statements = new Map(
    [COUNT_REQUESTS, COUNT_AFTER_CURSOR, COUNT_RUNNING, COUNT_DUE, COUNT_FUTURE, COUNT_OUTCOMES].map((sql) => [
      sql,
      db.prepare(sql),
    ]),
  );

  return (now) => {
    db.exec("BEGIN"); // one snapshot for all counts, beside the writer
    try {
      const queues = (selectQueues.all() as unknown as QueueRow[]).map((row) => auditQueue(row, now));
      return { holds: queues.every(({ missing }) => missing === 0), queues };
    } finally {
      db.exec("COMMIT");
    }
  };

  function auditQueue(row: QueueRow, now: number): QueueAudit {
    const { no, name, accepted, cursor } = row;
    const outcomes = (state: FinalState): number => count(COUNT_OUTCOMES, no, state) + row[`expired_${state}`];
    const counts = {
      waiting: count(COUNT_AFTER_CURSOR, no, cursor) + count(COUNT_DUE, no, now),
      scheduled: count(COUNT_FUTURE, no, now),
      running: count(COUNT_RUNNING, no),
      done: outcomes("done"),
      dead: outcomes("dead"),
      cancelled: outcomes("cancelled"),
    };
    const told = Object.values(counts).reduce((sum, value) => sum + value, 0);
    const expired = row.expired_done + row.expired_dead + row.expired_cancelled;
    const stored = count(COUNT_REQUESTS, no) + expired;
    // A state too few and a row too few are both a loss; one too many is as wrong, and shows as negative.
    const missing = accepted - (accepted - told === 0 ? stored : told);
    return { queue: name, accepted, ...counts, missing };
  }

  function count(sql: string, ...values: readonly (number | string)[]): number {
    return statements.get(sql)?.get(...values)?.["n"] as number;
  }
}
