// A handler may do anything to the session of its transaction: that is between its own attempt and the server.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startPostgres, startRabbitmq, startRedis } from "@sluice/testing";
import { systemClock } from "../../../core/clock.ts";
import { isFinal } from "../../../core/request.ts";
import type { RequestId } from "../../../core/request-id.ts";
import { defaultRetryPolicy } from "../../../core/retry.ts";
import { orders, queue, request } from "../../../engine/contract/rig.ts";
import type { Engine } from "../../../engine/engine.ts";
import { openLog } from "../../../telemetry/log.ts";
import type { Handler } from "../../../worker/handler.ts";
import { handlerRunner } from "../../../worker/handler-runner.ts";
import { openWorker } from "../../../worker/worker.ts";
import { Connection } from "./connection/database.ts";
import { migrateCluster } from "./schema/migrate.ts";
import { openCluster } from "../open.ts";
import { cancelBackend } from "./transact.ts";

const log = openLog({ level: "silent", isPretty: false });

test("a handler's statement may take longer than one of ours, and is committed", async () => {
  await using postgres = await startPostgres();
  await using other = new Connection({ databaseUrl: postgres.url, name: "other" });
  await using connection = new Connection({
    databaseUrl: postgres.url,
    name: "transaction",
    cancel: (backend) => cancelBackend(other, backend),
  });
  await other.script("CREATE TABLE effects (text text)");
  await connection.transaction(async (inside) => {
    await inside.query("INSERT INTO effects SELECT 'made' FROM pg_sleep(16)");
  });
  assert.equal((await other.query("SELECT FROM effects")).rowCount, 1);
});

/** What a request asks of the handler. */
interface Asked {
  readonly statements: readonly string[];
  readonly isHeedless: boolean;
}

describe("of a transactional handler", () => {
  const resources = new AsyncDisposableStack();
  let engine: Engine;
  let db: Connection;

  before(async () => {
    const postgres = resources.use(await startPostgres());
    const [rabbitmq, redis] = [resources.use(await startRabbitmq()), resources.use(await startRedis())];
    db = resources.use(new Connection({ databaseUrl: postgres.url, name: "test" }));
    await db.script("CREATE TABLE effects (text text); CREATE ROLE app; GRANT app TO sluice");
    // Its sessions begin in another role.
    await db.script("CREATE ROLE clerk LOGIN SUPERUSER; GRANT sluice TO clerk; ALTER ROLE clerk SET role = 'sluice'");
    const databaseUrl = postgres.url.replace("//sluice@", "//clerk@");
    const servers = { databaseUrl, amqpUrl: rabbitmq.url, redisUrl: redis.url, prefix: "sluice" };
    await migrateCluster({ servers, queues: [orders], log });
    engine = resources.use(await openCluster({ servers, queues: [queue(orders)], name: "one", log }));
    // One attempt: what did not count would be made again and again.
    const worker = openWorker({
      engine,
      queue: orders,
      runner: handlerRunner({ handle, resultBytesMax: 1_000, log }),
      concurrency: 1,
      ratePerHour: undefined,
      isTransactional: true,
      timeoutMs: 10_000,
      retryPolicy: { ...defaultRetryPolicy, attemptsMax: 1 },
      clock: systemClock,
      random: () => 0.5,
      log,
    });
    resources.defer(() => worker.drain({ graceMs: 1_000 }));
  });
  after(() => resources.disposeAsync());
  beforeEach(() => db.script("TRUNCATE effects"));

  /** Runs the statements that the request names, one after the other; a heedless one goes on after what is refused. */
  const handle: Handler = async (asked, { sql }) => {
    const { statements, isHeedless } = asked.json() as Asked;
    for (const text of statements)
      await sql?.query(text).catch((error: unknown) => {
        if (!isHeedless) throw error;
      });
  };

  /** "done", or what its only attempt failed for; and how many effects there are. */
  async function run(
    statements: readonly string[],
    { isHeedless = false } = {},
  ): Promise<{ readonly end: string | undefined; readonly effects: number }> {
    const accepted = await engine.accept([request({ body: JSON.stringify({ statements, isHeedless }) })]);
    if (accepted.kind !== "accepted") throw new Error(accepted.kind);
    const id = accepted.receipts[0]?.id as RequestId;
    const { promise: isOver, resolve } = Promise.withResolvers<void>();
    using _watch = engine.watch(id, (change) => {
      if (change.kind === "state" && isFinal(change.state)) resolve();
    });
    await Promise.race([isOver, delay(10_000, undefined, { ref: false })]);
    const status = await engine.read(id);
    const { rowCount } = await db.query("SELECT FROM effects");
    return { end: status?.state === "dead" ? status.lastError?.message : status?.state, effects: rowCount };
  }

  const insert = "INSERT INTO effects VALUES ('made')";

  it("what it does to the prepared statements of its session harms none after it", async () => {
    const fails = async (text: string, message: RegExp): Promise<void> =>
      assert.match((await run([text])).end ?? "", message);
    const othersWork = async (): Promise<void> => {
      for (const _ of [1, 2]) assert.equal((await run([])).end, "done");
    };
    await othersWork();
    await fails("DEALLOCATE ALL", /prepared statement "settle" does not exist/);
    await othersWork();
    await fails("DISCARD ALL", /^DISCARD ALL cannot run inside a transaction block$/);
    await othersWork();
    await fails("DISCARD ALL", /^DISCARD ALL cannot run/);
    await fails("PREPARE settle AS SELECT 1", /prepared statement "settle" already exists/); // on a new session
    await othersWork();
  });

  it("several statements in one text are refused, and nothing of them takes effect (I2)", async () => {
    const refused = "cannot insert multiple commands into a prepared statement";
    for (const text of ["SELECT 1; SELECT 2", `${insert}; ${insert}`, `BEGIN; ${insert}; COMMIT`, "COMMIT; BEGIN"]) {
      assert.deepEqual(await run([insert, text]), { end: refused, effects: 0 }, text);
      const { end, effects } = await run([insert, text], { isHeedless: true });
      assert.match(end ?? "", /current transaction is aborted/, text);
      assert.equal(effects, 0, text);
    }
    assert.deepEqual(await run([`${insert};`]), { end: "done", effects: 1 }, "one may end in a semicolon");
  });

  it("a transaction that it has begun itself has no outcome", async () => {
    for (const statements of [
      ["COMMIT AND CHAIN"],
      ["ROLLBACK AND CHAIN"],
      ["COMMIT", "BEGIN"],
      ["ROLLBACK", "BEGIN"],
      ["ROLLBACK"],
      ["RELEASE SAVEPOINT handlers_work"],
    ]) {
      const { end } = await run([...statements, insert], { isHeedless: true });
      assert.match(end ?? "", /^PostgreSQL refused a statement: .*savepoint/i, statements.join("; "));
    }
  });

  it("a transaction that it makes read-only says nothing of the server", async () => {
    const others = async (): Promise<readonly unknown[]> => {
      const text = `SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'sluice %'
        AND application_name NOT LIKE 'sluice transaction,%'`;
      return (await db.query(text)).rows.map(({ pid }) => pid);
    };
    assert.equal((await run([])).end, "done");
    const before = await others();
    for (const text of ["SET TRANSACTION READ ONLY", "SET transaction_read_only = on"]) {
      const refused = "cannot execute INSERT in a read-only transaction";
      assert.deepEqual(await run([text, insert]), { end: refused, effects: 0 }, text);
      const { end } = await run([text, insert], { isHeedless: true });
      assert.match(end ?? "", /current transaction is aborted/, text);
      assert.deepEqual(await run([text, "SELECT FROM effects"]), { end: "done", effects: 0 }, "who only reads is done");
    }
    const still = await others();
    assert.deepEqual(
      before.filter((pid) => !still.includes(pid)),
      [],
      "all connections are the same",
    );
    assert.deepEqual(engine.health().problems, []);
  });

  it("its role and its cursors end with its work", async () => {
    const isOurs = `DO $$ BEGIN ASSERT session_user = 'clerk' AND current_user = 'sluice', current_user; END $$`;
    for (const text of [
      "SET ROLE app",
      "SET ROLE NONE",
      "SET SESSION AUTHORIZATION app",
      "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
    ])
      for (const _ of [1, 2]) assert.equal((await run([isOurs, text])).end, "done", text);
    assert.equal((await run([isOurs])).end, "done");
  });
});
