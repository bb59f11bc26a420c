// What people ask of order keys and groups: the feeder heeds it, see leader/feeder.ts.
import type {
  GroupOverride,
  GroupStatus,
  HeldOrder,
  LineCounts,
  LineCountsBounds,
} from "../../../core/line-settings.ts";
import { isLined, type Placement } from "../../../core/placement.ts";
import type { RequestId } from "../../../core/request-id.ts";
import { readRequestHead } from "../../../core/stored-head.ts";
import type { QueueBounds } from "../../../engine/engine.ts";
import type { Connected, Statement } from "./connection/database.ts";
import type { QueueNumbers } from "./queue-numbers.ts";

const SET_GROUP: Statement = {
  name: "set-group",
  text: `WITH said AS (INSERT INTO sluice.line_events (kind, queue, name) VALUES ('said', $1, $2))
    INSERT INTO sluice.groups (queue, grp, settings) VALUES ($1, $2, $3::jsonb)
    ON CONFLICT (queue, grp) DO UPDATE SET settings = excluded.settings`,
};
const PAUSE_GROUP: Statement = {
  name: "pause-group",
  text: `WITH said AS (INSERT INTO sluice.line_events (kind, queue, name) VALUES ('said', $1, $2))
    INSERT INTO sluice.groups AS g (queue, grp, settings)
    VALUES ($1, $2, CASE WHEN $3::boolean THEN '{"isPaused": true}'::jsonb END)
    ON CONFLICT (queue, grp) DO UPDATE SET settings = nullif(
      CASE WHEN $3::boolean THEN coalesce(g.settings, '{}') || excluded.settings ELSE g.settings - 'isPaused' END, '{}')`,
};
const GROUPS: Statement = {
  name: "groups",
  text: `SELECT grp, settings, backlog::float8, in_flight::float8 FROM sluice.groups
    WHERE queue = $1 AND (backlog > 0 OR in_flight > 0 OR settings IS NOT NULL) ORDER BY backlog DESC, grp LIMIT $2`,
};
const HELD: Statement = {
  name: "held-orders",
  text: `SELECT h.order_key, h.id, h.since::float8, (SELECT count(*) FROM (
      SELECT FROM sluice.lined l WHERE l.queue = $1 AND l.order_key = h.order_key AND l.state = 'behind' LIMIT 1000) b)::int AS waiting
    FROM (
      SELECT DISTINCT ON (order_key COLLATE "C") order_key, id, since FROM sluice.held_orders WHERE queue = $1
      ORDER BY order_key COLLATE "C", no LIMIT $2) h
    ORDER BY h.order_key COLLATE "C"`,
};
/** In the order of its index: without one, PostgreSQL may read the whole table for each queue. */
const LINE_COUNTS: Statement = {
  name: "line-counts",
  text: `SELECT q.name AS queue, (SELECT count(*) FROM (
      SELECT DISTINCT order_key FROM sluice.held_orders h WHERE h.queue = q.no ORDER BY order_key LIMIT $2) h)::int AS held,
      (SELECT coalesce(jsonb_agg(jsonb_build_object('group', grp, 'backlog', backlog, 'inFlight', greatest(in_flight, 0))), '[]') FROM (
        SELECT grp, backlog, in_flight FROM sluice.groups g WHERE g.queue = q.no AND grp <> '' AND backlog > 0
        ORDER BY backlog DESC, grp LIMIT $1) g) AS groups
    FROM sluice.queues q WHERE q.lines IS NOT NULL`,
};
/** Of several that hold one order key the first: the next one holds it from then on. */
const RELEASE: Statement = {
  name: "release-order",
  text: `WITH released AS (
      DELETE FROM sluice.held_orders WHERE id = (
        SELECT id FROM sluice.held_orders WHERE queue = $1 AND order_key = $2 ORDER BY no LIMIT 1 FOR UPDATE)
      RETURNING queue, order_key
    )
    INSERT INTO sluice.line_events (kind, queue, name) SELECT 'released', queue, order_key FROM released RETURNING no`,
};
const BEGIN_LINES: Statement = {
  name: "begin-lines",
  text: `WITH begun AS (UPDATE sluice.queues SET lines = '{}' WHERE no = ANY ($1::smallint[]) AND lines IS NULL RETURNING no)
    INSERT INTO sluice.line_events (kind, queue) SELECT 'said', no FROM begun`,
};
/** What a process is configured with: of those that say something the last one that started. */
const CONFIGURE: Statement = {
  name: "configure-lines",
  text: `WITH changed AS (
      UPDATE sluice.queues q SET lines = i.lines FROM unnest($1::text[], $2::jsonb[]) AS i (name, lines)
      WHERE q.name = i.name AND i.lines IS NOT NULL AND q.lines IS DISTINCT FROM i.lines RETURNING q.no, q.name
    ), told AS (
      INSERT INTO sluice.line_events (kind, queue) SELECT 'said', no FROM changed
    )
    SELECT name FROM changed`,
};

/** From the first request that stands in a line on, all that its queue gets does. Before any of these is stored. */
export async function beginLines(
  db: Connected,
  queues: QueueNumbers,
  asked: readonly { readonly queue: string; readonly placement?: Placement | undefined }[],
): Promise<void> {
  const nos = new Set<number>();
  for (const { queue, placement } of asked)
    if (placement !== undefined && isLined(placement)) nos.add(queues.noOf(queue));
  const without = [...nos].filter((no) => !queues.hasLines(no));
  if (without.length === 0) return;
  await db.rows(BEGIN_LINES, [without]);
  await queues.read(db);
}

/** The same for requests that come from another store. */
export function beginLinesOfMoved(
  db: Connected,
  queues: QueueNumbers,
  moved: readonly { readonly queue: string; readonly headers: string | undefined }[],
): Promise<void> {
  const placed = moved.map(({ queue, headers }) => ({ queue, placement: readRequestHead(headers ?? null).placement }));
  return beginLines(db, queues, placed);
}

export async function setGroup(
  db: Connected,
  queue: number,
  { group, override }: { readonly group: string; readonly override: GroupOverride | undefined },
): Promise<void> {
  await db.rows(SET_GROUP, [queue, group, override === undefined ? null : JSON.stringify(override)]);
}

/** What else was said of it stays. */
export async function pauseGroup(
  db: Connected,
  queue: number,
  { group, isPaused }: { readonly group: string; readonly isPaused: boolean },
): Promise<void> {
  await db.rows(PAUSE_GROUP, [queue, group, isPaused]);
}

export async function groupsOf(db: Connected, queue: number, max: number): Promise<readonly GroupStatus[]> {
  const rows = await db.rows<{ grp: string; settings: GroupOverride | null; backlog: number; in_flight: number }>(
    GROUPS,
    [queue, max],
  );
  return rows.map(({ grp: group, settings, backlog, in_flight: inFlight }) => ({
    group,
    backlog: Math.max(0, backlog),
    inFlight: Math.max(0, inFlight),
    ...settings,
  }));
}

export async function heldOrders(db: Connected, queue: number, max: number): Promise<readonly HeldOrder[]> {
  const rows = await db.rows<{ order_key: string; id: RequestId; since: number; waiting: number }>(HELD, [queue, max]);
  return rows.map(({ order_key: order, id: by, since, waiting }) => ({ order, by, since, waiting }));
}

export async function lineCounts(
  db: Connected,
  { groupsMax, heldMax }: LineCountsBounds,
): Promise<readonly LineCounts[]> {
  const rows = await db.rows<{ queue: string; held: number; groups: LineCounts["groups"] }>(LINE_COUNTS, [
    groupsMax,
    heldMax,
  ]);
  return rows.map(({ queue, held: heldOrders, groups }) => ({ queue, groups, heldOrders }));
}

/** Whether one held it. */
export async function releaseOrder(db: Connected, queue: number, order: string): Promise<boolean> {
  return (await db.rows(RELEASE, [queue, order])).length > 0;
}

/** Gives back the names of the queues whose settings are others than they were. */
export async function configureLines(db: Connected, queues: readonly QueueBounds[]): Promise<readonly string[]> {
  const said = queues.filter(({ lines }) => lines !== undefined);
  if (said.length === 0) return [];
  const values = [said.map(({ name }) => name), said.map(({ lines }) => JSON.stringify(lines))];
  return (await db.rows<{ name: string }>(CONFIGURE, values)).map(({ name }) => name);
}
