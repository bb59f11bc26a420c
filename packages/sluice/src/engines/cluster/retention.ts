// Partitions by day: made ahead, so that no request waits for one, and dropped whole once all that is in them has had
// its outcome for as long as the retention. What was accepted on a day without a partition of its own is in the default
// one and goes row by row.
import type { Logger } from "../../telemetry/log.ts";
import type { Connected, Connection, Statement } from "./database.ts";
import { slicesOf } from "./slices.ts";
import { firstIdAt, hasRow, type IdBound } from "./state.ts";

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
const HAS_REST: Statement = {
  name: "retention-has-rest",
  text: `SELECT EXISTS (SELECT FROM sluice.requests_rest WHERE id >= $1::uuid AND id < $2::uuid)
    OR EXISTS (SELECT FROM sluice.outcomes_rest WHERE id >= $1::uuid AND id < $2::uuid) AS is_there`,
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
    OR EXISTS (SELECT FROM sluice.callbacks WHERE ${IN_DAY} AND NOT is_told) AS is_there`,
};
const IS_KEPT: Statement = {
  name: "retention-is-kept",
  text: `SELECT EXISTS (SELECT FROM sluice.outcomes WHERE ${IN_DAY} AND finished_at >= $3::bigint)
    OR EXISTS (SELECT FROM sluice.requests r WHERE ${IN_DAY} AND NOT ${hasRow("outcomes", "r.id")}) AS is_there`,
};
const DELETE_KEYS = leftovers("keys");
const DELETE_FAILURES = leftovers("failures");
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
const DROP_REST: Statement = {
  name: "retention-drop-rest",
  text: `WITH old AS (
      SELECT l.id AS link, cardinality(l.ids) AS count, u.id
      FROM (
        SELECT id, ids FROM sluice.links_rest r WHERE last < $1::uuid AND cardinality(ids) = (
          SELECT count(*) FROM sluice.outcomes_rest o WHERE o.id = ANY (r.ids) AND o.finished_at < $2::bigint
        ) AND NOT EXISTS (SELECT FROM sluice.callbacks c WHERE c.id = ANY (r.ids) AND NOT c.is_told)
        ORDER BY id LIMIT $3::int
      ) l CROSS JOIN LATERAL unnest(l.ids) AS u (id)
    ), locked AS (
      -- A replay may have taken one back meanwhile.
      SELECT o.id FROM sluice.outcomes_rest o WHERE o.finished_at < $2::bigint AND o.id IN (SELECT id FROM old)
      FOR UPDATE SKIP LOCKED
    ), whole AS (
      SELECT o.link FROM old o JOIN locked k ON k.id = o.id
      GROUP BY o.link, o.count HAVING count(*) = o.count
    ), unlinked AS (
      DELETE FROM sluice.links_rest l USING whole w WHERE l.id = w.link
    ), gone AS (
      DELETE FROM sluice.outcomes_rest o USING old JOIN whole USING (link) WHERE o.id = old.id
      RETURNING o.id, o.queue, o.state
    ), of_requests AS (DELETE FROM sluice.requests_rest r USING gone g WHERE r.id = g.id
    ), of_keys AS (DELETE FROM sluice.keys k USING gone g WHERE k.id = g.id
    ), of_failures AS (DELETE FROM sluice.failures f USING gone g WHERE f.id = g.id
    ), of_schedule AS (DELETE FROM sluice.schedule s USING gone g WHERE s.id = g.id
    ), of_callbacks AS (DELETE FROM sluice.callbacks c USING gone g WHERE c.id = g.id
    ), of_running AS (DELETE FROM sluice.running n USING gone g WHERE n.id = g.id
    ), counted AS (SELECT queue, ${COUNTS} FROM gone GROUP BY queue) ${NOTE_EXPIRED}`,
};

const dayMs = 86_400_000;
const daysAhead = 3;
const restLinksPerStep = 20;
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
}

interface Dropping {
  readonly cutoff: number;
  readonly sliceRows: number | undefined;
}

/** Makes the partitions of today and the next three days (UTC) where they are missing. */
export async function keepPartitions(connection: Connection, now: number, log?: Logger): Promise<void> {
  for (let ahead = 0; ahead <= daysAhead; ahead += 1) await keepDay(connection, dayAt(now + ahead * dayMs), log);
}

/**
 * Drops the oldest day whose requests all have an outcome from before the retention, and some of such requests in the
 * default partition. Gives back how many requests went: with 0 there are no more for now. Rejects as unavailable when
 * others hold on to the tables: nothing was dropped then.
 */
export async function dropExpired(
  connection: Connection,
  { now, retentionMs, sliceRows }: RetentionOptions,
): Promise<number> {
  const cutoff = Math.floor(now - retentionMs);
  const dropping = { cutoff, sliceRows };
  let dropped = sum(await connection.rows<Total>(DROP_REST, [firstIdAt(cutoff), cutoff, restLinksPerStep]));
  for (const { name } of await connection.rows<{ name: string }>(SELECT_DAYS)) {
    const day = dayNamed(name);
    if (day.endsAt > cutoff || (await isKept(connection, day, dropping))) continue;
    await deleteLeftovers(connection, day);
    dropped += await dropDay(connection, day, dropping);
    if (dropped > 0) break;
  }
  return dropped;
}

async function keepDay(connection: Connection, day: Day, log: Logger | undefined): Promise<void> {
  if (await isTrue(connection, HAS_DAY, [day.name])) return;
  await connection.transaction(async (inside) => {
    await inside.script(LIMIT_WAIT);
    await inside.rows(LOCK_SCHEMA);
    if (await isTrue(inside, HAS_DAY, [day.name])) return;
    if (await isTrue(inside, HAS_REST, [day.from, day.before])) {
      log?.debug({ day: day.name }, "this day is in the default partition already");
      return;
    }
    for (const table of ["requests", "outcomes", "links"]) await inside.script(partitionOf(table, day));
  });
}

/** Made beside the table and then attached: so those who read and write the table need not be held up. */
function partitionOf(table: string, { name, from, before }: Day): string {
  return `CREATE TABLE sluice.${table}_${name} (LIKE sluice.${table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS
      INCLUDING STORAGE);
    ALTER TABLE sluice.${table} ATTACH PARTITION sluice.${table}_${name} FOR VALUES FROM ('${from}') TO ('${before}')`;
}

/** What was put off or runs mostly tells already; else each row of the day is looked at. */
async function isKept(connection: Connected, day: Day, { cutoff, sliceRows }: Dropping): Promise<boolean> {
  if (await isTrue(connection, IS_UNFINISHED, [day.from, day.before])) return true;
  for await (const { from, before } of slicesOf(connection, day, sliceRows))
    if (await isTrue(connection, IS_KEPT, [from, before, cutoff])) return true;
  return false;
}

/** In small steps and before the day itself: a step that was the last one before a crash is simply gone on with. */
async function deleteLeftovers(connection: Connected, { from, before }: Day): Promise<void> {
  for (const statement of [DELETE_KEYS, DELETE_FAILURES]) {
    while (sum(await connection.rows<Total>(statement, [from, before, leftoversPerStep])) === leftoversPerStep);
  }
}

async function dropDay(connection: Connection, day: Day, dropping: Dropping): Promise<number> {
  const { name, from, before } = day;
  return connection.transaction(async (inside) => {
    await inside.script(LIMIT_WAIT);
    await inside.rows(LOCK_SCHEMA);
    // No outcome of the day can be taken back by a replay from here on; reading goes on until the drop.
    await inside.script(`LOCK TABLE sluice.requests_${name}, sluice.outcomes_${name} IN SHARE MODE`);
    if (await isKept(inside, day, dropping)) return 0;
    for (const statement of [DELETE_SCHEDULE, DELETE_RUNNING, DELETE_CALLBACKS])
      await inside.rows(statement, [from, before, allRows]);
    let total = 0;
    for await (const slice of slicesOf(inside, day, dropping.sliceRows))
      total += sum(await inside.rows<Total>(COUNT, [slice.from, slice.before]));
    await inside.script(`DROP TABLE sluice.requests_${name}, sluice.outcomes_${name}, sluice.links_${name}`);
    return total;
  });
}

const allRows = 2_147_483_647;

function leftovers(table: "keys" | "failures" | "schedule" | "running" | "callbacks"): Statement {
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

function sum(rows: readonly Total[]): number {
  return rows.reduce((all, { total }) => all + total, 0);
}

async function isTrue(connection: Connected, statement: Statement, values: readonly unknown[]): Promise<boolean> {
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
