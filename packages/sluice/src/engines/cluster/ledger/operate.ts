// What people ask for: replay a dead request, cancel one that waits, pause a queue.
import type { State } from "../../../core/request.ts";
import type { RequestId } from "../../../core/request-id.ts";
import { crashPoint } from "../../../engine/crash-point.ts";
import type { MoveResult } from "../../../engine/engine.ts";
import { looksOf, sliceOf, type DeadRow, type ReplaySlice, type ReplaySliceAsk } from "../../shared/replay-slices.ts";
import type { Connected, Connection, Statement } from "./connection/database.ts";
import type { OutboxRow } from "../carriers/carrier.ts";
import type { Outbox } from "./outbox.ts";
import type { QueueNumbers } from "./queue-numbers.ts";
import { readStates, requestOfAlias } from "./read.ts";
import { lowestId } from "./state.ts";
import type { StoreClock } from "./connection/store-clock.ts";

const SELECT_DEAD: Statement = {
  name: "select-dead",
  text: `SELECT id, error_code AS "errorCode" FROM sluice.outcomes
    WHERE queue = $1 AND state = 'dead' AND id > $2::uuid ORDER BY id LIMIT $3`,
};
/** The row of the outcome is the lock: of two replays at once one finds it. Where the queue has lines it goes to the end of its line. */
const REPLAY: Statement = {
  name: "replay",
  text: `WITH revived AS (
      DELETE FROM sluice.outcomes WHERE id = ANY ($1::uuid[]) AND state = 'dead' RETURNING id, queue
    ), forgotten AS (
      DELETE FROM sluice.failures f USING revived r WHERE f.id = r.id
    ), next_round AS (
      UPDATE sluice.callbacks c SET round = c.round + 1, is_told = false FROM revived r WHERE c.id = r.id
    ), lasting AS (
      DELETE FROM sluice.expiries e USING revived r WHERE e.id = r.id
    ), noted AS (
      INSERT INTO sluice.turns (id, replayed_at, turn_at)
      SELECT v.id, $2::bigint, CASE WHEN q.lines IS NOT NULL THEN $2::bigint END
      FROM revived v JOIN sluice.queues q ON q.no = v.queue
      ON CONFLICT (id) DO UPDATE SET replayed_at = excluded.replayed_at, turn_at = excluded.turn_at
    ), scheduled AS (
      INSERT INTO sluice.schedule (id, queue, due_at, attempts, crashes, token, is_hinted, in_line)
      SELECT v.id, v.queue, $2::bigint, 0, 0, nextval('sluice.tokens'), q.lines IS NULL, (q.lines IS NOT NULL)::int
      FROM revived v JOIN sluice.queues q ON q.no = v.queue
      RETURNING id, queue, is_hinted
    ), in_lines AS (
      INSERT INTO sluice.line_events (kind, id, place)
      SELECT 'replayed', id, nextval('sluice.lined_no_seq') FROM scheduled WHERE NOT is_hinted
    ), tallied AS (
      INSERT INTO sluice.tallies AS t (member, queue, dead, backlog_bytes)
      SELECT $3::int, v.queue, -count(*), sum(r.bytes)
      FROM revived v JOIN sluice.requests r ON r.id = v.id GROUP BY v.queue
      ON CONFLICT (member, queue) DO UPDATE
      SET dead = t.dead + excluded.dead, backlog_bytes = t.backlog_bytes + excluded.backlog_bytes
    ), listed AS (
      INSERT INTO sluice.outbox (queue, kind, ids)
      SELECT queue, 'again', array_agg(id ORDER BY id) FROM scheduled WHERE is_hinted GROUP BY queue
      RETURNING no, queue, kind, ids
    )
    SELECT v.ids::text[] AS revived, l.no::float8, l.queue, l.kind, l.ids::text[]
    FROM (SELECT array_agg(id) AS ids FROM revived) v LEFT JOIN listed l ON true`,
};
/** A cancel holds the claim for as long as it takes, so that no worker gets the request meanwhile. */
const HOLD: Statement = {
  name: "hold-to-cancel",
  text: `INSERT INTO sluice.running (id, token, member, queue, attempts, crashes, started_at, bytes)
    SELECT id, nextval('sluice.tokens'), $2::int, queue, 0, 0, 0, bytes FROM sluice.requests WHERE id = $1
    ON CONFLICT (id) DO NOTHING RETURNING id`,
};
const CANCEL: Statement = {
  name: "cancel",
  text: `WITH unscheduled AS (
      DELETE FROM sluice.schedule WHERE id = $1 RETURNING attempts, started_at
    ), let_go AS (
      DELETE FROM sluice.running WHERE id = $1
    ), cancelled AS (
      INSERT INTO sluice.outcomes AS o (id, queue, state, attempts, started_at, finished_at)
      SELECT r.id, r.queue, 'cancelled', coalesce(u.attempts, 0), u.started_at, $2::bigint
      FROM sluice.requests r LEFT JOIN unscheduled u ON true WHERE r.id = $1
      ON CONFLICT (id) DO NOTHING RETURNING o.id, o.queue
    )
    INSERT INTO sluice.tallies AS t (member, queue, cancelled, backlog_bytes)
    SELECT $3::int, c.queue, 1, -r.bytes FROM cancelled c JOIN sluice.requests r ON r.id = c.id
    ON CONFLICT (member, queue) DO UPDATE
    SET cancelled = t.cancelled + 1, backlog_bytes = t.backlog_bytes + excluded.backlog_bytes
    RETURNING queue`,
};
const ASK_REPLICAS: Statement = {
  name: "ask-replicas",
  text: "UPDATE sluice.queues SET replicas_asked = $2 WHERE no = $1",
};
const PAUSE: Statement = {
  name: "pause",
  text: `UPDATE sluice.queues SET is_paused = $2,
      paused_at = CASE WHEN NOT $2 THEN NULL WHEN is_paused THEN paused_at ELSE $3::bigint END
    WHERE no = $1`,
};

export interface OperateOptions {
  /** For these alone: each takes it for a transaction. */
  readonly connection: Connection;
  readonly queues: QueueNumbers;
  readonly outbox: Outbox;
  readonly clock: StoreClock;
  readonly member: () => number;
}

export async function replay(id: RequestId, options: OperateOptions): Promise<MoveResult> {
  const ids = await revive([id], options);
  return ids.length > 0 ? { kind: "moved" } : ofAliasOr(id, options, replay);
}

export async function replaySlice(ask: ReplaySliceAsk, options: OperateOptions): Promise<ReplaySlice> {
  const values = [options.queues.noOf(ask.queue), ask.after ?? lowestId, looksOf(ask)];
  const slice = sliceOf(ask, await options.connection.rows<DeadRow>(SELECT_DEAD, values));
  return slice.ids.length === 0 ? slice : { ...slice, ids: await revive(slice.ids, options) };
}

export async function cancel(id: RequestId, options: OperateOptions): Promise<MoveResult> {
  const { connection, clock, member } = options;
  const isCancelled = await connection
    .transaction(async (inside) => {
      const held = await inside.rows(HOLD, [id, member()]);
      if (held.length === 0) return false;
      return (await cancelHeld(inside, id, { now: clock.now(), member: member() })) || undo();
    })
    .catch((error: unknown) => {
      if (error === notCancelled) return false;
      throw error;
    });
  return isCancelled ? { kind: "moved" } : ofAliasOr(id, options, cancel);
}

export async function pause(queue: string, isPaused: boolean, options: OperateOptions): Promise<void> {
  const { connection, queues, clock } = options;
  await connection.rows(PAUSE, [queues.noOf(queue), isPaused, clock.now()]);
  await queues.read(connection);
}

export async function askReplicas(
  queue: string,
  replicas: number,
  { connection, queues }: OperateOptions,
): Promise<void> {
  await connection.rows(ASK_REPLICAS, [queues.noOf(queue), replicas]);
}

/** Thrown inside the transaction to roll it back: the request had its outcome already. */
const notCancelled = new Error("the request has an outcome");

function undo(): never {
  throw notCancelled;
}

async function cancelHeld(
  inside: Connected,
  id: RequestId,
  { now, member }: { readonly now: number; readonly member: number },
): Promise<boolean> {
  return (await inside.rows(CANCEL, [id, now, member])).length > 0;
}

async function revive(ids: readonly RequestId[], options: OperateOptions): Promise<readonly RequestId[]> {
  const { connection, clock, outbox, member } = options;
  const rows = await connection.transaction(async (inside) => {
    const values = [ids, clock.now(), member()];
    const listed = await inside.rows<RevivedRow>(REPLAY, values);
    if (revivedOf(listed).length > 0) crashPoint("replay");
    return listed;
  });
  void outbox.tell(
    rows.flatMap(({ no, queue, kind, ids: hinted }) => (no === null ? [] : [{ no, queue, kind, ids: hinted }])),
  );
  return revivedOf(rows);
}

/** One row at least, without a number where no hint goes out. */
interface RevivedRow extends Omit<OutboxRow, "no"> {
  readonly revived: readonly RequestId[] | null;
  readonly no: number | null;
}

function revivedOf([first]: readonly RevivedRow[]): readonly RequestId[] {
  return first?.revived ?? [];
}

/** An alias moves the request that it is one more id of. */
async function ofAliasOr(
  id: RequestId,
  options: OperateOptions,
  move: (of: RequestId, options: OperateOptions) => Promise<MoveResult>,
): Promise<MoveResult> {
  const of = await requestOfAlias(options.connection, id);
  return of === undefined ? refusal(id, options) : move(of, options);
}

async function refusal(id: RequestId, { connection, clock }: OperateOptions): Promise<MoveResult> {
  const state: State | undefined = (await readStates(connection, [id], clock.now())).get(id);
  return state === undefined ? { kind: "unknown" } : { kind: "refused", state };
}
