import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startPostgres } from "@sluice/testing";
import { joinCluster, migrateLedger } from "../../../../test/cluster-session.ts";
import { Connection } from "../ledger/connection/database.ts";
import { Acting } from "../leader/terms.ts";

test("a leader goes on leading by a new connection, while the server still holds the old one", async () => {
  await using postgres = await startPostgres();
  await migrateLedger(postgres.url);
  await using only = await joinCluster(postgres.url, "only");
  const holder = only.term?.holder;
  assert.notEqual(holder, undefined);
  await using db = new Connection({ databaseUrl: postgres.url, name: "test" });
  const backend = async (): Promise<number> => {
    const [row] = await db.rows<{ pid: number }>({
      name: "backend",
      text: "SELECT backend AS pid FROM sluice.members",
    });
    return row?.pid as number;
  };
  const old = await backend();
  process.kill(old, "SIGSTOP"); // silent, and not gone
  try {
    while ((await backend()) === old) await delay(50);
    while (only.term === undefined) await delay(5);
    assert.equal(only.term.holder, holder);
  } finally {
    process.kill(old, "SIGCONT");
  }
});

test("a leader that stops in the middle of an act does not lead for ever", async () => {
  await using postgres = await startPostgres();
  await migrateLedger(postgres.url);
  const first = await joinCluster(postgres.url, "first");
  await using connection = new Connection({ databaseUrl: postgres.url, name: "stopped" });
  const stopped = Promise.withResolvers<void>();
  const acting = new Acting(connection, () => first.term).transaction(() => stopped.promise);
  await delay(100);
  await using second = await joinCluster(postgres.url, "second");
  const closing = first.close();
  const startedAt = performance.now();
  while (second.term === undefined) await delay(50);
  assert.ok(performance.now() - startedAt < 20_000);
  stopped.resolve();
  await assert.rejects(acting, { code: "store-unavailable" });
  await closing;
});
