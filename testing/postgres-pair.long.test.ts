import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { startPgbouncer } from "./pgbouncer.ts";
import { startPostgresPair } from "./postgres-pair.ts";
import { startPostgres, type Postgres } from "./postgres.ts";

test("a synchronous standby has what was committed before kill -9, and the old primary follows it", async () => {
  await using pair = await startPostgresPair({ isSynchronous: true });
  const old = pair.primary;
  await query(old, "CREATE TABLE kept AS SELECT 42 AS answer");
  await pair.kill(old);
  assert.throws(() => pair.primary, /does not run now/);
  await pair.promote();
  assert.notEqual(pair.primary.port, old.port);
  assert.deepEqual(await query(pair.primary, "SELECT * FROM kept"), [{ answer: 42 }]);
  await query(pair.primary, "INSERT INTO kept VALUES (43)");
  await pair.rejoin();
  await pair.setSynchronous(true);
  assert.equal(pair.other.port, old.port);
  await query(pair.primary, "INSERT INTO kept VALUES (44)");
  await pair.kill(pair.primary);
  await pair.promote();
  assert.deepEqual(await query(pair.primary, "SELECT count(*)::int FROM kept"), [{ count: 3 }]);
});

test("without its synchronous standby a primary commits nothing until it returns", async () => {
  await using pair = await startPostgresPair({ isSynchronous: true });
  await pair.kill(pair.other);
  const commit = query(pair.primary, "CREATE TABLE waited ()");
  assert.equal(await Promise.race([commit, delay(500, "waits")]), "waits");
  await pair.startStandby();
  await commit;
});

test("an asynchronous standby that is held back lacks what was committed", async () => {
  await using pair = await startPostgresPair({ isSynchronous: false });
  await pair.holdBack();
  await query(pair.primary, "CREATE TABLE gone ()");
  await pair.kill(pair.primary);
  await pair.promote();
  await assert.rejects(query(pair.primary, "SELECT FROM gone"), { code: "42P01" });
});

test("a frozen primary takes connections and answers nothing until it is thawed", async () => {
  await using pair = await startPostgresPair({ isSynchronous: false });
  const client = new Client({ host: "127.0.0.1", port: pair.primary.port, user: "sluice", database: "sluice" });
  await client.connect();
  pair.primary.killAll("SIGSTOP");
  const answer = client.query("SELECT 1 AS n");
  const fresh = query(pair.primary, "SELECT 2 AS n");
  assert.equal(await Promise.race([answer, fresh, delay(500, "silent")]), "silent");
  pair.primary.killAll("SIGCONT");
  assert.deepEqual((await answer).rows, [{ n: 1 }]);
  assert.deepEqual(await fresh, [{ n: 2 }]);
  await client.end();
});

test("PgBouncer shares sessions between transactions", async () => {
  await using server = await startPostgres();
  await using pgbouncer = await startPgbouncer({ serverPort: server.port, settings: { default_pool_size: "1" } });
  const clients = [new Client(pgbouncer.urlOf("sluice")), new Client(pgbouncer.urlOf("sluice"))] as const;
  await Promise.all(clients.map((client) => client.connect()));
  const [one, two] = [await clients[0].query(whichSession), await clients[1].query(whichSession)];
  assert.deepEqual(one.rows, two.rows);
  await Promise.all(clients.map((client) => client.end()));
});

const whichSession = "SELECT pg_backend_pid()";

async function query({ port }: Pick<Postgres, "port">, sql: string): Promise<unknown[]> {
  const client = new Client({ host: "127.0.0.1", port, user: "sluice", database: "sluice" });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}
