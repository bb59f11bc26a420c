// Whether the requests of each order key ran one after another: see core/order-audit.ts. A turn is exact here, and the times
// are those of one clock.
import type { DatabaseSync } from "node:sqlite";
import { OrderAudit, type OrderAuditOptions } from "../../core/order-audit.ts";
import { requestIdOf, timeOfSeq } from "../../core/request-id.ts";
import { orderField } from "../../core/stored-head.ts";
import type { OrderReport } from "../../engine/audit.ts";
import { orderedRequestOf, orderReport, type RunRow } from "../shared/order-report.ts";

const RUN = `
  r.seq, r.random, r.queue, r.headers, o.state, o.attempts, o.finished_at,
  iif(o.seq IS NOT NULL, o.started_at, min(coalesce(n.started_at, s.started_at), coalesce(s.started_at, n.started_at))) AS started_at,
  (SELECT min(failed_at) FROM failures f WHERE f.seq = r.seq) AS failed_at`;
const WITH_ROWS = `
  LEFT JOIN outcomes o ON o.seq = r.seq LEFT JOIN running n ON n.seq = r.seq LEFT JOIN scheduled s ON s.seq = r.seq`;
const HAS_ORDER = `instr(r.headers, '"${orderField}":') > 0`;
const SELECT_ACCEPTED = `
  SELECT r.seq AS turn, ${RUN} FROM requests r ${WITH_ROWS}
  WHERE ${HAS_ORDER} AND NOT EXISTS (SELECT 1 FROM replays p WHERE p.seq = r.seq) ORDER BY r.seq`;
const SELECT_REPLAYED = `
  SELECT p.turn, ${RUN} FROM replays p JOIN requests r ON r.seq = p.seq ${WITH_ROWS}
  WHERE ${HAS_ORDER} AND p.turn IS NOT NULL ORDER BY p.turn, p.seq`;
const SELECT_QUEUES = "SELECT no, name FROM queues ORDER BY name";

interface Row extends RunRow {
  readonly turn: number;
  readonly seq: number;
  readonly random: Uint8Array;
}

const exact: OrderAuditOptions = { apartMs: 0, clockMs: 0 };

export function prepareOrderAudit(db: DatabaseSync): () => OrderReport {
  const selectAccepted = db.prepare(SELECT_ACCEPTED);
  const selectReplayed = db.prepare(SELECT_REPLAYED);
  const selectQueues = db.prepare(SELECT_QUEUES);

  return () => {
    db.exec("BEGIN"); // one snapshot
    try {
      const names = new Map(selectQueues.all().map(({ no, name }) => [no as number, name as string]));
      const audit = new OrderAudit(exact);
      while (audit.begin())
        for (const row of inTurn(rowsOf(selectAccepted.iterate()), rowsOf(selectReplayed.iterate()))) {
          const id = requestIdOf(row.seq, row.random);
          const turn = { id, turnAt: timeOfSeq(row.turn), source: undefined, claim: undefined };
          const request = orderedRequestOf(row, turn, names);
          if (request !== undefined) audit.look(request);
        }
      return orderReport(audit, [...names.values()]);
    } finally {
      db.exec("COMMIT");
    }
  };
}

function rowsOf(rows: Iterable<unknown>): Iterator<Row> {
  return (rows as Iterable<Row>)[Symbol.iterator]();
}

/** Both are in the order of turns. */
function* inTurn(accepted: Iterator<Row>, replayed: Iterator<Row>): Generator<Row> {
  let [one, other] = [accepted.next(), replayed.next()];
  while (one.done !== true || other.done !== true) {
    if (other.done === true || (one.done !== true && one.value.turn <= other.value.turn)) {
      yield one.value as Row;
      one = accepted.next();
    } else {
      yield other.value;
      other = replayed.next();
    }
  }
}
