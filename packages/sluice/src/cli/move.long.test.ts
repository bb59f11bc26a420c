// The move of a data folder with real servers: every kind of request, killed and gone on with, and refused.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  startChild,
  startPostgres,
  startRabbitmq,
  startRedis,
  startSluice,
  temporaryFolder,
  type Child,
  type Exit,
  type Postgres,
  type TemporaryFolder,
} from "@sluice/testing";
import { pino } from "pino";
import { lineSettingsDefault } from "../core/line-settings.ts";
import type { Placement } from "../core/placement.ts";
import type { NewRequest, RequestStatus, State } from "../core/request.ts";
import { requestIdOf, seqOf, type RequestId } from "../core/request-id.ts";
import type { AuditReport } from "../engine/audit.ts";
import type { Engine } from "../engine/engine.ts";
import { auditLedger } from "../engines/cluster/audit/audit.ts";
import { Connection } from "../engines/cluster/ledger/connection/database.ts";
import { migrateCluster } from "../engines/cluster/ledger/schema/migrate.ts";
import { MoveIn } from "../engines/cluster/move/move-in.ts";
import { openCluster } from "../engines/cluster/open.ts";
import { readBody, readRequest, readResult } from "../engines/cluster/ledger/read.ts";
import { dropExpired } from "../engines/cluster/leader/retention.ts";
import { prepareAudit } from "../engines/embedded/audit.ts";
import { MoveOut } from "../engines/embedded/move-out.ts";
import { openEmbedded } from "../engines/embedded/open.ts";
import { prepareReads } from "../engines/embedded/read.ts";

const log = pino({ level: "silent" });
const queueNames = ["orders", "mails", "fragile"] as const;
type QueueName = (typeof queueNames)[number];
const queues = queueNames.map((name) => ({ name, backlogMax: 1_000_000, backlogBytesMax: 10 ** 12 }));
const dayMs = 86_400_000;
/** Enough that a folder takes several pages. */
const bulkCount = 1_500;
const manyCount = 30_000;

const source = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);

const commandScript = `
import { Command } from ${JSON.stringify(import.meta.resolve("commander"))};
import { registerMove } from ${source("./move.ts")};
import { run } from ${source("./run.ts")};
const program = new Command("sluice");
registerMove(program);
await run(program, process.argv);
`;
/** Claims one request after the other, and holds on to them. */
const claimScript = `
import { openEmbedded } from ${source("../engines/embedded/open.ts")};
const [, , folder, queue, count] = process.argv;
const engine = await openEmbedded({ folder, queues: ${JSON.stringify(queues)}, diskFreeMin: 0 });
for (let left = Number(count); left > 0; left -= 1)
  await engine.deliver({ queue, max: 1, signal: AbortSignal.timeout(20_000) });
console.log("claimed");
`;

let scripts: TemporaryFolder;
let postgres: Postgres;
let databases = 0;

before(async () => {
  [scripts, postgres] = await Promise.all([temporaryFolder(), startPostgres()]);
  await writeFile(join(scripts.path, "sluice.mjs"), commandScript);
  await writeFile(join(scripts.path, "claim.mjs"), claimScript);
  await migrate(await postgres.createDatabase("ready"), queueNames);
});
after(async () => {
  await Promise.all([scripts, postgres].map((resource) => resource?.[Symbol.asyncDispose]()));
});

async function migrate(databaseUrl: string, names: readonly string[]): Promise<void> {
  const servers = { databaseUrl, amqpUrl: "", redisUrl: "", prefix: "test" };
  await migrateCluster({ servers, queues: names, log, declare: async () => "declared" });
}

/** A database that `sluice migrate` has seen, and a connection to it. */
async function newCluster(): Promise<Connection & { readonly url: string }> {
  databases += 1;
  const url = await postgres.createDatabase(`cluster_${databases}`, "ready");
  return Object.assign(new Connection({ databaseUrl: url, name: "test" }), { url });
}

interface Ended extends Exit {
  readonly output: string;
}

function startMove(folder: string, databaseUrl: string, args: readonly string[] = []): Promise<Child> {
  return startChild({
    command: process.execPath,
    args: [join(scripts.path, "sluice.mjs"), "move", "--from", folder, ...args],
    env: { DATABASE_URL: databaseUrl },
  });
}

async function move(folder: string, databaseUrl: string, args: readonly string[] = []): Promise<Ended> {
  await using child = await startMove(folder, databaseUrl, args);
  return { ...(await child.exited), output: child.output() };
}

interface Report {
  readonly moved: number;
  readonly holds: boolean;
  readonly queues: readonly {
    readonly queue: string;
    readonly folder: Record<State | "accepted" | "missing", number>;
    readonly cluster: Record<State | "accepted" | "missing", number>;
    readonly differing: number;
    readonly advanced: number;
  }[];
}

async function moveJson(folder: string, databaseUrl: string): Promise<Report & { readonly code: number | null }> {
  const { output, code } = await move(folder, databaseUrl, ["--json"]);
  const line = output.split("\n").findLast((one) => one.startsWith("{"));
  assert.ok(line, output);
  return { ...(JSON.parse(line) as Report), code };
}

async function rows<Row extends Record<string, unknown>>(
  connection: Connection,
  text: string,
  values: readonly unknown[] = [],
): Promise<readonly Row[]> {
  return (await connection.query(text, values)).rows as readonly Row[];
}

async function numberIn(connection: Connection, text: string): Promise<number> {
  return Number(Object.values((await rows(connection, text))[0] ?? {})[0]);
}

function request(queue: QueueName, changes: Partial<NewRequest> = {}): NewRequest {
  return {
    queue,
    key: undefined,
    contentType: "text/plain",
    headers: undefined,
    body: Buffer.from("a body"),
    ...changes,
  };
}

async function accept(engine: Engine, requests: readonly NewRequest[]): Promise<readonly RequestId[]> {
  const result = await engine.accept(requests);
  assert.equal(result.kind, "accepted");
  return result.receipts.map(({ id }) => id);
}

const signal = (): AbortSignal => AbortSignal.timeout(20_000);

async function acceptMany(engine: Engine, queue: QueueName, count: number): Promise<void> {
  for (let at = 0; at < count; at += 1_000) {
    const size = Math.min(1_000, count - at);
    await accept(
      engine,
      Array.from({ length: size }, (_, index) => request(queue, { key: `many-${at + index}` })),
    );
  }
}

/** Runs what waits in the queue to its end, in the order of acceptance. */
async function finish(engine: Engine, queue: QueueName, outcomes: readonly ("done" | "dead")[]): Promise<void> {
  for (const kind of outcomes) {
    const [delivery] = await engine.deliver({ queue, max: 1, signal: signal() });
    assert.ok(delivery);
    const result = { contentType: "application/octet-stream", bytes: Buffer.from([0, 1, 255]) };
    const failure = { code: "rejected", message: "not like this" };
    await engine.settle(delivery.claim, kind === "done" ? { kind, result } : { kind, failure });
  }
}

/** One of each that has expired: only their counts are left. */
async function withExpired(folder: string): Promise<void> {
  let aheadMs = 0;
  const clock = { now: () => Date.now() + aheadMs, monotonic: () => performance.now() };
  await using engine = await openEmbedded({ folder, queues, diskFreeMin: 0, retentionMs: dayMs, clock });
  const ids = await accept(engine, [request("orders", { key: "old" }), request("orders"), request("orders")]);
  await finish(engine, "orders", ["done", "dead"]);
  await engine.cancel(ids[2] as RequestId);
  aheadMs = 2 * dayMs;
  await engine.pause("orders", false); // tells the writer the time
  const deadline = signal();
  for (const id of ids) while ((await engine.read(id)) !== undefined) deadline.throwIfAborted();
}

/** A request in every state that a folder knows, by what it is expected to be in the cluster. */
async function withEveryState(folder: string): Promise<ReadonlyMap<RequestId, Partial<RequestStatus>>> {
  const expected = new Map<RequestId, Partial<RequestStatus>>();
  await using engine = await openEmbedded({ folder, queues, diskFreeMin: 0 });
  const one = async (expect: Partial<RequestStatus>, changes: Partial<NewRequest> = {}): Promise<RequestId> => {
    const [id] = await accept(engine, [request("orders", changes)]);
    expected.set(id as RequestId, expect);
    return id as RequestId;
  };
  const deliver = async () => {
    const [delivery] = await engine.deliver({ queue: "orders", max: 1, signal: signal() });
    assert.ok(delivery);
    return delivery;
  };
  const settleDone = async (bytes: Buffer): Promise<void> => {
    const { claim } = await deliver();
    await engine.settle(claim, { kind: "done", result: { contentType: "image/x\0y", bytes } });
  };
  const fail = async (dueAt: number): Promise<void> => {
    const failure = { code: "handler-threw", message: `bang\0 at ${dueAt}` };
    await engine.retry((await deliver()).claim, { dueAt, failure, isCounted: true });
  };

  await one({ state: "done", attempts: 1, key: "done" }, { key: "done", body: Buffer.from([0, 128, 255]) });
  await settleDone(Buffer.from([255, 0, 1]));
  const callback = "http://127.0.0.1:9/told";
  const told = await one({ state: "done", attempts: 1, bytes: 0 }, { body: Buffer.alloc(0), callback });
  await settleDone(Buffer.alloc(0));
  await one({ state: "dead", attempts: 3, lastError: { code: "rejected", message: "no\uFFFDmore" } });
  await fail(0);
  await fail(0);
  const { claim } = await deliver();
  await engine.settle(claim, { kind: "dead", failure: { code: "rejected", message: "no\0more" } });
  await engine.callbacksTold([{ id: told, round: 0 }]);
  const replayed = await one({ state: "waiting", attempts: 0 }, { callback });
  await finish(engine, "orders", ["dead"]);
  const cancelled = await one({ state: "cancelled", attempts: 0 }, { key: "cancelled" });
  await engine.cancel(cancelled);
  const cancelledLate = await one({ state: "cancelled", attempts: 1 });
  const later = Date.now() + 3_600_000;
  await fail(later);
  await engine.cancel(cancelledLate);
  await one({ state: "scheduled", attempts: 1, nextAttemptAt: later }, { key: "scheduled" });
  await fail(later);
  await one({ state: "waiting", attempts: 1 });
  await fail(Date.now() - 1_000);
  await engine.replay(replayed);
  await one(
    { state: "waiting", attempts: 0, key: "k".repeat(255) },
    { key: "k".repeat(255), headers: { "ce-id": "ä" } },
  );
  for (const sender of ["shop", "bank"])
    await one({ state: "waiting", key: "theirs", sender }, { key: "theirs", sender, body: Buffer.from(sender) });
  await one({ state: "waiting", key: undefined, sender: "shop" }, { sender: "shop" });
  await acceptMany(engine, "orders", bulkCount);
  for (const id of await accept(engine, [request("mails"), request("mails")])) expected.set(id, { state: "waiting" });
  await engine.pause("mails", true);
  return expected;
}

/** Two that were in flight when their process was killed, one of them the second time. */
async function withCrashes(folder: string): Promise<readonly RequestId[]> {
  const engine = await openEmbedded({ folder, queues, diskFreeMin: 0 });
  const ids = await accept(engine, [request("fragile"), request("fragile"), request("fragile")]);
  await engine.close();
  for (const count of ["1", "2"]) {
    const args = [join(scripts.path, "claim.mjs"), folder, "fragile", count];
    await using child = await startChild({ command: process.execPath, args });
    await child.line(/^claimed$/);
  }
  return ids;
}

/** What the folder holds by the embedded engine's own reading. */
class Folder implements Disposable {
  readonly #db: DatabaseSync;

  constructor(folder: string) {
    this.#db = new DatabaseSync(join(folder, "sluice.db"), { readOnly: true });
  }

  ids(): readonly RequestId[] {
    const found = this.#db.prepare("SELECT seq, random FROM requests ORDER BY seq").all();
    return found.map(({ seq, random }) => requestIdOf(seq as number, random as Uint8Array));
  }

  get reads(): ReturnType<typeof prepareReads> {
    return prepareReads(this.#db);
  }

  audit(now: number): AuditReport {
    return prepareAudit(this.#db).audit(now, new Map());
  }

  all(text: string): readonly Record<string, unknown>[] {
    return this.#db.prepare(text).all();
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}

/** Every request with its body and result, and the rows that no reading shows. */
async function assertSame(folder: string, connection: Connection): Promise<void> {
  const now = Date.now();
  using embedded = new Folder(folder);
  const ids = embedded.ids();
  const reads = embedded.reads;
  for (const id of ids) {
    assert.deepEqual(await readRequest(connection, id, now), storable(reads.read(id, now)));
    assert.deepEqual(asText(await readBody(connection, id)), asText(reads.readBody(id)));
    assert.deepEqual(asText(await readResult(connection, id)), asText(reads.readResult(id)));
  }
  const idBySeq = new Map(ids.map((id) => [seqOf(id), id]));
  const named = (found: readonly Record<string, unknown>[]) =>
    found.map(({ seq, ...row }) => storable({ id: idBySeq.get(seq as number), ...row }));
  assert.deepEqual(
    await rows(connection, "SELECT id, attempt, failed_at::float8, code, message FROM sluice.failures ORDER BY 1, 2"),
    named(embedded.all("SELECT seq, attempt, failed_at, code, message FROM failures ORDER BY 1, 2")),
  );
  assert.deepEqual(
    await rows(connection, "SELECT id, key, encode(fingerprint, 'hex') AS fingerprint FROM sluice.keys ORDER BY 1"),
    named(embedded.all("SELECT seq, key, lower(hex(fingerprint)) AS fingerprint FROM keys ORDER BY 1")),
  );
  assert.deepEqual(
    await rows(connection, "SELECT id, headers FROM sluice.requests WHERE headers IS NOT NULL ORDER BY 1"),
    named(embedded.all("SELECT seq, headers FROM requests WHERE headers IS NOT NULL ORDER BY 1")),
  );
  assert.deepEqual(
    await rows(
      connection,
      `SELECT id, due_at::float8, attempts, crashes, started_at::float8 FROM sluice.schedule
        WHERE due_at > 0 OR attempts > 0 OR crashes > 0 ORDER BY 1`,
    ),
    named(
      embedded.all(`SELECT seq, due_at, attempts, crashes, started_at FROM scheduled
        WHERE due_at > 0 OR attempts > 0 OR crashes > 0 ORDER BY 1`),
    ),
  );
  assert.deepEqual(
    await rows(connection, "SELECT id, url, round, is_told::int FROM sluice.callbacks ORDER BY 1"),
    named(embedded.all("SELECT seq, url, round, is_told FROM callbacks ORDER BY 1")),
  );
  assertSameLaw(await auditLedger(connection, now), embedded.audit(now));
  assert.equal(
    await numberIn(connection, "SELECT sum(backlog_bytes) FROM sluice.tallies"),
    Number(embedded.all("SELECT sum(backlog_bytes) AS n FROM queues")[0]?.["n"]),
  );
}

function asText(content: { readonly contentType: string; readonly bytes: Uint8Array } | undefined): unknown {
  return content && storable({ contentType: content.contentType, bytes: Buffer.from(content.bytes).toString("hex") });
}

/** PostgreSQL has no zero in a text. */
function storable(value: unknown): unknown {
  if (typeof value === "string") return value.replaceAll("\0", "\uFFFD");
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, storable(part)]));
}

describe("sluice move", { timeout: 300_000 }, () => {
  it("takes everything over, and the folder is refused from then on", async () => {
    await using place = await temporaryFolder();
    const folder = join(place.path, "data");
    await using cluster = await newCluster();
    await withExpired(folder);
    const expected = await withEveryState(folder);
    const [first, second, third] = await withCrashes(folder);

    const { output, code } = await move(folder, cluster.url);
    assert.equal(code, 0, output);
    assert.match(output, /QUEUE +WHERE +ACCEPTED +WAITING/);
    assert.match(output, /Both sides agree/);
    await assertSame(folder, cluster);
    for (const [id, expect] of expected)
      assert.partialDeepStrictEqual(await readRequest(cluster, id, Date.now()), expect);
    assert.deepEqual(await rows(cluster, "SELECT name, is_paused FROM sluice.queues ORDER BY name"), [
      { name: "fragile", is_paused: false },
      { name: "mails", is_paused: true },
      { name: "orders", is_paused: false },
    ]);
    assert.deepEqual(
      await rows(cluster, "SELECT crashes FROM sluice.schedule WHERE id = ANY ($1::uuid[]) ORDER BY id", [
        [first, second, third],
      ]),
      [{ crashes: 2 }, { crashes: 1 }, { crashes: 0 }],
    );
    assert.deepEqual(await rows(cluster, "SELECT ids::text[] FROM sluice.outbox WHERE kind = 'suspect'"), [
      { ids: [first] },
    ]);
    const told =
      "SELECT count(*) FROM sluice.schedule s JOIN (SELECT unnest(ids) AS id FROM sluice.outbox) o USING (id)";
    const law = await auditLedger(cluster, Date.now());
    const waiting = law.queues.reduce((sum, queue) => sum + queue.waiting, 0);
    assert.equal(await numberIn(cluster, told), waiting, "each one that waits is told to the broker, once");

    await assert.rejects(
      startSluice({ dataFolder: folder, args: ["--queue", "orders", "--target", "http://[::1]:1"] }),
      {
        message: /requests of \S+ were moved to 127\.0\.0\.1:\d+\/cluster_\d+ on \S+Z; remove its moved\.json only if/,
      },
    );
    assert.doesNotMatch(await readFile(join(folder, "moved.json"), "utf8"), /sluice@|password/);
    const again = await moveJson(folder, cluster.url);
    assert.deepEqual([again.code, again.holds, again.moved], [0, true, 0]);
    await assertIds(folder, cluster);
  });

  it("killed again and again goes on where it was, and moves nothing twice", async () => {
    await using place = await temporaryFolder();
    const folder = join(place.path, "data");
    await using cluster = await newCluster();
    await withExpired(folder);
    const engine = await openEmbedded({ folder, queues, diskFreeMin: 0 });
    await acceptMany(engine, "orders", manyCount);
    await finish(engine, "orders", ["done", "dead", "done"]);
    await engine.close();

    let kills = 0;
    for (const goal of [1, manyCount / 5, manyCount / 2]) {
      await using child = await startMove(folder, cluster.url);
      while ((await numberIn(cluster, "SELECT count(*) FROM sluice.requests")) < goal) await sleep(2);
      if (child.kill("SIGKILL")) kills += 1;
      await child.exited;
    }
    const stored = await numberIn(cluster, "SELECT count(*) FROM sluice.requests");
    assert.equal(kills, 3);
    assert.ok(stored < manyCount, `all ${stored} had moved before the last kill`);
    assert.ok((await auditLedger(cluster, Date.now())).holds, "the law holds in between");
    await assert.rejects(
      startSluice({ dataFolder: folder, args: ["--queue", "orders", "--target", "http://[::1]:1"] }),
      {
        message: /are being moved to .*: finish with sluice move --from/,
      },
    );
    const elsewhere = await newCluster();
    const astray = await move(folder, elsewhere.url);
    await elsewhere[Symbol.asyncDispose]();
    assert.equal(astray.code, 78);
    assert.match(astray.output, /have begun to move to .*cluster_\d+, not to .*cluster_\d+: finish there/);

    const report = await moveJson(folder, cluster.url);
    assert.deepEqual([report.code, report.holds, report.moved], [0, true, manyCount - stored]);
    assert.equal(report.queues[0]?.cluster.accepted, manyCount + 3);
    await assertIds(folder, cluster);
  });

  it("stops before anything has moved when a key belongs to another request", async () => {
    await using place = await temporaryFolder();
    const folder = join(place.path, "data");
    await using cluster = await newCluster();
    const engine = await openEmbedded({ folder, queues, diskFreeMin: 0 });
    await acceptMany(engine, "orders", 1_500);
    await engine.close();
    await cluster.query(
      "INSERT INTO sluice.keys SELECT no, 'many-1400', gen_random_uuid(), '' FROM sluice.queues WHERE name = 'orders'",
    );
    const { output, code } = await move(folder, cluster.url);
    assert.equal(code, 1);
    assert.match(output, /the key "many-1400" of queue "orders" belongs to request \S+ in the cluster, and to/);
    assert.equal(await numberIn(cluster, "SELECT count(*) FROM sluice.requests"), 0);
    await (await openEmbedded({ folder, queues, diskFreeMin: 0 })).close();
    await cluster.query("DELETE FROM sluice.keys");
    assert.equal((await move(folder, cluster.url)).code, 0);
  });

  it("stores nothing of a page with a key that another request takes at the same time", async () => {
    await using place = await temporaryFolder();
    const folder = join(place.path, "data");
    await using cluster = await newCluster();
    const engine = await openEmbedded({ folder, queues, diskFreeMin: 0 });
    await acceptMany(engine, "orders", 10);
    await engine.close();
    using out = MoveOut.open(folder, "test");
    await using into = await MoveIn.open({ databaseUrl: cluster.url, folder: out.identity, queues: out.queues });
    await into.begin();
    await cluster.query("BEGIN");
    await cluster.query("INSERT INTO sluice.keys SELECT no, 'many-7', gen_random_uuid(), '' FROM sluice.queues");
    const page = out.page(-1);
    assert.ok(page);
    const storing = assert.rejects(into.store(page), { code: "key-reused" });
    const waits =
      "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    while ((await numberIn(cluster, waits)) === 0) await sleep(5);
    await cluster.query("COMMIT");
    await storing;
    assert.equal(await numberIn(cluster, "SELECT count(*) FROM sluice.requests"), 0);
    assert.equal(await into.upTo(), -1);
    await cluster.query("DELETE FROM sluice.keys");
    // A copy of the folder has moved a part of it: what is there stays as it is.
    await using other = await MoveIn.open({ databaseUrl: cluster.url, folder: out.identity + 1, queues: [] });
    await other.begin();
    await other.store({ requests: page.requests.slice(0, 4), places: [], upTo: page.upTo });
    for (const move of [into, into, other]) await move.store(page);
    assert.equal(await numberIn(cluster, "SELECT sum(cardinality(ids)) FROM sluice.outbox"), 10);
    assert.equal(await numberIn(cluster, "SELECT sum(accepted) FROM sluice.tallies"), 10);
  });

  it("keeps what stands in lines in its line, and of each order key in its turn", { timeout: 120_000 }, async () => {
    await using place = await temporaryFolder();
    const folder = join(place.path, "data");
    await using cluster = await newCluster();
    const lines = { ...lineSettingsDefault, afterDead: "hold" } as const;
    const held = queues.map((queue) => (queue.name === "orders" ? { ...queue, lines } : queue));
    const bang = { code: "handler-threw", message: "bang" };
    const expected: RequestId[] = [];
    let engine: Engine = await openEmbedded({ folder, queues: held, diskFreeMin: 0 });
    const one = async (placement: Placement): Promise<RequestId> => {
      const [id] = await accept(engine, [request("orders", { placement })]);
      return id as RequestId;
    };
    const dead = async (): Promise<void> => {
      const [delivery] = await engine.deliver({ queue: "orders", max: 1, signal: signal() });
      assert.ok(delivery);
      await engine.settle(delivery.claim, { kind: "dead", failure: bang });
    };
    const holder = await one({ order: "held" });
    await dead();
    const behindHolder = await one({ order: "held" });
    const replayed = await one({ order: "a" });
    await dead();
    const retried = await one({ order: "a" });
    await engine.replay(replayed);
    const [failed] = await engine.deliver({ queue: "orders", max: 1, signal: signal() });
    assert.equal(failed?.claim.id, retried);
    await engine.retry(failed.claim, { dueAt: Date.now() + 1_500, failure: bang, isCounted: true });
    const later = await one({ order: "a", notBefore: Date.now() + 2_500, group: "shop", urgency: 0 });
    expected.push(retried, replayed, later);
    await acceptMany(engine, "mails", bulkCount);
    for (let at = 0; at < bulkCount; at += 500) {
      const placements = Array.from({ length: 500 }, (_, index): Placement => ({ order: `of-${(at + index) % 7}` }));
      const ids = await accept(
        engine,
        placements.map((placement) => request("orders", { placement })),
      );
      expected.push(...ids);
    }
    const last = await one({ order: "last" });
    await engine.pause("mails", true);
    await engine.lines.setGroup("orders", "shop", { weight: 3 });
    await engine.close();

    const { code, holds } = await moveJson(folder, cluster.url);
    assert.deepEqual([code, holds], [0, true]);
    const servers = { databaseUrl: cluster.url, amqpUrl: undefined, redisUrl: undefined, prefix: "test" };
    engine = await openCluster({ servers, queues: held, name: "test", log });
    await using _closing = { [Symbol.asyncDispose]: () => engine.close() };
    assert.deepEqual((await engine.lines.groups("orders", 10)).find(({ group }) => group === "shop")?.weight, 3);
    assert.deepEqual(
      (await engine.lines.heldOrders("orders", 10)).map(({ order, by }) => [order, by]),
      [["held", holder]],
    );
    const begun: RequestId[] = [];
    const running = new Set<string>();
    const keyOf = new Map([
      ...expected.map((id, index) => [id, index < 3 ? "a" : `of-${(index - 3) % 7}`] as const),
      ...[holder, behindHolder].map((id) => [id, "held"] as const),
      [last, "last"] as const,
    ]);
    while (begun.length < expected.length + 1) {
      const deliveries = await engine.deliver({ queue: "orders", max: 50, signal: signal() });
      for (const { claim } of deliveries) {
        const key = keyOf.get(claim.id) as string;
        assert.ok(!running.has(key), `two of ${key} at once`);
        running.add(key);
        begun.push(claim.id);
      }
      const result = { contentType: "text/plain", bytes: Buffer.alloc(0) };
      await Promise.all(deliveries.map(({ claim }) => engine.settle(claim, { kind: "done", result })));
      running.clear();
    }
    for (const [key, ids] of Map.groupBy(expected, (id) => keyOf.get(id)))
      assert.deepEqual(
        begun.filter((id) => keyOf.get(id) === key),
        ids,
        key,
      );
    assert.ok(!begun.includes(behindHolder));
    assert.equal(await engine.lines.releaseOrder("orders", "held"), true);
    const [released] = await engine.deliver({ queue: "orders", max: 1, signal: signal() });
    assert.equal(released?.claim.id, behindHolder);
    const order = await engine.auditOrder();
    assert.ok(order.holds, JSON.stringify(order.inversions));
  });

  it("leaves it to the cluster to end a request that has crashed too often: its order key may be held then", async () => {
    await using place = await temporaryFolder();
    const folder = join(place.path, "data");
    await using cluster = await newCluster();
    const engine = await openEmbedded({ folder, queues, diskFreeMin: 0 });
    const [id] = await accept(engine, [request("fragile", { placement: { order: "a" } })]);
    await engine.close();
    for (let crashes = 0; crashes < 5; crashes += 1) {
      const args = [join(scripts.path, "claim.mjs"), folder, "fragile", "1"];
      await using child = await startChild({ command: process.execPath, args });
      await child.line(/^claimed$/);
    }
    const { code, holds } = await moveJson(folder, cluster.url);
    assert.deepEqual([code, holds], [0, true]);
    assert.equal((await readRequest(cluster, id as RequestId, Date.now()))?.state, "waiting");
    assert.deepEqual(await rows(cluster, "SELECT crashes, in_line FROM sluice.schedule"), [{ crashes: 5, in_line: 1 }]);
  });

  it("is refused where it cannot be whole", async () => {
    await using place = await temporaryFolder();
    const folder = join(place.path, "data");
    await using engine = await openEmbedded({ folder, owner: "process 4711", queues, diskFreeMin: 0 });
    await accept(engine, [request("orders"), request("mails")]);
    const owned = await move(folder, postgres.url);
    assert.equal(owned.code, 75);
    assert.match(owned.output, /is in use by process 4711/);
    await engine.close();

    const bare = await move(folder, postgres.url);
    assert.equal(bare.code, 78);
    assert.match(bare.output, /no schema of Sluice yet: run sluice migrate/);
    const url = await postgres.createDatabase("with_orders_only");
    await migrate(url, ["orders"]);
    const unknown = await move(folder, url);
    assert.equal(unknown.code, 78);
    assert.match(unknown.output, /does not know the queue "mails" yet: run sluice migrate/);
    const nowhere = await move(folder, "postgres://u:secret@127.0.0.1:1/none");
    assert.equal(nowhere.code, 69);
    assert.doesNotMatch(nowhere.output, /secret/);
    const empty = await move(place.path, url);
    assert.equal(empty.code, 78);
    assert.match(empty.output, /is no data folder/);
    const unsaid = await move(folder, "");
    assert.equal(unsaid.code, 78);
    assert.match(unsaid.output, /give --database-url or DATABASE_URL \(\S+\)\./);
    await (await openEmbedded({ folder, queues, diskFreeMin: 0 })).close();
  });

  it("finds out what the cluster has lost or holds otherwise", async () => {
    await using place = await temporaryFolder();
    const folder = join(place.path, "data");
    await using cluster = await newCluster();
    const engine = await openEmbedded({ folder, queues, diskFreeMin: 0 });
    await acceptMany(engine, "orders", 20);
    await finish(engine, "orders", ["done", "dead", "done", "done"]);
    await engine.close();
    assert.equal((await move(folder, cluster.url)).code, 0);

    await cluster.query(
      "UPDATE sluice.outcomes SET state = 'cancelled' WHERE id = (SELECT id FROM sluice.outcomes WHERE state = 'done' LIMIT 1)",
    );
    const changed = await moveJson(folder, cluster.url);
    assert.deepEqual([changed.code, changed.holds, changed.queues[0]?.differing], [1, false, 1]);
    await cluster.query("UPDATE sluice.outcomes SET state = 'done' WHERE state = 'cancelled'");

    const waiting = "SELECT id FROM sluice.schedule ORDER BY id LIMIT 1";
    await cluster.query(`CREATE TABLE lost AS SELECT * FROM sluice.requests WHERE id = (${waiting})`);
    await cluster.query("DELETE FROM sluice.requests WHERE id IN (SELECT id FROM lost)");
    const lost = await moveJson(folder, cluster.url);
    assert.deepEqual([lost.code, lost.holds, lost.queues[0]?.cluster.missing], [1, false, 1]);
    await cluster.query(
      `CREATE TABLE lost_schedule AS SELECT * FROM sluice.schedule WHERE id IN (SELECT id FROM lost)`,
    );
    await cluster.query("DELETE FROM sluice.schedule WHERE id IN (SELECT id FROM lost)");
    await cluster.query("UPDATE sluice.tallies SET accepted = accepted - 1");
    const { output } = await move(folder, cluster.url);
    assert.match(output, /The sides differ: 1 missing/, "also where the cluster's own books are right");
    await cluster.query("UPDATE sluice.tallies SET accepted = accepted + 1");
    await cluster.query("INSERT INTO sluice.schedule SELECT * FROM lost_schedule");
    await cluster.query("INSERT INTO sluice.requests SELECT * FROM lost");
    assert.equal((await moveJson(folder, cluster.url)).code, 0);
  });

  it("takes what has expired in the cluster for what it was", async () => {
    await using place = await temporaryFolder();
    const folder = join(place.path, "data");
    await using cluster = await newCluster();
    const engine = await openEmbedded({ folder, queues, diskFreeMin: 0 });
    await acceptMany(engine, "orders", 4);
    await finish(engine, "orders", ["done", "dead", "done", "done"]);
    await engine.close();
    assert.equal((await move(folder, cluster.url)).code, 0);
    const expiry = { now: Date.now() + 3 * dayMs, retentionMs: dayMs };
    while ((await dropExpired(cluster, expiry)) > 0);
    assert.equal(await numberIn(cluster, "SELECT count(*) FROM sluice.requests"), 0);
    const {
      code,
      queues: [report],
    } = await moveJson(folder, cluster.url);
    assert.deepEqual([code, report?.cluster.done, report?.cluster.dead], [0, 3, 1]);

    await cluster.query("UPDATE sluice.queues SET expired_done = expired_done - 1 WHERE name = 'orders'");
    assert.equal((await moveJson(folder, cluster.url)).code, 1, "gone without a trace is not expired");
  });

  it("what has moved is delivered by the cluster, with what it had behind it", async () => {
    await using place = await temporaryFolder();
    const folder = join(place.path, "data");
    await withEveryState(folder);
    const [suspect] = await withCrashes(folder);
    await using rabbitmq = await startRabbitmq();
    await using redis = await startRedis();
    const url = await postgres.createDatabase("living");
    await migrate(url, queueNames);
    const servers = { databaseUrl: url, amqpUrl: rabbitmq.url, redisUrl: redis.url, prefix: "test" };
    await migrateCluster({ servers, queues: queueNames, log });
    await using engine = await openCluster({ servers, queues, name: "test", log });

    const first = await moveJson(folder, url);
    assert.deepEqual([first.code, first.holds], [0, true]);
    await engine.pause("mails", false);
    const attempts = new Map<RequestId, number>();
    const wanted = first.queues.reduce((sum, { folder: { waiting } }) => sum + waiting, 0);
    const stop = new AbortController();
    const result = { contentType: "text/plain", bytes: Buffer.from("ran here") };
    const work = async (queue: QueueName): Promise<void> => {
      while (!stop.signal.aborted) {
        const deliveries = await engine.deliver({ queue, max: 100, signal: stop.signal });
        for (const { claim, attempt } of deliveries) attempts.set(claim.id, attempt);
        const settled = deliveries.map(({ claim }) => engine.settle(claim, { kind: "done", result }));
        assert.deepEqual(new Set(await Promise.all(settled)), new Set(deliveries.map(() => "settled")));
        if (attempts.size >= wanted) stop.abort();
      }
    };
    await Promise.all(queueNames.map(work));
    assert.ok(attempts.has(suspect as RequestId));
    assert.ok([...attempts.values()].includes(2), "the retry of an attempt that failed in the folder");
    const law = await engine.audit();
    assert.ok(law.holds);
    assert.equal(
      law.queues.reduce((sum, queue) => sum + queue.waiting + queue.running, 0),
      0,
    );
    const repeated = await engine.accept([request("orders", { key: "many-3" })]);
    assert.equal(repeated.kind === "accepted" && repeated.receipts[0]?.isReplayed, true);
    const reused = await engine.accept([request("orders", { key: "many-3", body: Buffer.from("another") })]);
    assert.equal(reused.kind, "key-reused");
    const later = await moveJson(folder, url);
    assert.deepEqual([later.code, later.holds], [0, true]);
    assert.equal(
      later.queues.reduce((sum, queue) => sum + queue.advanced, 0),
      wanted,
    );
  });
});

/** The same requests, counted the same. */
async function assertIds(folder: string, connection: Connection): Promise<void> {
  const now = Date.now();
  using embedded = new Folder(folder);
  const found = await rows<{ id: string }>(connection, "SELECT id FROM sluice.requests ORDER BY id");
  assert.deepEqual(
    found.map(({ id }) => id),
    embedded.ids(),
  );
  assertSameLaw(await auditLedger(connection, now), embedded.audit(now));
}

function assertSameLaw(cluster: AuditReport, folder: AuditReport): void {
  const byName = (report: AuditReport) => new Map(report.queues.map((queue) => [queue.queue, queue]));
  assert.ok(cluster.holds);
  assert.deepEqual(byName(cluster), byName(folder));
}
