import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startPostgres } from "@sluice/testing";
import { joinCluster, migrateLedger } from "../../../../test/cluster-session.ts";
import { Connection } from "../ledger/connection/database.ts";
import type { Session } from "./session.ts";

test("every process tells alike which workers are present, and since when none of them delivers", async () => {
  await using postgres = await startPostgres();
  await migrateLedger(postgres.url);
  await using db = new Connection({ databaseUrl: postgres.url, name: "test" });
  const sessions: Session[] = [];
  for (const name of ["one", "two", "looker"]) sessions.push(await joinCluster(postgres.url, name, 20));
  const [one, two, looker] = sessions as [Session, Session, Session];
  const readLeft = async (): Promise<number> => {
    const text = "SELECT left_at::float8 AS at FROM sluice.queues";
    return (await db.rows<{ at: number }>({ name: "left", text }))[0]?.at ?? 0;
  };
  const told = async () => {
    const leftAt = await readLeft();
    return sessions.map((session) => session.attendanceOf("orders", leftAt));
  };
  const untilAllTell = async (isSo: (attendance: ReturnType<Session["attendanceOf"]>) => boolean) => {
    for (;;) {
      const all = await told();
      if (all.every(isSo)) return all;
      await sleep(10);
    }
  };

  const workers = [one, two].map((session) => session.roster.attend("orders"));
  const [first, second] = workers as [(typeof workers)[0], (typeof workers)[0]];
  first.breakerOpen(true);
  for (const attendance of await untilAllTell((all) => all.workers === 2 && all.breakersOpen === 1))
    assert.equal(attendance.stoppedAt, undefined, "one of two delivers");

  await sleep(20); // the second one stops later
  second.breakerOpen(true);
  const down = await untilAllTell(({ breakersOpen }) => breakersOpen === 2);
  const openedAt = two.roster.of("orders")?.stoppedAt ?? 0;
  assert.ok(openedAt > (one.roster.of("orders")?.stoppedAt ?? 0));
  for (const { stoppedAt } of down) assert.equal(stoppedAt, openedAt, "since the last of them stopped");

  first[Symbol.dispose]();
  await untilAllTell(({ workers: present }) => present === 1);
  await two.close(); // a process that ends takes its worker along
  sessions.splice(1, 1);
  const gone = await untilAllTell(({ workers: present }) => present === 0);
  const leftAt = await readLeft();
  assert.ok(leftAt > openedAt);
  for (const { stoppedAt } of gone) assert.equal(stoppedAt, leftAt, "since the last of them left");
  await one.close();
  await looker.close();
});

test("every process sees which servers those with workers of a queue were given, a member of an earlier version too", async () => {
  await using postgres = await startPostgres();
  await migrateLedger(postgres.url);
  await using db = new Connection({ databaseUrl: postgres.url, name: "test" });
  const without = { rabbitmq: true, redis: false };
  await using looker = await joinCluster(postgres.url, "looker", 20);
  await using member = await joinCluster(postgres.url, "one", 20, without);
  assert.deepEqual(looker.carriersOf("orders"), []);
  using _worker = member.roster.attend("orders");
  while (looker.carriersOf("orders").length === 0) await sleep(10);
  assert.deepEqual(looker.carriersOf("orders"), [without]);
  assert.deepEqual(member.carriersOf("orders"), [], "of the others");
  await db.query(
    `INSERT INTO sluice.members (no, name, workers) OVERRIDING SYSTEM VALUE VALUES (1, 'old', '{"orders": 1}')`,
  );
  while (looker.carriersOf("orders").length < 2) await sleep(10);
  assert.ok(looker.carriersOf("orders").some(({ rabbitmq, redis }) => rabbitmq && redis));
});
