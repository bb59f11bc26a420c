// Partitions by day: made ahead, so that no request waits for one, and dropped whole once all that is in them has had
// its outcome for as long as the retention. Where some of a day are kept, the others go link by link; so does what was
// accepted on a day without a partition of its own, which is in the default one. Age is that of the outcome. A dead request
// that holds its order key stays until the key is released.
import type { Logger } from "../../../telemetry/log.ts";
import type { Changing, Reading, Statement } from "../ledger/connection/database.ts";
import { slicesOf } from "../ledger/slices.ts";
import { aheadMsMax, firstIdAt, hasRow, lowestId, type IdBound } from "../ledger/state.ts";

/** Of those who change the schema one goes at a time; until the end of the transaction. */
export const LOCK_SCHEMA: Statement = {
  name: "lock-schema",
  text: "SELECT pg_advisory_xact_lock(hashtextextended('sluice schema', 0))",
};
/** Not by to_regclass: it may answer from a cache that has yet to hear of what another process has made. */
const HAS_DAY: Statement = {
  name: "retention-has-day",
  text: `SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'sluice' AND c.relname = 'requests_' || $1) AS is_there`,
};
/** Whether more of a day are in the default partition than can be moved while everybody waits. */
const HAS_MANY: Statement = {
  name: "retention-has-many",
  text: `SELECT count(*) > $3::int OR coalesce(sum(bytes), 0) > $4::bigint AS is_there
    FROM (SELECT bytes FROM sluice.requests_rest WHERE id >= $1::uuid AND id < $2::uuid LIMIT $3::int + 1) r`,
};
const SELECT_DAYS: Statement = {
  name: "retention-days",
  text: `SELECT substring(c.relname FROM '\\d{8}$') AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'sluice.requests'::regclass AND c.relname ~ '^requests_\\d{8}$' ORDER BY 1`,
};
const IN_DAY = "id >= $1::uuid AND id < $2::uuid";
const IS_UNFINISHED: Statement = {
  name: "retention-is-unfinished",
  text: `SELECT EXISTS (SELECT FROM sluice.schedule s WHERE ${IN_DAY} AND NOT ${hasRow("outcomes", "s.id")})
    OR EXISTS (SELECT FROM sluice.running n WHERE ${IN_DAY} AND NOT ${hasRow("outcomes", "n.id")})
    OR EXISTS (SELECT FROM sluice.callbacks WHERE ${IN_DAY} AND NOT is_told)
    OR EXISTS (SELECT FROM sluice.held_orders WHERE ${IN_DAY}) AS is_there`,
};
const IS_KEPT: Statement = {
  name: "retention-is-kept",
  text: `SELECT EXISTS (SELECT FROM sluice.outcomes WHERE ${IN_DAY} AND finished_at >= $3::bigint)
    OR EXISTS (SELECT FROM sluice.requests r WHERE ${IN_DAY} AND NOT ${hasRow("outcomes", "r.id")}) AS is_there`,
};
const DELETE_KEYS = leftovers("keys");
const DELETE_FAILURES = leftovers("failures");
const DELETE_ALIASES = leftovers("aliases");
const DELETE_EXPIRIES = leftovers("expiries");
const DELETE_TURNS = leftovers("turns");
const DELETE_SCHEDULE = leftovers("schedule");
const DELETE_RUNNING = leftovers("running");
const DELETE_CALLBACKS = leftovers("callbacks");
const COUNTS = `count(*) FILTER (WHERE state = 'done') AS done, count(*) FILTER (WHERE state = 'dead') AS dead,
  count(*) FILTER (WHERE state = 'cancelled') AS cancelled, count(*) AS total`;
const NOTE_EXPIRED = `UPDATE sluice.queues q SET expired_done = q.expired_done + c.done,
    expired_dead = q.expired_dead + c.dead, expired_cancelled = q.expired_cancelled + c.cancelled
  FROM counted c WHERE q.no = c.queue RETURNING c.total::float8 AS total`;
const COUNT: Statement = {
  name: "retention-count",
  text: `WITH counted AS (SELECT queue, ${COUNTS} FROM sluice.outcomes WHERE ${IN_DAY} GROUP BY queue) ${NOTE_EXPIRED}`,
};
/**
 * Links of a partition whose requests have all had their outcome for long enough, with all that belongs to those: $1 the
 * time before which they ended, $2 the link after which to look, $3 how many to look at. A link goes whole or not at all,
 * so that the chain of what was accepted tells the truth of what is left; its places are noted, so that what else the chain
 * lacks is known to be lost.
 */
const sweepOf = (part: string): Statement => ({
  name: `retention-sweep-${part}`,
  text: `WITH looked AS (
      SELECT id, ids FROM sluice.links_${part} WHERE id > $2::uuid ORDER BY id LIMIT $3::int
    ), old AS (
      SELECT l.id AS link, cardinality(l.ids) AS count, u.id
      FROM (
        SELECT id, ids FROM looked r WHERE cardinality(ids) = (
          SELECT count(*) FROM sluice.outcomes_${part} o WHERE o.id = ANY (r.ids) AND o.finished_at < $1::bigint
        ) AND NOT EXISTS (SELECT FROM sluice.callbacks c WHERE c.id = ANY (r.ids) AND NOT c.is_told)
          AND NOT EXISTS (SELECT FROM sluice.held_orders h WHERE h.id = ANY (r.ids))
      ) l CROSS JOIN LATERAL unnest(l.ids) AS u (id)
    ), locked AS (
      -- A replay may have taken one back meanwhile.
      SELECT o.id FROM sluice.outcomes_${part} o WHERE o.finished_at < $1::bigint AND o.id IN (SELECT id FROM old)
      FOR UPDATE SKIP LOCKED
    ), whole AS (
      SELECT o.link FROM old o JOIN locked k ON k.id = o.id
      GROUP BY o.link, o.count HAVING count(*) = o.count
    ), unlinked AS (
      DELETE FROM sluice.links_${part} l USING whole w WHERE l.id = w.link
      RETURNING l.chain, l.place, cardinality(l.ids) AS count, l.digests IS NOT NULL AS has_digests
    ), of_places AS (
      INSERT INTO sluice.expired_places AS e (chain, places)
      SELECT chain, range_agg(int4range(place, place + count)) FROM unlinked WHERE has_digests GROUP BY chain
      ON CONFLICT (chain) DO UPDATE SET places = e.places + excluded.places
    ), gone AS (
      DELETE FROM sluice.outcomes_${part} o USING old JOIN whole USING (link) WHERE o.id = old.id
      RETURNING o.id, o.queue, o.state
    ), of_requests AS (DELETE FROM sluice.requests_${part} r USING gone g WHERE r.id = g.id
    ), of_keys AS (DELETE FROM sluice.keys k USING gone g WHERE k.id = g.id
    ), of_aliases AS (DELETE FROM sluice.aliases a USING gone g WHERE a.id = g.id
    ), of_expiries AS (DELETE FROM sluice.expiries e USING gone g WHERE e.id = g.id
    ), of_turns AS (DELETE FROM sluice.turns t USING gone g WHERE t.id = g.id
    ), of_failures AS (DELETE FROM sluice.failures f USING gone g WHERE f.id = g.id
    ), of_schedule AS (DELETE FROM sluice.schedule s USING gone g WHERE s.id = g.id
    ), of_callbacks AS (DELETE FROM sluice.callbacks c USING gone g WHERE c.id = g.id
    ), of_running AS (DELETE FROM sluice.running n USING gone g WHERE n.id = g.id
    ), counted AS (SELECT queue, ${COUNTS} FROM gone GROUP BY queue
    ), noted AS (${NOTE_EXPIRED})
    SELECT coalesce((SELECT sum(total) FROM noted), 0)::float8 AS total, count(*)::int AS looked,
      (SELECT id FROM looked ORDER BY id DESC LIMIT 1) AS last FROM looked`,
});
/** A chain lies within a day, and goes with it. */
const DELETE_PLACES: Statement = {
  name: "retention-delete-places",
  text: "DELETE FROM sluice.expired_places WHERE chain >= $1::uuid AND chain < $2::uuid",
};
/** An outcome that a clock has dated ahead of what it is now is taken for as old as it is known to be: from now on. */
const boundOf = (part: string): Statement => ({
  name: `retention-bound-${part}`,
  text: `UPDATE sluice.outcomes_${part} o SET finished_at = $1::bigint
    FROM (SELECT ids FROM sluice.links_${part} WHERE id > $2::uuid ORDER BY id LIMIT $3::int) l
    WHERE o.id = ANY (l.ids) AND o.finished_at > $1::bigint + ${aheadMsMax}`,
});
/** What is in the default partition already, of a day that gets one of its own. */
const moveFromRest = (table: string, { name, from, before }: Day): string =>
  `WITH moved AS (DELETE FROM sluice.${table}_rest WHERE id >= '${from}' AND id < '${before}' RETURNING *)
    INSERT INTO sluice.${table}_${name} SELECT * FROM moved`;

const dayMs = 86_400_000;
const daysAhead = 3;
const linksPerStep = 20;
/** What one call spends on looking link by link: the next one goes on from there. */
const sweepMsMax = 10_000;
const movedMax = 20_000;
const movedBytesMax = 256 * 1024 * 1024;
const leftoversPerStep = 5_000;
/** Whoever waits for a lock that this waits for, waits as long at most. */
const LIMIT_WAIT = "SET LOCAL lock_timeout = '2s'";

interface Day {
  /** `20261122` */
  readonly name: string;
  readonly from: IdBound;
  readonly before: IdBound;
  readonly endsAt: number;
}

interface RetentionOptions {
  readonly now: number;
  readonly retentionMs: number;
  /** Requests that one statement looks at. */
  readonly sliceRows?: number | undefined;
  /** How far each partition has been looked at, link by link: for the next call. */
  readonly sweptTo?: Map<string, IdBound>;
}

interface Dropping extends Required<Pick<RetentionOptions, "now" | "sweptTo">> {
  readonly cutoff: number;
  readonly sliceRows: number | undefined;
  /** By the monotonic clock. */
  readonly sweepsUntil: number;
}

/** Makes the partitions of today and the next three days (UTC) where they are missing. */
export async function keepPartitions(connection: Changing, now: number, log?: Logger): Promise<void> {
  for (let ahead = 0; ahead <= daysAhead; ahead += 1) await keepDay(connection, dayAt(now + ahead * dayMs), log);
}

/**
 * Drops the oldest day whose requests all have an outcome from before the retention, and such requests of the default
 * partition and of days that are kept for others. Gives back how many requests went: with 0 there are no more for now.
 * Rejects as unavailable when others hold on to the tables of a day that is to go: that one was not dropped then.
 */
export async function dropExpired(
  connection: Changing,
  { now, retentionMs, sliceRows, sweptTo = new Map() }: RetentionOptions,
): Promise<number> {
  const cutoff = Math.floor(now - retentionMs);
  const sweepsUntil = performance.now() + sweepMsMax;
  const dropping = { now: Math.floor(now), cutoff, sliceRows, sweptTo, sweepsUntil };
  let dropped = await sweep(connection, "rest", dropping);
  let isDayGone = false;
  for (const { name } of await connection.rows<{ name: string }>(SELECT_DAYS)) {
    const day = dayNamed(name);
    const isOver = day.endsAt <= cutoff;
    const isAhead = day.endsAt - dayMs > now;
    if (isOver && isDayGone) continue; // the next call's
    if (isOver && !(await isKept(connection, day, dropping))) {
      await deleteLeftovers(connection, day);
      const ofDay = await dropDay(connection, day, dropping);
      isDayGone = ofDay > 0;
      dropped += ofDay;
    } else if (isOver || isAhead) dropped += await sweep(connection, name, dropping);
  }
  return dropped;
}

/** Link by link, from where the last call stopped. */
async function sweep(
  connection: Changing,
  part: string,
  { now, cutoff, sweptTo, sweepsUntil }: Dropping,
): Promise<number> {
  const [bound, drop] = [boundOf(part), sweepOf(part)];
  let total = 0;
  for (let after = sweptTo.get(part) ?? lowestId; performance.now() < sweepsUntil;) {
    const [swept] = await connection.transaction(async (inside) => {
      await inside.rows(bound, [now, after, linksPerStep]);
      return inside.rows<Swept>(drop, [cutoff, after, linksPerStep]);
    });
    total += swept?.total ?? 0;
    const isLast = (swept?.looked ?? 0) < linksPerStep;
    after = isLast ? lowestId : (swept?.last ?? lowestId);
    sweptTo.set(part, after);
    if (isLast) break;
  }
  return total;
}

async function keepDay(connection: Changing, day: Day, log: Logger | undefined): Promise<void> {
  if (await isTrue(connection, HAS_DAY, [day.name])) return;
  await connection.transaction(async (inside) => {
    await inside.script(LIMIT_WAIT);
    await inside.rows(LOCK_SCHEMA);
    if (await isTrue(inside, HAS_DAY, [day.name])) return;
    // Nothing of the day gets into the default partition from here on, where it would be in the way.
    await inside.script("LOCK TABLE sluice.requests_rest, sluice.outcomes_rest, sluice.links_rest");
    if (await isTrue(inside, HAS_MANY, [day.from, day.before, movedMax, movedBytesMax])) {
      log?.debug({ day: day.name }, "too much of this day is in the default partition already");
      return;
    }
    for (const table of ["requests", "outcomes", "links"]) await inside.script(partitionOf(table, day));
  });
}

/** Made beside the table and then attached: so those who read and write the table need not be held up for long. */
function partitionOf(table: string, day: Day): string {
  const { name, from, before } = day;
  return `CREATE TABLE sluice.${table}_${name} (LIKE sluice.${table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS
      INCLUDING STORAGE);
    ${moveFromRest(table, day)};
    ALTER TABLE sluice.${table} ATTACH PARTITION sluice.${table}_${name} FOR VALUES FROM ('${from}') TO ('${before}')`;
}

/** What was put off or runs mostly tells already; else each row of the day is looked at. */
async function isKept(connection: Reading, day: Day, { cutoff, sliceRows }: Dropping): Promise<boolean> {
  if (await isTrue(connection, IS_UNFINISHED, [day.from, day.before])) return true;
  for await (const { from, before } of slicesOf(connection, day, sliceRows))
    if (await isTrue(connection, IS_KEPT, [from, before, cutoff])) return true;
  return false;
}

/** In small steps and before the day itself: a step that was the last one before a crash is simply gone on with. */
async function deleteLeftovers(connection: Changing, { from, before }: Day): Promise<void> {
  for (const statement of [DELETE_KEYS, DELETE_FAILURES, DELETE_ALIASES, DELETE_EXPIRIES, DELETE_TURNS]) {
    const step = (): Promise<Total[]> =>
      connection.transaction((inside) => inside.rows<Total>(statement, [from, before, leftoversPerStep]));
    while (sum(await step()) === leftoversPerStep);
  }
}

async function dropDay(connection: Changing, day: Day, dropping: Dropping): Promise<number> {
  const { name, from, before } = day;
  return connection.transaction(async (inside) => {
    await inside.script(LIMIT_WAIT);
    await inside.rows(LOCK_SCHEMA);
    // No outcome of the day can be taken back by a replay from here on; reading goes on until the drop.
    await inside.script(`LOCK TABLE sluice.requests_${name}, sluice.outcomes_${name} IN SHARE MODE`);
    if (await isKept(inside, day, dropping)) return 0;
    for (const statement of [DELETE_SCHEDULE, DELETE_RUNNING, DELETE_CALLBACKS])
      await inside.rows(statement, [from, before, allRows]);
    await inside.rows(DELETE_PLACES, [from, before]);
    let total = 0;
    for await (const slice of slicesOf(inside, day, dropping.sliceRows))
      total += sum(await inside.rows<Total>(COUNT, [slice.from, slice.before]));
    await inside.script(`DROP TABLE sluice.requests_${name}, sluice.outcomes_${name}, sluice.links_${name}`);
    return total;
  });
}

const allRows = 2_147_483_647;

function leftovers(
  table: "keys" | "failures" | "aliases" | "expiries" | "turns" | "schedule" | "running" | "callbacks",
): Statement {
  return {
    name: `retention-delete-${table}`,
    text: `WITH gone AS (
        DELETE FROM sluice.${table} WHERE ctid = ANY (ARRAY (SELECT ctid FROM sluice.${table} WHERE ${IN_DAY} LIMIT $3::int))
          AND ${IN_DAY} RETURNING 1
      ) SELECT count(*)::float8 AS total FROM gone`,
  };
}

interface Total {
  readonly total: number;
}

interface Swept extends Total {
  readonly looked: number;
  readonly last: IdBound | null;
}

function sum(rows: readonly Total[]): number {
  return rows.reduce((all, { total }) => all + total, 0);
}

async function isTrue(connection: Reading, statement: Statement, values: readonly unknown[]): Promise<boolean> {
  const [row] = await connection.rows<{ is_there: boolean }>(statement, values);
  return row?.is_there === true;
}

function dayAt(timeMs: number): Day {
  const startsAt = Math.floor(timeMs / dayMs) * dayMs;
  const name = new Date(startsAt).toISOString().slice(0, 10).replaceAll("-", "");
  return { name, from: firstIdAt(startsAt), before: firstIdAt(startsAt + dayMs), endsAt: startsAt + dayMs };
}

function dayNamed(name: string): Day {
  return dayAt(Date.UTC(Number(name.slice(0, 4)), Number(name.slice(4, 6)) - 1, Number(name.slice(6))));
}
