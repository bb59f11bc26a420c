// The conservation law, from the rows themselves: each accepted request must have exactly one state.
import type { DatabaseSync } from "node:sqlite";
import type { FinalState } from "../../core/request.ts";
import type { AuditReport, HourAudit, Proof, QueueAudit } from "../../engine/audit.ts";
import { FindingList } from "../shared/finding-list.ts";
import { seqOf, type RequestId } from "../../core/request-id.ts";
import { prepareChainAudit } from "./audit-chain.ts";
import { prepareRowAudit } from "./audit-rows.ts";
import type { QueueRow } from "./queue-ledger.ts";
import { hasOthers, IN_LOG, IN_LOG_AMONG_OTHERS, WAITS_IN_LINE } from "./waiting.ts";

const SELECT_QUEUES = "SELECT * FROM queues ORDER BY name";
const COUNT_REQUESTS = "SELECT count(*) AS n FROM requests WHERE queue = ?";
const COUNT_AFTER_CURSOR = `SELECT count(*) AS n FROM requests r WHERE r.queue = ? AND r.seq > ? AND ${IN_LOG}`;
const COUNT_AMONG_OTHERS = `
  SELECT count(*) AS n FROM requests r WHERE r.queue = ? AND r.seq > ? AND ${IN_LOG_AMONG_OTHERS}`;
const COUNT_IN_LINES = `SELECT count(*) AS n FROM lined l WHERE l.queue = ? AND ${WAITS_IN_LINE}`;
const COUNT_RUNNING = "SELECT count(*) AS n FROM running WHERE queue = ?";
const COUNT_DUE = "SELECT count(*) AS n FROM scheduled WHERE queue = ? AND due_at <= ?";
const COUNT_FUTURE = "SELECT count(*) AS n FROM scheduled WHERE queue = ? AND due_at > ?";
const COUNT_OUTCOMES = "SELECT count(*) AS n FROM outcomes WHERE queue = ? AND state = ?";

export interface PreparedAudit {
  readonly audit: (now: number, timeoutMsOf: ReadonlyMap<string, number>) => AuditReport;
  readonly prove: (id: RequestId) => Proof;
}

export function prepareAudit(db: DatabaseSync): PreparedAudit {
  const selectQueues = db.prepare(SELECT_QUEUES);
  const statements = new Map(
    [
      COUNT_REQUESTS,
      COUNT_AFTER_CURSOR,
      COUNT_AMONG_OTHERS,
      COUNT_IN_LINES,
      COUNT_RUNNING,
      COUNT_DUE,
      COUNT_FUTURE,
      COUNT_OUTCOMES,
    ].map((sql) => [sql, db.prepare(sql)]),
  );

  const chain = prepareChainAudit(db);
  const auditRows = prepareRowAudit(db, (seq) => chain.idOf(seq));
  return {
    audit: (now, timeoutMsOf) => inSnapshot(() => audit(now, timeoutMsOf)),
    prove: (id) => inSnapshot(() => chain.prove(id, seqOf(id))),
  };

  function audit(now: number, timeoutMsOf: ReadonlyMap<string, number>): AuditReport {
    const queues: QueueAudit[] = [];
    const hours: HourAudit[] = [];
    const findings = new FindingList();
    for (const row of selectQueues.all() as unknown as QueueRow[]) {
      queues.push(auditQueue(row, now));
      hours.push(...chain.audit(row, findings));
      auditRows(row, { now, timeoutMs: timeoutMsOf.get(row.name), findings });
    }
    const holds = queues.every(({ missing }) => missing === 0) && findings.areLawful;
    return { holds, queues, hours, findings: findings.all };
  }

  /** One for all that is read, beside the writer. */
  function inSnapshot<Value>(read: () => Value): Value {
    db.exec("BEGIN");
    try {
      return read();
    } finally {
      db.exec("COMMIT");
    }
  }

  function auditQueue(row: QueueRow, now: number): QueueAudit {
    const { no, name, accepted, cursor } = row;
    const outcomes = (state: FinalState): number => count(COUNT_OUTCOMES, no, state) + row[`expired_${state}`];
    const counts = {
      waiting:
        count(hasOthers(row) ? COUNT_AMONG_OTHERS : COUNT_AFTER_CURSOR, no, cursor) +
        count(COUNT_IN_LINES, no) +
        count(COUNT_DUE, no, now),
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
