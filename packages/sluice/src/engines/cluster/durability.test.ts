// What is said holds by then: a receipt, an outcome, an acknowledgement, a row of the outbox that is cleared. Each case
// takes away what such a word rests on, just when one that came too early would show.
import { after, before, describe, it } from "node:test";
import { deepEqual, equal, ok } from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { setImmediate as turn, setTimeout as delay } from "node:timers/promises";
import {
  startPostgres,
  startProxy,
  startRabbitmq,
  startRedis,
  temporaryFolder,
  type Postgres,
  type Proxy,
  type Rabbitmq,
  type Redis,
} from "@sluice/testing";
import { Client } from "pg";
import { pino } from "pino";
import { SluiceError } from "../../core/errors.ts";
import type { Claim, Delivery, Outcome, RequestStatus } from "../../core/request.ts";
import type { RequestId } from "../../core/request-id.ts";
import { boom, done, hourMs, idsOf, orders, queue, request } from "../../engine/contract/rig.ts";
import type { Engine, Sql } from "../../engine/engine.ts";
import { migrateCluster } from "./ledger/schema/migrate.ts";
import { openCluster } from "./open.ts";
import type { ClusterServers } from "./options.ts";
import { hintQueues } from "./carriers/rabbitmq/topology.ts";

const log = pino({ level: process.env["SLUICE_TEST_LOG"] ?? "silent" });
const untilMsMax = 20_000;
/** The leader, who puts back what the broker has lost, takes a line for lost when it stood still for 30 s. */
const soonMs = 20_000;
/** What is not waited for stays in PostgreSQL's memory, and goes with a crash. */
const settings = { wal_writer_delay: "10s" };

const deprecations: string[] = [];
process.on("warning", ({ name, message }) => name === "DeprecationWarning" && deprecations.push(message));

const resources = new AsyncDisposableStack();
let postgres: Postgres;
let rabbitmq: Rabbitmq;
let redis: Redis;

before(async () => {
  const folder = resources.use(await temporaryFolder());
  [postgres, rabbitmq, redis] = await Promise.all([
    startPostgres({ folder: folder.path, settings }),
    startRabbitmq(),
    startRedis(),
  ]);
  for (const server of [rabbitmq, redis]) resources.use(server);
  resources.defer(() => postgres[Symbol.asyncDispose]());
});
after(() => resources.disposeAsync());

async function crashPostgres(): Promise<void> {
  const { folder, port } = postgres;
  postgres.kill("SIGKILL");
  await postgres.exited;
  postgres = await startPostgres({ folder, port, settings });
}

/** An engine, and its ways to the servers that are taken from it. */
interface Life extends AsyncDisposable {
  readonly engine: Engine;
  readonly toPostgres: Proxy;
  readonly toRabbitmq: Proxy;
  /** As a process that is killed: it reaches nobody any more. */
  cut(): void;
}

let clusters = 0;
async function newCluster(): Promise<ClusterServers> {
  const prefix = `test-${(clusters += 1)}-${randomBytes(3).toString("hex")}`;
  const databaseUrl = await postgres.createDatabase(prefix);
  const servers = { databaseUrl, amqpUrl: rabbitmq.url, redisUrl: redis.url, prefix };
  await migrateCluster({ servers, queues: [orders], log });
  return servers;
}

async function join(servers: ClusterServers, beatMs = 50): Promise<Life> {
  await using opened = new AsyncDisposableStack();
  const toPostgres = opened.use(await startProxy({ port: postgres.port }));
  const toRabbitmq = opened.use(await startProxy({ port: rabbitmq.port }));
  const databaseUrl = through(servers.databaseUrl, toPostgres);
  const amqpUrl = through(rabbitmq.url, toRabbitmq);
  const engine = await openCluster({
    servers: { ...servers, databaseUrl, amqpUrl },
    queues: [queue(orders)],
    name: "the engine under test",
    beatMs,
    log,
  });
  opened.use(engine);
  const owned = opened.move();
  return {
    engine,
    toPostgres,
    toRabbitmq,
    cut: () => [toPostgres, toRabbitmq].forEach((proxy) => proxy.cut()),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function through(url: string, { port }: Proxy): string {
  const changed = new URL(url);
  changed.port = String(port);
  return changed.href;
}

async function acceptOne({ engine }: Life): Promise<RequestId> {
  const result = await engine.accept([request()]);
  if (result.kind !== "accepted") throw new Error(result.kind);
  return (result.receipts[0] as { readonly id: RequestId }).id;
}

async function connected({ databaseUrl }: ClusterServers): Promise<Client & AsyncDisposable> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}

/** As many as come within the time, up to `count`. */
async function take({ engine }: Life, count: number, msMax = soonMs): Promise<readonly Delivery[]> {
  const signal = AbortSignal.timeout(msMax);
  const taken: Delivery[] = [];
  while (taken.length < count && !signal.aborted)
    taken.push(...(await engine.deliver({ queue: orders, max: count - taken.length, signal })));
  return taken;
}

/** With those that are not acknowledged. */
async function hintsOf({ prefix }: ClusterServers): Promise<number> {
  const lines = await rabbitmq.ctl("-q", "list_queues", "name", "messages");
  const { fresh } = hintQueues(prefix, orders);
  return Number(
    lines
      .split("\n")
      .find((line) => line.startsWith(`${fresh}\t`))
      ?.split("\t")[1],
  );
}

/** The code of the error where there is one. */
async function answerOf(call: Promise<unknown>): Promise<unknown> {
  return call.catch((error: unknown) => (error instanceof SluiceError ? error.code : error));
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + untilMsMax;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`in ${untilMsMax} ms it did not come about that ${what}`);
    await delay(4);
  }
}

async function outOfReach({ engine, toPostgres }: Life): Promise<void> {
  toPostgres.cut();
  await until("PostgreSQL is missed", () => engine.health().problems.length > 0);
}

async function withinReach({ engine, toPostgres }: Life): Promise<void> {
  toPostgres.restore();
  await until("PostgreSQL is there again", () => engine.health().problems.length === 0);
}

/** A handler that writes a row beside the ledger, and what the row's table holds afterwards. */
async function effectOf(
  life: Life,
  servers: ClusterServers,
  beforeEnd: (claim: Claim, sql: Sql) => Promise<Outcome | undefined>,
) {
  await using client = await connected(servers);
  await client.query("CREATE TABLE effects (text text)");
  await acceptOne(life);
  const [delivery] = await take(life, 1);
  const { claim } = delivery as Delivery;
  const end = await answerOf(
    life.engine.transact?.(claim, async (sql) => {
      await sql.query("INSERT INTO effects VALUES ($1)", ["made"]);
      return await beforeEnd(claim, sql);
    }) ?? Promise.reject(new Error("there are no transactions")),
  );
  const { rowCount } = await client.query("SELECT FROM effects");
  let status: unknown;
  await until("it can be read", async () => {
    status = await answerOf(life.engine.read(claim.id));
    return typeof status === "object";
  });
  return { end, effects: rowCount, state: (status as RequestStatus).state };
}

describe("a handler whose effect and outcome share a transaction", () => {
  it("may ask for several things at once: they go to its session one after the other", async () => {
    const servers = await newCluster();
    await using life = await join(servers);
    const id = await acceptOne(life);
    await Promise.all([1, 2, 3].map(() => life.engine.read(id)));
    const [delivery] = await take(life, 1);
    const end = await life.engine.transact?.((delivery as Delivery).claim, async (sql) => {
      const asked = [1, 2, 3].map((no) => sql.query("SELECT pg_sleep(0.01), $1::int AS no", [no]));
      deepEqual(
        (await Promise.all(asked)).map(({ rows }) => rows[0]?.["no"]),
        [1, 2, 3],
      );
      void sql.query("SELECT pg_sleep(0.01)"); // nobody waits for it: the commit does
      return done("made");
    });
    equal(end, "settled");
    deepEqual(deprecations, []);
  });

  it("is undone at once when its attempt is over, and what it has left running ends on the server", async () => {
    const servers = await newCluster();
    await using life = await join(servers);
    const startedAt = performance.now();
    const { end, effects } = await effectOf(life, servers, async (_, sql) => {
      sql.query("SELECT pg_sleep(60)").catch(() => undefined); // its attempt has timed out
      sql.query("INSERT INTO effects VALUES ('late')").catch(() => undefined);
      await delay(200);
      return undefined;
    });
    deepEqual([end, effects], ["rolled-back", 0]);
    ok(performance.now() - startedAt < 10_000);
    await using client = await connected(servers);
    const { rowCount } = await client.query(
      "SELECT FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()",
    );
    equal(rowCount, 0);
  });

  it("leaves nothing for the next one, and has no outcome when its handler ended the transaction itself", async () => {
    const servers = await newCluster();
    await using life = await join(servers);
    const committed = await effectOf(life, servers, async (_, sql) => {
      await sql.query("COMMIT").catch(() => undefined);
      return done("made");
    });
    deepEqual([committed.end, committed.state], ["internal", "running"]);
    await acceptOne(life);
    const [delivery] = await take(life, 1);
    const settings: unknown[] = [];
    await life.engine.transact?.((delivery as Delivery).claim, async (sql) => {
      await sql.query("SET synchronous_commit = off");
      await sql.query("SET statement_timeout = 1");
      return done("set");
    });
    await acceptOne(life);
    const [next] = await take(life, 1);
    await life.engine.transact?.((next as Delivery).claim, async (sql) => {
      for (const name of ["synchronous_commit", "statement_timeout"])
        settings.push(
          ...(await sql.query(`SELECT current_setting('${name}') AS value`)).rows.map(({ value }) => value),
        );
      return done("read");
    });
    deepEqual(settings, ["on", "0"]);
  });

  it("has no effect when PostgreSQL is lost before the commit (I2)", async () => {
    const servers = await newCluster();
    await using life = await join(servers);
    const lost = await effectOf(life, servers, async () => {
      life.toPostgres.cut();
      life.toPostgres.restore();
      return done("lost");
    });
    deepEqual([lost.end, lost.effects], ["store-unavailable", 0]);
  });
});

describe("the cluster engine", () => {
  it("no receipt while PostgreSQL cannot be reached, and one when it can (I1)", async () => {
    await using life = await join(await newCluster());
    const first = await acceptOne(life);
    await outOfReach(life);
    equal(await answerOf(life.engine.accept([request()])), "store-unavailable");
    await withinReach(life);
    const second = await acceptOne(life);
    deepEqual(idsOf(await take(life, 2)), [first, second]);
  });

  it("no receipt for a commit that was lost on its way (I1)", async () => {
    await using life = await join(await newCluster());
    const first = await acceptOne(life);
    life.toPostgres.freeze();
    const lost = answerOf(life.engine.accept([request()]));
    for (let turns = 0; turns < 3; turns += 1) await turn(); // it is written by then
    life.toPostgres.cut();
    life.toPostgres.restore();
    equal(await lost, "store-unavailable");
    deepEqual(
      (await life.engine.list({ limit: 10 })).map(({ id }) => id),
      [first],
    );
  });

  it("a key whose request is gone refuses its own call and no other (I10)", async () => {
    const servers = await newCluster();
    await using life = await join(servers);
    const { engine } = life;
    const [damaged, sound] = [request({ key: "damaged" }), request({ key: "sound" })];
    await engine.accept([damaged]);
    await engine.accept([sound]);
    await using client = await connected(servers);
    await client.query("DELETE FROM sluice.requests WHERE key = 'damaged'");
    const answers = await Promise.all(
      [[damaged], [sound], [request()], [damaged]].map((call) => answerOf(engine.accept(call))),
    );
    deepEqual(
      answers.map((answer) => (typeof answer === "string" ? answer : (answer as { readonly kind: string }).kind)),
      ["store-damaged", "accepted", "accepted", "store-damaged"],
    );
  });

  it("no refusal for what PostgreSQL stores later: a session that was lost is over before anybody is answered (I1)", async () => {
    const servers = await newCluster();
    await using life = await join(servers);
    const first = await acceptOne(life);
    const client = new Client({ connectionString: servers.databaseUrl });
    await client.connect();
    // The statement is with the server, and has not begun.
    await client.query("BEGIN; LOCK TABLE sluice.links IN ACCESS EXCLUSIVE MODE");
    const lost = answerOf(life.engine.accept([request()]));
    const waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    await until("it waits", async () => (await client.query(waiting)).rowCount === 1);
    life.toPostgres.cut();
    life.toPostgres.restore();
    equal(await lost, "store-unavailable");
    await client.query("COMMIT");
    await client.end();
    deepEqual(
      (await life.engine.list({ limit: 10 })).map(({ id }) => id),
      [first],
    );
  });

  it("an outcome is settled once it is committed, and the claim is good until then (I2)", async () => {
    await using life = await join(await newCluster());
    const id = await acceptOne(life);
    const [delivery] = await take(life, 1);
    if (delivery === undefined) throw new Error("nothing was delivered");
    await outOfReach(life);
    equal(await answerOf(life.engine.settle(delivery.claim, done())), "store-unavailable");
    await withinReach(life);
    equal((await life.engine.read(id))?.state, "running");
    equal(await life.engine.settle(delivery.claim, done()), "settled");
    equal((await life.engine.read(id))?.state, "done");
  });

  it("what was answered is there after PostgreSQL crashed (I1)", async () => {
    await using life = await join(await newCluster(), 5_000); // a beat waits for the disk, and takes along who did not
    const first = await acceptOne(life);
    const second = await acceptOne(life);
    const [one, other] = await take(life, 2);
    if (one === undefined || other === undefined) throw new Error("two were accepted");
    const third = await acceptOne(life);
    equal(await life.engine.settle(one.claim, done()), "settled");
    const dueAt = life.engine.clock.now() + hourMs;
    equal(await life.engine.retry(other.claim, { dueAt, failure: boom, isCounted: true }), "settled");
    const fourth = await acceptOne(life);
    await crashPostgres();
    await until(
      "PostgreSQL is there again",
      async () => (await answerOf(life.engine.read(first))) !== "store-unavailable",
    );
    const read = await Promise.all([first, second, third, fourth].map((id) => life.engine.read(id)));
    deepEqual(
      read.map((status) => status?.state),
      ["done", "scheduled", "waiting", "waiting"],
    );
  });

  it("what was claimed is delivered again at once when PostgreSQL forgets the claim: its hint is kept (I2)", async () => {
    const servers = await newCluster();
    await using first = await join(servers);
    await acceptOne(first);
    await acceptOne(first);
    const [kept, settled] = await take(first, 2);
    if (kept === undefined || settled === undefined) throw new Error("two were accepted");
    await first.engine.settle(settled.claim, done());
    await until("one is acknowledged and the other is not", async () => (await hintsOf(servers)) === 1);
    first.cut();
    await crashPostgres();
    await using second = await join(servers);
    deepEqual(idsOf(await take(second, 1)), [kept.claim.id]);
  });

  it("what RabbitMQ has not confirmed is told again though the clock has stepped back since (I6)", async () => {
    const servers = await newCluster();
    await using first = await join(servers);
    await using client = await connected(servers);
    first.toRabbitmq.freeze();
    const id = await acceptOne(first);
    first.cut();
    await client.query("UPDATE sluice.outbox SET stored_at = stored_at + interval '1 day'");
    await using second = await join(servers);
    deepEqual(idsOf(await take(second, 1)), [id]);
  });

  it("what is accepted behind the leader's mark lowers it, as the clock has stepped back", async () => {
    const servers = await newCluster();
    await using life = await join(servers);
    await using client = await connected(servers);
    await client.query("UPDATE sluice.queues SET fresh_from = 'ffffffff-0000-7000-8000-000000000000'");
    await delay(500); // ten beats
    const id = await acceptOne(life);
    const [mark] = (await client.query<{ fresh_from: string }>("SELECT fresh_from FROM sluice.queues")).rows;
    ok(mark !== undefined && mark.fresh_from <= id); // lower still where the leader has looked meanwhile
  });

  it("what RabbitMQ has not confirmed is told again when its process has died (I6)", async () => {
    const servers = await newCluster();
    await using first = await join(servers);
    first.toRabbitmq.freeze();
    const ids = [await acceptOne(first), await acceptOne(first)];
    first.cut();
    await using second = await join(servers);
    deepEqual(idsOf(await take(second, 2)).toSorted(), ids);
  });
});
