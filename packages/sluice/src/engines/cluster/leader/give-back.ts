// Claims whose holder cannot settle them any more wait again: at a graceful close with nothing held against them, after
// a crash one crash richer. Who was in flight at `crashesMax` crashes is the suspect no longer: it ends dead (I4).
import { SluiceError } from "../../../core/errors.ts";
import type { RequestId } from "../../../core/request-id.ts";
import type { Connected, Statement } from "../ledger/connection/database.ts";
import type { OutboxRow } from "../carriers/carrier.ts";
import type { Outbox } from "../ledger/outbox.ts";
import type { Session } from "../members/session.ts";
import { locally } from "../ledger/connection/settings-check.ts";
import type { Silence } from "./silence.ts";
import type { StoreClock } from "../ledger/connection/store-clock.ts";

/** For `gone` (no): members that are no more; $1 now, $2 crashes to add, $3 crashesMax, $4 who counts the dead. */
const GIVE_BACK = `
  lost AS (
    DELETE FROM sluice.running n USING gone g WHERE n.member = g.no
    RETURNING n.id, n.token, n.queue, n.attempts, n.crashes + $2::int AS crashes, n.started_at, n.bytes
  ), buried AS (
    INSERT INTO sluice.outcomes AS o (id, queue, state, attempts, started_at, finished_at, error_code, error_message)
    SELECT id, queue, 'dead', attempts, started_at, $1::bigint, 'poison',
      'its worker died ' || crashes || ' times while it ran, the last times it ran alone'
    FROM lost WHERE crashes >= $3::int
    ON CONFLICT (id) DO NOTHING RETURNING o.id, o.queue
  ), unscheduled AS (
    DELETE FROM sluice.schedule s USING buried b WHERE s.id = b.id
  ), tallied AS (
    INSERT INTO sluice.tallies AS t (member, queue, dead, backlog_bytes)
    SELECT $4::int, b.queue, count(*), -sum(l.bytes) FROM buried b JOIN lost l ON l.id = b.id GROUP BY b.queue
    ON CONFLICT (member, queue) DO UPDATE
    SET dead = t.dead + excluded.dead, backlog_bytes = t.backlog_bytes + excluded.backlog_bytes
  ), scheduled AS (
    INSERT INTO sluice.schedule AS s (id, queue, due_at, attempts, crashes, started_at, token, is_hinted)
    SELECT id, queue, $1::bigint, attempts, crashes, started_at, token, true FROM lost
    WHERE crashes < $3::int AND NOT EXISTS (SELECT FROM sluice.outcomes o WHERE o.id = lost.id)
    ON CONFLICT (id) DO UPDATE SET due_at = excluded.due_at, attempts = excluded.attempts, crashes = excluded.crashes,
      started_at = excluded.started_at, token = excluded.token, is_hinted = true, is_first = false
    RETURNING s.id, s.queue, s.crashes, s.is_hinted
  )
  INSERT INTO sluice.outbox (queue, kind, ids)
  SELECT queue, CASE WHEN crashes > 1 THEN 'suspect' ELSE 'again' END, array_agg(id ORDER BY id)
  FROM scheduled WHERE is_hinted GROUP BY 1, 2
  RETURNING no::float8, queue, kind, ids::text[]`;

const HAND_BACK: Statement = {
  name: "hand-back",
  text: `WITH ${locally}, gone AS (SELECT $5::int AS no FROM locally), ${GIVE_BACK}`,
};

/** What each member shows: it changes with every beat. */
const sign = "(extract(epoch FROM seen_at) * 1000000)::float8";
const MEMBERS_HEARD: Statement = {
  name: "members-heard",
  text: `SELECT no, ${sign} AS sign FROM sluice.members WHERE no <> $1`,
};
/** Of those that are silent: who has shown nothing new since, and is silent for long or has lost its connection. */
const DELETE_DEAD = `
  DELETE FROM sluice.members m USING unnest($5::int[], $6::float8[], $7::boolean[]) AS s (silent, sign, is_long)
  WHERE m.no = s.silent AND ${sign} = s.sign
    AND (s.is_long OR (m.backend IS NOT NULL AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = m.backend)))
  RETURNING m.no, m.workers`;
/** Also claims of members that have left, or were found dead before: a claim under way may have come after. */
const REAP: Statement = {
  name: "reap",
  text: `WITH dead AS (${DELETE_DEAD}), unattended AS (
      UPDATE sluice.queues SET left_at = $1::bigint WHERE name IN (SELECT jsonb_object_keys(workers) FROM dead)
    ), gone AS (
      SELECT DISTINCT n.member AS no FROM sluice.running n
      WHERE n.member IN (SELECT no FROM dead) OR NOT EXISTS (SELECT FROM sluice.members m WHERE m.no = n.member)
    ), ${GIVE_BACK}`,
};
/** The counts of members that are no more go into one row. */
const FOLD: Statement = {
  name: "fold-tallies",
  text: `WITH gone AS (
      DELETE FROM sluice.tallies t
      WHERE t.member <> 0 AND NOT EXISTS (SELECT FROM sluice.members m WHERE m.no = t.member) RETURNING t.*
    )
    INSERT INTO sluice.tallies AS t (member, queue, accepted, done, dead, cancelled, backlog_bytes)
    SELECT 0, queue, sum(accepted), sum(done), sum(dead), sum(cancelled), sum(backlog_bytes) FROM gone GROUP BY queue
    ON CONFLICT (member, queue) DO UPDATE SET accepted = t.accepted + excluded.accepted, done = t.done + excluded.done,
      dead = t.dead + excluded.dead, cancelled = t.cancelled + excluded.cancelled,
      backlog_bytes = t.backlog_bytes + excluded.backlog_bytes`,
};

interface ListedRow {
  readonly no: number;
  readonly queue: number;
  readonly kind: OutboxRow["kind"];
  readonly ids: RequestId[];
}

export interface GiveBackOptions {
  readonly now: number;
  readonly crashesMax: number;
  /** The member that does it. */
  readonly by: number;
}

export interface HandBackParts {
  readonly session: Pick<Session, "connection" | "member">;
  readonly clock: StoreClock;
  readonly outbox: Outbox;
}

/** What nobody settled waits again. Should the ledger be out, the leader finds this process silent. */
export async function handBackAtClose({ session, clock, outbox }: HandBackParts): Promise<void> {
  try {
    void outbox.tell(await handBack(session.connection, { now: clock.now(), by: session.member }));
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
  }
}

/** At a graceful close. */
function handBack(connection: Connected, { now, by }: Omit<GiveBackOptions, "crashesMax">): Promise<OutboxRow[]> {
  const unreachable = 2_147_483_647;
  return connection.rows<ListedRow>(HAND_BACK, [now, 0, unreachable, by, by]);
}

/** Looks at what the other members show. */
export async function listen(connection: Connected, silence: Silence, by: number): Promise<void> {
  const rows = await connection.rows<{ no: number; sign: number }>(MEMBERS_HEARD, [by]);
  silence.look(rows.map((row) => [row.no, row.sign]));
}

export interface ReapOptions extends GiveBackOptions {
  /** Silent for so long, a member is dead. */
  readonly leaseMs: number;
  /** Those that are silent for long enough: where its connection is gone as well, so is the member. */
  readonly silent: ReturnType<Silence["silentFor"]>;
}

export async function reap(connection: Connected, options: ReapOptions): Promise<OutboxRow[]> {
  const { now, crashesMax, by, leaseMs, silent } = options;
  return connection.rows<ListedRow>(REAP, [
    now,
    1,
    crashesMax,
    by,
    silent.map((member) => member.no),
    silent.map((member) => member.sign),
    silent.map(({ silentMs }) => silentMs >= leaseMs),
  ]);
}

export async function foldTallies(connection: Connected): Promise<void> {
  await connection.rows(FOLD);
}
