// What the feeder asks of the ledger and changes there: see feeder.ts. Each statement is of one step of its round.
import type { Statement } from "../ledger/connection/database.ts";

/** Most of the time there is nothing to do: no transaction is begun for that. */
export const LOOK: Statement = {
  name: "feeder-look",
  text: `SELECT coalesce((SELECT min(no) FROM sluice.line_events), (SELECT min(no) FROM sluice.lined WHERE state = 'new'))
      IS NOT NULL AS has_news,
    (SELECT value FROM sluice.meta WHERE name = 'feeder_round')::float8 AS round,
    (SELECT min(due_at) FROM sluice.lined WHERE state = 'later')::float8 AS next_due_at`,
};
/** Its number tells whether the ledger has all rounds that this feeder knows of: one that took over may not. */
export const ADVANCE: Statement = {
  name: "feeder-advance",
  text: `INSERT INTO sluice.meta AS m (name, value) VALUES ('feeder_round', '1')
    ON CONFLICT (name) DO UPDATE SET value = (m.value::bigint + 1)::text RETURNING value::float8 AS round`,
};
export const BEGUN: Statement = {
  name: "feeder-begun",
  text: "SELECT id FROM sluice.running WHERE id = ANY ($1::uuid[])",
};
export const EVENTS: Statement = {
  name: "feeder-events",
  text: "SELECT no::float8, kind, id, queue, name, place::float8 FROM sluice.line_events ORDER BY no LIMIT $1",
};
export const DELETE_EVENTS: Statement = {
  name: "feeder-delete-events",
  text: "DELETE FROM sluice.line_events WHERE no = ANY ($1::bigint[])",
};
const PLACE = "l.id, l.queue, l.grp, l.urgency, l.order_key, l.since::float8, l.is_again, l.state";
/** They have their outcome, or are gone. */
export const LEFT: Statement = {
  name: "feeder-left",
  text: `DELETE FROM sluice.lined l WHERE id = ANY ($1::uuid[])
    RETURNING ${PLACE}, l.no::float8, coalesce((
      SELECT o.state = 'dead' FROM (SELECT state FROM sluice.outcomes WHERE id = l.id OFFSET 0) o), false) AS is_dead`,
};
export const HOLD: Statement = {
  name: "feeder-hold",
  text: `INSERT INTO sluice.held_orders (queue, order_key, id, no, since)
    SELECT i.*, $5::bigint FROM unnest($1::smallint[], $2::text[], $3::uuid[], $4::bigint[]) AS i (queue, order_key, id, no)
    ON CONFLICT DO NOTHING`,
};
/** A dead one that runs again holds its order key no longer, and goes to the end of it. */
export const LET_GO: Statement = {
  name: "feeder-let-go",
  text: "DELETE FROM sluice.held_orders WHERE id = ANY ($1::uuid[]) RETURNING queue, order_key",
};
export const HEADS: Statement = {
  name: "feeder-heads",
  text: `SELECT r.id, r.queue, r.headers, s.due_at::float8 FROM sluice.requests r JOIN sluice.schedule s ON s.id = r.id
    WHERE r.id = ANY ($1::uuid[]) AND s.in_line = 1`,
};
export const ADD: Statement = {
  name: "feeder-add",
  text: `INSERT INTO sluice.lined (id, queue, grp, urgency, order_key, since, due_at, no) OVERRIDING SYSTEM VALUE
    SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::text[], $4::smallint[], $5::text[], $6::bigint[], $6::bigint[],
      $7::bigint[])
    ON CONFLICT DO NOTHING`,
};
const whenReady = (dueAt: string, now: string): string =>
  `CASE WHEN ${dueAt} > ${now}::bigint THEN 'later' ELSE 'ready' END`;
/** What was handed back untouched is due at 0, and has not begun. */
export const BACK: Statement = {
  name: "feeder-back",
  text: `UPDATE sluice.lined l SET state = ${whenReady("s.due_at", "$2")}, due_at = s.due_at,
      is_again = s.started_at IS NOT NULL AND s.due_at <> 0
    FROM sluice.schedule s WHERE l.id = ANY ($1::uuid[]) AND s.id = l.id AND s.in_line = 1 AND l.state = 'handed'
    RETURNING ${PLACE}`,
};
const hasRow = (table: string, of: string): string =>
  `EXISTS (SELECT FROM sluice.${table} x WHERE x.queue = ${of}.queue AND x.order_key = ${of}.order_key`;
const isTaken = (of: string): string => `(${hasRow("lined", of)} AND x.state IN ('later', 'ready', 'handed'))
      OR ${hasRow("held_orders", of)} AND x.no < ${of}.no))`;
/** New ones get the turn of their order key if nobody has it and nobody waits for it. */
export const ADMIT: Statement = {
  name: "feeder-admit",
  text: `WITH page AS (
      SELECT id, no, queue, order_key, due_at FROM sluice.lined WHERE state = 'new' ORDER BY no LIMIT $2
    ), placed AS (
      SELECT p.id, CASE
        WHEN p.order_key IS NULL THEN ${whenReady("p.due_at", "$1")}
        WHEN row_number() OVER (PARTITION BY p.queue, p.order_key ORDER BY p.no) > 1 OR ${isTaken("p")}
          OR ${hasRow("lined", "p")} AND x.state = 'behind') THEN 'behind'
        ELSE ${whenReady("p.due_at", "$1")} END AS state
      FROM page p
    )
    UPDATE sluice.lined l SET state = p.state FROM placed p WHERE l.id = p.id RETURNING ${PLACE}`,
};
/** Too many groups: these stand with those that have none. */
export const UNGROUP: Statement = {
  name: "feeder-ungroup",
  text: "UPDATE sluice.lined SET grp = '' WHERE id = ANY ($1::uuid[])",
};
/** The next one of each of these order keys has the turn, unless somebody has it. */
export const PROMOTE: Statement = {
  name: "feeder-promote",
  text: `WITH next AS (
      SELECT n.id, n.due_at FROM unnest($1::smallint[], $2::text[]) AS k (queue, order_key)
      CROSS JOIN LATERAL (
        SELECT b.* FROM sluice.lined b
        WHERE b.queue = k.queue AND b.order_key = k.order_key AND b.state = 'behind' ORDER BY b.no LIMIT 1) n
      WHERE NOT (${isTaken("n")})
    )
    UPDATE sluice.lined l SET state = ${whenReady("n.due_at", "$3")} FROM next n WHERE l.id = n.id RETURNING ${PLACE}`,
};
export const DUE: Statement = {
  name: "feeder-due",
  text: `UPDATE sluice.lined l SET state = 'ready'
    WHERE l.id = ANY (ARRAY (
      SELECT d.id FROM sluice.lined d WHERE d.state = 'later' AND d.due_at <= $1::bigint ORDER BY d.due_at LIMIT $2))
    RETURNING ${PLACE}`,
};
/** The first of each of these lines behind those that are in memory. */
export const READY: Statement = {
  name: "feeder-ready",
  text: `SELECT i.no::int, f.id, f.since::float8
    FROM unnest($1::smallint[], $2::boolean[], $3::text[], $4::smallint[], $5::bigint[], $6::uuid[]) WITH ORDINALITY
      AS i (queue, is_again, grp, urgency, since, id, no)
    CROSS JOIN LATERAL (
      SELECT l.id, l.since FROM sluice.lined l
      WHERE l.state = 'ready' AND l.queue = i.queue AND l.is_again = i.is_again AND l.grp = i.grp AND l.urgency = i.urgency
        AND (l.since, l.id) > (i.since, i.id)
      ORDER BY l.since, l.id LIMIT $7) f
    ORDER BY i.no, f.since, f.id`,
};
/** Gives back those that wait still. A suspect is told as such: it runs alone. */
export const HAND_OUT: Statement = {
  name: "feeder-hand-out",
  text: `WITH picked AS (
      UPDATE sluice.lined SET state = 'handed' WHERE id = ANY ($1::uuid[])
    )
    UPDATE sluice.schedule s SET in_line = 2, is_hinted = true, is_first = s.attempts + s.crashes = 0 AND s.started_at IS NULL
    WHERE s.id = ANY ($1::uuid[]) AND s.in_line = 1 RETURNING s.id, s.crashes > 1 AS is_suspect`,
};
export const HINT: Statement = {
  name: "feeder-hint",
  text: `INSERT INTO sluice.outbox (queue, kind, ids) VALUES ($1, $2, $3::uuid[]) RETURNING no::float8, queue, kind, ids::text[]`,
};

// What a new leader reads of what stands in lines.

export const LINES: Statement = {
  name: "feeder-lines",
  text: "SELECT no, lines FROM sluice.queues WHERE lines IS NOT NULL",
};
export const OVERRIDES: Statement = {
  name: "feeder-overrides",
  text: "SELECT queue, grp, settings FROM sluice.groups WHERE settings IS NOT NULL",
};
export const COUNTS: Statement = {
  name: "feeder-counts",
  text: `SELECT queue, grp, count(*)::float8 AS backlog, count(*) FILTER (WHERE state = 'handed')::float8 AS in_flight
    FROM sluice.lined WHERE state <> 'new' GROUP BY 1, 2 ORDER BY 3 DESC`,
};
export const HANDED: Statement = {
  name: "feeder-handed",
  text: "SELECT id, queue, is_again FROM sluice.lined WHERE state = 'handed'",
};
export const READY_LINES: Statement = {
  name: "feeder-ready-lines",
  text: "SELECT queue, is_again, grp, urgency FROM sluice.lined WHERE state = 'ready' GROUP BY 1, 2, 3, 4",
};
export const FORGET_COUNTS: Statement = {
  name: "feeder-forget-counts",
  text: "UPDATE sluice.groups SET backlog = 0, in_flight = 0 WHERE backlog <> 0 OR in_flight <> 0",
};
/** Groups that have nothing, and of which nothing was said, go. */
export const TELL_COUNTS: Statement = {
  name: "feeder-tell-counts",
  text: `WITH told AS (
      SELECT * FROM unnest($1::smallint[], $2::text[], $3::bigint[], $4::bigint[]) AS t (queue, grp, backlog, in_flight)
    ), gone AS (
      DELETE FROM sluice.groups g USING told t
      WHERE g.queue = t.queue AND g.grp = t.grp AND t.backlog = 0 AND t.in_flight = 0 AND g.settings IS NULL
    )
    INSERT INTO sluice.groups AS g (queue, grp, backlog, in_flight)
    SELECT queue, grp, backlog, in_flight FROM told t WHERE backlog > 0 OR in_flight > 0
      OR EXISTS (SELECT FROM sluice.groups x WHERE x.queue = t.queue AND x.grp = t.grp AND x.settings IS NOT NULL)
    ON CONFLICT (queue, grp) DO UPDATE SET backlog = excluded.backlog, in_flight = excluded.in_flight`,
};
