// Whether the requests of each order key ran one after another: see core/order-audit.ts. All of one snapshot, read slice by slice
// as the audit does.
import { OrderAudit, type OrderAuditOptions, type OrderedRequest } from "../../../core/order-audit.ts";
import { hourOfId } from "../../../core/chain.ts";
import { timeOfId, type RequestId } from "../../../core/request-id.ts";
import { orderField } from "../../../core/stored-head.ts";
import type { OrderReport } from "../../../engine/audit.ts";
import { orderedRequestOf, orderReport, type RunRow } from "../../shared/order-report.ts";
import type { Connected, Connection, Statement } from "../ledger/connection/database.ts";
import { slicesOf } from "../ledger/slices.ts";
import { firstIdAt, highestId, lowestId, type IdBound } from "../ledger/state.ts";
import { AVOID_NESTED_LOOPS, SNAPSHOT } from "./audit.ts";

const SELECT_QUEUES: Statement = {
  name: "audit-order-queues",
  text: "SELECT no, name FROM sluice.queues ORDER BY name",
};
const RUN = `r.id, r.queue, r.headers, o.state, o.attempts,
  o.finished_at::float8 AS finished_at,
  (CASE WHEN o.id IS NOT NULL THEN o.started_at ELSE least(nullif(n.started_at, 0), s.started_at) END)::float8 AS started_at,
  (SELECT min(failed_at) FROM sluice.failures f WHERE f.id = r.id)::float8 AS failed_at,
  coalesce(o.token, n.token)::float8 AS claim`;
const HAS_ORDER = `r.headers LIKE '%"${orderField}":%'`;
const IN_SLICE = "id >= $1::uuid AND id < $2::uuid";
const ofSlice = (table: string): string => `(SELECT * FROM sluice.${table} WHERE ${IN_SLICE})`;
/** A link lies within an hour: those of the slice begin no earlier than $3. */
const SELECT_ACCEPTED: Statement = {
  name: "audit-order-accepted",
  text: `SELECT ${RUN}, k.chain
    FROM (SELECT id, queue, headers FROM sluice.requests r WHERE ${IN_SLICE} AND ${HAS_ORDER}) r
    LEFT JOIN ${ofSlice("outcomes")} o ON o.id = r.id
    LEFT JOIN ${ofSlice("running")} n ON n.id = r.id
    LEFT JOIN ${ofSlice("schedule")} s ON s.id = r.id
    LEFT JOIN ${ofSlice("turns")} t ON t.id = r.id
    LEFT JOIN (
      SELECT u.id, l.chain FROM sluice.links l CROSS JOIN LATERAL unnest(l.ids) AS u (id)
      WHERE l.id >= $3::uuid AND l.id < $2::uuid AND l.last >= $1::uuid
    ) k ON k.id = r.id
    WHERE t.id IS NULL ORDER BY r.id`,
};
/** In the order of their turns, from behind the last one of the page before. */
const SELECT_TURNED: Statement = {
  name: "audit-order-turned",
  text: `SELECT ${RUN}, t.id AS turn_id, coalesce(t.turn_at, t.replayed_at)::float8 AS at, t.turn_at IS NOT NULL AS is_in_line
    FROM (
      SELECT * FROM sluice.turns WHERE (coalesce(turn_at, replayed_at), id) > ($1::bigint, $2::uuid)
      ORDER BY coalesce(turn_at, replayed_at), id LIMIT $3::int
    ) t
    LEFT JOIN LATERAL (SELECT id, queue, headers FROM sluice.requests r WHERE r.id = t.id AND ${HAS_ORDER} OFFSET 0) r ON true
    LEFT JOIN LATERAL (SELECT * FROM sluice.outcomes WHERE id = r.id OFFSET 0) o ON true
    LEFT JOIN LATERAL (SELECT * FROM sluice.running WHERE id = r.id OFFSET 0) n ON true
    LEFT JOIN LATERAL (SELECT * FROM sluice.schedule WHERE id = r.id OFFSET 0) s ON true
    ORDER BY coalesce(t.turn_at, t.replayed_at), t.id`,
};
/** Fewer than of an audit: heads come along. */
const sliceRowsDefault = 10_000;
const turnsPerPage = 2_000;

/** Gateways accept beside each other; and each process carries the store's clock on by itself, see store-clock.ts. */
const ofSeveral: OrderAuditOptions = { apartMs: 1_000, clockMs: 100 };

interface ClaimedRow extends RunRow {
  readonly claim: number | null;
}

interface AcceptedRow extends ClaimedRow {
  readonly id: RequestId;
  /** Of the gateway that accepted it. */
  readonly chain: RequestId | null;
}

/** Of a request without an order key the turn alone. */
interface TurnedRow extends ClaimedRow {
  readonly id: RequestId | null;
  readonly turn_id: RequestId;
  readonly at: number;
  readonly is_in_line: boolean;
}

export async function auditOrder(connection: Connection, sliceRows = sliceRowsDefault): Promise<OrderReport> {
  return connection.transaction(async (snapshot) => {
    await snapshot.script(AVOID_NESTED_LOOPS);
    const queues = await snapshot.rows<{ no: number; name: string }>(SELECT_QUEUES);
    const names = new Map(queues.map(({ no, name }) => [no, name]));
    const audit = new OrderAudit(ofSeveral);
    while (audit.begin()) for await (const request of inTurn(snapshot, { names, sliceRows })) audit.look(request);
    return orderReport(audit, [...names.values()]);
  }, SNAPSHOT);
}

interface ReadOptions {
  readonly names: ReadonlyMap<number, string>;
  readonly sliceRows: number;
}

/** All that have an order key. */
async function* inTurn(snapshot: Connected, options: ReadOptions): AsyncGenerator<OrderedRequest> {
  const turned = turnedOf(snapshot, options);
  let other = await turned.next();
  for await (const { from, before } of slicesOf(snapshot, { from: lowestId, before: highestId }, options.sliceRows)) {
    const hour = firstIdAt(hourOfId(from as RequestId));
    for (const row of await snapshot.rows<AcceptedRow>(SELECT_ACCEPTED, [from, before, hour])) {
      const turnAt = timeOfId(row.id);
      for (; other.done !== true && other.value.at < turnAt; other = await turned.next()) yield other.value.request;
      const turn = { id: row.id, turnAt, source: row.chain ?? undefined, claim: row.claim ?? undefined };
      const request = orderedRequestOf(row, turn, options.names);
      if (request !== undefined) yield request;
    }
  }
  for (; other.done !== true; other = await turned.next()) yield other.value.request;
}

interface Turned {
  readonly at: number;
  readonly request: OrderedRequest;
}

/** Those that took another turn than that of their acceptance. */
async function* turnedOf(snapshot: Connected, { names }: ReadOptions): AsyncGenerator<Turned, undefined> {
  for (let after: readonly [number, IdBound] = [-1, lowestId]; ;) {
    const rows = await snapshot.rows<TurnedRow>(SELECT_TURNED, [...after, turnsPerPage]);
    for (const { id, at, is_in_line, claim, ...row } of rows) {
      if (id === null) continue;
      const hasTurn = is_in_line || row.started_at !== null; // it may have run in a queue without lines
      const turn = { id, turnAt: hasTurn ? at : undefined, source: undefined, claim: claim ?? undefined };
      const request = orderedRequestOf(row, turn, names);
      if (request !== undefined) yield { at, request };
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < turnsPerPage) return undefined;
    after = [last.at, last.turn_id];
  }
}
