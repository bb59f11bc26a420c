import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { connect as connectToRabbitmq } from "amqplib";
import { Client } from "pg";
import { startPostgres } from "./postgres.ts";
import { startRabbitmq } from "./rabbitmq.ts";
import type { Rabbitmq } from "./rabbitmq.ts";
import { startRedis } from "./redis.ts";
import { findProgram } from "./system-program.ts";

test("PostgreSQL commits durably, and keeps it over kill -9 and a start in the same folder", async () => {
  await using first = await startPostgres();
  await query(first.url, "CREATE TABLE kept AS SELECT 42 AS answer");
  const client = new Client(first.url);
  client.on("error", () => {}); // its server is killed
  await client.connect();
  const sleeping = client.query("SELECT pg_sleep(60)").catch(() => {}); // a backend that is at work as the server dies
  first.kill("SIGKILL");
  await using second = await startPostgres({ folder: first.folder, port: first.port });
  await Promise.all([sleeping, first.exited]);
  assert.equal(second.url, first.url);
  assert.deepEqual(await query(second.url, "SELECT * FROM kept"), [{ answer: 42 }]);
  for (const setting of ["fsync", "full_page_writes", "synchronous_commit"]) {
    assert.deepEqual(await query(second.url, `SHOW ${setting}`), [{ [setting]: "on" }]);
  }
});

test("a database of PostgreSQL is created as a copy, and dropped while it is in use", async () => {
  await using server = await startPostgres({ settings: { "sluice.name": "ours" } });
  const template = await server.createDatabase("template");
  await query(template, "CREATE TABLE copied AS SELECT 1 AS n");
  const copy = await server.createDatabase("a copy", "template");
  assert.deepEqual(await query(copy, "SELECT * FROM copied"), [{ n: 1 }]);
  assert.deepEqual(await query(copy, "SHOW sluice.name"), [{ "sluice.name": "ours" }]);
  const client = new Client(copy);
  const cut = new Promise((resolve) => client.on("error", resolve));
  await client.connect();
  await server.dropDatabase("a copy");
  await cut;
  await server.dropDatabase("a copy");
  await assert.rejects(query(copy, "SELECT 1"), { code: "3D000" });
});

test("RabbitMQ keeps what it confirmed over kill -9 and a start in the same folder, and loses it when wiped", async () => {
  await using first = await startRabbitmq();
  await publish(first, 100);
  await assert.rejects(first.wipe(), /still runs/);
  first.kill("SIGKILL");
  await first.exited;
  assert.throws(() => process.kill(first.pid, 0), { code: "ESRCH" });
  await using second = await startRabbitmq({ folder: first.folder, port: first.port });
  assert.equal(second.url, first.url);
  assert.equal(await count(second), 100);
  second.kill("SIGKILL");
  await second.exited;
  await second.wipe();
  await using third = await startRabbitmq({ folder: first.folder, port: first.port });
  await assert.rejects(count(third), { code: 404 });
});

test("Redis keeps what it wrote over kill -9 and a start in the same folder", async () => {
  const settings = { appendonly: "yes", appendfsync: "always" };
  await using first = await startRedis({ settings });
  assert.equal(await ask(first.port, "SET kept 42"), "+OK\r\n");
  first.kill("SIGKILL");
  await using second = await startRedis({ settings, folder: first.folder, port: first.port });
  assert.equal(await ask(second.port, "GET kept"), "$2\r\n42\r\n");
});

test("a server whose port belongs to another one that is ending waits for it", async () => {
  await using first = await startRedis();
  const second = startRedis({ port: first.port });
  const kill = setTimeout(() => first.kill("SIGKILL"), 300);
  await using server = await second;
  clearTimeout(kill);
  assert.notEqual(server.pid, first.pid);
  assert.equal((await first.exited).signal, "SIGKILL");
});

test("where a program can not be installed the error says what to do", (t) => {
  const { getuid } = process;
  t.after(() => Object.assign(process, { getuid }));
  process.getuid = () => 1000;
  assert.throws(() => findProgram({ program: "no-such-program", debianPackage: "no-such-package" }), {
    message: /no-such-program .*apt-get install no-such-package.*docker compose -f deploy\/compose.yaml up/,
  });
});

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new Client(url);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function publish(server: Rabbitmq, hints: number): Promise<void> {
  const connection = await connectToRabbitmq(server.url);
  connection.on("error", () => {}); // it is killed under this connection
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue("kept", { durable: true, arguments: { "x-queue-type": "quorum" } });
  for (let hint = 0; hint < hints; hint++) channel.sendToQueue("kept", Buffer.from("hint"), { persistent: true });
  await channel.waitForConfirms();
  // RabbitMQ writes the name of a new quorum queue down later, and loses the queue if it is killed before.
  await server.ctl("eval", "[dets:sync(Table) || Table <- dets:all()].");
}

async function count(server: Rabbitmq): Promise<number> {
  const connection = await connectToRabbitmq(server.url);
  try {
    const channel = await connection.createChannel();
    channel.on("error", () => {}); // the call that it belongs to rejects
    await channel.checkQueue("kept");
    let hints = 0;
    while (await channel.get("kept", { noAck: true })) hints += 1;
    return hints;
  } finally {
    await connection.close();
  }
}

async function ask(port: number, command: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.write(`${command}\r\n`);
  const [answer] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return answer.toString();
}
