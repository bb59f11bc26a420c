// Ends what has not begun by the time at which it expires. Run by the leader, a slice with each transaction. It takes the claims of
// a slice, as a cancel does: a worker that claims one of them meanwhile finds its outcome, and what a worker has is passed over.
import { expiredFailure } from "../../../core/placement.ts";
import type { RequestId } from "../../../core/request-id.ts";
import type { Changing, Statement } from "../ledger/connection/database.ts";
import { hasRow } from "../ledger/state.ts";

/** What has ended or begun cannot expire any more. In the order of ids, as claims are: nobody waits in a circle. */
const HOLD: Statement = {
  name: "hold-expired",
  text: `WITH past AS MATERIALIZED (
      SELECT e.id, r.queue, r.bytes, o.id IS NOT NULL OR coalesce(s.attempts + s.crashes, 0) > 0 AS is_decided
      FROM sluice.expiries e
      JOIN LATERAL (SELECT queue, bytes FROM sluice.requests WHERE id = e.id OFFSET 0) r ON true
      LEFT JOIN LATERAL (SELECT id FROM sluice.outcomes WHERE id = e.id OFFSET 0) o ON true
      LEFT JOIN LATERAL (SELECT attempts, crashes FROM sluice.schedule WHERE id = e.id OFFSET 0) s ON true
      WHERE e.expires_at <= $1::bigint AND NOT ${hasRow("running", "e.id")}
      ORDER BY e.expires_at, e.id LIMIT $2::int
    ), forgotten AS (
      DELETE FROM sluice.expiries e USING past p WHERE e.id = p.id AND p.is_decided
    )
    INSERT INTO sluice.running (id, token, member, queue, attempts, crashes, started_at, bytes)
    SELECT id, nextval('sluice.tokens'), $3::int, queue, 0, 0, 0, bytes FROM past WHERE NOT is_decided ORDER BY id
    ON CONFLICT (id) DO NOTHING RETURNING id`,
};
/** A second statement, so that it sees what others committed before the first one had their claims. A replay takes the row away. */
const EXPIRE: Statement = {
  name: "expire",
  text: `WITH let_go AS (
      DELETE FROM sluice.running WHERE id = ANY ($1::uuid[])
    ), decided AS (
      DELETE FROM sluice.expiries WHERE id = ANY ($1::uuid[]) RETURNING id
    ), late AS (
      SELECT d.id, r.queue, r.bytes FROM decided d
      JOIN LATERAL (SELECT queue, bytes FROM sluice.requests WHERE id = d.id OFFSET 0) r ON true
      LEFT JOIN LATERAL (SELECT attempts, crashes FROM sluice.schedule WHERE id = d.id OFFSET 0) s ON true
      WHERE coalesce(s.attempts + s.crashes, 0) = 0
    ), expired AS (
      INSERT INTO sluice.outcomes AS o (id, queue, state, attempts, finished_at, error_code, error_message)
      SELECT id, queue, 'dead', 0, $2::bigint, $4, $5 FROM late ORDER BY id
      ON CONFLICT (id) DO NOTHING RETURNING o.id, o.queue
    ), unscheduled AS (
      DELETE FROM sluice.schedule s USING expired x WHERE s.id = x.id
    ), tallied AS (
      INSERT INTO sluice.tallies AS t (member, queue, dead, backlog_bytes)
      SELECT $3::int, x.queue, count(*), -sum(l.bytes) FROM expired x JOIN late l ON l.id = x.id GROUP BY x.queue
      ON CONFLICT (member, queue) DO UPDATE
      SET dead = t.dead + excluded.dead, backlog_bytes = t.backlog_bytes + excluded.backlog_bytes
    )
    SELECT id FROM expired`,
};
const sliceMax = 1_000;
/** A session that was stopped with a claim of these in its hands does not hold up the leader. */
const LIMIT_WAIT = "SET LOCAL lock_timeout = '2s'";

export interface LapseOptions {
  readonly now: number;
  /** In whose row they are counted. */
  readonly member: number;
}

/** Gives back those that it ended. */
export function lapse(connection: Changing, { now, member }: LapseOptions): Promise<readonly RequestId[]> {
  return connection.transaction(async (inside) => {
    await inside.script(LIMIT_WAIT);
    const held = await inside.rows<{ id: RequestId }>(HOLD, [now, sliceMax, member]);
    if (held.length === 0) return [];
    const { code, message } = expiredFailure;
    const values = [held.map(({ id }) => id), now, member, code, message];
    return (await inside.rows<{ id: RequestId }>(EXPIRE, values)).map(({ id }) => id);
  });
}
