// What expires while others claim it, cancel it and hand it back, on a real ledger: the order of their commits is the server's.
import { after, before, test } from "node:test";
import { deepEqual, equal, ok } from "node:assert/strict";
import { startPostgres, type Postgres } from "@sluice/testing";
import { requestIdOf, SeqSource, type RequestId } from "../../../core/request-id.ts";
import { openLog } from "../../../telemetry/log.ts";
import { claim } from "../ledger/claim.ts";
import { again, ConflictError, Connection, type Statement } from "../ledger/connection/database.ts";
import { migrateCluster } from "../ledger/schema/migrate.ts";
import { lapse } from "./lapse.ts";
import { hintDue } from "./scheduler.ts";

const now = Date.now();
const many = 3_000;
const leader = 1;

let postgres: Postgres;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres[Symbol.asyncDispose]());

const STORE: Statement = {
  name: "test-store",
  text: `WITH stored AS (
      INSERT INTO sluice.requests (id, queue, content_type, bytes, body) SELECT id, 1, 'text/plain', 0, '' FROM unnest($1::uuid[]) i (id)
    ), expiring AS (
      INSERT INTO sluice.expiries (id, queue, expires_at) SELECT id, 1, $2::bigint FROM unnest($1::uuid[]) i (id)
    )
    INSERT INTO sluice.tallies AS t (member, queue, accepted) VALUES (9, 1, cardinality($1::uuid[]))
    ON CONFLICT (member, queue) DO UPDATE SET accepted = t.accepted + excluded.accepted`,
};
const SCHEDULE: Statement = {
  name: "test-schedule",
  text: `INSERT INTO sluice.schedule (id, queue, due_at, attempts, crashes, token, is_hinted)
    SELECT id, 1, 0, $2::int, $3::int, 0, true FROM unnest($1::uuid[]) i (id)`,
};
const EXPIRED: Statement = {
  name: "test-expired",
  text: "SELECT id FROM sluice.outcomes WHERE error_code = 'expired'",
};
const LEFT: Statement = {
  name: "test-left",
  text: `SELECT (SELECT count(*) FROM sluice.expiries)::int AS expiries, (SELECT count(*) FROM sluice.schedule)::int AS schedule,
    (SELECT count(*) FROM sluice.running)::int AS running, (SELECT sum(dead) FROM sluice.tallies)::int AS dead`,
};

test("what is claimed while it expires either runs or ends, and never both", async () => {
  await using ledger = await openLedger();
  const ids = await ledger.store(many);
  const claimed = new Set<RequestId>();
  const claimSome = async (db: Connection, at: number, part: number): Promise<void> => {
    const asked = { ids: ids.slice(at, at + 20), areSuspects: false, member: 10 + part, now };
    const rows = await again(() => claim(db, asked)); // where the leader is in the way
    for (const row of rows.values()) if (row.verdict === "claimed") claimed.add(row.id);
  };
  await using opened = new AsyncDisposableStack();
  const workers = [0, 1, 2].map(() => opened.use(ledger.connect()));
  // The first claims open the connections, so that all of them are at it at once.
  await Promise.all(workers.map((db, part) => claimSome(db, many - 20 * (part + 1), part)));
  const claiming = workers.map(async (db, part) => {
    for (let at = part * 20; at < many - 60; at += 60) await claimSome(db, at, part);
  });
  const ended = new Set(await lapseAll(ledger.db));
  await Promise.all(claiming);
  for (const id of await lapseAll(ledger.db)) ended.add(id);
  deepEqual(new Set(await ledger.expired()), ended);
  deepEqual(
    [...claimed].filter((id) => ended.has(id)),
    [],
  );
  equal(claimed.size + ended.size, many);
  ok(claimed.size > 0 && ended.size > 0, `${claimed.size} were claimed`);
  const { expiries, running, dead } = await ledger.left();
  deepEqual([expiries, dead], [claimed.size, ended.size]);
  ok(running >= claimed.size); // those of claims that turned out void are theirs to release
});

test("what has begun is only forgotten, what was handed back untouched ends, and what is ahead of its time stays", async () => {
  await using ledger = await openLedger();
  const [failed, crashed, back] = await ledger.store(3);
  const [ahead] = await ledger.store(1, now + 1);
  await ledger.db.rows(SCHEDULE, [[failed], 1, 0]);
  await ledger.db.rows(SCHEDULE, [[crashed], 0, 1]);
  await ledger.db.rows(SCHEDULE, [[back], 0, 0]);
  equal((await hintDue(ledger.db, now)).isLate, true);
  deepEqual(await lapse(ledger.db, { now, member: leader }), [back]);
  deepEqual(await ledger.left(), { expiries: 1, schedule: 2, running: 0, dead: 1 });
  equal((await hintDue(ledger.db, now)).isLate, false);
  deepEqual(await lapse(ledger.db, { now: now + 1, member: leader }), [ahead]);
});

test("a slice holds a thousand at most", async () => {
  await using ledger = await openLedger();
  await ledger.store(1_500);
  equal((await lapse(ledger.db, { now, member: leader })).length, 1_000);
  equal((await lapse(ledger.db, { now, member: leader })).length, 500);
});

/** Until a slice finds none, as the leader does: again where others were in the way. */
async function lapseAll(db: Connection): Promise<readonly RequestId[]> {
  const ended: RequestId[] = [];
  for (;;) {
    try {
      const some = await lapse(db, { now, member: leader });
      if (some.length === 0) return ended;
      ended.push(...some);
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
    }
  }
}

interface Ledger extends AsyncDisposable {
  readonly db: Connection;
  connect(): Connection;
  store(count: number, expiresAt?: number): Promise<readonly RequestId[]>;
  expired(): Promise<readonly RequestId[]>;
  left(): Promise<{ expiries: number; schedule: number; running: number; dead: number }>;
}

let databases = 0;
const seqs = new SeqSource(-1);

async function openLedger(): Promise<Ledger> {
  const databaseUrl = await postgres.createDatabase(`lapse_${(databases += 1)}`);
  const servers = { databaseUrl, amqpUrl: "", redisUrl: "", prefix: "test" };
  const log = openLog({ level: "silent", isPretty: false });
  await migrateCluster({ servers, queues: ["orders"], log, declare: () => Promise.resolve("declared") });
  const connect = (): Connection => new Connection({ databaseUrl, name: "lapse test", settings: { jit: "off" } });
  const db = connect();
  return {
    db,
    connect,
    async store(count, expiresAt = now) {
      const ids = Array.from({ length: count }, () =>
        requestIdOf(seqs.next(now), crypto.getRandomValues(new Uint8Array(8))),
      );
      await db.rows(STORE, [ids, expiresAt]);
      return ids;
    },
    async expired() {
      return (await db.rows<{ id: RequestId }>(EXPIRED)).map(({ id }) => id);
    },
    async left() {
      const [row] = await db.rows<Awaited<ReturnType<Ledger["left"]>>>(LEFT);
      return row as Awaited<ReturnType<Ledger["left"]>>;
    },
    [Symbol.asyncDispose]: () => db[Symbol.asyncDispose](),
  };
}
