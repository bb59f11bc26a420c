import { after, before, test } from "node:test";
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { freePort, startChild, startPostgres, startRabbitmq, startRedis, type Postgres } from "@sluice/testing";
import { bodyHashOf } from "../../core/body-hash.ts";
import type { NewLink } from "../../core/chain.ts";
import { states, type State } from "../../core/request.ts";
import { requestIdOf, SeqSource, timeOfId, type RequestId } from "../../core/request-id.ts";
import type { SluiceError } from "../../core/errors.ts";
import { openLog } from "../../telemetry/log.ts";
import { auditLedger } from "./audit/audit.ts";
import { prove } from "./audit/audit-chain.ts";
import { heal } from "./audit/audit-rows.ts";
import { link, linkValues, storeLinks } from "./ledger/chains.ts";
import { claim, claimFunction } from "./ledger/claim.ts";
import { BacklogReader, freshWaiting } from "./ledger/backlog.ts";
import {
  ConflictError,
  Connection,
  LostError,
  type Connected,
  type ConnectionOptions,
  type Inside,
  type Statement,
} from "./ledger/connection/database.ts";
import { Deliverer } from "./ledger/deliver.ts";
import { examine, type Finding } from "./doctor.ts";
import { listRequests } from "./ledger/list.ts";
import { checkSchema, migrateCluster, versionKnown as latest } from "./ledger/schema/migrate.ts";
import { openCluster } from "./open.ts";
import { readBody, readRequest, readResult, readStates } from "./ledger/read.ts";
import { callbacksDue, callbacksTold } from "./ledger/callbacks.ts";
import { dropExpired, keepPartitions } from "./leader/retention.ts";
import { ledger as firstSchema } from "./ledger/schema/migrations/0001-ledger.ts";
import { hintDue } from "./leader/scheduler.ts";
import { checkSettings } from "./ledger/connection/settings-check.ts";
import { highestId, lowestId } from "./ledger/state.ts";
import { StoreClock } from "./ledger/connection/store-clock.ts";

const dayMs = 86_400_000;
const minuteMs = 60_000;
const hourMs = 3_600_000;
const now = Date.now();
const log = openLog({ level: "silent", isPretty: false });

let postgres: Postgres;
let databases = 0;

before(async () => {
  postgres = await startPostgres();
  await migrate(await postgres.createDatabase("template"), ["orders", "mails"]);
});
after(() => postgres[Symbol.asyncDispose]());

// Reading

test("each state follows from the rows of a request", async () => {
  await using ledger = await openLedger();
  const ids = await oneInEachState(ledger);
  for (const state of states) equal((await readRequest(ledger.db, ids[state], now))?.state, state);
  deepEqual(
    Object.fromEntries([...(await readStates(ledger.db, Object.values(ids), now))].map(([id, state]) => [state, id])),
    ids,
  );
});

test("a status tells all that is known of a request", async () => {
  await using ledger = await openLedger();
  const id = await ledger.accept({ key: "k", body: "12345" });
  await ledger.fail(id, 1, "timeout");
  await ledger.fail(id, 2, "boom");
  await ledger.schedule(id, { dueAt: now + hourMs, attempts: 2, startedAt: now - 5 });
  const waiting = { id, queue: "orders", key: "k", contentType: "text/plain", bytes: 5, acceptedAt: timeOfId(id) };
  const rest = {
    finishedAt: undefined,
    resultBytes: undefined,
    progress: undefined,
    sender: undefined,
    replayedAt: undefined,
    head: { headers: undefined },
  };
  deepEqual(await readRequest(ledger.db, id, now), {
    ...waiting,
    ...rest,
    state: "scheduled",
    attempts: 2,
    startedAt: now - 5,
    nextAttemptAt: now + hourMs,
    lastError: { code: "boom", message: "it went boom" },
  });
  await ledger.run(id, { attempts: 2, startedAt: now });
  const running = await readRequest(ledger.db, id, now);
  deepEqual([running?.state, running?.startedAt, running?.nextAttemptAt], ["running", now, undefined]);
  await ledger.finish(id, "dead", { finishedAt: now + 1, error: "last", attempts: 3 });
  const dead = await readRequest(ledger.db, id, now);
  deepEqual([dead?.state, dead?.attempts, dead?.finishedAt, dead?.lastError?.code], ["dead", 3, now + 1, "last"]);
});

test("a schedule row that is due waits", async () => {
  await using ledger = await openLedger();
  const id = await ledger.accept();
  await ledger.schedule(id, { dueAt: now });
  equal((await readRequest(ledger.db, id, now - 1))?.state, "scheduled");
  equal((await readRequest(ledger.db, id, now))?.state, "waiting");
});

test("bodies and results come back byte for byte, and a stranger's id knows none", async () => {
  await using ledger = await openLedger();
  const id = await ledger.accept({ body: "in" });
  equal(await readResult(ledger.db, id), undefined);
  await ledger.finish(id, "done", { result: "out" });
  deepEqual(textOf(await readBody(ledger.db, id)), ["text/plain", "in"]);
  deepEqual(textOf(await readResult(ledger.db, id)), ["text/html", "out"]);
  const dead = await ledger.accept();
  await ledger.finish(dead, "dead");
  equal(await readResult(ledger.db, dead), undefined);
  const stranger = `${id.slice(0, -1)}${id.endsWith("0") ? "1" : "0"}` as RequestId;
  equal(await readRequest(ledger.db, stranger, now), undefined);
  equal(await readBody(ledger.db, stranger), undefined);
  equal((await readStates(ledger.db, [stranger], now)).size, 0);
});

// Lists

test("a list is newest first and pages without gaps or doubles, over days and years", async () => {
  await using ledger = await openLedger();
  const ages = [0, 1, 2, 25, 26, 24 * 9, 24 * 9 + 1, 24 * 200, 24 * 320];
  const newestFirst: RequestId[] = [];
  for (const age of ages) newestFirst.push(await ledger.accept({ at: now - age * hourMs }));
  const listed: RequestId[] = [];
  for (let from: RequestId | undefined; ; from = listed.at(-1)) {
    const page = await listRequests(ledger.db, { limit: 2, before: from }, now);
    listed.push(...page.map(({ id }) => id));
    if (page.length < 2) break;
  }
  deepEqual(listed, newestFirst);
});

test("a list filters by state, each request under one", async () => {
  await using ledger = await openLedger();
  const ids = await oneInEachState(ledger);
  for (const state of states) {
    for (const queue of ["orders", undefined]) {
      const found = await listRequests(ledger.db, { queue, state, limit: 10 }, now);
      deepEqual(idsOf(found), [ids[state]], `${state} ${queue}`);
      equal(found[0]?.state, state);
    }
    deepEqual(await listRequests(ledger.db, { queue: "mails", state, limit: 10 }, now), []);
    deepEqual(await listRequests(ledger.db, { state, limit: 10, before: ids[state] }, now), []);
  }
  equal((await listRequests(ledger.db, { limit: 10 }, now)).length, states.length);
});

test("a list filters by queue and by key", async () => {
  await using ledger = await openLedger();
  const here = await ledger.accept({ key: "k" });
  const there = await ledger.accept({ queue: "mails", key: "k" });
  await ledger.accept({ key: "other" });
  await ledger.finish(there, "dead");
  const list = async (filter: { queue?: string; key?: string; state?: State; before?: RequestId }) =>
    idsOf(await listRequests(ledger.db, { ...filter, limit: 10 }, now));
  deepEqual(await list({ queue: "mails" }), [there]);
  deepEqual(await list({ key: "k" }), [there, here]);
  deepEqual(await list({ key: "k", before: there }), [here]);
  deepEqual(await list({ key: "k", state: "dead" }), [there]);
  deepEqual(await list({ queue: "orders", key: "k" }), [here]);
  deepEqual(await list({ queue: "mails", key: "other" }), []);
  deepEqual(await list({ queue: "nowhere" }), []);
});

test("what waits is listed whether it is fresh or came back", async () => {
  await using ledger = await openLedger();
  const back = await ledger.accept();
  const fresh = await ledger.accept();
  const runs = await ledger.accept();
  await ledger.schedule(back, { dueAt: now - 1 });
  await ledger.schedule(runs, { dueAt: now - 1 });
  await ledger.run(runs);
  deepEqual(idsOf(await listRequests(ledger.db, { state: "waiting", limit: 10 }, now)), [fresh, back]);
});

test("a page of the newest does not touch the partitions of older days", async () => {
  await using ledger = await openLedger();
  for (let days = 2; days < 40; days += 1) await keepPartitions(ledger.db, now - days * dayMs);
  for (let count = 0; count < 20; count += 1) await ledger.finish(await ledger.accept(), "done");
  await ledger.db.script("ANALYZE");
  const old = "requests_20[0-9]{6}$|outcomes_20[0-9]{6}$";
  const scans = async (): Promise<number> => {
    await ledger.db.script("SELECT pg_stat_force_next_flush()");
    const [row] = await ledger.rows<{ scans: number }>(
      `SELECT sum(seq_scan + coalesce(idx_scan, 0))::int AS scans FROM pg_stat_user_tables
       WHERE relname ~ $1 AND right(relname, 8) < to_char(to_timestamp($2) AT TIME ZONE 'UTC', 'YYYYMMDD')`,
      [old, (now - 2 * dayMs) / 1000],
    );
    return row?.scans ?? 0;
  };
  const earlier = await scans();
  const sent: string[] = [];
  await using counting = connect(ledger.url, {}, (name) => void sent.push(name));
  await listRequests(counting, { state: "done", limit: 10 }, now);
  deepEqual(sent, ["list-done"]);
  for (const state of [undefined, "done"] as const)
    equal((await listRequests(ledger.db, { state, limit: 10 }, now)).length, 10);
  equal(await scans(), earlier);
  await listRequests(ledger.db, { state: "dead", limit: 10 }, now); // there is none: the years are looked through
  ok((await scans()) > earlier);
});

// Backlog

test("the backlog tells counts, bytes and the oldest that waits", async () => {
  await using ledger = await openLedger();
  const ids = await oneInEachState(ledger);
  const reader = new BacklogReader();
  const [mails, orders] = await reader.read(ledger.db, now);
  deepEqual(orders?.counts, Object.fromEntries(states.map((state) => [state, 1])));
  deepEqual([orders?.queue, orders?.accepted, orders?.backlog, orders?.backlogBytes], ["orders", 6, 3, 6]);
  equal(orders?.oldestWaitingAt, timeOfId(ids.waiting));
  deepEqual([mails?.backlog, mails?.oldestWaitingAt, mails?.isPaused], [0, undefined, false]);
});

test("the backlog counts each request under one state while claims overlap", async () => {
  await using ledger = await openLedger();
  const ids = await oneInEachState(ledger);
  await ledger.run(ids.done); // a claim that came too late, not yet given back
  await ledger.schedule(ids.running, { dueAt: now + hourMs }); // claimed by a clock that was ahead
  const orders = (await new BacklogReader().read(ledger.db, now))[1];
  deepEqual(orders?.counts, Object.fromEntries(states.map((state) => [state, 1])));
});

test("the oldest that waits follows those that are taken, and those that come back", async () => {
  await using ledger = await openLedger();
  const ids: RequestId[] = [];
  for (let count = 0; count < 5; count += 1) ids.push(await ledger.accept({ at: now - 1_000 + count }));
  const reader = new BacklogReader();
  const oldest = async (): Promise<number | undefined> =>
    (await reader.read(ledger.db, now)).find(({ queue }) => queue === "orders")?.oldestWaitingAt;
  for (const id of ids) {
    equal(await oldest(), timeOfId(id));
    await ledger.run(id);
  }
  equal(await oldest(), undefined);
  const later = await ledger.accept();
  equal(await oldest(), timeOfId(later));
  await ledger.unrun(ids[1] as RequestId);
  await ledger.schedule(ids[1] as RequestId, { dueAt: now - 1 });
  equal(await oldest(), timeOfId(ids[1] as RequestId));
});

test("where much is scheduled, neither its count nor the oldest of it that is due is looked for at each read", async () => {
  await using ledger = await openLedger();
  const due = await ledger.accept({ at: now - 1_000 });
  await ledger.schedule(due, { dueAt: now - 1 });
  await ledger.rows(
    `WITH later AS (INSERT INTO sluice.schedule (id, queue, due_at, attempts, crashes, token, is_hinted)
       SELECT gen_random_uuid(), 1, $1::bigint, 0, 0, 0, true FROM generate_series(1, 10000))
     INSERT INTO sluice.tallies (member, queue, accepted) VALUES (9, 1, 10000)`,
    [now + hourMs],
  );
  let elapsed = 0;
  const reader = new BacklogReader(() => (elapsed += 10));
  const seen = async (): Promise<unknown> => {
    const orders = (await reader.read(ledger.db, now))[1];
    return [orders?.counts.scheduled, orders?.counts.waiting, orders?.firstDueAt, orders?.oldestWaitingAt];
  };
  const expected = [10_000, 1, now + hourMs, timeOfId(due)];
  deepEqual(await seen(), expected);
  await ledger.rows("UPDATE sluice.schedule SET due_at = $2::bigint WHERE id = $1", [due, now + 1]);
  deepEqual(await seen(), expected);
  elapsed += 10_000;
  deepEqual(await seen(), [10_001, 0, now + 1, undefined]);
});

test("a commit that shows late with a smaller id is found from the safe mark", async () => {
  await using ledger = await openLedger();
  const late = await ledger.accept({ at: now - 2_000 });
  await ledger.hide(late);
  const first = await ledger.accept({ at: now - 1_000 });
  let elapsed = 0;
  const reader = new BacklogReader(() => elapsed);
  const oldest = async (): Promise<number | undefined> => (await reader.read(ledger.db, now))[1]?.oldestWaitingAt;
  equal(await oldest(), timeOfId(first));
  await ledger.show(late);
  equal(await oldest(), timeOfId(first));
  elapsed = 10_001;
  equal(await oldest(), timeOfId(late));
});

test("a look that takes long goes on where it was at the next read", async () => {
  await using ledger = await openLedger();
  await ledger.finishMany(1_500, now - 2_000);
  const first = await ledger.accept({ at: now - 1_000 });
  deepEqual(await freshWaiting(ledger.db, { queue: 1, from: lowestId, limit: 5 }), [first]);
  let elapsed = 0;
  const reader = new BacklogReader(() => (elapsed += 200)); // late after each page
  const told: (number | undefined)[] = [];
  for (let reads = 0; reads < 9; reads += 1) told.push((await reader.read(ledger.db, now))[1]?.oldestWaitingAt);
  equal(told[0], undefined);
  equal(told.at(-1), timeOfId(first));
});

test("what a thousand queues hold takes a few statements, whatever waits, runs or comes back in each", async () => {
  await using ledger = await openLedger();
  await ledger.rows("INSERT INTO sluice.queues (name) SELECT 'queue-' || no FROM generate_series(3, 1000) AS no");
  await ledger.rows(`WITH stored AS (
      INSERT INTO sluice.requests (id, queue, content_type, bytes, body)
      SELECT gen_random_uuid(), 1 + no % 1000, 'text/plain', 0, '' FROM generate_series(0, 2999) AS no RETURNING id, queue
    ), numbered AS (
      SELECT id, queue, row_number() OVER (PARTITION BY queue) AS no FROM stored
    ), run AS (
      INSERT INTO sluice.running (id, token, member, queue, attempts, crashes, started_at, bytes)
      SELECT id, 0, 1, queue, 0, 0, 0, 0 FROM numbered WHERE no = 1
    ), scheduled AS (
      INSERT INTO sluice.schedule (id, queue, due_at, attempts, crashes, token, is_hinted)
      SELECT id, queue, 0, 0, 0, 0, true FROM numbered WHERE no = 2
    )
    INSERT INTO sluice.tallies (member, queue, accepted) SELECT 9, no, 3 FROM sluice.queues`);
  let statements = 0;
  const counting: Connected = {
    script: (text) => ledger.db.script(text),
    query: (text, values) => ledger.db.query(text, values),
    rows: (statement, values) => {
      statements += 1;
      return ledger.db.rows(statement, values);
    },
  };
  const read = await new BacklogReader().read(counting, now);
  equal(read.length, 1_000);
  for (const { counts, oldestWaitingAt, queue } of read) {
    deepEqual([counts.waiting, counts.running], [2, 1], queue);
    ok(oldestWaitingAt !== undefined, queue);
  }
  ok(statements < 20, `${statements} statements`);
});

test("fresh ones are told in order, up to a limit, from an id on", async () => {
  await using ledger = await openLedger();
  const ids: RequestId[] = [];
  for (let count = 0; count < 6; count += 1) ids.push(await ledger.accept({ at: now - (6 - count) * 12 * hourMs }));
  await ledger.accept({ queue: "mails" });
  await ledger.finish(ids[0] as RequestId, "done");
  await ledger.run(ids[2] as RequestId);
  await ledger.schedule(ids[3] as RequestId, { dueAt: now });
  const fresh = (from: string, limit: number) => freshWaiting(ledger.db, { queue: 1, from, limit });
  deepEqual(await fresh(lowestId, 10), [ids[1], ids[4], ids[5]]);
  deepEqual(await fresh(lowestId, 2), [ids[1], ids[4]]);
  deepEqual(await fresh(ids[4] as RequestId, 10), [ids[4], ids[5]]);
  deepEqual(await fresh(highestId, 10), []);
});

// The law

test("the audit holds with a request in each state, and while claims overlap", async () => {
  await using ledger = await openLedger();
  const ids = await oneInEachState(ledger);
  await ledger.run(ids.done); // a claim that came too late, not yet given back
  await ledger.schedule(ids.running, { dueAt: now - 1 }); // it came back before
  const { holds, queues } = await auditLedger(ledger.db, now);
  const one = Object.fromEntries(states.map((state) => [state, 1]));
  deepEqual(queues[1], { queue: "orders", accepted: 6, ...one, missing: 0 });
  equal(holds, true);
});

for (const state of states) {
  test(`the audit misses a ${state} request that was deleted by hand`, async () => {
    await using ledger = await openLedger();
    const ids = await oneInEachState(ledger);
    await ledger.rows("DELETE FROM sluice.requests WHERE id = $1", [ids[state]]);
    const { holds, queues } = await auditLedger(ledger.db, now);
    equal(holds, false);
    deepEqual(
      queues.map(({ queue, missing }) => [queue, missing]),
      [
        ["mails", 0],
        ["orders", 1],
      ],
    );
  });
}

test("the audit holds while requests come and go under it", async () => {
  await using ledger = await openLedger();
  const first = await ledger.accept();
  let turns = 0;
  await using auditing = connect(ledger.url, {}, async () => {
    turns += 1;
    if (turns === 2) await ledger.accept();
    if (turns === 3) await ledger.finish(first, "done");
  });
  const { holds, queues } = await auditLedger(auditing, now);
  ok(turns > 3);
  deepEqual([holds, queues[1]?.accepted, queues[1]?.waiting, queues[1]?.done], [true, 1, 1, 0]);
  const after = await auditLedger(auditing, now);
  deepEqual([after.holds, after.queues[1]?.accepted, after.queues[1]?.waiting], [true, 2, 1]);
});

test("the audit counts each row once, over the slices of its statements", async () => {
  await using ledger = await openLedger();
  for (let count = 0; count < 7; count += 1) {
    const id = await ledger.accept({ at: now - count * 7 * hourMs });
    if (count % 2 === 0) await ledger.finish(id, "done");
  }
  for (const sliceRows of [1, 3, 7, 8]) {
    const { holds, queues } = await auditLedger(ledger.db, now, { sliceRows });
    deepEqual([holds, queues[1]?.done, queues[1]?.waiting], [true, 4, 3], String(sliceRows));
  }
});

test("the audit ends within its time where PostgreSQL last looked at a table when it was small", async () => {
  await using ledger = await openLedger();
  await keepPartitions(ledger.db, now);
  await ledger.finishMany(2_000, now - 60);
  await ledger.db.script("ANALYZE");
  for (let count = 59; count > 0; count -= 1) await ledger.finishMany(2_000, now - count);
  const { holds, queues } = await auditLedger(ledger.db, now);
  deepEqual([holds, queues[1]?.done], [true, 120_000]);
});

// Claims

test("a claim knows one state of each queue, though one is paused and one resumed while it waits for others", async () => {
  await using ledger = await openLedger();
  await using other = connect(ledger.url);
  const [held, waiting] = [await ledger.accept(), await ledger.accept()];
  const mail = await ledger.accept({ queue: "mails" });
  await pause(ledger.db, "mails", true);
  await using claiming = connect(ledger.url);
  const claimed = await other.transaction(async (inside) => {
    await rowsOf(
      inside,
      "INSERT INTO sluice.running SELECT id, 0, 9, 1, 0, 0, 0, 0 FROM unnest($1::uuid[]) AS i (id)",
      [[held]],
    );
    const rows = rowsOf<{ id: RequestId; verdict: string }>(
      claiming,
      `SELECT id, verdict FROM sluice.${claimFunction.name}($1::uuid[], false, 1, $2)`,
      [[held, waiting, mail], now],
    );
    await untilSomebodyWaits(ledger.db);
    await pause(ledger.db, "orders", true);
    await pause(ledger.db, "mails", false);
    await rowsOf(inside, "DELETE FROM sluice.running WHERE id = $1", [held]);
    return { rows };
  });
  const verdicts = new Map((await claimed.rows).map(({ id, verdict }) => [id, verdict]));
  const running = new Set(idsOf(await ledger.rows<{ id: RequestId }>("SELECT id FROM sluice.running")));
  deepEqual(verdicts, new Map([held, waiting].map((id) => [id, "claimed"])).set(mail, "paused"));
  deepEqual(running, new Set([held, waiting]));
});

test(
  "a claim whose answer was lost is let go and hinted again, though there is nothing else to claim",
  { timeout: 30_000 },
  async () => {
    await using ledger = await openLedger();
    const id = await ledger.accept();
    const losing: Connected = {
      rows: async (statement, values) => {
        const rows = await ledger.db.rows(statement, values);
        if (statement.name !== "claim") return rows as never;
        throw new LostError(new Error("cut"));
      },
      script: (text) => ledger.db.script(text),
      query: (text, values) => ledger.db.query(text, values),
    };
    const deliverer = new Deliverer({
      connection: losing,
      clock: new StoreClock(),
      member: () => 1,
      isPaused: () => false,
      hasLines: () => false,
      onUnavailable: () => deliverer.bufferOf("orders").clear("rabbitmq"), // RabbitMQ went with it
      log,
    });
    const abort = new AbortController();
    const delivered = deliverer.deliver({ queue: "orders", max: 1, signal: abort.signal });
    deliverer
      .bufferOf("orders")
      .add({ carrier: "rabbitmq", kind: "fresh", ids: [id], isLast: false, done: () => undefined });
    deliverer.serve();
    const told = (): Promise<{ ids: RequestId[] }[]> => ledger.rows("SELECT ids::text[] FROM sluice.outbox");
    while ((await told()).length === 0);
    deepEqual(await told(), [{ ids: [id] }]);
    equal((await readRequest(ledger.db, id, now))?.state, "waiting");
    abort.abort();
    deepEqual(await delivered, []);
    await deliverer.close();
  },
);

// Migrations

test("a link that was changed, and one that follows from another, are told apart", async () => {
  await using ledger = await openLedger();
  const id = await ledger.accept();
  const other = await ledger.accept();
  await ledger.rows("UPDATE sluice.links SET previous = sha256('another') WHERE id = $1", [id]);
  const { holds, findings } = await auditLedger(ledger.db, now);
  equal(holds, false);
  deepEqual(
    findings.map((finding) => [finding.kind, finding.id]),
    [["broken", id]],
  );
  equal((await prove(ledger.db, id)).verdict, "broken");
  equal((await prove(ledger.db, other)).verdict, "stored");
});

test("a request that nobody accepted, and rows without a request, are found", async () => {
  await using ledger = await openLedger();
  const [stray, gone] = [await ledger.accept(), await ledger.accept({ key: "a-key" })];
  await ledger.rows("DELETE FROM sluice.links WHERE id = $1", [stray]);
  await ledger.rows("DELETE FROM sluice.requests WHERE id = $1", [gone]);
  const { findings } = await auditLedger(ledger.db, now);
  deepEqual(
    new Set(findings.map((finding) => `${finding.kind} ${finding.id}`)),
    new Set([`unchained ${stray}`, `missing ${gone}`, `orphaned ${gone}`]),
  );
});

test("what was overtaken is stuck, and healing puts just that in the broker's way again", async () => {
  await using ledger = await openLedger();
  const fresh = await ledger.accept({ at: now - 10 * minuteMs });
  const back = await ledger.accept({ at: now - 90 * minuteMs });
  await ledger.schedule(back, { dueAt: now - 80 * minuteMs });
  const begun = await ledger.accept({ at: now - 5 * minuteMs });
  await ledger.accept({ at: now - 4 * minuteMs });
  deepEqual((await auditLedger(ledger.db, now)).findings, []);
  equal((await ledger.db.transaction((inside) => heal(inside, now))).healed, 0);
  await ledger.run(begun);
  const { holds, findings } = await auditLedger(ledger.db, now);
  equal(holds, true);
  deepEqual(
    findings.map((finding) => [finding.kind, finding.id]),
    [
      ["stuck", fresh],
      ["stuck", back],
    ],
  );
  const { healed, told } = await ledger.db.transaction((inside) => heal(inside, now));
  deepEqual([healed, told.map(({ kind, ids }) => [kind, ids])], [2, [["fresh", [fresh]]]]);
  const unhinted = await ledger.rows<{ id: RequestId }>("SELECT id FROM sluice.schedule WHERE NOT is_hinted");
  deepEqual(
    unhinted.map(({ id }) => id),
    [back],
  );
});

const newer = new RegExp(`schema ${latest + 1}, .*up to ${latest}`);

test("a migration made twice changes nothing, and from two at once both succeed", async () => {
  const url = await postgres.createDatabase("twice");
  const both = await Promise.all([migrate(url, ["orders"]), migrate(url, ["orders", "mails"])]);
  deepEqual(
    both.map(({ to }) => to),
    [latest, latest],
  );
  deepEqual(await migrate(url, ["orders", "mails", "third"]), {
    from: latest,
    to: latest,
    queuesDeclared: ["orders", "mails", "third"],
  });
  await using db = connect(url);
  const names = await rowsOf<{ no: number; name: string }>(db, "SELECT no, name FROM sluice.queues ORDER BY no");
  deepEqual(names.map(({ name }) => name).toSorted(), ["mails", "orders", "third"]);
  deepEqual(
    names.map(({ no }) => no),
    [1, 2, 3],
  );
  equal(await checkSchema(db, ["orders"]), latest);
  const [days] = await rowsOf<{ count: number }>(
    db,
    "SELECT count(*)::int FROM pg_class WHERE relname ~ '^(requests|outcomes)_[0-9]{8}$'",
  );
  equal(days?.count, 8);
});

test("a migration that is killed midway leaves nothing, and is made by the next one", async () => {
  const url = await postgres.createDatabase("killed");
  const code = `import { migrateCluster } from ${JSON.stringify(new URL("ledger/schema/migrate.ts", import.meta.url).href)};
    import { openLog } from ${JSON.stringify(new URL("../../telemetry/log.ts", import.meta.url).href)};
    await migrateCluster({ servers: { databaseUrl: ${JSON.stringify(url)}, amqpUrl: "", redisUrl: "", prefix: "test" },
      queues: ["orders"], log: openLog({ level: "silent", isPretty: false }), declare: async () => "declared" });`;
  await using child = await startChild({
    command: process.execPath,
    args: ["--input-type=module", "-e", code],
    env: { SLUICE_CRASH_AT: "migration" },
  });
  deepEqual(await child.exited, { code: null, signal: "SIGKILL" });
  await using db = connect(url);
  await rejects(checkSchema(db, []), coded("schema-missing", /run sluice migrate/));
  deepEqual((await migrate(url, ["orders"])).from, 0);
  equal(await checkSchema(db, ["orders"]), latest);
});

test("a database without the schema, a queue without its row, an older and a newer schema are told apart", async () => {
  const url = await postgres.createDatabase("versions");
  await using db = connect(url);
  await rejects(checkSchema(db, []), coded("schema-missing", /run sluice migrate/));
  await migrate(url, ["orders"]);
  await rejects(checkSchema(db, ["orders", "mails"]), coded("schema-missing", /"mails".*run sluice migrate/));
  await rowsOf(db, `UPDATE sluice.meta SET value = '${latest + 1}' WHERE name = 'schema_version'`);
  await rejects(checkSchema(db, ["orders"]), coded("schema-newer", newer));
  await rejects(migrate(url, ["orders", "new"]), coded("schema-newer", newer));
  deepEqual((await rowsOf(db, "SELECT name FROM sluice.queues")).length, 1);
  await rowsOf(db, "UPDATE sluice.meta SET value = '0' WHERE name = 'schema_version'");
  await rejects(checkSchema(db, ["orders"]), coded("schema-missing", /run sluice migrate/));
});

test("a database of an older Sluice is refused until it is brought up to this one, and keeps what it holds", async () => {
  const url = await postgres.createDatabase("older");
  await using db = connect(url);
  await db.script(`CREATE SCHEMA sluice; CREATE TABLE sluice.meta (name text PRIMARY KEY, value text NOT NULL);
    INSERT INTO sluice.meta VALUES ('schema_version', '1'); ${firstSchema};
    INSERT INTO sluice.queues (name, is_paused) VALUES ('orders', true);
    INSERT INTO sluice.requests VALUES ('${newId(now)}', 1, NULL, 'text/plain', NULL, 1, 'x')`);
  await rejects(
    checkSchema(db, ["orders"]),
    coded("schema-older", new RegExp(`schema 1, .*needs ${latest}: run sluice migrate`)),
  );
  deepEqual(await migrate(url, ["orders"]), { from: 1, to: latest, queuesDeclared: ["orders"] });
  equal(await checkSchema(db, ["orders"]), latest);
  equal((await listRequests(db, { limit: 10 }, now))[0]?.state, "waiting");
  deepEqual(await callbacksDue(db, { max: 10 }), { due: [], next: undefined });
  const sincePause = "(extract(epoch FROM clock_timestamp()) * 1000 - paused_at)::float8";
  const [queue] = await rowsOf<{ ms: number }>(db, `SELECT ${sincePause} AS ms FROM sluice.queues`);
  ok(Math.abs(queue?.ms ?? Number.NaN) < 60_000, "of a pause from before only the time of the migration is known");
});

test("a ledger of the release before lacks its functions until it is migrated, though its schema is this one's", async () => {
  const url = await postgres.createDatabase("functions");
  await using db = connect(url);
  await migrate(url, ["orders"]);
  await db.script(`DROP FUNCTION sluice.${claimFunction.name}`);
  await rejects(
    checkSchema(db, ["orders"]),
    coded("schema-older", new RegExp(`no function sluice.${claimFunction.name}, .*: run sluice migrate`)),
  );
  deepEqual(await migrate(url, ["orders"]), { from: latest, to: latest, queuesDeclared: ["orders"] });
  equal(await checkSchema(db, ["orders"]), latest);
  const [before] = await rowsOf(db, "SELECT count(*)::int FROM sluice.claim(ARRAY[]::uuid[], false, 1, 0)");
  deepEqual(before, { count: 0 }, "processes of the release before go on with theirs");
});

test("a ledger keeps its first prefix, and a cluster with another one is refused before it changes anything", async () => {
  const url = await postgres.createDatabase("prefixes");
  await using db = connect(url);
  await migrate(url, ["orders"]);
  await rowsOf(db, "DELETE FROM sluice.meta WHERE name = 'prefix'"); // as an older Sluice left it
  const servers = {
    databaseUrl: url,
    amqpUrl: `amqp://127.0.0.1:${await freePort()}`,
    redisUrl: "redis://127.0.0.1:1",
  };
  const queues = [{ name: "orders", backlogMax: 10, backlogBytesMax: 1_000 }];
  const open = async (prefix: string): Promise<void> =>
    (await openCluster({ servers: { ...servers, prefix }, queues, name: "test", log }))[Symbol.asyncDispose]();
  await open("first");
  const refused = coded("bad-config", /the prefix "first", got the prefix "other"/);
  await rejects(open("other"), refused);
  const other = { ...servers, prefix: "other" };
  const declare = (): Promise<"declared"> => Promise.resolve("declared");
  await rejects(migrateCluster({ servers: other, queues: ["mails"], log, declare }), refused);
  deepEqual(await rowsOf(db, "SELECT name FROM sluice.queues"), [{ name: "orders" }]);
  const findings = await examine({ servers: other, queues: ["orders"] });
  deepEqual(
    findings.filter(({ what }) => what === "prefix").map(({ verdict, found }) => [verdict, found]),
    [["unsafe", "first"]],
  );
  await open("first");
});

test("a user who may not make a schema migrates one that is there", async () => {
  const url = await postgres.createDatabase("narrow");
  await using admin = connect(url);
  await admin.script("CREATE ROLE narrow LOGIN; CREATE SCHEMA sluice AUTHORIZATION narrow");
  const own = url.replace("//sluice@", "//narrow@");
  deepEqual(await migrate(own, ["orders"]), { from: 0, to: latest, queuesDeclared: ["orders"] });
});

test("a server that is not there cannot be reached", async () => {
  const url = `postgres://sluice@127.0.0.1:${await freePort()}/sluice`;
  await rejects(migrate(url, ["orders"]), coded("unreachable", /127\.0\.0\.1/));
});

// Settings

test("safe settings pass, and unsafe ones are named with what was found and what is needed", async () => {
  await using safe = connect(postgres.url);
  await checkSettings(safe);
  await using careless = await startPostgres({ settings: { fsync: "off", full_page_writes: "off" } });
  await using db = connect(careless.url);
  await rejects(
    checkSettings(db),
    coded("unsafe-store", /fsync is off, must be on.*full_page_writes is off, must be on/),
  );
});

test("synchronous_commit must not be off, and the database must take writes", async () => {
  for (const value of ["local", "remote_write", "on"]) {
    await using db = connect(postgres.url, { synchronous_commit: value });
    await checkSettings(db);
  }
  await using hasty = connect(postgres.url, { synchronous_commit: "off" });
  await rejects(checkSettings(hasty), coded("unsafe-store", /synchronous_commit is off/));
  await using closed = connect(postgres.url, { default_transaction_read_only: "on" });
  await rejects(checkSettings(closed), coded("unsafe-store", /default_transaction_read_only is on, must be off/));
});

// Retention

const retentionMs = 7 * dayMs;

test("an expired day is dropped with all that belongs to it, and the law holds after", async () => {
  await using ledger = await openLedger();
  const long = now - 10 * dayMs;
  await keepPartitions(ledger.db, long);
  const done = await ledger.accept({ at: long, key: "k" });
  const dead = await ledger.accept({ at: long + 1 });
  const cancelled = await ledger.accept({ at: long + 2, queue: "mails" });
  await ledger.finish(done, "done", { finishedAt: long + 10 });
  await ledger.finish(dead, "dead", { finishedAt: long + 10 });
  await ledger.finish(cancelled, "cancelled", { finishedAt: long + 10 });
  await ledger.fail(dead, 1, "boom");
  const inRest = await ledger.accept({ at: now - 30 * dayMs }); // without a partition
  await ledger.finish(inRest, "done", { finishedAt: long });
  for (const id of [dead, inRest]) {
    await ledger.wantCallback(id);
    await callbacksTold(ledger.db, [{ id, round: 0 }]);
    await ledger.rows("INSERT INTO sluice.turns (id, replayed_at) VALUES ($1, $2)", [id, long]);
  }
  const young = await ledger.accept({ key: "young" });
  await ledger.finish(young, "done", { finishedAt: now });
  equal(await dropExpired(ledger.db, { now, retentionMs }), 4);
  deepEqual(await ledger.rows("SELECT id FROM sluice.callbacks"), []);
  deepEqual(await ledger.rows("SELECT id FROM sluice.turns"), []);
  equal(await dropExpired(ledger.db, { now, retentionMs }), 0);
  deepEqual(idsOf(await listRequests(ledger.db, { limit: 10 }, now)), [young]);
  deepEqual(await ledger.rows("SELECT key FROM sluice.keys"), [{ key: "young" }]);
  deepEqual(await ledger.rows("SELECT id FROM sluice.failures"), []);
  const { holds, queues } = await auditLedger(ledger.db, now);
  deepEqual([holds, queues[1]?.done, queues[1]?.dead, queues[0]?.cancelled], [true, 3, 1, 1]);
  const [{ count } = { count: -1 }] = await ledger.rows<{ count: number }>(
    "SELECT count(*)::int FROM pg_class WHERE relname IN ($1, $2)",
    [`requests_${dayName(long)}`, `outcomes_${dayName(long)}`],
  );
  equal(count, 0);
});

test("a day is looked at slice by slice: one that waits in any of them keeps it, and each row is counted once", async () => {
  await using ledger = await openLedger();
  const long = now - 10 * dayMs;
  await keepPartitions(ledger.db, long);
  const ids: RequestId[] = [];
  for (let at = long; at < long + 5; at += 1) ids.push(await ledger.accept({ at }));
  for (const id of ids) {
    equal(await dropExpired(ledger.db, { now, retentionMs, sliceRows: 2 }), 0);
    await ledger.finish(id, "done", { finishedAt: now });
  }
  equal(await dropExpired(ledger.db, { now, retentionMs, sliceRows: 2 }), 0);
  await ledger.rows("UPDATE sluice.outcomes SET finished_at = $1", [long + 10]);
  equal(await dropExpired(ledger.db, { now, retentionMs, sliceRows: 2 }), 5);
  const { holds, queues } = await auditLedger(ledger.db, now);
  deepEqual([holds, queues[1]?.done], [true, 5]);
});

test("one day goes at a time, the oldest first", async () => {
  await using ledger = await openLedger();
  const days = [12, 11, 10].map((days) => now - days * dayMs);
  for (const day of days) await keepPartitions(ledger.db, day);
  for (const day of days) await ledger.finish(await ledger.accept({ at: day }), "done", { finishedAt: day });
  for (const left of [2, 1, 0]) {
    equal(await dropExpired(ledger.db, { now, retentionMs }), 1);
    equal((await listRequests(ledger.db, { limit: 10 }, now)).length, left);
    equal((await auditLedger(ledger.db, now)).holds, true);
  }
  equal(await dropExpired(ledger.db, { now, retentionMs }), 0);
});

const kept: Readonly<Record<string, (ledger: Ledger, id: RequestId) => Promise<void>>> = {
  waits: () => Promise.resolve(),
  runs: (ledger, id) => ledger.run(id),
  "is scheduled": (ledger, id) => ledger.schedule(id, { dueAt: now + hourMs }),
  "has an untold callback": async (ledger, id) => {
    await ledger.finish(id, "done", { finishedAt: now - 10 * dayMs });
    await ledger.wantCallback(id);
  },
  "is dead and holds its order key": async (ledger, id) => {
    await ledger.finish(id, "dead", { finishedAt: now - 10 * dayMs });
    await ledger.rows("INSERT INTO sluice.held_orders (queue, order_key, id, no, since) VALUES (1, 'k', $1, 1, 0)", [
      id,
    ]);
  },
  "was finished lately": (ledger, id) => ledger.finish(id, "done", { finishedAt: now - retentionMs + 1_000 }),
};
for (const [what, move] of Object.entries(kept)) {
  test(`of a day, and of the default partition, only the request is kept that ${what}`, async () => {
    await using ledger = await openLedger();
    const long = now - 10 * dayMs;
    const longer = now - 30 * dayMs; // without a partition
    await keepPartitions(ledger.db, long);
    const expected: RequestId[] = [];
    for (const at of [longer, long]) {
      const one = await ledger.accept({ at, key: `k${at}` });
      await ledger.fail(one, 1, "boom");
      await ledger.finish(await ledger.accept({ at: at + 1 }), "done", { finishedAt: at + 1 });
      await move(ledger, one);
      expected.unshift(one);
    }
    equal(await dropExpired(ledger.db, { now, retentionMs }), 2); // the finished ones: none waits for another
    deepEqual(idsOf(await listRequests(ledger.db, { limit: 10 }, now)), expected);
    equal((await ledger.rows("SELECT FROM sluice.keys")).length, 2);
    equal((await ledger.rows("SELECT FROM sluice.failures")).length, 2);
    equal((await auditLedger(ledger.db, now)).holds, true);
  });
}

test("a day that somebody holds on to is dropped another time", async () => {
  await using ledger = await openLedger();
  const long = now - 10 * dayMs;
  await keepPartitions(ledger.db, long);
  await ledger.finish(await ledger.accept({ at: long }), "done", { finishedAt: long });
  await using reader = connect(ledger.url);
  await reader.script("BEGIN; SELECT * FROM sluice.requests");
  await rejects(dropExpired(ledger.db, { now, retentionMs }), coded("store-unavailable", /lock timeout/));
  equal((await auditLedger(ledger.db, now)).holds, true);
  await reader.script("COMMIT");
  equal(await dropExpired(ledger.db, { now, retentionMs }), 1);
});

test("a request that is replayed while its day is about to go is not lost", async () => {
  await using ledger = await openLedger();
  const long = now - 10 * dayMs;
  await keepPartitions(ledger.db, long);
  const id = await ledger.accept({ at: long });
  await ledger.finish(id, "dead", { finishedAt: long });
  await using dropping = connect(ledger.url, {}, async (name) => {
    if (name === "retention-delete-keys") await ledger.replay(id);
  });
  equal(await dropExpired(dropping, { now, retentionMs }), 0);
  equal((await readRequest(ledger.db, id, now))?.state, "waiting");
  equal((await auditLedger(ledger.db, now)).holds, true);
});

test("a day waits for a replay that is under way", async () => {
  await using ledger = await openLedger();
  const long = now - 10 * dayMs;
  await keepPartitions(ledger.db, long);
  const id = await ledger.accept({ at: long });
  await ledger.finish(id, "dead", { finishedAt: long });
  await using replaying = connect(ledger.url);
  await replaying.script("BEGIN");
  await rowsOf(replaying, "DELETE FROM sluice.outcomes WHERE id = $1", [id]);
  await rejects(dropExpired(ledger.db, { now, retentionMs }), coded("store-unavailable", /lock timeout/));
  await replaying.script("ROLLBACK");
  equal(await dropExpired(ledger.db, { now, retentionMs }), 1);
  equal((await auditLedger(ledger.db, now)).holds, true);
});

test("what was accepted in one commit leaves the default partition together", async () => {
  await using ledger = await openLedger();
  const longAgo = now - 30 * dayMs; // without a partition
  await ledger.finishMany(3, longAgo);
  const [revived] = await ledger.rows<{ id: RequestId }>("SELECT id FROM sluice.outcomes ORDER BY id LIMIT 1");
  await ledger.rows("UPDATE sluice.outcomes SET finished_at = $2 WHERE id = $1", [revived?.id, now]);
  equal(await dropExpired(ledger.db, { now, retentionMs }), 0);
  await ledger.rows("UPDATE sluice.outcomes SET finished_at = $2 WHERE id = $1", [revived?.id, longAgo]);
  equal(await dropExpired(ledger.db, { now, retentionMs }), 3);
  const { holds, hours } = await auditLedger(ledger.db, now);
  deepEqual([holds, hours], [true, []]);
});

test("what lies in the default partition moves into its day's, also while others make it and accept", async () => {
  await using ledger = await openLedger();
  const ahead = now + 20 * dayMs;
  const before = await ledger.accept({ at: ahead, key: "before" });
  await ledger.finish(before, "done", { finishedAt: ahead, result: "made" });
  const connections = [1, 2, 3, 4].map(() => connect(ledger.url));
  const isMade = new AbortController();
  const others: RequestId[] = [];
  const insert = (id: RequestId): Promise<unknown> =>
    ledger.rows("INSERT INTO sluice.requests VALUES ($1, 1, NULL, 'text/plain', NULL, 0, '')", [id]);
  const inserting = (async () => {
    while (!isMade.signal.aborted) {
      const id = newId(ahead + others.length);
      // One that waited for the default partition while its day got one of its own goes again, as the engine does it.
      await insert(id).catch((error: unknown) => {
        if (!(error instanceof ConflictError)) throw error;
        return insert(id);
      });
      others.push(id);
    }
  })();
  await Promise.all(connections.map((connection) => keepPartitions(connection, ahead)));
  isMade.abort();
  await inserting;
  for (const connection of connections) await connection[Symbol.asyncDispose]();
  for (const [table, count] of Object.entries({ requests: 1 + others.length, outcomes: 1, links: 1 })) {
    const counts = await ledger.rows<{ own: number; rest: number }>(
      `SELECT (SELECT count(*)::int FROM sluice.${table}_${dayName(ahead)}) AS own,
         (SELECT count(*)::int FROM sluice.${table}_rest) AS rest`,
    );
    deepEqual(counts, [{ own: count, rest: 0 }]);
  }
  await ledger.rows("DELETE FROM sluice.requests WHERE id = ANY ($1::uuid[])", [others]);
  equal((await readResult(ledger.db, before))?.bytes.toString(), "made");
  const { holds, findings } = await auditLedger(ledger.db, ahead);
  deepEqual([holds, findings.filter(({ kind }) => kind !== "stuck")], [true, []]);
});

test("a day with more in the default partition than can be moved at once gets no partition of its own", async () => {
  await using ledger = await openLedger();
  const ahead = now + 20 * dayMs;
  for (let at = 0; at < 21; at += 1) await ledger.finishMany(1_000, ahead + at);
  await keepPartitions(ledger.db, ahead);
  const names = await ledger.rows<{ name: string }>(
    "SELECT relname AS name FROM pg_class WHERE relname ~ '^requests_2'",
  );
  const made = [1, 2, 3].map((days) => `requests_${dayName(ahead + days * dayMs)}`);
  ok(made.every((name) => names.some((row) => row.name === name)));
  ok(!names.some(({ name }) => name === `requests_${dayName(ahead)}`));
});

test("what a clock that was ahead accepted and finished is as old as its outcome, and no older than now", async () => {
  await using ledger = await openLedger();
  const ahead = now + 400 * dayMs;
  for (const hasDay of [true, false]) {
    const at = ahead + Number(hasDay) * 40 * dayMs;
    if (hasDay) await keepPartitions(ledger.db, at);
    await ledger.finish(await ledger.accept({ at, key: `old ${at}` }), "done", { finishedAt: now - 10 * dayMs });
    await ledger.finish(await ledger.accept({ at: at + 1, key: `ahead ${at}` }), "done", { finishedAt: at });
  }
  const old = await ledger.accept({ at: now - 30 * dayMs });
  await ledger.finish(old, "done", { finishedAt: now - 30 * dayMs });
  equal(await dropExpired(ledger.db, { now, retentionMs }), 3);
  equal((await ledger.rows("SELECT FROM sluice.keys")).length, 2);
  const later = now + retentionMs;
  equal(await dropExpired(ledger.db, { now: later, retentionMs }), 0);
  equal(await dropExpired(ledger.db, { now: later + 1, retentionMs }), 2);
  equal((await auditLedger(ledger.db, now)).holds, true);
});

test("a day is swept in steps, and the next call goes on where one stopped", async () => {
  await using ledger = await openLedger();
  const long = now - 10 * dayMs;
  await keepPartitions(ledger.db, long);
  await ledger.schedule(await ledger.accept({ at: long }), { dueAt: now + hourMs });
  for (let at = 1; at <= 50; at += 1) await ledger.finishMany(2, long + at);
  const sweptTo = new Map<string, string>([
    [
      dayName(long),
      (await ledger.rows<{ id: string }>("SELECT id FROM sluice.links ORDER BY id OFFSET 30 LIMIT 1"))[0]?.id ?? "",
    ],
  ]);
  equal(await dropExpired(ledger.db, { now, retentionMs, sweptTo }), 40);
  equal(await dropExpired(ledger.db, { now, retentionMs, sweptTo }), 60);
  const { holds, queues } = await auditLedger(ledger.db, now);
  deepEqual([holds, queues[1]?.done, queues[1]?.scheduled], [true, 100, 1]);
});

test("what retention has removed of a chain is no gap, what else it lacks is one, and the notes go with the day", async () => {
  await using ledger = await openLedger();
  const long = now - 10 * dayMs;
  await keepPartitions(ledger.db, long);
  const chain = new Map<number, NewLink>();
  const ids: RequestId[] = [];
  for (let at = 0; at < 6; at += 1) ids.push(await ledger.accept({ at: long + at, chain }));
  const [first, , , lost, , last] = ids as [RequestId, RequestId, RequestId, RequestId, RequestId, RequestId];
  const finish = async (...places: readonly number[]): Promise<void> => {
    for (const place of places) await ledger.finish(ids[place] as RequestId, "done", { finishedAt: long });
  };
  await finish(1, 2, 4);
  const expiry = { now, retentionMs };
  equal(await dropExpired(ledger.db, expiry), 3);
  deepEqual(await ledger.rows("SELECT chain, places::text FROM sluice.expired_places"), [
    { chain: first, places: "{[1,3),[4,5)}" },
  ]);
  equal((await auditLedger(ledger.db, now)).holds, true);
  await ledger.rows("DELETE FROM sluice.requests WHERE id = $1", [lost]);
  await ledger.rows("DELETE FROM sluice.links WHERE id = $1", [lost]);
  const { holds, findings } = await auditLedger(ledger.db, now);
  const gap = { chain: first, place: 1, requests: 1, after: first, before: last, fromAt: long, toAt: long + 5 };
  deepEqual([holds, findings.map((finding) => finding.gap)], [false, [gap]]);
  deepEqual(await prove(ledger.db, lost), { verdict: "gap", link: { chain: first, place: 1 } });
  equal((await prove(ledger.db, newId(long + 5))).verdict, "unknown");
  await ledger.rows(
    "UPDATE sluice.tallies SET accepted = accepted - 1 WHERE ctid = (SELECT ctid FROM sluice.tallies WHERE accepted > 0 LIMIT 1)",
  );
  await finish(0, 5);
  equal(await dropExpired(ledger.db, expiry), 2);
  equal((await ledger.rows("SELECT FROM sluice.expired_places")).length, 0);
  deepEqual((await auditLedger(ledger.db, now)).findings, []);
});

test("links that an earlier version made are what they were, and what it removed is removed", async () => {
  await using ledger = await openLedger();
  const chain = new Map<number, NewLink>();
  for (let count = 0; count < 4; count += 1) await ledger.accept({ at: now + count, chain });
  await ledger.rows(`DO $$ DECLARE l record; before bytea := decode(repeat('00', 32), 'hex'); no int := 0; BEGIN
    FOR l IN SELECT id FROM sluice.links ORDER BY id LOOP
      UPDATE sluice.links SET digests = NULL, place = no, previous = before, hash = sha256(before || uuid_send(l.id))
      WHERE id = l.id RETURNING hash INTO before;
      no := no + 1;
    END LOOP;
  END $$`);
  const [, gone, kept, last] = idsOf(await ledger.rows<{ id: RequestId }>("SELECT id FROM sluice.links ORDER BY id"));
  await ledger.rows("UPDATE sluice.requests SET body = '' WHERE id = $1", [kept]);
  for (const table of ["requests", "links"]) await ledger.rows(`DELETE FROM sluice.${table} WHERE id = $1`, [gone]);
  await ledger.rows(
    "UPDATE sluice.tallies SET accepted = accepted - 1 WHERE ctid = (SELECT ctid FROM sluice.tallies WHERE accepted > 0 LIMIT 1)",
  );
  const { holds, findings } = await auditLedger(ledger.db, now);
  deepEqual([holds, findings], [true, []]);
  equal((await prove(ledger.db, kept as RequestId)).verdict, "stored");
  await ledger.rows("UPDATE sluice.links SET previous = sha256('another') WHERE id = $1", [last]);
  deepEqual(
    (await auditLedger(ledger.db, now)).findings.map(({ kind, id }) => [kind, id]),
    [["broken", last]],
  );
});

test("bodies are compared over links of many requests, in slices of a few", async () => {
  await using ledger = await openLedger();
  await ledger.finishMany(600, now);
  const ids = idsOf(await ledger.rows<{ id: RequestId }>("SELECT id FROM sluice.requests ORDER BY id"));
  const changed = [ids[0], ids[511], ids[599]];
  await ledger.rows("UPDATE sluice.requests SET body = '!' WHERE id = ANY ($1::uuid[])", [changed]);
  for (const sliceRows of [7, 512, 1_000]) {
    const { holds, findings } = await auditLedger(ledger.db, now, { sliceRows });
    deepEqual([holds, findings.map(({ kind, id }) => [kind, id])], [false, changed.map((id) => ["changed", id])]);
  }
});

// Clocks

test("what is hinted may be claimed though the clock has stepped back since, and what is not may not", async () => {
  await using ledger = await openLedger();
  const [hinted, unhinted] = [await ledger.accept(), await ledger.accept()];
  for (const id of [hinted, unhinted]) await ledger.schedule(id, { dueAt: now + hourMs });
  await ledger.rows("UPDATE sluice.schedule SET is_hinted = false WHERE id = $1", [unhinted]);
  const rows = await claim(ledger.db, { ids: [hinted, unhinted], areSuspects: false, member: 1, now });
  deepEqual(
    [hinted, unhinted].map((id) => rows.get(id)?.verdict),
    ["claimed", "gone"],
  );
});

test("a wait that a clock asked for that was ahead begins again, and others go on", async () => {
  await using ledger = await openLedger();
  const [ahead, due] = [await ledger.accept(), await ledger.accept()];
  const yearMs = 365 * dayMs;
  const put = (id: RequestId, at: number, waitMs: number): Promise<unknown> =>
    ledger.rows(
      `INSERT INTO sluice.schedule (id, queue, due_at, attempts, crashes, token, is_hinted, stored_at)
       VALUES ($1, 1, $2, 1, 0, 0, false, $3)`,
      [id, at + waitMs, at],
    );
  await put(ahead, now + yearMs, 5_000);
  await put(due, now - 1_000, dayMs);
  await hintDue(ledger.db, now);
  deepEqual(await ledger.rows("SELECT due_at::float8 AS due_at FROM sluice.schedule ORDER BY due_at"), [
    { due_at: now + 5_000 },
    { due_at: now - 1_000 + dayMs },
  ]);
});

test("healing puts what was accepted before the clock stepped back in the way again", async () => {
  await using ledger = await openLedger();
  const fresh = await ledger.accept({ at: now + hourMs });
  const back = await ledger.accept({ at: now - hourMs });
  await ledger.schedule(back, { dueAt: now + hourMs });
  await ledger.run(await ledger.accept({ at: now + hourMs + 1 }));
  const { healed, told } = await ledger.db.transaction((inside) => heal(inside, now));
  deepEqual([healed, told.map(({ ids }) => ids)], [2, [[fresh]]]);
  deepEqual(await ledger.rows("SELECT due_at <= $1::float8 AS is_due, is_hinted FROM sluice.schedule", [now]), [
    { is_due: true, is_hinted: false },
  ]);
});

// Doctor

test("the doctor finds servers in order, and what they cost where they are not", async () => {
  const url = await postgres.createDatabase("doctor");
  await migrate(url, ["orders"]);
  await using rabbitmq = await startRabbitmq();
  await using redis = await startRedis({ settings: { "maxmemory-policy": "allkeys-lru" } });
  const servers = { databaseUrl: url, amqpUrl: rabbitmq.url, redisUrl: redis.url, prefix: "test" };
  const before = await examine({ servers, queues: ["orders"] });
  deepEqual(
    verdicts(before).filter(([, , verdict]) => verdict !== "ok"),
    [
      ["postgres", "standbys", "warning"],
      ["rabbitmq", "queue orders", "warning"],
      ["redis", "maxmemory-policy", "warning"],
    ],
  );
  match(before.find(({ what }) => what === "schema")?.found ?? "", new RegExp(`version ${latest}`));
  match(before.find(({ what }) => what === "commit")?.found ?? "", /^\d+\.\d ms$/);
  deepEqual((await migrateCluster({ servers, queues: ["orders"], log })).queuesDeclared, ["orders"]);
  deepEqual((await migrateCluster({ servers, queues: ["orders"], log })).queuesDeclared, []);
  const after = await examine({ servers, queues: ["orders"] });
  equal(after.find(({ what }) => what === "queue orders")?.verdict, "ok");
  const third = await examine({ servers, queues: ["orders", "third"] });
  match(third.find(({ what }) => what === "schema")?.advice ?? "", /"third".*sluice migrate/);
});

test("the doctor finds a server that is not there", async () => {
  const port = await freePort();
  const servers = {
    databaseUrl: `postgres://sluice@127.0.0.1:${port}/sluice`,
    amqpUrl: `amqp://127.0.0.1:${port}`,
    redisUrl: `redis://127.0.0.1:${port}`,
    prefix: "test",
  };
  deepEqual(verdicts(await examine({ servers, queues: ["orders"] })), [
    ["postgres", "reachable", "unsafe"],
    ["rabbitmq", "reachable", "unsafe"],
    ["redis", "reachable", "unsafe"],
  ]);
});

function verdicts(findings: readonly Finding[]): readonly (readonly string[])[] {
  return findings.map(({ server, what, verdict }) => [server, what, verdict]);
}

// A ledger of its own for each test, with rows as the engine would leave them.

interface Accepted {
  readonly chain?: Map<number, NewLink>;
  readonly queue?: string;
  readonly key?: string;
  readonly body?: string;
  readonly at?: number;
}

class Ledger implements AsyncDisposable {
  readonly url: string;
  readonly db: Connection;
  #token = 0;

  constructor(url: string) {
    this.url = url;
    this.db = connect(url);
  }

  rows<Row extends object>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return rowsOf<Row>(this.db, text, values);
  }

  async accept({ chain, queue = "orders", key, body = "{}", at = now }: Accepted = {}): Promise<RequestId> {
    const id = newId(at);
    const no = queueNo(queue);
    const values = [id, no, key ?? null, Buffer.from(body)];
    await this.rows(
      `INSERT INTO sluice.requests (id, queue, key, content_type, bytes, body)
       VALUES ($1, $2, $3, 'text/plain', length($4::bytea), $4)`,
      values,
    );
    if (key !== undefined) await this.rows("INSERT INTO sluice.keys VALUES ($1, $2, $3, '')", [no, key, id]);
    await this.link([{ id, body }], no, chain);
    await this.#tally(id, "accepted", 1);
    return id;
  }

  /** Each call's are a chain unless it is to go on with one. */
  async link(
    requests: readonly { readonly id: RequestId; readonly body: string }[],
    queue: number,
    chain?: Map<number, NewLink>,
  ): Promise<void> {
    const accepted = requests.map(({ id, body }) => ({ id, queue, bodyHash: bodyHashOf(Buffer.from(body)) }));
    const group = link(accepted, chain);
    const text = `WITH input AS (SELECT * FROM unnest($1::uuid[], $2::int[]) AS i (id, link)) ${storeLinks("input", 3)}`;
    await this.rows(text, [requests.map(({ id }) => id), group.linkNos, ...linkValues(group)]);
    for (const made of group.links) chain?.set(queue, made);
  }

  async run(id: RequestId, { attempts = 0, startedAt = now } = {}): Promise<void> {
    this.#token += 1;
    await this.rows(
      `INSERT INTO sluice.running SELECT id, $2, 1, queue, $3, 0, $4, bytes FROM sluice.requests WHERE id = $1`,
      [id, this.#token, attempts, startedAt],
    );
  }

  async unrun(id: RequestId): Promise<void> {
    await this.rows("DELETE FROM sluice.running WHERE id = $1", [id]);
  }

  async schedule(
    id: RequestId,
    { dueAt, attempts = 1, startedAt = now }: { dueAt: number; attempts?: number; startedAt?: number },
  ): Promise<void> {
    await this.rows(
      `INSERT INTO sluice.schedule (id, queue, due_at, attempts, crashes, started_at, token, is_hinted)
       SELECT id, queue, $2, $3, 0, $4, 0, true FROM sluice.requests WHERE id = $1`,
      [id, dueAt, attempts, startedAt],
    );
  }

  async fail(id: RequestId, attempt: number, code: string): Promise<void> {
    await this.rows("INSERT INTO sluice.failures VALUES ($1, $2, $3, $4, $5)", [
      id,
      attempt,
      now,
      code,
      `it went ${code}`,
    ]);
  }

  async finish(
    id: RequestId,
    state: "done" | "dead" | "cancelled",
    {
      finishedAt = now,
      result = "",
      error,
      attempts = 1,
    }: { finishedAt?: number; result?: string; error?: string; attempts?: number } = {},
  ): Promise<void> {
    await this.rows(
      `INSERT INTO sluice.outcomes (id, queue, state, attempts, finished_at, content_type, result, error_code, error_message)
       SELECT id, queue, $2, $3, $4, 'text/html', $5::bytea, $6, $6 FROM sluice.requests WHERE id = $1`,
      [id, state, attempts, finishedAt, state === "done" ? Buffer.from(result) : null, error ?? null],
    );
    await this.rows("DELETE FROM sluice.schedule WHERE id = $1", [id]);
    await this.rows("DELETE FROM sluice.running WHERE id = $1", [id]);
    await this.#tally(id, state, -1);
  }

  async finishMany(count: number, at: number): Promise<void> {
    const ids = Array.from({ length: count }, () => newId(at));
    await this.rows(
      `WITH stored AS (INSERT INTO sluice.requests (id, queue, content_type, bytes, body)
         SELECT id, 1, 'text/plain', 0, '' FROM unnest($1::uuid[]) AS i (id)
       ), finished AS (INSERT INTO sluice.outcomes (id, queue, state, attempts, finished_at)
         SELECT id, 1, 'done', 1, $2 FROM unnest($1::uuid[]) AS i (id))
       INSERT INTO sluice.tallies AS t (member, queue, accepted, done) VALUES (9, 1, $3, $3)
       ON CONFLICT (member, queue) DO UPDATE SET accepted = t.accepted + $3, done = t.done + $3`,
      [ids, at, count],
    );
    await this.link(
      ids.map((id) => ({ id, body: "" })),
      1,
    );
  }

  async wantCallback(id: RequestId): Promise<void> {
    await this.rows("INSERT INTO sluice.callbacks (id, queue, url) VALUES ($1, 1, 'http://127.0.0.1:9/')", [id]);
  }

  /** Of a dead one. */
  async replay(id: RequestId): Promise<void> {
    await this.rows(
      `WITH revived AS (DELETE FROM sluice.outcomes WHERE id = $1 RETURNING id, queue
       ), scheduled AS (INSERT INTO sluice.schedule (id, queue, due_at, attempts, crashes, token, is_hinted)
         SELECT id, queue, 0, 0, 0, 0, true FROM revived)
       INSERT INTO sluice.tallies (member, queue, dead) SELECT 9, queue, -1 FROM revived`,
      [id],
    );
  }

  /** As if its commit had not shown yet. */
  async hide(id: RequestId): Promise<void> {
    await this.rows("CREATE TABLE hidden AS SELECT * FROM sluice.requests WHERE false");
    await this.rows(
      "WITH gone AS (DELETE FROM sluice.requests WHERE id = $1 RETURNING *) INSERT INTO hidden SELECT * FROM gone",
      [id],
    );
  }

  async show(id: RequestId): Promise<void> {
    await this.rows("INSERT INTO sluice.requests SELECT * FROM hidden WHERE id = $1", [id]);
  }

  async #tally(id: RequestId, column: "accepted" | "done" | "dead" | "cancelled", sign: 1 | -1): Promise<void> {
    await this.rows(
      `INSERT INTO sluice.tallies AS t (member, queue, ${column}, backlog_bytes)
       SELECT floor(random() * 3)::int, queue, 1, $2 * bytes FROM sluice.requests WHERE id = $1
       ON CONFLICT (member, queue) DO UPDATE
       SET ${column} = t.${column} + 1, backlog_bytes = t.backlog_bytes + excluded.backlog_bytes`,
      [id, sign],
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.db[Symbol.asyncDispose]();
  }
}

async function openLedger(): Promise<Ledger> {
  databases += 1;
  return new Ledger(await postgres.createDatabase(`ledger_${databases}`, "template"));
}

/** One request for each state, of two bytes each. */
async function oneInEachState(ledger: Ledger): Promise<Record<State, RequestId>> {
  const ids = {} as Record<State, RequestId>;
  for (const [index, state] of states.entries()) ids[state] = await ledger.accept({ at: now - 600 + 100 * index });
  await ledger.schedule(ids.scheduled, { dueAt: now + hourMs });
  await ledger.run(ids.running);
  for (const state of ["done", "dead", "cancelled"] as const) await ledger.finish(ids[state], state);
  return ids;
}

const seqs = new Map<number, SeqSource>();

function newId(at: number): RequestId {
  const seq = seqs.get(at) ?? new SeqSource(-1);
  seqs.set(at, seq);
  return requestIdOf(seq.next(at), crypto.getRandomValues(new Uint8Array(8)));
}

function queueNo(name: string): number {
  return name === "orders" ? 1 : 2;
}

function migrate(databaseUrl: string, queues: readonly string[]): ReturnType<typeof migrateCluster> {
  const servers = { databaseUrl, amqpUrl: "", redisUrl: "", prefix: "test" };
  return migrateCluster({ servers, queues, log, declare: () => Promise.resolve("declared") });
}

function connect(
  databaseUrl: string,
  settings?: Readonly<Record<string, string>>,
  beforeEach?: BeforeEach,
): Connection {
  return new Interrupted(beforeEach, { databaseUrl, name: "ledger test", settings: { jit: "off", ...settings } });
}

type BeforeEach = (statement: string) => Promise<void> | void;

/** Lets something happen before each statement. */
class Interrupted extends Connection {
  readonly #beforeEach: BeforeEach | undefined;

  constructor(beforeEach: BeforeEach | undefined, options: ConnectionOptions) {
    super(options);
    this.#beforeEach = beforeEach;
  }

  override async rows<Row extends object>(statement: Statement, values: readonly unknown[] = []): Promise<Row[]> {
    await this.#beforeEach?.(statement.name);
    return super.rows<Row>(statement, values);
  }

  override transaction<Value>(work: (inside: Inside) => Promise<Value>, begin?: string): Promise<Value> {
    return super.transaction((inside) => {
      const rows = inside.rows.bind(inside);
      inside.rows = async <Row extends object>(statement: Statement, values?: readonly unknown[]): Promise<Row[]> => {
        await this.#beforeEach?.(statement.name);
        return rows<Row>(statement, values);
      };
      return work(inside);
    }, begin);
  }
}

async function pause(db: Connected, queue: string, isPaused: boolean): Promise<void> {
  await rowsOf(db, "UPDATE sluice.queues SET is_paused = $2 WHERE name = $1", [queue, isPaused]);
}

/** Polls: the server tells nobody. */
async function untilSomebodyWaits(db: Connected): Promise<void> {
  while ((await rowsOf(db, "SELECT FROM pg_locks WHERE NOT granted")).length === 0);
}

let statements = 0;
function rowsOf<Row extends object>(db: Connected, text: string, values: readonly unknown[] = []): Promise<Row[]> {
  const statement: Statement = { name: `test-${(statements += 1)}`, text };
  return db.rows<Row>(statement, values);
}

function coded(code: SluiceError["code"], message: RegExp): (error: SluiceError) => boolean {
  return (error) => {
    equal(error.code, code);
    match(error.message, message);
    return true;
  };
}

function idsOf(rows: readonly { readonly id: RequestId }[]): readonly RequestId[] {
  return rows.map(({ id }) => id);
}

function textOf(content: { contentType: string; bytes: Uint8Array } | undefined): readonly unknown[] {
  return [content?.contentType, content && Buffer.from(content.bytes).toString()];
}

function dayName(at: number): string {
  return new Date(at).toISOString().slice(0, 10).replaceAll("-", "");
}
